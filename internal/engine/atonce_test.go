package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// revokes takes back, as security.
func (b *between) revokes(t *testing.T, g access.Grant) func() error {
	return func() error { return b.Engine.Revoke(t.Context(), b.As("sara"), g.ID, "an incident") }
}

// After whoever halted has been told so, nothing is granted that was on its way then: it
// either stood before, or is refused.
func TestAHaltAtTheSubmitAndAtTheVote(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		var r, open access.Request
		halts := func(stood *int) func() error {
			return func() error {
				_, err := b.Engine.Halt(t.Context(), access.HaltWitness, "no witness answers")
				*stood = len(b.Grants())
				return err
			}
		}
		for verb, does := range map[string]func() error{
			"submit": b.submit(t.Context(), "bob", ask("dir:lobby"), &open),
			"vote":   func() error { return b.votes(t.Context(), "mia", r)() },
		} {
			r = b.Ask("eve", ask("dir:wiki"))
			stood := 0
			err, other := b.at(verb, does, halts(&stood))
			if other != nil || (err != nil && !errors.Is(err, access.ErrHalted)) {
				t.Fatalf("%s: %v", verb, errors.Join(err, other))
			}
			if n := len(b.Grants()); n != stood {
				t.Errorf("%s: %d grants when the halt stood, and %d after", verb, stood, n)
			}
			if err := b.Engine.Resume(t.Context(), access.HaltWitness, "they answer"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// An agent is given nothing beyond its sponsor, though that loses it at the very moment:
// it is revoked or given back, or its end moves.
func TestAnAgentsSponsorAtTheSubmitAndAtTheVote(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		wiki := engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour}
		pilots := func(g access.Grant) (own access.Grant) {
			for _, own = range b.Grants() {
				if own.Identity == "pilot" {
					break
				}
			}
			if g = b.Grant(g.ID); own.State != access.Ended && (g.State == access.Ended || own.End.After(g.End)) {
				t.Errorf("the agent's is %s until %s; its sponsor's is %s until %s", own.State, own.End, g.State, g.End)
			}
			return own
		}
		// 1. Revoked while its agent is granted the same, by a vote, and by nobody's.
		g := b.Granted("eve", wiki, "mia")
		r := b.Ask("pilot", task(hour, "dir:wiki"))
		err, other := b.at("vote", b.votes(t.Context(), "owen", r), b.revokes(t, g))
		if err != nil || other != nil || pilots(g).State != access.Ended {
			t.Errorf("revoked at the vote: %v", errors.Join(err, other))
		}
		g = b.Granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: 4 * hour})
		err, other = b.at("submit", b.submit(t.Context(), "pilot", task(hour, "dir:lobby"), &r), func() error {
			return b.Engine.Return(t.Context(), b.As("eve"), g.ID, "done")
		})
		if err != nil || other != nil || pilots(g).State != access.Ended {
			t.Errorf("given back at the submit: %v", errors.Join(err, other))
		}
		b.Advance(time.Minute)
		// 2. Seen for the first time, from when its term runs, which ends it sooner; before and after.
		for _, first := range []string{"vote", "settle"} {
			g = b.Granted("eve", wiki, "mia")
			r = b.Ask("pilot", task(20*hour, "dir:wiki"))
			does := map[string]func() error{
				"vote": b.votes(t.Context(), "owen", r),
				"settle": func() error {
					_, err := b.Lane("dir", "by hand").Once(t.Context())
					return err
				},
			}
			second := map[string]string{"vote": "settle", "settle": "vote"}[first]
			err, other = b.at(first, does[first], does[second])
			if err != nil || other != nil {
				t.Fatal(errors.Join(err, other))
			}
			if own := pilots(g); own.Request != r.ID || own.State == access.Ended {
				t.Errorf("%s first: the agent's is %s of %s", first, own.State, own.Request)
			}
			if err := b.revokes(t, g)(); err != nil {
				t.Fatal(err)
			}
			b.Advance(time.Minute)
		}
	})
}

// The last request that somebody may have waiting is one, though two are sent at once.
func TestTheMostThatMayWaitAtOnce(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		const most = 100
		for range most - 1 {
			b.Ask("bob", ask("dir:wiki"))
		}
		var one, two access.Request
		err, other := b.at("submit", b.submit(t.Context(), "bob", ask("dir:wiki"), &one), b.submit(t.Context(), "bob", ask("dir:wiki"), &two))
		if (err == nil) == (other == nil) {
			t.Fatalf("%v, and %v", err, other)
		}
		refused(t, "one too many", errors.Join(err, other), access.ErrDenied, "no more than 100 may wait")
		refused(t, "one more", b.submit(t.Context(), "bob", ask("dir:wiki"), &two)(), access.ErrDenied, "has 100 requests")
	})
}

// Whoever answers for somebody no more has their vote in the moment of it counted only if
// it was cast before, and nobody leaves in it with something granted.
func TestADelegationEndedAtTheVote(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		l := lend(t, b.Fixture, "mia", "owen")
		r := b.Ask("bob", ask("dir:wiki"))
		stood := 0
		err, other := b.at("vote", b.votes(t.Context(), "owen", r), func() error {
			b.Clock.Pass(time.Second) // or both would be at one moment
			err := b.Engine.EndDelegation(t.Context(), b.As("mia"), l.ID, "back")
			stood = len(b.Grants())
			return err
		})
		if other != nil || (err != nil && !errors.Is(err, access.ErrDenied)) {
			t.Fatal(errors.Join(err, other))
		}
		if n := len(b.Grants()); n != stood {
			t.Errorf("%d grants when the delegation had ended, and %d after", stood, n)
		}
	})
}
