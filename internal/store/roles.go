package store

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
)

// Member is one line of the roster: an identity in a group by a grant.
type Member struct{ Group, Identity string }

func scanMember(s scanner) (m Member, err error) {
	err = s.Scan(&m.Group, &m.Identity)
	return m, err
}

// Roster reads all of it, in order, and its version.
func (db *DB) Roster(ctx context.Context) (list []Member, version int64, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		if list, err = tx.roster(ctx); err != nil {
			return err
		}
		version, err = tx.rosterVersion(ctx)
		return err
	})
	return list, version, err
}

// Added is what the database adds to the directory of the files at one version.
type Added struct {
	Members []Member      // all of the roster, in order
	Since   access.Joined // what was joined or changed since the version asked about
	Version int64
}

// AddedAfter reads the roster, and what was joined to the files' directory since that
// version; all of it if that version is 0.
func (db *DB) AddedAfter(ctx context.Context, since int64) (a Added, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		a = Added{}
		if a.Version, err = tx.rosterVersion(ctx); err != nil {
			return err
		}
		if a.Members, err = tx.roster(ctx); err != nil || since == a.Version {
			return err
		}
		if a.Version < since { // another database than before, e.g. a restored one
			since = 0
		}
		a.Since, err = tx.JoinedAfter(ctx, since)
		return err
	})
	return a, err
}

// RosterVersion is another one whenever the roster was changed.
func (db *DB) RosterVersion(ctx context.Context) (version int64, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		version, err = tx.rosterVersion(ctx)
		return err
	})
	return version, err
}

// Urgent is the last version of the roster of which nobody may go by an older one.
// It is asked at every door: one statement, and no transaction around it.
func (db *DB) Urgent(ctx context.Context) (version int64, err error) {
	if err := db.read.QueryRowContext(ctx, `select version from roster_urgent`).Scan(&version); err != nil {
		return 0, fmt.Errorf("urgent version: %w", unavailable(ctx, worded(err), true))
	}
	return version, nil
}

// Urgent is that version, as this transaction sees it.
func (tx *Tx) Urgent(ctx context.Context) (version int64, err error) {
	if err := tx.QueryRowContext(ctx, `select version from roster_urgent`).Scan(&version); err != nil {
		return 0, fmt.Errorf("urgent version: %w", err)
	}
	return version, nil
}

// Hasten has the version of the roster that this transaction makes be one that nobody
// may be behind.
func (tx *Tx) Hasten(ctx context.Context) error {
	return tx.exec(ctx, "urgent version", `update roster_urgent set version = (select version from roster_version)`)
}

// ChangeRoster puts members on the roster and takes others off. It is idempotent.
func (db *DB) ChangeRoster(ctx context.Context, put, take []Member) error {
	return db.Write(ctx, func(tx *Tx) error {
		changed, err := tx.changeRoster(ctx, put, take)
		if err != nil || changed == 0 {
			return err
		}
		return tx.exec(ctx, "roster version", `update roster_version set version = version + 1`)
	})
}

// KeepOnRoster takes off the roster whoever may not stay, and returns them.
func (db *DB) KeepOnRoster(ctx context.Context, stays func(Member) bool) (off []Member, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		off = nil
		all, err := tx.roster(ctx)
		if err != nil {
			return err
		}
		for _, m := range all {
			if !stays(m) {
				off = append(off, m)
			}
		}
		if len(off) == 0 {
			return nil
		}
		if _, err := tx.changeRoster(ctx, nil, off); err != nil {
			return err
		}
		return tx.exec(ctx, "roster version", `update roster_version set version = version + 1`)
	})
	return off, err
}

func (tx *Tx) roster(ctx context.Context) ([]Member, error) {
	return all(ctx, tx, scanMember, `select grp, identity from roster order by grp, identity`)
}

func (tx *Tx) rosterVersion(ctx context.Context) (version int64, err error) {
	if err := tx.QueryRowContext(ctx, `select version from roster_version`).Scan(&version); err != nil {
		return 0, fmt.Errorf("roster version: %w", err)
	}
	return version, nil
}

func (tx *Tx) changeRoster(ctx context.Context, put, take []Member) (changed int64, err error) {
	for _, c := range []struct {
		query string
		list  []Member
	}{
		{`insert into roster (grp, identity) values ($1,$2) on conflict do nothing`, put},
		{`delete from roster where grp=$1 and identity=$2`, take},
	} {
		for _, m := range c.list {
			res, err := tx.ExecContext(ctx, c.query, m.Group, m.Identity)
			if err != nil {
				return 0, fmt.Errorf("change roster: %w", err)
			}
			n, err := res.RowsAffected()
			if err != nil {
				return 0, fmt.Errorf("change roster: %w", err)
			}
			changed += n
		}
	}
	return changed, nil
}
