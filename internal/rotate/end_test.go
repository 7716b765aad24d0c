package rotate_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

func deed(reason string) engine.Deed { return engine.Deed{Credential: "robot-git", Reason: reason} }

// What is compromised is killed at once, in a blackout and in an overlap too: both of
// its generations. A new one follows, whoever answers is told, and the finding closes
// when it is proved dead.
func TestCompromised(t *testing.T) {
	always := access.Blackout{Days: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}, To: 24 * time.Hour, Zone: time.UTC}
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(b *bench) {
				b.run(7 * 24 * time.Hour) // begun at a weekend
				b.must(b.Engine.Compromised(b.t.Context(), b.As("eve"), deed("it was in a log")))
				b.run(time.Second)
				r := b.state(access.RotationDone)
				if worth := b.one(kind); worth == "" || r.Cause != access.CauseCompromised || r.Killed.After(r.Delivered) {
					b.t.Errorf("%+v", r)
				}
				// Once more, in the middle of an overlap.
				b.run(31 * 24 * time.Hour)
				for range 200 {
					if kind == enginetest.Password || b.newest().State == access.RotationOverlapping {
						break
					}
					b.run(30 * time.Minute)
				}
				first, olds := b.safe.Read(ref), b.keys.Alive("robot", kind)
				b.must(b.Engine.Compromised(b.t.Context(), b.As("sara"), deed("it was in a repository")))
				if !slices.Contains(b.open(), "credential_compromised") {
					b.t.Errorf("open findings: %v", b.open())
				}
				b.run(time.Second)
				r = b.state(access.RotationDone)
				for _, was := range olds {
					if now := b.one(kind); now == was || now == first {
						b.t.Errorf("%q is still in force", was)
					}
				}
				b.found()
				told := map[string]bool{}
				for _, n := range b.Notices() {
					for _, to := range n.To {
						told[n.Subject+" "+to] = true
					}
				}
				for _, to := range []string{"eve", "owen", "security"} {
					if !told["compromised: robot-git "+to] {
						b.t.Errorf("%s was not told", to)
					}
				}
			}, plan(kind, func(p *access.CredentialPlan) { p.Blackouts = []access.Blackout{always} }))
		})
	}
}

// Whatever a rotation has made when it is taken over is killed, though a call of it
// lands late: at any step, by whichever call.
func TestTakenOverAnywhere(t *testing.T) {
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		for _, op := range []string{"", "issue", "put"} {
			t.Run(kind+" "+op, func(t *testing.T) {
				each(t, func(b *bench) {
					b.run(time.Minute)
					first, step := every(b.t, 4)
					for nth := 1 + first; ; nth += step {
						b.must(b.Engine.Rotate(b.t.Context(), b.As("eve"), deed("to see")))
						came, over := 0, false
						b.seam = func(step string) {
							if came++; came == nth && !over {
								over = true
								b.seam = nil
								if _, err := b.Engine.Compromised(b.t.Context(), b.As("eve"), deed("it leaked")); err != nil && !errors.Is(err, access.ErrGone) {
									b.t.Fatal(err)
								}
								if op != "" {
									b.keys.Break(op, enginetest.Late)
									b.safe.Break(op, enginetest.Late)
								}
							}
						}
						b.run(time.Hour)
						b.state(access.RotationDone)
						b.one(kind)
						b.keys.Clear(op)
						b.safe.Clear(op)
						if b.t.Failed() {
							b.t.Fatalf("taken over at the %d. step", nth)
						}
						if !over {
							return
						}
					}
				}, plan(kind, func(p *access.CredentialPlan) { p.Overlap = access.Term(time.Minute) }))
			})
		}
	}
}

// What is retired is killed, proved dead and made no more; what a rotation under way has
// made goes with it.
func TestRetired(t *testing.T) {
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(b *bench) {
				b.run(month + 30*time.Minute)
				b.must(b.Engine.Retire(b.t.Context(), b.As("eve"), deed("the job is no more")))
				b.run(2 * month)
				r := b.state(access.RotationDead)
				if alive := b.keys.Alive("robot", kind); len(alive) > 0 || len(r.Alive()) > 0 || r.Cause != access.CauseRetired {
					b.t.Errorf("%q let in: %+v", alive, r)
				}
				for what, do := range map[string]func() (access.Rotation, error){
					"rotate": func() (access.Rotation, error) { return b.Engine.Rotate(b.t.Context(), b.As("eve"), deed("x")) },
					"retire": func() (access.Rotation, error) { return b.Engine.Retire(b.t.Context(), b.As("eve"), deed("x")) },
					"leaked": func() (access.Rotation, error) { return b.Engine.Compromised(b.t.Context(), b.As("eve"), deed("x")) },
				} {
					if _, err := do(); !errors.Is(err, access.ErrGone) {
						b.t.Errorf("%s: %v", what, err)
					}
				}
				c, err := b.Engine.CredentialKept(b.t.Context(), b.As("eve"), "robot-git")
				if err != nil || c.State != "retired" || len(c.May) > 0 {
					b.t.Errorf("%+v, %v", c, err)
				}
				b.found()
			}, plan(kind))
		})
	}
}

// One that is in no plan and only found: it is killed, seen gone in the target's own
// list, and no new one follows.
func TestFoundOneIsCompromised(t *testing.T) {
	each(t, func(b *bench) {
		id := b.keys.Plant("robot", enginetest.Token, "leaked")
		b.Advance(time.Minute)
		if _, err := b.Engine.ObservedCredentials(b.t.Context(), "git", b.Now(), []engine.CredentialSeen{{ID: id, Kind: enginetest.Token, Account: "robot", Name: "planted"}}); err != nil {
			b.t.Fatal(err)
		}
		list, err := b.Engine.CredentialsKept(b.t.Context(), b.As("eve"), "")
		if err != nil || len(list) != 1 || list[0].State != "found" || list[0].Owner != "eve" {
			b.t.Fatalf("%+v, %v", list, err)
		}
		b.must(b.Engine.Compromised(b.t.Context(), b.As("eve"), engine.Deed{Credential: list[0].ID, Reason: "it was in a log"}))
		b.keys.Break("kill", enginetest.Lie)
		b.run(time.Minute)
		if alive := b.keys.Alive("robot", enginetest.Token); len(alive) > 0 {
			b.t.Errorf("%q let in", alive)
		}
		c, err := b.Engine.CredentialKept(b.t.Context(), b.As("eve"), list[0].ID)
		if err != nil || c.State != "retired" || len(c.Rotations) != 1 || c.Rotations[0].Olds[0].How != "the target lists it no more; nobody has its worth" {
			b.t.Errorf("%+v, %v", c, err)
		}
	})
}

// Whoever neither answers for it nor for its system, nor is in security, finds nothing;
// an auditor sees it and may not; no workload and no agent may.
func TestWhoMay(t *testing.T) {
	each(t, func(b *bench) {
		b.run(time.Minute)
		for who, want := range map[string]error{"eve": nil, "eve.2": nil, "owen": nil, "sara": nil, "anna": access.ErrDenied, "robot": access.ErrDenied, "pilot": access.ErrNotFound,
			"bob": access.ErrNotFound, "mia": access.ErrNotFound, "zoe": access.ErrNotFound, "nobody": access.ErrNotFound, "": access.ErrNotFound} {
			for what, do := range map[string]func() (access.Rotation, error){
				"rotate": func() (access.Rotation, error) { return b.Engine.Rotate(b.t.Context(), b.As(who), deed("to see")) },
				"leaked": func() (access.Rotation, error) { return b.Engine.Compromised(b.t.Context(), b.As(who), deed("to see")) },
			} {
				if _, err := do(); !errors.Is(err, want) {
					b.t.Errorf("%s: %s: %v", who, what, err)
				}
				b.run(2 * time.Hour)
			}
			_, err := b.Engine.CredentialKept(b.t.Context(), b.As(who), "robot-git")
			if knows := !errors.Is(want, access.ErrNotFound); knows != (err == nil) {
				b.t.Errorf("%s is shown it: %v", who, err)
			}
			list, err := b.Engine.CredentialsKept(b.t.Context(), b.As(who), "git")
			if knows := !errors.Is(want, access.ErrNotFound); err != nil || knows != (len(list) == 1) {
				b.t.Errorf("%s lists %+v, %v", who, list, err)
			}
		}
		// The same as what is not there.
		_, theirs := b.Engine.Retire(b.t.Context(), b.As("bob"), deed("to see"))
		_, none := b.Engine.Retire(b.t.Context(), b.As("bob"), engine.Deed{Credential: "robot-gix", Reason: "to see"})
		if theirs == nil || none == nil || len(theirs.Error()) != len(none.Error()) {
			b.t.Errorf("%v; %v", theirs, none)
		}
		actor := b.As("eve")
		actor.Scopes = []string{engine.ScopeView}
		if _, err := b.Engine.Rotate(b.t.Context(), actor, deed("to see")); !errors.Is(err, access.ErrDenied) {
			b.t.Errorf("a token that may look: %v", err)
		}
		if _, err := b.Engine.Rotate(b.t.Context(), b.As("eve"), deed(" ")); !errors.Is(err, access.ErrInvalid) {
			b.t.Errorf("without a reason: %v", err)
		}
	}, plan(enginetest.Token, func(p *access.CredentialPlan) { p.Overlap = access.Term(time.Minute) }))
}

// Whoever was stopped and comes back after their lease settles nothing and does no harm.
func TestLateHolderSettlesNothing(t *testing.T) {
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(b *bench) {
				b.run(time.Minute)
				first, step := every(b.t, 3)
				for nth := 1 + first; ; nth += step {
					b.must(b.Engine.Rotate(b.t.Context(), b.As("eve"), deed("to see")))
					late, came, paused := b.another("late"), 0, false
					b.seam = func(string) {
						if came++; came != nth || paused {
							return
						}
						paused = true // and meanwhile another replica does all of it
						b.seam = nil
						b.Clock.Pass(b.Engine.Pace.Lease)
						b.run(10 * time.Minute)
						b.state(access.RotationDone)
						b.one(kind)
					}
					if _, err := late.Once(b.t.Context()); err != nil {
						b.t.Fatal(err)
					}
					b.seam = nil
					b.run(10 * time.Minute)
					b.state(access.RotationDone)
					if b.one(kind); b.t.Failed() {
						b.t.Fatalf("late from the %d. step on", nth)
					}
					if !paused {
						return
					}
				}
			}, plan(kind, func(p *access.CredentialPlan) { p.Overlap = 0 }))
		})
	}
}

// No rotation begins in a blackout, by its plan or because somebody asked; one that is
// past its interval is told of.
func TestBlackout(t *testing.T) {
	working := access.Blackout{Days: []time.Weekday{1, 2, 3, 4, 5}, From: 8 * time.Hour, To: 20 * time.Hour, Zone: time.UTC}
	each(t, func(b *bench) { // it is Monday noon
		b.run(7 * time.Hour)
		if b.newest().ID != "" {
			b.t.Errorf("begun: %+v", b.newest())
		}
		b.run(2 * time.Hour)
		b.state(access.RotationDone)
		b.run(12 * time.Hour)
		b.must(b.Engine.Rotate(b.t.Context(), b.As("eve"), deed("to see")))
		b.run(time.Hour)
		b.state(access.RotationDue)
		b.run(12 * time.Hour)
		if r := b.state(access.RotationDone); r.Issued.Hour() < 20 {
			b.t.Errorf("%+v", r)
		}
		b.one(enginetest.Token)
	}, plan(enginetest.Token, func(p *access.CredentialPlan) { p.Blackouts, p.Overlap = []access.Blackout{working}, 0 }))
}

// What a plan made is no finding for readings: it needs no end of its own, and came under
// no grant. What they see of it is shown with it.
func TestInventoryKnowsWhatIsPlanned(t *testing.T) {
	each(t, func(b *bench) {
		b.run(time.Minute)
		r := b.newest()
		if _, err := b.Engine.ObservedCredentials(b.t.Context(), "git", b.Now(), []engine.CredentialSeen{
			{ID: r.Native, Kind: enginetest.Token, Account: "robot", Name: r.Mark(), Used: b.Now()}}); err != nil {
			b.t.Fatal(err)
		}
		b.found()
		c, err := b.Engine.CredentialKept(b.t.Context(), b.As("eve"), "robot-git")
		if err != nil || len(c.Seen) != 1 || c.Used.IsZero() || c.State != "live" || !c.Due.Equal(r.Issued.Add(month)) || !slices.Equal(c.May, []string{"rotate", "retire", "compromised"}) {
			b.t.Errorf("%+v, %v", c, err)
		}
		// By the name that readings have for it, it is the plan's.
		if _, err := b.Engine.Rotate(b.t.Context(), b.As("eve"), engine.Deed{Credential: c.Seen[0].ID, Reason: "to see"}); err != nil {
			b.t.Error(err)
		}
	}, plan(enginetest.Token))
}

// A plan that comes to speak of another credential makes none, and says so.
func TestPlanThatChanges(t *testing.T) {
	each(t, func(b *bench) {
		b.run(time.Minute)
		b.Change(func(c *enginetest.Company) { c.Plans[0].Kind = enginetest.Password })
		b.run(2 * month)
		b.found("credential_plan_changed")
		b.one(enginetest.Token)
		b.Change(func(c *enginetest.Company) { c.Plans[0].Kind, c.Plans[0].Ref = enginetest.Token, "apps/elsewhere" })
		b.run(2 * time.Hour)
		b.state(access.RotationDone)
		if alive := b.keys.Alive("robot", enginetest.Token); !slices.Equal(alive, []string{b.safe.Read("apps/elsewhere")}) {
			b.t.Errorf("%q let in", alive)
		}
		b.found()
	}, plan(enginetest.Token))
}
