package engine_test

import (
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/clock"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// machine is one whose clocks are held by hand: one that anybody sets, one that nobody does.
type machine struct {
	mu   sync.Mutex
	wall time.Time
	run  time.Duration

	clock *clock.Clock // what the fixture lives by
}

func (m *machine) readers() clock.Readers {
	return clock.Readers{
		Wall: func() time.Time { m.mu.Lock(); defer m.mu.Unlock(); return m.wall },
		Run:  func() time.Duration { m.mu.Lock(); defer m.mu.Unlock(); return m.run },
	}
}

// pass lets time pass by both clocks, set only the one that anybody may set.
func (m *machine) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wall, m.run = m.wall.Add(d), m.run+d
}

func (m *machine) set(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wall = m.wall.Add(d)
}

var bounds = clock.Bounds{Jump: 10 * time.Minute, Hold: 15 * time.Minute}

// timed runs a test on both databases, on a fixture that lives by such a machine.
func timed(t *testing.T, do func(t *testing.T, f *enginetest.Fixture, m *machine, c *clock.Clock)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		m := &machine{wall: enginetest.Noon}
		c := clock.New(m.readers(), bounds, clock.Mark{}, time.Time{}, time.Time{})
		m.clock = c
		f := enginetest.Open(t, d, func(o *enginetest.Options) { o.Now = func() time.Time { return m.clock.Now() } })
		do(t, f, m, c)
		f.Check()
	})
}

// keep is what a server does every few seconds: it compares the clocks and keeps the time.
func keep(t *testing.T, f *enginetest.Fixture, c *clock.Clock) {
	t.Helper()
	c.Look(nil)
	mark, err := f.Engine.KeepTime(t.Context(), c.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.Reach(mark)
}

// A wall clock that is set back puts off no end, neither while the process runs nor by
// starting it anew: what ends in an hour ends after an hour.
func TestClockSetBackExtendsNothing(t *testing.T) {
	timed(t, func(t *testing.T, f *enginetest.Fixture, m *machine, c *clock.Clock) {
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		f.Work()
		other := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "for longer", Term: 2 * hour}, "mia")
		f.Work()
		m.pass(30 * time.Minute)
		keep(t, f, c)
		m.set(-12 * time.Hour)
		keep(t, f, c)
		// 1. A lane that sleeps until the end wakes by the clock nobody sets.
		due, ok, err := f.Engine.NextDue(t.Context(), "dir")
		if left := due.Sub(c.Now()); err != nil || !ok || left > 30*time.Minute {
			t.Errorf("sleeps %s", left)
		}
		m.pass(30*time.Minute - time.Second)
		f.Work()
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("ended early")
		}
		m.pass(time.Second)
		f.Work()
		if f.Targets["dir"].Holds("eve", "wiki") || f.Grant(g.ID).State != access.Ended {
			t.Error("a wall clock set back put off an end")
		}
		// 2. Begun anew, with nothing beside the database: the mark in it is where time goes on.
		m.pass(59 * time.Minute)
		keep(t, f, c)
		m.run = 0
		m.set(-24 * time.Hour)
		shared, err := engine.TimeKept(t.Context(), f.DB, f.Signer)
		if err != nil {
			t.Fatal(err)
		}
		m.clock = clock.New(m.readers(), bounds, clock.Mark{}, shared, time.Time{})
		m.pass(time.Minute)
		f.Work()
		if f.Targets["dir"].Holds("bob", "wiki") || f.Grant(other.ID).State != access.Ended {
			t.Error("starting anew put off an end")
		}
	})
}

// A jump ahead ends nothing by itself before its hold is over or security said that it
// is right, and grants nothing; what is revoked meanwhile is gone at once.
func TestClockJumpAheadEndsNothingAtOnce(t *testing.T) {
	for name, accepted := range map[string]bool{"accepted": true, "held until the hold is over": false} {
		t.Run(name, func(t *testing.T) {
			timed(t, func(t *testing.T, f *enginetest.Fixture, m *machine, c *clock.Clock) {
				f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to write", Term: 8 * hour}, "mia")
				bob := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to write", Term: 8 * hour}, "mia")
				f.Work()
				keep(t, f, c)
				m.set(24 * time.Hour)
				keep(t, f, c)
				off, is := c.Off()
				if !is {
					t.Fatal("a jump of a day is not seen")
				}
				h, err := f.Engine.Halt(t.Context(), access.HaltClock, off.Text())
				if err != nil {
					t.Fatal(err)
				}
				// 1. Nothing is granted, nothing ends by the jump, and revocations go on.
				m.pass(10 * time.Minute)
				keep(t, f, c)
				f.Work()
				_, err = f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby"))
				refused(t, "an ask", err, access.ErrHalted, "clock: the wall clock jumped 24h0m0s ahead")
				if err := f.Engine.Revoke(t.Context(), f.As("owen"), bob.ID, "at once"); err != nil {
					t.Fatal(err)
				}
				f.Work()
				if d := f.Targets["dir"]; !d.Holds("eve", "wiki") || d.Holds("bob", "wiki") {
					t.Errorf("held: %v", d.Held())
				}
				// 2. Not anybody may say that it is right.
				_, err = f.Engine.AcceptClock(t.Context(), f.As("mia"), "it is")
				refused(t, "somebody else accepts", err, access.ErrDenied, "of security")
				_, err = f.Engine.AcceptClock(t.Context(), f.As("sara"), " ")
				refused(t, "no reason", err, access.ErrInvalid, "reason is empty")
				refused(t, "the server resumes by itself", f.Engine.Resume(t.Context(), access.HaltClock, "fine"), access.ErrInvalid, "verb of its own")
				if accepted {
					if h, err = f.Engine.AcceptClock(t.Context(), f.As("sara"), "chrony says so"); err != nil || h.EndedBy[0] != "sara" {
						t.Fatalf("%+v, %v", h, err)
					}
					_, err = f.Engine.AcceptClock(t.Context(), f.As("sara"), "chrony says so")
					refused(t, "once more", err, access.ErrGone, "no clock is off")
					c.Accept()
				} else {
					m.pass(5 * time.Minute)
				}
				keep(t, f, c)
				f.Work()
				if f.Targets["dir"].Holds("eve", "wiki") {
					t.Error("what was due was held back for longer than it may be")
				}
				// 3. Whether grants are given again is for people to say.
				_, err = f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby"))
				if accepted != (err == nil) {
					t.Errorf("an ask afterwards: %v", err)
				}
			})
		})
	}
}

// A clock that was set right again before anything was done by it is over by itself, for
// whoever began that halt.
func TestClockSetRightAgain(t *testing.T) {
	timed(t, func(t *testing.T, f *enginetest.Fixture, m *machine, c *clock.Clock) {
		h, err := f.Engine.Halt(t.Context(), access.HaltClock, "it jumped")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.ClockAgrees(t.Context(), "ha-another"); err != nil {
			t.Fatal(err)
		}
		_, err = f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby"))
		refused(t, "another's halt is over", err, access.ErrHalted, "it jumped")
		if err := f.Engine.ClockAgrees(t.Context(), h.ID); err != nil {
			t.Fatal(err)
		}
		if h, err = f.Engine.HaltOf(t.Context(), h.ID); err != nil || h.EndedAt.IsZero() || len(h.EndedBy) != 0 {
			t.Errorf("%+v, %v", h, err)
		}
		f.Ask("eve", ask("dir:lobby"))
	})
}

// The mark in the database is believed only as the log's key stamped it; a later one is
// never overwritten by an earlier one.
func TestClockMarkIsOurs(t *testing.T) {
	timed(t, func(t *testing.T, f *enginetest.Fixture, m *machine, c *clock.Clock) {
		if mark, err := engine.TimeKept(t.Context(), f.DB, f.Signer); err != nil || !mark.IsZero() {
			t.Errorf("before anything is kept: %s, %v", mark, err)
		}
		keep(t, f, c)
		if mark, err := f.Engine.KeepTime(t.Context(), c.Now().Add(-time.Hour)); err != nil || !mark.Equal(enginetest.Noon) {
			t.Errorf("an earlier one: %s, %v", mark, err)
		}
		if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.ExecContext(t.Context(), `update clock set mark = mark + 1000000`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		_, err := engine.TimeKept(t.Context(), f.DB, f.Signer)
		refused(t, "an edited mark", err, access.ErrConflict, "was edited")
		_, err = f.Engine.KeepTime(t.Context(), c.Now().Add(time.Hour))
		refused(t, "an edited mark", err, access.ErrConflict, "was edited")
		if _, err := f.Engine.Halt(t.Context(), access.HaltClock, err.Error()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.AcceptClock(t.Context(), f.As("sara"), "somebody was in the database"); err != nil {
			t.Fatal(err)
		}
		keep(t, f, c)
	})
}
