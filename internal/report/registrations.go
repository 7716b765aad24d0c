package report

import "context"

// registrations are the workloads that somebody proposed to write down.
func (r *replay) registrations(ctx context.Context) error {
	for after := ""; ; {
		page, err := r.tx.RegistrationsAfter(ctx, after, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			after = row.ID
			if err := r.compare("registration "+row.ID, row); err != nil {
				return err
			}
		}
	}
}
