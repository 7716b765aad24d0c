package rotate_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// What the target makes: the new one is delivered and lets in, both let in for the
// overlap, then the old one is killed and tried, and the store forgets it.
func TestTokenIsRotated(t *testing.T) {
	each(t, func(b *bench) {
		b.run(time.Minute)
		b.state(access.RotationDone)
		first := b.one(enginetest.Token)
		b.run(month - time.Hour)
		if b.one(enginetest.Token) != first {
			b.t.Error("it was rotated before its time")
		}
		b.run(90 * time.Minute)
		b.state(access.RotationOverlapping)
		second := b.safe.Read(ref)
		if alive := b.keys.Alive("robot", enginetest.Token); second == first || !slices.Equal(alive, []string{first, second}) {
			b.t.Errorf("in the overlap: %q are alive, consumers read %q", alive, second)
		}
		b.run(time.Hour)
		r := b.state(access.RotationDone)
		if b.one(enginetest.Token) != second || r.Generation != 2 || len(r.Olds) != 1 || r.Olds[0].Dead.IsZero() || r.Until.Sub(r.Delivered) != time.Hour {
			b.t.Errorf("%+v", r)
		}
		if kept := b.safe.Kept(ref); !slices.Equal(kept, []int64{2}) {
			b.t.Errorf("the store has %v", kept)
		}
		b.found()
		b.nowhere()
	}, plan(enginetest.Token))
}

// What is chosen: consumers have it before it is set, and setting it ends the old one.
func TestPasswordIsRotated(t *testing.T) {
	each(t, func(b *bench) {
		b.run(time.Minute)
		first := b.one(enginetest.Password)
		b.run(month + time.Hour)
		r := b.state(access.RotationDone)
		second := b.one(enginetest.Password)
		if first == second || r.Generation != 2 || r.Olds[0].How != "tried: it lets nobody in" || len(second) != 32 {
			b.t.Errorf("%q, %q: %+v", first, second, r)
		}
		b.found()
		b.nowhere()
	}, plan(enginetest.Password))
}

// The old one goes as soon as consumers were seen using the new one: our own try is no use.
func TestUsedEndsTheOverlap(t *testing.T) {
	each(t, func(b *bench) {
		b.run(month + 30*time.Minute)
		r := b.state(access.RotationOverlapping)
		if !r.Used.IsZero() {
			b.t.Errorf("seen used by our own try: %+v", r)
		}
		b.keys.Use(b.safe.Read(ref))
		b.run(5 * time.Minute)
		if r = b.state(access.RotationDone); r.Used.IsZero() || r.Killed.Sub(r.Delivered) > 45*time.Minute {
			b.t.Errorf("%+v", r)
		}
		b.one(enginetest.Token)
	}, plan(enginetest.Token, func(p *access.CredentialPlan) { p.Watch = true }))
}

// What lingers is tried until it lets nobody in, and is no matter for anybody before its
// time is over.
func TestProofWaitsForWhatLingers(t *testing.T) {
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(b *bench) {
				b.keys.Lingers = time.Hour
				b.lane = b.another("lane")
				b.run(time.Minute)
				b.state(access.RotationDone)
				b.run(month + 10*time.Minute)
				r := b.state(access.RotationProving)
				if n := len(b.keys.Alive("robot", kind)); n != 2 || r.Work.Attempts == 0 {
					b.t.Errorf("%d are alive: %+v", n, r.Work)
				}
				b.found()
				b.run(time.Hour)
				if r = b.state(access.RotationDone); r.Olds[0].Dead.Before(r.Killed.Add(time.Hour)) || r.Olds[0].Dead.After(r.Killed.Add(time.Hour+5*time.Second)) {
					b.t.Errorf("%+v", r)
				}
				b.one(kind)
			}, plan(kind, func(p *access.CredentialPlan) { p.Overlap = 0 }))
		})
	}
}

// A target that says it killed and did not is not believed: it is told of, louder and
// louder, and never given up.
func TestWhatStillLivesIsNeverGivenUp(t *testing.T) {
	each(t, func(b *bench) {
		b.run(month)
		b.keys.Always("kill", enginetest.Lie)
		b.run(26 * time.Hour)
		b.state(access.RotationKilling)
		b.found("credential_still_lives")
		loud := 0
		for _, n := range b.Notices() {
			loud = max(loud, n.Loud)
		}
		if loud < 3 {
			b.t.Errorf("told up to %d times", loud)
		}
		b.keys.Always("kill", enginetest.None)
		b.run(10 * time.Minute)
		b.state(access.RotationDone)
		b.found()
		b.one(enginetest.Token)
	}, plan(enginetest.Token))
}

// One that the target refuses: consumers get back what lets them in, and it is tried
// again with another, slower and louder.
func TestRefusedPasswordIsPutBack(t *testing.T) {
	each(t, func(b *bench) {
		b.run(month - time.Hour)
		first := b.one(enginetest.Password)
		b.keys.Always("issue", enginetest.Refuse)
		b.run(3 * time.Hour)
		if r := b.newest(); r.State.Over() || r.Work.Attempts < 5 {
			b.t.Errorf("%+v", r)
		}
		if b.one(enginetest.Password) != first {
			b.t.Error("consumers do not have the old one")
		}
		b.found("rotation_late", "rotation_overdue")
		b.keys.Always("issue", enginetest.None)
		b.run(time.Hour)
		b.state(access.RotationDone)
		b.found()
		if kept := b.safe.Kept(ref); b.one(enginetest.Password) == first || len(kept) != 1 {
			b.t.Errorf("the store has %v", kept)
		}
	}, plan(enginetest.Password))
}

// A store that is ahead, as after a restored database, is no end: numbers go on above.
func TestStoreThatIsAhead(t *testing.T) {
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(b *bench) {
				if err := b.safe.Put(b.t.Context(), ref, 41, connector.Worth("of another life")); err != nil {
					b.t.Fatal(err)
				}
				b.run(time.Hour)
				if r := b.state(access.RotationDone); r.Generation != 42 {
					b.t.Errorf("%+v", r)
				}
				b.one(kind)
			}, plan(kind))
		})
	}
}

// Whatever call goes wrong, once, in whatever way, before or after it takes effect: in
// the end exactly what consumers read lets in, and nothing of it is lost on the way.
func TestEveryCallGoesWrong(t *testing.T) {
	faults := []enginetest.Fault{enginetest.Refuse, enginetest.Unreachable, enginetest.Throttle, enginetest.Lost, enginetest.LostDone, enginetest.Late}
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(b *bench) {
				b.run(time.Minute)
				nth, step := every(b.t, 5)
				for _, op := range []string{"issue", "marked", "kill", "try", "put", "get", "current", "forget"} {
					for _, f := range faults {
						for skip := range 2 {
							if nth++; nth%step != 0 {
								continue
							}
							plan := append(make([]enginetest.Fault, skip), f)
							b.keys.Break(op, plan...)
							b.safe.Break(op, plan...)
							before := b.newest().Generation
							if _, err := b.Engine.Rotate(b.t.Context(), b.As("eve"), engine.Deed{Credential: "robot-git", Reason: "to see"}); err != nil {
								b.t.Fatalf("%s %s %d: %v", op, f, skip, err)
							}
							b.run(20 * time.Minute)
							if r := b.newest(); r.State != access.RotationDone || r.Generation <= before {
								b.t.Fatalf("%s %s %d: %+v", op, f, skip, r)
							}
							if b.one(kind); b.t.Failed() {
								b.t.Fatalf("%s %s %d", op, f, skip)
							}
							b.keys.Clear(op) // what was not needed does not spoil the next
							b.safe.Clear(op)
						}
					}
				}
				b.found()
			}, plan(kind, func(p *access.CredentialPlan) { p.Overlap = 0 }))
		})
	}
}

// A process that stops after any call or step leaves what the next one brings to the
// same end, whether or not calls of it land late.
func TestStopsAnywhere(t *testing.T) {
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(b *bench) {
				b.run(time.Minute)
				first, step := every(b.t, 3)
				for nth := 1 + first; ; nth += step {
					came, where := 0, ""
					b.seam = func(step string) {
						if came++; came == nth {
							where = step
							panic(stopped{step})
						}
					}
					b.must(b.Engine.Rotate(b.t.Context(), b.As("eve"), engine.Deed{Credential: "robot-git", Reason: "to see"}))
					b.run(20 * time.Minute)
					b.seam = nil
					b.state(access.RotationDone)
					if b.one(kind); b.t.Failed() {
						b.t.Fatalf("stopped after %q, the %d. step", where, nth)
					}
					if where == "" {
						if nth < 15 {
							b.t.Errorf("only %d steps", nth)
						}
						return
					}
				}
			}, plan(kind, func(p *access.CredentialPlan) { p.Overlap = 0 }))
		})
	}
}
