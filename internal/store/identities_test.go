package store

import (
	"context"
	"reflect"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestJoined(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ann := access.Identity{ID: "ann", Kind: access.Person, Name: "Ann", Groups: []string{"staff"}}
		bob := access.Identity{ID: "bob", Kind: access.Person, Name: "Bob", Inactive: true}
		save := func(list ...access.Identity) {
			t.Helper()
			must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
				for _, i := range list {
					if err := tx.SaveIdentity(ctx, Registered{i, "hr"}); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		reads := func(since int64, want ...access.Identity) int64 {
			t.Helper()
			a, err := db.AddedAfter(t.Context(), since)
			must(t, err)
			if !reflect.DeepEqual(a.Since.Identities, want) {
				t.Errorf("since %d: %+v, want %+v", since, a.Since.Identities, want)
			}
			return a.Version
		}
		none := reads(0)
		save(ann, bob)
		first := reads(none, ann, bob)
		reads(first)
		ann.Department = "it"
		save(ann)
		reads(first, ann)
		reads(0, bob, ann)
		reads(first+1000, bob, ann) // of another database

		hand := access.Hand{Subject: "identity bot", Owner: "bob"}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			return tx.SaveHand(ctx, hand)
		}))
		a, err := db.AddedAfter(t.Context(), first+1)
		must(t, err)
		if !reflect.DeepEqual(a.Since, access.Joined{Hands: []access.Hand{hand}}) {
			t.Errorf("%+v", a.Since)
		}
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			r, err := tx.RegisteredIdentity(t.Context(), "ann")
			if err != nil || r.Source != "hr" || !reflect.DeepEqual(r.Identity, ann) {
				t.Errorf("%+v, %v", r, err)
			}
			list, err := tx.RegisteredBy(t.Context(), "hr", "ann", 10)
			if err != nil || len(list) != 1 || list[0].ID != "bob" {
				t.Errorf("%+v, %v", list, err)
			}
			return nil
		}))
	})
}
