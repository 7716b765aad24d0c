package engine_test

import (
	"fmt"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// BenchmarkCoverage counts an estate of 100,000 workloads, of each of which it is known
// when it was last used, and lists the last page of it.
func BenchmarkCoverage(b *testing.B) {
	const workloads = 100_000
	f := enginetest.Open(b, store.SQLite)
	f.Change(func(c *enginetest.Company) {
		for n := range workloads {
			id, k := fmt.Sprintf("bot-%06d", n), whole()
			c.People[id] = access.Identity{ID: id, Kind: access.Workload, Name: id, Owner: "eve", Accounts: map[string]string{"dir": id}, Contract: &k}
		}
	})
	if err := f.DB.Write(b.Context(), func(tx *store.Tx) error {
		for n := range workloads {
			if err := tx.SetMachineAccount(b.Context(), access.MachineAccount{System: "dir", Name: fmt.Sprintf("bot-%06d", n), Used: f.Now(), Seen: f.Now()}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.Run("estate", func(b *testing.B) {
		for b.Loop() {
			c, err := f.Engine.WorkloadCoverage(b.Context(), f.As("anna"), false)
			if err != nil || c.Workloads != workloads+2 || c.Used != workloads {
				b.Fatalf("%+v, %v", c, err)
			}
		}
	})
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			list, _, err := f.Engine.Workloads(b.Context(), f.As("anna"), engine.WorkloadsSought{After: "bot-099900"}, 50)
			if err != nil || len(list) != 50 {
				b.Fatalf("%d, %v", len(list), err)
			}
		}
	})
	for name, s := range map[string]engine.WorkloadsSought{"words": {Words: "bot-0999 wiki"}, "lacks": {Lacks: "use"}, "mine": {Mine: true, After: "bot-0999"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := f.Engine.Workloads(b.Context(), f.As("eve"), s, 50); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("judge", func(b *testing.B) {
		for b.Loop() {
			if j, err := f.Engine.JudgeWorkloads(b.Context()); err != nil || j.Workloads != workloads+2 {
				b.Fatalf("%+v, %v", j, err)
			}
		}
	})
}
