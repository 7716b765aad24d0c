package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func scanRecord(s scanner) (r access.Record, err error) {
	err = s.Scan(nested{&r})
	return r, err
}

// SaveRecord stores what a feed says of an entry, over what was stored of it before
// (the zero record: nothing was).
func (tx *Tx) SaveRecord(ctx context.Context, was, r access.Record) error {
	columns := []any{r.Feed, r.Key, r.Group, r.Here(), r.Identity, r.Manager, r.Held, moment(r.Doubted), moment(r.Left), !r.Gone.IsZero(), moment(r.Emptied), text(r)}
	if was.Version == 0 {
		err := tx.exec(ctx, "add record "+r.Key, `insert into feed_record (feed, key, grp, here, identity, manager, held, doubted_at, left_at, gone, emptied_at, doc)
			values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12) on conflict (feed, key) do nothing`, columns...)
		if err != nil {
			return err
		}
	} else if err := tx.exec(ctx, "save record "+r.Key, `update feed_record set grp=$3, here=$4, identity=$5, manager=$6, held=$7, doubted_at=$8, left_at=$9, gone=$10, emptied_at=$11, doc=$12
		where feed=$1 and key=$2`, columns...); err != nil {
		return err
	}
	before := was.Marks()
	for _, m := range r.Marks() {
		if was.Version > 0 && slices.Contains(before, m) {
			continue
		}
		if _, err := tx.ExecContext(ctx, `insert into feed_mark (mark, feed, key) values ($1,$2,$3) on conflict (mark, feed, key) do nothing`, m, r.Feed, r.Key); err != nil {
			return fmt.Errorf("marks of record %s: %w", r.Key, err)
		}
	}
	return tx.saveMembers(ctx, was, r)
}

func (tx *Tx) saveMembers(ctx context.Context, was, r access.Record) error {
	for _, g := range was.Groups {
		if slices.Contains(r.Groups, g) {
			continue
		}
		if _, err := tx.ExecContext(ctx, `delete from feed_member where feed=$1 and grp=$2 and member=$3`, r.Feed, g, r.Key); err != nil {
			return fmt.Errorf("groups of record %s: %w", r.Key, err)
		}
	}
	for _, g := range r.Groups {
		if slices.Contains(was.Groups, g) {
			continue
		}
		if _, err := tx.ExecContext(ctx, `insert into feed_member (feed, grp, member) values ($1,$2,$3) on conflict (feed, grp, member) do nothing`, r.Feed, g, r.Key); err != nil {
			return fmt.Errorf("groups of record %s: %w", r.Key, err)
		}
	}
	return nil
}

// Record reads what a feed says under a key.
func (tx *Tx) Record(ctx context.Context, feed, key string) (access.Record, error) {
	return one(ctx, tx, "record "+key, scanRecord, `select doc from feed_record where feed=$1 and key=$2`, feed, key)
}

// RecordsAfter lists up to limit records of a feed with keys above after, in order.
func (tx *Tx) RecordsAfter(ctx context.Context, feed, after string, limit int) ([]access.Record, error) {
	return all(ctx, tx, scanRecord, `select doc from feed_record where feed=$1 and key > $2 order by key limit $3`, feed, after, limit)
}

// AllRecordsAfter lists up to limit records of all feeds behind one of them, in order.
func (tx *Tx) AllRecordsAfter(ctx context.Context, feed, key string, limit int) ([]access.Record, error) {
	return all(ctx, tx, scanRecord, `select doc from feed_record where (feed, key) > ($1, $2) order by feed, key limit $3`, feed, key, limit)
}

// FeedAfter is the first feed above a name of which anything is stored.
func (tx *Tx) FeedAfter(ctx context.Context, feed string) (string, error) {
	return one(ctx, tx, "feed after "+feed, func(s scanner) (id string, err error) { return id, s.Scan(&id) },
		`select feed from feed_record where feed > $1 order by feed, key limit 1`, feed)
}

// RecordsNamed reads those of a feed under these keys.
func (tx *Tx) RecordsNamed(ctx context.Context, feed string, keys []string) (list []access.Record, err error) {
	for batch := range chunks(keys) {
		marks, args := inFrom(2, batch)
		some, err := all(ctx, tx, scanRecord, `select doc from feed_record where feed=$1 and key in (`+marks+`) order by key`, append([]any{feed}, args...)...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// RecordsOf lists what all feeds say of these identities.
func (tx *Tx) RecordsOf(ctx context.Context, identities []string) (list []access.Record, err error) {
	for batch := range chunks(identities) {
		marks, args := in(batch)
		some, err := all(ctx, tx, scanRecord, `select doc from feed_record where identity <> '' and identity in (`+marks+`) order by feed, key`, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// RegisteredNamed reads those of the identities that are registered.
func (tx *Tx) RegisteredNamed(ctx context.Context, ids []string) (list []Registered, err error) {
	for batch := range chunks(ids) {
		marks, args := in(batch)
		some, err := all(ctx, tx, scanRegistered, `select source, doc from identity where id in (`+marks+`) order by id`, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// Reports lists up to limit keys of records whose manager or sponsor is the record of that key.
func (tx *Tx) Reports(ctx context.Context, feed, manager string, limit int) ([]access.Record, error) {
	return all(ctx, tx, scanRecord, `select doc from feed_record where feed=$1 and manager=$2 and manager <> '' order by key limit $3`, feed, manager, limit)
}

// Marked lists up to limit records that have or had a mark, of one feed or, where that is empty, of all.
func (tx *Tx) Marked(ctx context.Context, mark, feed string, limit int) ([]access.Record, error) {
	where, args := "m.mark=$1", []any{mark, limit}
	if feed != "" {
		where, args = where+" and m.feed=$3", append(args, feed)
	}
	return all(ctx, tx, scanRecord, `select r.doc from feed_mark m join feed_record r on r.feed = m.feed and r.key = m.key where `+where+` order by m.feed, m.key limit $2`, args...)
}

// MarkedHere lists up to limit records of a feed that have or had a mark and are not gone, however many that are had it.
func (tx *Tx) MarkedHere(ctx context.Context, mark, feed string, limit int) ([]access.Record, error) {
	return all(ctx, tx, scanRecord, `select r.doc from feed_mark m join feed_record r on r.feed = m.feed and r.key = m.key where m.mark=$1 and m.feed=$2 and not r.gone order by m.key limit $3`, mark, feed, limit)
}

// RecordsListed lists up to limit people or groups of a feed that are not gone, after so many others, and counts all of them.
func (tx *Tx) RecordsListed(ctx context.Context, feed string, groups bool, skip, limit int) (list []access.Record, of int, err error) {
	n, err := all(ctx, tx, func(s scanner) (n int, err error) { return n, s.Scan(&n) }, `select count(*) from feed_record where feed=$1 and grp=$2 and gone=$3`, feed, groups, false)
	if err != nil || len(n) == 0 || limit < 1 || skip >= n[0] {
		return nil, append(n, 0)[0], err
	}
	list, err = all(ctx, tx, scanRecord, `select doc from feed_record where feed=$1 and grp=$2 and gone=$3 order by key limit $4 offset $5`, feed, groups, false, limit, skip)
	return list, n[0], err
}

// FeedMembers lists up to limit keys above after of those in a group of a feed.
func (tx *Tx) FeedMembers(ctx context.Context, feed, group, after string, limit int) ([]string, error) {
	return all(ctx, tx, func(s scanner) (key string, err error) { return key, s.Scan(&key) },
		`select member from feed_member where feed=$1 and grp=$2 and member > $3 order by member limit $4`, feed, group, after, limit)
}

// HeldRecords lists up to limit records of a feed that are no identity until somebody decides.
func (tx *Tx) HeldRecords(ctx context.Context, feed, after string, limit int) ([]access.Record, error) {
	return all(ctx, tx, scanRecord, `select doc from feed_record where feed=$1 and held <> '' and key > $2 order by key limit $3`, feed, after, limit)
}

// DoubtedRecords lists up to limit records of a feed whose leaving is not believed.
func (tx *Tx) DoubtedRecords(ctx context.Context, feed, after string, limit int) ([]access.Record, error) {
	return all(ctx, tx, scanRecord, `select doc from feed_record where feed=$1 and doubted_at is not null and key > $2 order by key limit $3`, feed, after, limit)
}

// FeedSize is how much a feed has.
type FeedSize struct{ Here, Left, Doubted, Held, Emptied int }

// FeedSize counts the people a feed has now, those who have left it since a moment,
// those whose leaving is not believed, those who are no identity yet, and those of whom it
// has lost since that moment what it said of their place.
func (tx *Tx) FeedSize(ctx context.Context, feed string, since time.Time) (n FeedSize, err error) {
	parts := []string{
		`select count(*) from feed_record where feed=$1 and here and not grp`,
		`select count(*) from feed_record where feed=$1 and left_at is not null and left_at > $2`,
		`select count(*) from feed_record where feed=$1 and doubted_at is not null`,
		`select count(*) from feed_record where feed=$1 and held <> ''`,
		`select count(*) from feed_record where feed=$1 and emptied_at is not null and emptied_at > $2`,
	}
	list, err := all(ctx, tx, func(s scanner) (n FeedSize, err error) {
		return n, s.Scan(&n.Here, &n.Left, &n.Doubted, &n.Held, &n.Emptied)
	},
		`select (`+strings.Join(parts, `), (`)+`)`, feed, moment(since))
	if len(list) > 0 {
		n = list[0]
	}
	return n, err
}

// FeedLeft counts those who have left a feed since a moment.
func (tx *Tx) FeedLeft(ctx context.Context, feed string, since time.Time) (int, error) {
	return one(ctx, tx, "leavers of feed "+feed, func(s scanner) (n int, err error) { return n, s.Scan(&n) },
		`select count(*) from feed_record where feed=$1 and left_at is not null and left_at > $2`, feed, moment(since))
}

// HadGrants tells whether an identity of that id has ever been given anything.
func (tx *Tx) HadGrants(ctx context.Context, identity string) (bool, error) {
	tx.reads(identity)
	list, err := all(ctx, tx, func(s scanner) (n int, err error) { return n, s.Scan(&n) }, `select 1 from grants where identity=$1 limit 1`, identity)
	return len(list) > 0, err
}

// HeldByOthers tells whether an account at a system holds anything that another identity than this was given, as far as anybody has seen.
func (tx *Tx) HeldByOthers(ctx context.Context, system, account, except string) (bool, error) {
	list, err := all(ctx, tx, func(s scanner) (n int, err error) { return n, s.Scan(&n) },
		`select 1 from assignment where system=$1 and account=$2 and identity <> $3 and state <> 'absent' limit 1`, system, account, except)
	return len(list) > 0, err
}
