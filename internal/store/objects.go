package store

import (
	"context"

	"github.com/lessor-iam/lessor/internal/access"
)

const saidColumns = `system, object, description, powers, why, since, gone_at`

func scanSaid(s scanner) (o access.SaidObject, err error) {
	err = s.Scan(&o.System, &o.Object, &o.Description, nested{&o.Powers}, &o.Why, at{&o.Since}, at{&o.Gone})
	return o, err
}

// SetSaid stores what a target says of one object, in place of what it said before.
func (tx *Tx) SetSaid(ctx context.Context, o access.SaidObject) error {
	powers := o.Powers
	if powers == nil {
		powers = []string{}
	}
	return tx.exec(ctx, "what is said of "+o.Object, `insert into said_object (`+saidColumns+`) values ($1,$2,$3,$4,$5,$6,$7)
		on conflict (system, object) do update set description=excluded.description, powers=excluded.powers, why=excluded.why,
		since=excluded.since, gone_at=excluded.gone_at`, o.System, o.Object, o.Description, text(powers), o.Why, moment(o.Since), moment(o.Gone))
}

// Said reads what its target says of one object.
func (tx *Tx) Said(ctx context.Context, system, object string) (access.SaidObject, error) {
	return one(ctx, tx, "what is said of "+object, scanSaid, `select `+saidColumns+` from said_object where system=$1 and object=$2`, system, object)
}

// SaidAt lists what a system says of its objects, those that are gone too.
func (tx *Tx) SaidAt(ctx context.Context, system string) ([]access.SaidObject, error) {
	return all(ctx, tx, scanSaid, `select `+saidColumns+` from said_object where system=$1 order by object`, system)
}

// SaidAfter lists up to limit of all there are, those after a system's object, in order.
func (tx *Tx) SaidAfter(ctx context.Context, system, object string, limit int) ([]access.SaidObject, error) {
	return all(ctx, tx, scanSaid, `select `+saidColumns+` from said_object where (system, object) > ($1, $2) order by system, object limit $3`,
		system, object, limit)
}

// SaidPowerful lists those of which some power is said.
func (tx *Tx) SaidPowerful(ctx context.Context) ([]access.SaidObject, error) {
	return all(ctx, tx, scanSaid, `select `+saidColumns+` from said_object where powers <> '[]' order by system, object`)
}

// SaidPowers names the powers that are said now: under one name they are the same.
func (tx *Tx) SaidPowers(ctx context.Context) (string, error) {
	return one(ctx, tx, "said powers", func(s scanner) (name string, err error) { err = s.Scan(&name); return name, err }, `select name from said_powers`)
}

// SetSaidPowers names them anew, by a name that no others have had.
func (tx *Tx) SetSaidPowers(ctx context.Context, name string) error {
	return tx.exec(ctx, "said powers", `update said_powers set name=$1`, name)
}
