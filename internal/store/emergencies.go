package store

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const emergencyColumns = `id, grant_id, request, identity, person, entitlement, incident, reason, at, told, review_by, reviewed_at, reviewed_by, verdict, body`

func scanEmergency(s scanner) (e access.Emergency, err error) {
	err = s.Scan(&e.ID, &e.Grant, &e.Request, &e.Identity, &e.Person, &e.Entitlement, &e.Incident, &e.Reason, at{&e.At}, nested{&e.Told}, at{&e.ReviewBy},
		at{&e.ReviewedAt}, &e.ReviewedBy, &e.Verdict, &e.Text)
	return e, err
}

// AddEmergency stores a new one.
func (tx *Tx) AddEmergency(ctx context.Context, e access.Emergency) error {
	return tx.exec(ctx, "add emergency "+e.ID, `insert into emergency (`+emergencyColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)`,
		e.ID, e.Grant, e.Request, e.Identity, e.Person, e.Entitlement, e.Incident, e.Reason, moment(e.At), text(e.Told), moment(e.ReviewBy),
		moment(e.ReviewedAt), e.ReviewedBy, string(e.Verdict), e.Text)
}

// ReviewEmergency stores the review of one that had none.
func (tx *Tx) ReviewEmergency(ctx context.Context, e access.Emergency) error {
	return tx.exec(ctx, "review emergency "+e.ID, `update emergency set reviewed_at=$1, reviewed_by=$2, verdict=$3, body=$4 where id=$5 and reviewed_at is null`,
		moment(e.ReviewedAt), e.ReviewedBy, string(e.Verdict), e.Text, e.ID)
}

// Emergency reads one by its own id or its grant's.
func (tx *Tx) Emergency(ctx context.Context, id string) (access.Emergency, error) {
	return one(ctx, tx, "emergency "+id, scanEmergency, `select `+emergencyColumns+` from emergency where id=$1 or grant_id=$1`, id)
}

// Emergencies lists up to limit with ids below before, newest first.
func (tx *Tx) Emergencies(ctx context.Context, before string, limit int) ([]access.Emergency, error) {
	if before == "" {
		before = "~"
	}
	return all(ctx, tx, scanEmergency, `select `+emergencyColumns+` from emergency where id < $1 order by id desc limit $2`, before, limit)
}

// EmergenciesSince counts a person's since then.
func (tx *Tx) EmergenciesSince(ctx context.Context, person string, since time.Time) (int, error) {
	return one(ctx, tx, "emergencies of "+person, func(s scanner) (n int, err error) { err = s.Scan(&n); return n, err },
		`select count(*) from emergency where person=$1 and at > $2`, person, moment(since))
}

// EmergenciesOverdue counts a person's whose review was due by now.
func (tx *Tx) EmergenciesOverdue(ctx context.Context, person string, now time.Time) (int, error) {
	return one(ctx, tx, "reviews of "+person, func(s scanner) (n int, err error) { err = s.Scan(&n); return n, err },
		`select count(*) from emergency where person=$1 and reviewed_at is null and review_by <= $2`, person, moment(now))
}
