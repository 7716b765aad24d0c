package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// Requests that were stored before there were keys are found by them once the
// database is opened again; a key says whether its request still waits.
func TestRequestsOfOldAreFound(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		found := func(s RequestsSought) (ids []string) {
			must(t, db.Read(t.Context(), func(tx *Tx) error {
				s.Limit = 10
				list, err := tx.RequestsSought(t.Context(), s)
				for _, r := range list {
					ids = append(ids, r.ID)
				}
				return err
			}))
			return ids
		}
		var all []access.Request
		must(t, db.Read(t.Context(), func(tx *Tx) (err error) {
			all, err = tx.Requests(t.Context(), "", "", "", 10)
			return err
		}))
		if len(all) == 0 {
			t.Fatal("there is no request")
		}
		r := all[0]
		keys := []string{KeyOfIdentity("nobody"), KeyOfIdentity(r.Requester), KeyOfEntitlement(r.Items[0].Entitlement)}
		if ids := found(RequestsSought{Keys: keys}); len(ids) == 0 || ids[0] != r.ID {
			t.Errorf("as stored: %v", ids)
		}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.ExecContext(ctx, "delete from request_key")
			if err == nil {
				_, err = tx.ExecContext(ctx, "delete from reading")
			}
			return err
		}))
		if ids := found(RequestsSought{Keys: keys}); len(ids) != 0 {
			t.Errorf("without keys: %v", ids)
		}
		for range 2 { // the second finds nothing to do
			must(t, db.keyRequests(t.Context()))
		}
		if ids := found(RequestsSought{Keys: keys}); len(ids) == 0 || ids[0] != r.ID {
			t.Errorf("given their keys: %v", ids)
		}
		if ids := found(RequestsSought{Keys: keys, Waiting: true}); len(ids) != 0 {
			t.Errorf("a %s request waits: %v", r.State, ids)
		}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			next := r
			next.State = access.Pending
			return tx.SaveRequest(ctx, r, next)
		}))
		if ids := found(RequestsSought{Keys: keys, Waiting: true}); len(ids) != 1 {
			t.Errorf("pending: %v", ids)
		}
		if ids := found(RequestsSought{Keys: keys, Since: r.ID + "z"}); len(ids) != 0 {
			t.Errorf("since later: %v", ids)
		}
		if ids := found(RequestsSought{Keys: keys, Before: r.ID}); len(ids) != 0 && ids[0] >= r.ID {
			t.Errorf("before: %v", ids)
		}
	})
}

// No list that people read looks through a table, nor sorts what it found: each is
// read off an index in order, on either database.
func TestListsAreReadOffAnIndex(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		explain, bad := "explain query plan ", []string{"SCAN", "TEMP B-TREE"}
		column := 3
		if db.Dialect == Postgres {
			explain, bad, column = "explain ", []string{"Seq Scan", "Sort"}, 0
		}
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			if db.Dialect == Postgres { // an empty table is read whole whatever there is
				if _, err := tx.ExecContext(t.Context(), "set local enable_seqscan = off"); err != nil {
					return err
				}
			}
			for _, q := range []string{
				"select * from request where state = 'pending' and beneficiary in ('a', 'b')",
				"select request, key from request_key where key = 'k' and request < '~' and request >= '' and waits order by request desc limit 5",
				"select request, key from request_key where key = 'k' and request < '~' and request >= '' order by request desc limit 5",
				"select * from request where state = 'pending' and id < '~' and id >= '' order by id desc limit 5",
				"select * from request where id < '~' and id >= '' order by id desc limit 5",
				"select * from grants where id < '~' and id >= '' and state <> 'ended' order by id desc limit 5",
				"select * from grants where id < '~' and id >= '' and state <> 'ended' and identity = 'a' order by id desc limit 5",
				"select * from grants where id < '~' and id >= '' and entitlement = 'a' order by id desc limit 5",
				"select * from finding where id < '~' and id >= '' and owner = 'a' and closed_at is null order by id desc limit 5",
				"select * from grants where entitlement = 'a' and identity in ('a', 'b') and state <> 'ended'",
				"select entitlement from grants where identity in ('a', 'b') and state <> 'ended' and end_at > 1",
				"select distinct identity from grants where entitlement = 'a' and state <> 'ended' limit 5",
			} {
				plan, err := all(t.Context(), tx, func(s scanner) (detail string, err error) {
					row := make([]any, column+1)
					for i := range row {
						row[i] = new(any)
					}
					row[column] = &detail
					err = s.Scan(row...)
					return detail, err
				}, explain+q)
				if err != nil {
					return err
				}
				text := strings.Join(plan, "; ")
				if db.Dialect == SQLite && strings.Contains(q, "beneficiary in") && !strings.Contains(text, "request_beneficiary") {
					t.Errorf("%s: %s", q, text)
				}
				for _, word := range bad {
					if strings.Contains(text, word) || text == "" {
						t.Errorf("%s: %s", q, text)
					}
				}
			}
			return nil
		}))
	})
}

// Of however many keys, each with many or few requests, pages are the newest of
// all, whole and in order.
func TestPagesByManyKeys(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		var keys, want []string
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			keys, want = nil, nil
			for k := range 70 {
				keys = append(keys, KeyOfIdentity(fmt.Sprintf("many%02d", k)))
			}
			for i := range 200 {
				r := request(fmt.Sprintf("rq-z%03d", i))
				who := i * i % 70
				if i > 150 {
					who = 3 // one of them has asked for nearly everything lately
				}
				r.Requester, r.Beneficiary = fmt.Sprintf("many%02d", who), fmt.Sprintf("many%02d", (who*5+i)%70)
				if err := tx.AddRequest(ctx, r); err != nil {
					return err
				}
				want = append([]string{r.ID}, want...)
			}
			return nil
		}))
		for _, limit := range []int{1, 7, 51, 300} {
			var got []string
			for before := ""; ; {
				must(t, db.Read(t.Context(), func(tx *Tx) error {
					list, err := tx.RequestsSought(t.Context(), RequestsSought{Keys: keys, Before: before, Limit: limit})
					before = ""
					for _, r := range list {
						got = append(got, r.ID)
						before = r.ID
					}
					return err
				}))
				if before == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d: %d of %d, %v", limit, len(got), len(want), got[:min(len(got), 20)])
			}
		}
	})
}
