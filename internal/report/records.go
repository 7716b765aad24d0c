package report

import "context"

// records are what feeds say.
func (r *replay) records(ctx context.Context) error {
	for feed, key := "", ""; ; {
		page, err := r.tx.AllRecordsAfter(ctx, feed, key, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			feed, key = row.Feed, row.Key
			if err := r.compare("record "+feed+" "+key, row); err != nil {
				return err
			}
		}
	}
}
