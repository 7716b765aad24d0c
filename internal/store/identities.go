package store

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
)

// Registered is an identity that is not, or not only, in the files.
type Registered struct {
	access.Identity
	Source string `json:"source"` // the feed that told of it, or who registered it
}

func scanRegistered(s scanner) (r Registered, err error) {
	err = s.Scan(&r.Source, nested{&r.Identity})
	return r, err
}

func scanHand(s scanner) (h access.Hand, err error) {
	err = s.Scan(&h.Subject, &h.Owner, &h.From)
	return h, err
}

// SaveIdentity stores what is known of an identity beside the files.
func (tx *Tx) SaveIdentity(ctx context.Context, r Registered) error {
	version, err := tx.nextVersion(ctx)
	if err != nil {
		return err
	}
	return tx.exec(ctx, "save identity "+r.ID, `insert into identity (id, source, doc, version) values ($1,$2,$3,$4)
		on conflict (id) do update set source=excluded.source, doc=excluded.doc, version=excluded.version`, r.ID, r.Source, text(r.Identity), version)
}

// SaveHand stores who answers for something from now on.
func (tx *Tx) SaveHand(ctx context.Context, h access.Hand) error {
	version, err := tx.nextVersion(ctx)
	if err != nil {
		return err
	}
	return tx.exec(ctx, "save hand "+h.Subject, `insert into hand (subject, owner, giver, version) values ($1,$2,$3,$4)
		on conflict (subject) do update set owner=excluded.owner, giver=excluded.giver, version=excluded.version`, h.Subject, h.Owner, h.From, version)
}

// Hand reads who answers for something in place of whoever files and feeds name.
func (tx *Tx) Hand(ctx context.Context, subject string) (access.Hand, error) {
	return one(ctx, tx, "hand "+subject, scanHand, `select subject, owner, giver from hand where subject=$1`, subject)
}

// nextVersion is a version of the roster that nothing has yet: whoever keeps up with it sees that there is something new.
func (tx *Tx) nextVersion(ctx context.Context) (version int64, err error) {
	if err := tx.QueryRowContext(ctx, `update roster_version set version = version + 1 returning version`).Scan(&version); err != nil {
		return 0, fmt.Errorf("roster version: %w", err)
	}
	return version, nil
}

// RegisteredIdentity reads one by id.
func (tx *Tx) RegisteredIdentity(ctx context.Context, id string) (Registered, error) {
	return one(ctx, tx, "identity "+id, scanRegistered, `select source, doc from identity where id=$1`, id)
}

// RegisteredBy lists up to limit identities of a source with ids above after, in order.
func (tx *Tx) RegisteredBy(ctx context.Context, source, after string, limit int) ([]Registered, error) {
	return all(ctx, tx, scanRegistered, `select source, doc from identity where source=$1 and id > $2 order by id limit $3`, source, after, limit)
}

// RegisteredAfter lists up to limit identities of all sources with ids above after, in order.
func (tx *Tx) RegisteredAfter(ctx context.Context, after string, limit int) ([]Registered, error) {
	return all(ctx, tx, scanRegistered, `select source, doc from identity where id > $1 order by id limit $2`, after, limit)
}

// JoinedAfter reads what was joined to the files' directory since that version; 0: all of it.
func (tx *Tx) JoinedAfter(ctx context.Context, version int64) (j access.Joined, err error) {
	list, err := all(ctx, tx, scanRegistered, `select source, doc from identity where version > $1 order by version, id`, version)
	if err != nil {
		return j, err
	}
	for _, r := range list {
		j.Identities = append(j.Identities, r.Identity)
	}
	j.Hands, err = all(ctx, tx, scanHand, `select subject, owner, giver from hand where version > $1 order by version, subject`, version)
	return j, err
}
