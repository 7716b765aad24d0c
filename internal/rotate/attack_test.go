package rotate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// seen has a reading of git see these.
func (b *bench) seen(list ...engine.CredentialSeen) {
	b.t.Helper()
	b.Advance(time.Minute)
	if _, err := b.Engine.ObservedCredentials(b.t.Context(), "git", b.Now(), list); err != nil {
		b.t.Fatal(err)
	}
}

// What is being retired is made no more, though it becomes known meanwhile that it has
// leaked: nobody has asked for a new one.
func TestRetiredAndLeakedIsMadeNoMore(t *testing.T) {
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(b *bench) {
				b.keys.Lingers = time.Hour
				b.lane = b.another("lane")
				b.run(time.Minute)
				b.must(b.Engine.Retire(b.t.Context(), b.As("eve"), deed("the job is no more")))
				b.run(time.Minute)
				b.must(b.Engine.Compromised(b.t.Context(), b.As("eve"), deed("it was in a log")))
				b.run(time.Minute)
				b.must(b.Engine.Compromised(b.t.Context(), b.As("sara"), deed("it was in another")))
				b.run(2 * time.Hour)
				b.state(access.RotationDead)
				if alive := b.keys.Alive("robot", kind); len(alive) > 0 {
					b.t.Errorf("%q let in", alive)
				}
				b.found()
			}, plan(kind))
		})
	}
}

// An account has one password, whoever has set it: one that is compromised or retired
// before its plan has made any is killed, though nothing can be delivered.
func TestPasswordNobodyMadeIsKilled(t *testing.T) {
	for _, verb := range []string{"compromised", "retired"} {
		t.Run(verb, func(t *testing.T) {
			each(t, func(b *bench) {
				b.keys.Plant("robot", enginetest.Password, "set by somebody")
				for _, op := range []string{"current", "put"} {
					b.safe.Always(op, enginetest.Unreachable)
				}
				do, ends := b.Engine.Compromised, access.RotationDone
				if verb == "retired" {
					do, ends = b.Engine.Retire, access.RotationDead
				}
				b.must(do(b.t.Context(), b.As("eve"), deed("it was in a log")))
				b.run(time.Minute)
				if alive := b.keys.Alive("robot", enginetest.Password); len(alive) > 0 {
					b.t.Errorf("%q let in", alive)
				}
				for _, op := range []string{"current", "put"} {
					b.safe.Always(op, enginetest.None)
				}
				b.run(time.Hour)
				b.state(ends)
				if alive := b.keys.Alive("robot", enginetest.Password); ends == access.RotationDone && !slices.Equal(alive, []string{b.safe.Read(ref)}) {
					b.t.Errorf("%q let in", alive)
				}
			}, plan(enginetest.Password))
		})
	}
}

// Anybody may call a token of theirs by the mark of somebody else's: it is found, told of
// and killed as what it is, and the other one is left alone.
func TestNoTokenPassesForAPlannedOne(t *testing.T) {
	each(t, func(b *bench) {
		b.run(time.Minute)
		r, worth := b.newest(), b.one(enginetest.Token)
		theirs := b.keys.Plant("bob", enginetest.Token, "bob's")
		beside := b.keys.Plant("robot", enginetest.Token, "beside it")
		ours := engine.CredentialSeen{ID: r.Native, Kind: enginetest.Token, Account: "robot", Name: r.Mark()}
		b.seen(ours, engine.CredentialSeen{ID: theirs, Kind: enginetest.Token, Account: "bob", Name: r.Mark()},
			engine.CredentialSeen{ID: beside, Kind: enginetest.Token, Account: "robot", Name: "lessor-" + r.Mark()})
		b.found("credential_unending")
		if f := b.Findings(true)[0]; !strings.HasPrefix(f.Text, "2 credentials") || strings.Contains(f.Text, r.Native+";") {
			b.t.Error(f.Text)
		}
		list, err := b.Engine.CredentialsKept(b.t.Context(), b.As("sara"), "git")
		if err != nil || len(list) != 3 {
			b.t.Fatalf("%+v, %v", list, err)
		}
		for _, c := range list[1:] {
			if c.State != "found" {
				b.t.Fatalf("%+v", c)
			}
			b.must(b.Engine.Compromised(b.t.Context(), b.As("sara"), engine.Deed{Credential: c.ID, Reason: "nobody knows where it came from"}))
		}
		b.run(time.Minute)
		if alive := slices.Concat(b.keys.Alive("bob", enginetest.Token), b.keys.Alive("robot", enginetest.Token)); !slices.Equal(alive, []string{worth}) {
			b.t.Errorf("%q let in", alive)
		}
	}, plan(enginetest.Token))
}

// What was made under a plan that is gone is made anew no more, so that it is found to
// never end like any other.
func TestPlanThatIsGone(t *testing.T) {
	each(t, func(b *bench) {
		b.run(time.Minute)
		r := b.newest()
		is := engine.CredentialSeen{ID: r.Native, Kind: enginetest.Token, Account: "robot", Name: r.Mark()}
		b.seen(is)
		b.found()
		b.must(b.Engine.Rotate(b.t.Context(), b.As("eve"), deed("the last time")))
		b.Change(func(c *enginetest.Company) { c.Plans = nil })
		b.run(2 * time.Hour)
		b.state(access.RotationDone)
		b.one(enginetest.Token)
		is.ID = b.newest().Native
		b.seen(is)
		b.found("credential_unending")
		b.must(b.Engine.Retire(b.t.Context(), b.As("eve"), deed("the job is no more")))
		b.run(time.Minute)
		b.state(access.RotationDead)
		b.seen()
		b.found()
	}, plan(enginetest.Token))
}

// One that was proved dead and is seen again was brought back: it is killed again.
func TestBroughtBackIsKilledAgain(t *testing.T) {
	each(t, func(b *bench) {
		b.keys.Plant("robot", enginetest.Password, "the first")
		is := engine.CredentialSeen{ID: "robot", Kind: enginetest.Password, Account: "robot"}
		b.seen(is)
		list, err := b.Engine.CredentialsKept(b.t.Context(), b.As("eve"), "git")
		if err != nil || len(list) != 1 {
			b.t.Fatalf("%+v, %v", list, err)
		}
		leaked := engine.Deed{Credential: list[0].ID, Reason: "it was in a log"}
		b.must(b.Engine.Compromised(b.t.Context(), b.As("eve"), leaked))
		b.run(time.Minute)
		if _, err := b.Engine.Compromised(b.t.Context(), b.As("eve"), leaked); !errors.Is(err, access.ErrGone) {
			b.t.Errorf("killed twice: %v", err)
		}
		b.keys.Plant("robot", enginetest.Password, "the second")
		b.seen(is)
		b.must(b.Engine.Compromised(b.t.Context(), b.As("eve"), leaked))
		b.run(time.Minute)
		if alive := b.keys.Alive("robot", enginetest.Password); len(alive) > 0 {
			b.t.Errorf("%q let in", alive)
		}
	})
}

// Whoever may write into a store may write any number; one from which nothing can be
// counted on is said, and is no end of counting.
func TestStoreWithoutReason(t *testing.T) {
	each(t, func(b *bench) {
		if err := b.safe.Put(b.t.Context(), ref, 1<<63-1, connector.Worth("of another life")); err != nil {
			b.t.Fatal(err)
		}
		b.run(3 * time.Hour)
		if r := b.newest(); r.State.Over() || r.Generation != 1 || !strings.Contains(r.Work.Trouble, "which nobody has come to") {
			b.t.Errorf("%+v", r)
		}
		b.found("rotation_late", "rotation_overdue")
	}, plan(enginetest.Token))
}

// Whoever goes on writing higher numbers into a store does not have us spin.
func TestStoreThatRunsAhead(t *testing.T) {
	each(t, func(b *bench) {
		ahead := int64(0)
		b.seam = func(step string) {
			if step == "claimed" || strings.HasPrefix(step, "settled") {
				ahead += 10
				if err := b.safe.Put(b.t.Context(), ref, ahead, connector.Worth("of another life")); err != nil {
					b.t.Fatal(err)
				}
			}
		}
		b.run(20 * time.Minute)
		if r := b.newest(); r.State.Over() || r.Work.Attempts < 3 || r.Work.Fence > 100 || r.Generation > 2000 {
			b.t.Errorf("%+v", r)
		}
		b.seam = nil
		b.run(time.Hour)
		b.state(access.RotationDone)
		b.one(enginetest.Token)
	}, plan(enginetest.Token))
}
