package policy_test

import (
	"fmt"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/policy/policytest"
)

var sizes = []int{15, 100, 1000}

// BenchmarkDecide asks random questions of 10,000 people in groups nested eight
// deep, at growing numbers of rules beside the guards. New facts every time:
// building them, checking them and their digest is part of the figure.
func BenchmarkDecide(b *testing.B) {
	world := policytest.New(1, 10_000, 4_000)
	for _, n := range sizes {
		set := world.Load(n)
		asks := questions(world, 1000)
		b.Run(fmt.Sprintf("request/rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				set.MayRequest(asks[i%len(asks)])
			}
		})
		b.Run(fmt.Sprintf("approve/rules=%d", n), func(b *testing.B) {
			decided := decided(set, asks)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f := decided[i%len(decided)]
				set.MayApprove(f, access.Actor{Identity: policytest.Person(i % 1000)}, "owner")
			}
		})
	}
}

// BenchmarkWhoCanApprove asks for the eligible approvers of a stage.
func BenchmarkWhoCanApprove(b *testing.B) {
	world := policytest.New(1, 10_000, 4_000)
	for _, n := range sizes {
		set := world.Load(n)
		asks := decided(set, questions(world, 1000))
		for _, stage := range []string{"manager", "owner", "security"} {
			b.Run(fmt.Sprintf("%s/rules=%d", stage, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					set.WhoCanApprove(asks[i%len(asks)], stage)
				}
			})
		}
	}
}

// BenchmarkLoad reads, checks and indexes the rules.
func BenchmarkLoad(b *testing.B) {
	world := policytest.New(1, 100, 4_000)
	for _, n := range sizes {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			for b.Loop() {
				world.Load(n)
			}
		})
	}
}

func questions(w *policytest.World, n int) []policy.Facts {
	pick := policytest.Picker(11)
	out := make([]policy.Facts, n)
	for i := range out {
		out[i] = w.Ask(&pick)
	}
	return out
}

// decided keeps the questions that were let through, with their decision.
func decided(s *policy.Set, asks []policy.Facts) []policy.Facts {
	var out []policy.Facts
	for _, f := range asks {
		if f.Item.Decision = s.MayRequest(f); f.Item.Decision.Allow {
			out = append(out, f)
		}
	}
	return out
}
