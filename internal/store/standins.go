package store

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const delegationColumns = `id, giver, taker, system, entitlement, start_at, end_at, reason, at, ended_at, ended_by, ended_why`

func scanDelegation(s scanner) (d access.Delegation, err error) {
	err = s.Scan(&d.ID, &d.From, &d.To, &d.System, &d.Entitlement, at{&d.Start}, at{&d.End}, &d.Reason, at{&d.At}, at{&d.EndedAt}, &d.EndedBy, &d.EndedWhy)
	return d, err
}

// AddDelegation stores a new one.
func (tx *Tx) AddDelegation(ctx context.Context, d access.Delegation) error {
	return tx.exec(ctx, "add delegation "+d.ID, `insert into delegation (`+delegationColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)`,
		d.ID, d.From, d.To, d.System, d.Entitlement, moment(d.Start), moment(d.End), d.Reason, moment(d.At), moment(d.EndedAt), d.EndedBy, d.EndedWhy)
}

// EndDelegation stores that one that had not been ended is.
func (tx *Tx) EndDelegation(ctx context.Context, d access.Delegation) error {
	return tx.exec(ctx, "end delegation "+d.ID, `update delegation set ended_at=$1, ended_by=$2, ended_why=$3 where id=$4 and ended_at is null`,
		moment(d.EndedAt), d.EndedBy, d.EndedWhy, d.ID)
}

// Delegation reads one by id.
func (tx *Tx) Delegation(ctx context.Context, id string) (access.Delegation, error) {
	return one(ctx, tx, "delegation "+id, scanDelegation, `select `+delegationColumns+` from delegation where id=$1`, id)
}

// OpenDelegations lists those that are not over by now, in order of id: those to come too.
func (tx *Tx) OpenDelegations(ctx context.Context, now time.Time) ([]access.Delegation, error) {
	return all(ctx, tx, scanDelegation, `select `+delegationColumns+` from delegation where ended_at is null and end_at > $1 order by id`, moment(now))
}

// Delegations lists up to limit with ids below before, newest first; of these identities,
// on either side, or of everybody where none are named.
func (tx *Tx) Delegations(ctx context.Context, identities []string, before string, limit int) ([]access.Delegation, error) {
	if before == "" {
		before = "~"
	}
	args, whose := []any{before, limit}, ""
	if len(identities) > 0 {
		marks, names := inFrom(3, identities)
		args, whose = append(args, names...), ` and (giver in (`+marks+`) or taker in (`+marks+`))`
	}
	return all(ctx, tx, scanDelegation, `select `+delegationColumns+` from delegation where id < $1`+whose+` order by id desc limit $2`, args...)
}

const absenceColumns = `id, person, from_at, until_at, reason, said_by, at, ended_at, ended_by, ended_why`

func scanAbsence(s scanner) (a access.Absence, err error) {
	err = s.Scan(&a.ID, &a.Person, at{&a.From}, at{&a.Until}, &a.Reason, &a.By, at{&a.At}, at{&a.EndedAt}, &a.EndedBy, &a.EndedWhy)
	return a, err
}

// AddAbsence stores a new one.
func (tx *Tx) AddAbsence(ctx context.Context, a access.Absence) error {
	return tx.exec(ctx, "add absence "+a.ID, `insert into absence (`+absenceColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)`,
		a.ID, a.Person, moment(a.From), moment(a.Until), a.Reason, a.By, moment(a.At), moment(a.EndedAt), a.EndedBy, a.EndedWhy)
}

// EndAbsence stores that somebody is back who had not been.
func (tx *Tx) EndAbsence(ctx context.Context, a access.Absence) error {
	return tx.exec(ctx, "end absence "+a.ID, `update absence set ended_at=$1, ended_by=$2, ended_why=$3 where id=$4 and ended_at is null`,
		moment(a.EndedAt), a.EndedBy, a.EndedWhy, a.ID)
}

// Absence reads one by id.
func (tx *Tx) Absence(ctx context.Context, id string) (access.Absence, error) {
	return one(ctx, tx, "absence "+id, scanAbsence, `select `+absenceColumns+` from absence where id=$1`, id)
}

// OpenAbsences lists those that are not over by now, in order of id: those to come too.
func (tx *Tx) OpenAbsences(ctx context.Context, now time.Time) ([]access.Absence, error) {
	return all(ctx, tx, scanAbsence, `select `+absenceColumns+` from absence where ended_at is null and until_at > $1 order by id`, moment(now))
}

// Absences lists up to limit with ids below before, newest first; of these identities, or
// of everybody where none are named.
func (tx *Tx) Absences(ctx context.Context, identities []string, before string, limit int) ([]access.Absence, error) {
	if before == "" {
		before = "~"
	}
	args, whose := []any{before, limit}, ""
	if len(identities) > 0 {
		marks, names := inFrom(3, identities)
		args, whose = append(args, names...), ` and person in (`+marks+`)`
	}
	return all(ctx, tx, scanAbsence, `select `+absenceColumns+` from absence where id < $1`+whose+` order by id desc limit $2`, args...)
}

// DelegationsOver lists up to limit whose end has come and that nobody has ended, in order of it.
func (tx *Tx) DelegationsOver(ctx context.Context, now time.Time, limit int) ([]access.Delegation, error) {
	return all(ctx, tx, scanDelegation, `select `+delegationColumns+` from delegation where ended_at is null and end_at <= $1 order by end_at, id limit $2`, moment(now), limit)
}

// AbsencesOver lists up to limit whose end has come and that nobody has ended, in order of it.
func (tx *Tx) AbsencesOver(ctx context.Context, now time.Time, limit int) ([]access.Absence, error) {
	return all(ctx, tx, scanAbsence, `select `+absenceColumns+` from absence where ended_at is null and until_at <= $1 order by until_at, id limit $2`, moment(now), limit)
}
