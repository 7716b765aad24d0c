package linear

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// How many histories there are on each database, and how many share one. The long run
// is to end within 15 minutes on two calm cores; longer ones say how long
// (LESSOR_LINEAR_HISTORIES).
const (
	few, many = 100, 5_000
	share     = 250
)

// histories is how many of them this run has.
func histories(t *testing.T) int {
	t.Helper()
	if text := os.Getenv("LESSOR_LINEAR_HISTORIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("LESSOR_LINEAR_HISTORIES is to be a number above 0, not %q", text)
		}
		return n
	}
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		return many
	}
	return few
}

// Whatever people, the clock and lanes do at once about one request and its
// grant, what each was told and what all see could have come of doing it one
// after the other.
func TestHistoriesCouldHaveHappenedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	wanted := histories(t)
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		met, began := &tally{of: map[string]int{}}, time.Now()
		t.Run("each", func(t *testing.T) { // as many databases at once as -parallel says
			for first := 0; first < wanted; first += share {
				n := min(share, wanted-first)
				t.Run(fmt.Sprintf("from %d", first), func(t *testing.T) {
					t.Parallel()
					if !met.wrong.Load() {
						several(t, d, uint64(first), n, met)
					}
					if t.Failed() {
						met.wrong.Store(true)
					}
					t.Logf("%d of %d histories after %s", met.done.Load(), wanted, time.Since(began).Round(time.Second))
				})
			}
		})
		t.Logf("%d histories; what was met: %v", met.done.Load(), met.of)
		if wanted < 4*share {
			return // chance may leave something out
		}
		for _, verb := range []string{"edit ok", "edit conflict", "edit gone", "vote ok", "vote denied", "vote conflict", "vote gone",
			"end ok", "end gone", "claim held", "claim absent", "expire ok 1", "settle ok", "settle ok 1"} {
			if met.of[verb] == 0 {
				t.Errorf("no history has %q: it says nothing about it", verb)
			}
		}
	})
}

// tally counts what histories have met, for all that are played at once.
type tally struct {
	mu    sync.Mutex
	of    map[string]int
	done  atomic.Int64
	wrong atomic.Bool // one failed: no more are begun
}

// take counts the deeds of one history.
func (m *tally) take(h *history) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, op := range h.ops {
		d, a := op.Input.(deed), op.Output.(answer)
		key := d.verb + " " + a.what
		if a.n > 0 && d.verb != "read" {
			key += fmt.Sprintf(" %d", a.n)
		}
		m.of[key]++
	}
	m.done.Add(1)
}

// several plays histories on one database, one after the other, and asks the oracle at the end.
func several(t *testing.T, d store.Dialect, seed uint64, n int, met *tally) {
	t.Helper()
	f := enginetest.Open(t, d, often)
	defer f.Close()
	for i := range uint64(n) {
		h, asked := begin(f)
		h.play(t.Context(), rand.New(rand.NewPCG(seed+i, 1)))
		h.check(t, asked, seed+i)
		met.take(h)
		if t.Failed() {
			return
		}
		h.rest(t)
	}
	f.CheckQuiet()
}

// Who asks several times at once under one reference has asked once.
func TestAskedAtOnceUnderOneReference(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d, often)
		for i := range 10 {
			a := ask()
			a.Reference = fmt.Sprintf("ref-%d", i)
			var all sync.WaitGroup
			var ids sync.Map
			for range 4 {
				all.Go(func() {
					r, err := f.Engine.Submit(t.Context(), f.As("eve"), a)
					if err != nil {
						t.Errorf("asked at once: %v", err)
					}
					ids.Store(r.ID, true)
				})
			}
			all.Wait()
			n := 0
			ids.Range(func(any, any) bool { n++; return true })
			if n != 1 {
				t.Errorf("asked at once, there are %d requests", n)
			}
		}
		f.Check()
	})
}

// The checker says no where something is lost: each of these is a history that
// a broken engine would tell.
func TestWhatCouldNotHaveHappenedIsSeen(t *testing.T) {
	t.Parallel()
	asked := state{rev: 1, state: access.Pending, answerBy: 3_600_000_000}
	voted := func(who string, rev int, what string, state access.RequestState) (deed, answer) {
		return deed{verb: "vote", who: who, rev: rev}, answer{what: what, state: state}
	}
	edited := func(rev int) (deed, answer) {
		return deed{verb: "edit", rev: rev}, answer{what: "ok", rev: rev + 1, answerBy: 3_600_000_000}
	}
	ended := func(what string, revoke bool) (deed, answer) {
		return deed{verb: "end", deny: revoke}, answer{what: what}
	}
	type told struct {
		call, end int64
		d         deed
		a         answer
	}
	at := func(call, end int64, d deed, a answer) told { return told{call, end, d, a} }
	with := func(call, end int64) func(d deed, a answer) told {
		return func(d deed, a answer) told { return at(call, end, d, a) }
	}
	both := []told{with(1, 2)(voted("mia", 1, "ok", access.Pending)), with(3, 4)(voted("otto", 1, "ok", access.Approved))}
	for name, c := range map[string]struct {
		told []told
		may  bool
	}{
		"a vote and an edit, one after the other": {[]told{with(1, 2)(edited(1)), with(3, 4)(voted("mia", 2, "ok", access.Pending))}, true},
		"a vote on the old revision counts":       {[]told{with(1, 2)(edited(1)), with(3, 4)(voted("mia", 1, "ok", access.Pending))}, false},
		"… while it is edited":                    {[]told{with(1, 4)(edited(1)), with(2, 3)(voted("mia", 1, "ok", access.Pending))}, true},
		"votes of two revisions add up":           {[]told{both[0], with(3, 4)(edited(1)), with(5, 6)(voted("otto", 2, "ok", access.Approved))}, false},
		"two edits of one revision":               {[]told{with(1, 3)(edited(1)), with(2, 4)(edited(1))}, false},
		"one person votes twice":                  {[]told{both[0], with(3, 4)(voted("mia", 1, "ok", access.Pending))}, false},
		"both complete it":                        {[]told{with(1, 3)(voted("mia", 1, "ok", access.Approved)), with(2, 4)(voted("otto", 1, "ok", access.Approved))}, false},
		"a grant ends twice":                      {append(both[:2:2], with(5, 8)(ended("ok", true)), with(6, 7)(ended("ok", false))), false},
		"a grant ends once":                       {append(both[:2:2], with(5, 8)(ended("ok", true)), with(6, 7)(ended("gone", false))), true},
		"it is held after it was revoked":         {append(both[:2:2], with(5, 6)(ended("ok", true)), at(7, 8, deed{verb: "claim"}, answer{what: "held"})), false},
		"it is held after its end":                {append(both[:2:2], at(5, 6, deed{verb: "claim", early: 1 << 50, late: 1 << 50}, answer{what: "held"})), false},
		"it expires before its time":              {[]told{at(1, 2, deed{verb: "expire", late: 3_599_999_999}, answer{what: "ok", n: 1})}, false},
		"a vote after it expired": {[]told{at(1, 2, deed{verb: "expire", late: 3_600_000_000}, answer{what: "ok", n: 1}),
			with(3, 4)(voted("mia", 1, "ok", access.Pending))}, false},
		"a reader sees the past": {[]told{both[0], at(3, 4, deed{verb: "read"}, answer{what: "ok", rev: 1, state: access.Pending, answerBy: 3_600_000_000})}, false},
	} {
		var ops []porcupine.Operation
		for i, o := range c.told {
			ops = append(ops, porcupine.Operation{ClientId: i, Input: o.d, Call: o.call, Output: o.a, Return: o.end})
		}
		if got := porcupine.CheckOperations(model(asked), ops); got != c.may {
			t.Errorf("%s: %t", name, got)
		}
	}
}
