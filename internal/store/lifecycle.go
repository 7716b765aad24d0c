package store

import (
	"context"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// FirstPlace stores where a person stands unless that is known already.
func (tx *Tx) FirstPlace(ctx context.Context, person string, s access.Stands) error {
	if _, err := tx.ExecContext(ctx, `insert into place (identity, doc) values ($1,$2) on conflict (identity) do nothing`, person, text(s)); err != nil {
		return fmt.Errorf("place of %s: %w", person, err)
	}
	return nil
}

// SavePlace stores where a person stands by now.
func (tx *Tx) SavePlace(ctx context.Context, person string, s access.Stands) error {
	return tx.exec(ctx, "place of "+person, `insert into place (identity, doc) values ($1,$2) on conflict (identity) do update set doc=excluded.doc`, person, text(s))
}

// Places reads where these persons stood when that was last decided by, of those of whom it is known.
func (tx *Tx) Places(ctx context.Context, persons []string) (map[string]access.Stands, error) {
	type place struct {
		person string
		stands access.Stands
	}
	found := make(map[string]access.Stands, len(persons))
	for batch := range chunks(persons) {
		marks, args := in(batch)
		list, err := all(ctx, tx, func(s scanner) (p place, err error) { err = s.Scan(&p.person, nested{&p.stands}); return p, err },
			`select identity, doc from place where identity in (`+marks+`)`, args...)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			found[p.person] = p.stands
		}
	}
	return found, nil
}

// Born is what was asked for somebody by a birthright rule.
type Born struct {
	Rule, Identity, Entitlement string
	Request                     string
	Asked                       string    // digest of what it was asked by: until that differs it is not asked again
	Renew                       time.Time // when it is asked for anew; zero: it was not granted
}

// BornOf lists what was asked so for these identities.
func (tx *Tx) BornOf(ctx context.Context, identities []string) (list []Born, err error) {
	scan := func(s scanner) (b Born, err error) {
		err = s.Scan(&b.Rule, &b.Identity, &b.Entitlement, &b.Request, &b.Asked, at{&b.Renew})
		return b, err
	}
	for batch := range chunks(identities) {
		marks, args := in(batch)
		some, err := all(ctx, tx, scan, `select rule, identity, entitlement, request, asked, renew_at from birthright where identity in (`+marks+`) order by identity, rule, entitlement`, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// SaveBorn stores what was asked.
func (tx *Tx) SaveBorn(ctx context.Context, b Born) error {
	return tx.exec(ctx, "birthright "+b.Rule, `insert into birthright (rule, identity, entitlement, request, asked, renew_at) values ($1,$2,$3,$4,$5,$6)
		on conflict (identity, rule, entitlement) do update set request=excluded.request, asked=excluded.asked, renew_at=excluded.renew_at`,
		b.Rule, b.Identity, b.Entitlement, b.Request, b.Asked, moment(b.Renew))
}

// DropBorn forgets what a rule is no longer for.
func (tx *Tx) DropBorn(ctx context.Context, b Born) error {
	return tx.exec(ctx, "birthright "+b.Rule, `delete from birthright where identity=$1 and rule=$2 and entitlement=$3`, b.Identity, b.Rule, b.Entitlement)
}
