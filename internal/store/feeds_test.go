package store

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestRecords(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		save := func(was, r access.Record) error {
			return write(t, db, func(ctx context.Context, tx *Tx) error { return tx.SaveRecord(ctx, was, r) })
		}
		ann := access.Record{Feed: "hr", Key: "7", User: "Ann", Mail: "ann@x.example", Manager: "1", Groups: []string{"g", "h"}, Identity: "ann", Since: noon, Said: noon, Version: 1}
		bob := access.Record{Feed: "hr", Key: "8", User: "bob", Held: access.FeedAmbiguous, Since: noon, Said: noon, Version: 1}
		must(t, save(access.Record{}, ann))
		must(t, save(access.Record{}, bob))
		if err := save(access.Record{}, ann); err == nil {
			t.Error("two records under one key")
		}
		left := ann
		left.User, left.Groups, left.Inactive, left.Left, left.Version = "anna", []string{"h"}, true, noon.Add(1), 2
		left.Left = noon
		must(t, save(ann, left))
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			is := func(what string, got []access.Record, err error, want ...access.Record) {
				t.Helper()
				if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
				}
			}
			ctx := t.Context()
			r, err := tx.Record(ctx, "hr", "7")
			is("record", []access.Record{r}, err, left)
			list, err := tx.RecordsAfter(ctx, "hr", "7", 9)
			is("after", list, err, bob)
			for after, want := range map[string]string{"": "hr", "gz": "hr", "hr": ""} {
				if next, err := tx.FeedAfter(ctx, after); next != want || (err == nil) != (want != "") {
					t.Errorf("feed after %q: %q, %v", after, next, err)
				}
			}
			list, err = tx.AllRecordsAfter(ctx, "", "", 9)
			is("all", list, err, left, bob)
			list, err = tx.RecordsNamed(ctx, "hr", []string{"8", "9"})
			is("named", list, err, bob)
			list, err = tx.RecordsOf(ctx, []string{"ann", ""})
			is("of", list, err, left)
			list, err = tx.Reports(ctx, "hr", "1", 9)
			is("reports", list, err, left)
			list, err = tx.Marked(ctx, "user ann", "", 9)
			is("had a mark", list, err, left)
			list, err = tx.Marked(ctx, "user anna", "idp", 9)
			is("another feed's", list, err)
			list, err = tx.HeldRecords(ctx, "hr", "", 9)
			is("held", list, err, bob)
			list, err = tx.DoubtedRecords(ctx, "hr", "", 9)
			is("doubted", list, err)
			for group, want := range map[string]int{"g": 0, "h": 1} {
				if keys, err := tx.FeedMembers(ctx, "hr", group, "", 9); err != nil || len(keys) != want {
					t.Errorf("%s: %v, %v", group, keys, err)
				}
			}
			if n, err := tx.FeedSize(ctx, "hr", noon.Add(-1000)); err != nil || n != (FeedSize{Here: 1, Left: 1, Held: 1}) {
				t.Errorf("%+v, %v", n, err)
			}
			return nil
		}))
	})
}

// What a word of a feed asks for each time is found by an index however many there are.
func TestRecordsAreFoundByIndex(t *testing.T) {
	t.Parallel()
	db := open(t, SQLite)
	must(t, db.Read(t.Context(), func(tx *Tx) error {
		for _, query := range []string{
			`select doc from feed_record where identity <> '' and identity in ($1,$2) order by feed, key`,
			`select doc from feed_record where feed=$1 and manager=$2 and manager <> '' order by key limit $3`,
			`select doc from feed_record where feed=$1 and held <> '' and key > $2 order by key limit $3`,
			`select doc from feed_record where feed=$1 and doubted_at is not null and key > $2 order by key limit $3`,
			`select count(*) from feed_record where feed=$1 and here and not grp`,
			`select count(*) from feed_record where feed=$1 and left_at is not null and left_at > $2`,
			`select count(*) from feed_record where feed=$1 and emptied_at is not null and emptied_at > $2`,
			`select r.doc from feed_mark m join feed_record r on r.feed = m.feed and r.key = m.key where m.mark=$1 order by m.feed, m.key limit $2`,
			`select r.doc from feed_mark m join feed_record r on r.feed = m.feed and r.key = m.key where m.mark=$1 and m.feed=$2 and not r.gone order by m.key limit $3`,
			`select count(*) from feed_record where feed=$1 and grp=$2 and gone=$3`,
			`select doc from feed_record where feed=$1 and grp=$2 and gone=$3 order by key limit $4 offset $5`,
			`select 1 from assignment where system=$1 and account=$2 and identity <> $3 and state <> 'absent' limit 1`,
		} {
			args := make([]any, strings.Count(query, "$"))
			for n := range args {
				args[n] = 1
			}
			plan, err := all(t.Context(), tx, func(s scanner) (detail string, err error) {
				var a, b, c int
				return detail, s.Scan(&a, &b, &c, &detail)
			}, "explain query plan "+query, args...)
			if all := fmt.Sprint(plan); err != nil || strings.Contains(all, "SCAN") {
				t.Errorf("%s: %s, %v", query, all, err)
			}
		}
		return nil
	}))
}
