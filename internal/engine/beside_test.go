package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// between has something else done while a verb's first try is about to be committed. On
// PostgreSQL that is over by then, or waits for a lock, of a row or at the gate; on SQLite
// it waits until the first is over.
type between struct {
	*enginetest.Fixture
	mu   sync.Mutex
	step string
	do   func() error
	err  chan error
	came int // how often a verb of that name came so far
}

func (b *between) seam(step string) {
	b.mu.Lock()
	if step == b.step {
		b.came++
	}
	do := b.do
	if step != b.step || do == nil {
		b.mu.Unlock()
		return
	}
	b.do, b.err = nil, make(chan error, 1)
	b.mu.Unlock()
	done := make(chan struct{})
	go func() { b.err <- do(); close(done) }()
	if b.DB.Dialect == store.Postgres {
		b.overOrWaiting(done)
	}
}

func (b *between) overOrWaiting(done chan struct{}) {
	for waiting := 0; waiting == 0; {
		select {
		case <-done:
			return
		default:
		}
		err := b.DB.Read(context.Background(), func(tx *store.Tx) error {
			return tx.QueryRowContext(context.Background(), "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").Scan(&waiting)
		})
		if err != nil {
			panic(err)
		}
	}
}

// at does one verb, and the other in between.
func (b *between) at(verb string, first, other func() error) (one, two error) {
	b.mu.Lock()
	b.step, b.do, b.came = verb+" before commit", other, 0
	b.mu.Unlock()
	one = first()
	return one, <-b.err
}

func interleaved(t *testing.T, do func(t *testing.T, b *between)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		b := &between{}
		b.Fixture = enginetest.Open(t, d, func(o *enginetest.Options) { o.Seam = b.seam })
		do(t, b)
		b.Check()
	})
}

func (b *between) submit(ctx context.Context, by string, a engine.Ask, to *access.Request) func() error {
	return func() (err error) {
		*to, err = b.Engine.Submit(ctx, b.As(by), a)
		return err
	}
}

func (b *between) votes(ctx context.Context, by string, r access.Request) func() error {
	return func() error {
		_, err := b.Engine.Vote(ctx, b.As(by), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
		return err
	}
}

// Two duties that may not be together are not asked for at once, by the same person nor
// for their workload; what two others ask for is no matter to either.
func TestClashesAskedForAtOnce(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		for _, x := range []struct {
			first, second string
			clash         bool
		}{{"eve", "eve", true}, {"eve", "robot", true}, {"robot", "eve.2", true}, {"eve", "bob", false}} {
			var one, two access.Request
			err, other := b.at("submit", b.submit(t.Context(), x.first, ask("dir:pay"), &one), b.submit(t.Context(), x.second, ask("dir:audit"), &two))
			if err != nil || other != nil {
				t.Fatal(errors.Join(err, other))
			}
			if clash := (one.State == access.Denied) != (two.State == access.Denied); clash != x.clash {
				t.Errorf("%s and %s: %s and %s", x.first, x.second, one.State, two.State)
			}
			if again := b.came > 2; b.DB.Dialect == store.Postgres && again != x.clash {
				t.Errorf("%s and %s: %d tries in all", x.first, x.second, b.came)
			}
			for by, r := range map[string]access.Request{x.first: one, x.second: two} {
				if r.State == access.Pending {
					if err := b.Engine.Cancel(t.Context(), b.As(by), r.ID, "enough"); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

// Two that were asked for one after the other do not become grants at once, where they
// have come to clash.
func TestClashesApprovedAtOnce(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		wiki, reports := b.Ask("eve", ask("dir:wiki")), b.Ask("eve", ask("dir:reports"))
		b.Change(apart(access.DutyRefuse))
		err, other := b.at("vote", b.votes(t.Context(), "mia", wiki), b.votes(t.Context(), "mia", reports))
		if err != nil || other != nil {
			t.Fatal(errors.Join(err, other))
		}
		if n := len(b.Grants()); n > 1 {
			t.Errorf("%d grants", n)
		}
	})
}

// The last two votes at once make one grant, and neither is lost.
func TestTheLastVotesAtOnce(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		r := b.Ask("eve", ask("dir:root"))
		err, other := b.at("vote", b.votes(t.Context(), "mia", r), b.votes(t.Context(), "otto", r))
		if err != nil || other != nil {
			t.Fatal(errors.Join(err, other))
		}
		if r = b.Request(r.ID); r.State != access.Approved || len(b.Grants()) != 1 {
			t.Errorf("%s, %d grants", r.State, len(b.Grants()))
		}
	})
}

// One reference, asked for twice at once, is one request.
func TestAReferenceTwiceAtOnce(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		a := ask("dir:wiki")
		a.Reference = "one"
		var one, two access.Request
		err, other := b.at("submit", b.submit(t.Context(), "bob", a, &one), b.submit(t.Context(), "bob", a, &two))
		if err != nil || other != nil || one.ID != two.ID {
			t.Errorf("%q and %q: %v", one.ID, two.ID, errors.Join(err, other))
		}
	})
}

// Whoever leaves while something is granted to them keeps nothing of it.
func TestLeavingAtTheVote(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		r := b.Ask("bob", ask("dir:wiki"))
		err, other := b.at("vote", b.votes(t.Context(), "mia", r), func() error {
			_, err := b.Engine.Leave(t.Context(), b.As("sara"), "bob", "the contract is over")
			return err
		})
		if err != nil || other != nil {
			t.Fatal(errors.Join(err, other))
		}
		for _, g := range b.Grants() {
			if g.State != access.Ended {
				t.Errorf("bob has left, and %s is %s", g.ID, g.State)
			}
		}
	})
}

// What is claimed to be removed while a new reason for it is granted is held in the end.
func TestAGrantWhileItsAssignmentIsClaimed(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		b.Granted("bob", ask("dir:wiki"), "mia")
		r := b.Ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "for longer", Term: 4 * hour})
		b.Work()
		b.Clock.Pass(2 * time.Hour)
		err, other := b.at("claim", func() error {
			_, err := b.Engine.Claim(t.Context(), "by hand", "dir", 10)
			return err
		}, b.votes(t.Context(), "mia", r))
		if err != nil || other != nil {
			t.Fatal(errors.Join(err, other))
		}
		b.Clock.Pass(time.Minute)
		b.Work()
		if n := len(b.Held("dir")); n != 1 {
			t.Errorf("%d held", n)
		}
	})
}

// While another version of the program is there, whoever has seen it notes all the same:
// of two that clash, of whom only one knows of it yet, one begins anew.
func TestClashesAskedForBesideAnotherProgram(t *testing.T) {
	interleaved(t, func(t *testing.T, b *between) {
		c := b.Engine.Config
		c.Mixed = func() bool { return true }
		knows, err := engine.New(c)
		if err != nil {
			t.Fatal(err)
		}
		engines := []*engine.Engine{b.Engine, knows}
		for range 2 {
			var r [2]access.Request
			asks := func(i int, what string) func() error {
				return func() (err error) {
					r[i], err = engines[i].Submit(t.Context(), b.As("eve"), ask(what))
					return err
				}
			}
			if err, other := b.at("submit", asks(0, "dir:pay"), asks(1, "dir:audit")); err != nil || other != nil {
				t.Fatal(errors.Join(err, other))
			}
			if (r[0].State == access.Denied) == (r[1].State == access.Denied) {
				t.Errorf("%s and %s", r[0].State, r[1].State)
			}
			for _, r := range r {
				if r.State == access.Pending {
					if err := b.Engine.Cancel(t.Context(), b.As("eve"), r.ID, "enough"); err != nil {
						t.Fatal(err)
					}
				}
			}
			engines[0], engines[1] = engines[1], engines[0]
		}
	})
}
