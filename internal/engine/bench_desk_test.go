package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// BenchmarkDesk lists what one person asked for, who holds ten things, or twenty
// thousand: each of it is decided anew.
func BenchmarkDesk(b *testing.B) {
	for _, kind := range []store.Dialect{store.SQLite, store.Postgres} {
		for _, holds := range []int{10, 2000} {
			b.Run(fmt.Sprintf("%s/%d", kind, holds), func(b *testing.B) {
				f := enginetest.Open(b, kind)
				const asked = 25
				f.Change(func(c *enginetest.Company) {
					for n := range holds + asked {
						e := c.Entitlements["dir:wiki"]
						e.ID, e.Object = fmt.Sprintf("dir:b%05d", n), fmt.Sprintf("b%05d", n)
						c.Entitlements[e.ID] = e
					}
				})
				ent := func(n int) string { return fmt.Sprintf("dir:b%05d", n) }
				first := f.Ask("bob", engine.Ask{Entitlements: []string{ent(holds)}})
				hold(b, f, first, holds, ent)
				for n := range asked - 1 {
					f.Ask("bob", engine.Ask{Entitlements: []string{ent(holds + 1 + n)}})
				}
				b.ResetTimer()
				for b.Loop() {
					if list, err := f.Engine.Desk(b.Context(), f.As("mia"), "", asked); err != nil || len(list) != asked {
						b.Fatalf("%d, %v", len(list), err)
					}
				}
			})
		}
	}
}

// hold has whoever a request is for hold the first n entitlements for a day.
func hold(b *testing.B, f *enginetest.Fixture, r access.Request, n int, ent func(int) string) {
	b.Helper()
	if err := f.DB.Write(b.Context(), func(tx *store.Tx) error { return holds(b.Context(), tx, f.Now(), r, n, ent) }); err != nil {
		b.Fatal(err)
	}
}

func holds(ctx context.Context, tx *store.Tx, now time.Time, r access.Request, n int, ent func(int) string) error {
	for i := range n {
		j := store.Job{Assignment: access.Assignment{ID: fmt.Sprintf("as-bench-%d", i), System: "dir", Account: r.Beneficiary, Object: ent(i), Identity: r.Beneficiary, Entitlement: ent(i), State: access.Absent}}
		if err := tx.AddAssignment(ctx, j); err != nil {
			return err
		}
		g := access.Grant{ID: fmt.Sprintf("gr-bench-%06d", i), Request: r.ID, Revision: 1, Digest: r.Digest, Identity: r.Beneficiary, Entitlement: ent(i), Assignment: j.ID, State: access.Scheduled,
			Start: now, End: now.Add(24 * time.Hour), ChainStart: now, Owner: "mia", Votes: []string{"ap-1"}, At: now}
		if err := tx.AddGrant(ctx, g); err != nil {
			return err
		}
	}
	return nil
}
