package report

import "context"

// standIns are who answers for whom.
func (r *replay) standIns(ctx context.Context) error {
	const every = 1 << 30
	delegations, err := r.tx.Delegations(ctx, nil, "", every)
	if err != nil {
		return err
	}
	for _, row := range delegations {
		if err := r.compare("delegation "+row.ID, row); err != nil {
			return err
		}
	}
	absences, err := r.tx.Absences(ctx, nil, "", every)
	if err != nil {
		return err
	}
	for _, row := range absences {
		if err := r.compare("absence "+row.ID, row); err != nil {
			return err
		}
	}
	emergencies, err := r.tx.Emergencies(ctx, "", every)
	if err != nil {
		return err
	}
	for _, row := range emergencies {
		if err := r.compare("emergency "+row.ID, row); err != nil {
			return err
		}
	}
	halts, err := r.tx.Halts(ctx, "", every)
	if err != nil {
		return err
	}
	for _, row := range halts {
		if err := r.compare("halt "+row.ID, row); err != nil {
			return err
		}
	}
	keys, err := r.tx.LogKeys(ctx)
	if err != nil {
		return err
	}
	for _, row := range keys {
		if err := r.compare("log key "+row.ID, row); err != nil {
			return err
		}
	}
	files, err := r.tx.FilesList(ctx, "", every)
	if err != nil {
		return err
	}
	for _, row := range files {
		if err := r.compare("files "+row.ID, row); err != nil {
			return err
		}
	}
	recoveries, err := r.tx.Recoveries(ctx)
	if err != nil {
		return err
	}
	for _, row := range recoveries {
		if err := r.compare("recovery "+row.ID, row); err != nil {
			return err
		}
	}
	seals, err := r.tx.Seals(ctx, "", every)
	if err != nil {
		return err
	}
	for _, row := range seals {
		if err := r.compare("seal "+row.ID, row); err != nil {
			return err
		}
	}
	return nil
}
