package clock_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/clock"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// machine is one whose clocks are held by hand.
type machine struct {
	wall    time.Time
	run, up time.Duration
	boot    string
}

func (m *machine) readers() clock.Readers {
	return clock.Readers{Wall: func() time.Time { return m.wall }, Run: func() time.Duration { return m.run },
		Up: func() (string, time.Duration, bool) { return m.boot, m.up, m.boot != "" }}
}

// pass lets time pass by every clock.
func (m *machine) pass(d time.Duration) { m.wall, m.run, m.up = m.wall.Add(d), m.run+d, m.up+d }

var bounds = clock.Bounds{Jump: 10 * time.Minute, Hold: 15 * time.Minute}

func fresh() (*machine, *clock.Clock) {
	m := &machine{wall: noon, boot: "one", up: time.Hour}
	return m, clock.New(m.readers(), bounds, clock.Mark{}, time.Time{}, time.Time{})
}

func is(t *testing.T, what string, c *clock.Clock, want time.Duration) {
	t.Helper()
	if got := c.Now().Sub(noon); got != want {
		t.Errorf("%s: %s after noon, want %s", what, got, want)
	}
}

// off says whether the clock is off, and by how much.
func off(t *testing.T, what string, c *clock.Clock, want time.Duration) clock.Off {
	t.Helper()
	o, is := c.Off()
	if is != (want != 0) || o.By != want {
		t.Errorf("%s: off %v by %s, want %s", what, is, o.By, want)
	}
	return o
}

// Set back, time goes on; a little ahead, it is followed, in all no further than the bound.
func TestTimeNeverGoesBack(t *testing.T) {
	t.Parallel()
	m, c := fresh()
	m.wall = m.wall.Add(-5 * time.Minute)
	m.run += time.Minute
	is(t, "between looks", c, time.Minute)
	c.Look(nil)
	is(t, "five minutes back", c, time.Minute)
	off(t, "within the bound", c, 0)
	m.wall = m.wall.Add(-time.Hour)
	c.Look(nil)
	off(t, "an hour back", c, -66*time.Minute)
	m.pass(30 * time.Minute)
	is(t, "no later than by the clock nobody sets", c, 31*time.Minute)
	c.Accept()
	off(t, "let be", c, 0)
	c.Look(nil)
	off(t, "and stays so", c, 0)
	is(t, "not gone back", c, 31*time.Minute)
	m.wall = noon.Add(35 * time.Minute)
	c.Look(nil)
	is(t, "set right", c, 35*time.Minute)
	// Small steps add up.
	m, c = fresh()
	for range 20 {
		m.wall = m.wall.Add(time.Minute)
		c.Look(nil)
	}
	if is(t, "twenty steps of a minute", c, 10*time.Minute); c.Now().After(noon.Add(10 * time.Minute)) {
		t.Error("walked away in small steps")
	}
	off(t, "twenty steps of a minute", c, 10*time.Minute)
}

// A jump ahead is not followed before its hold is over, and then only a person settles it.
func TestJumpAheadIsHeld(t *testing.T) {
	t.Parallel()
	m, c := fresh()
	m.wall = m.wall.Add(24 * time.Hour)
	if leapt := c.Look(nil); leapt != 0 {
		t.Errorf("leapt %s", leapt)
	}
	m.pass(14 * time.Minute)
	c.Look(nil)
	is(t, "held", c, 14*time.Minute)
	if o := off(t, "held", c, 24*time.Hour); o.Followed || !o.Until.Equal(noon.Add(15*time.Minute)) {
		t.Errorf("%+v", o)
	}
	m.pass(time.Minute)
	if leapt := c.Look(nil); leapt != 24*time.Hour {
		t.Errorf("leapt %s", leapt)
	}
	is(t, "over", c, 24*time.Hour+15*time.Minute)
	m.pass(time.Minute)
	c.Look(nil)
	if o, ok := c.Off(); !ok || !o.Followed {
		t.Errorf("settled by itself: %+v, %v", o, ok)
	}
	// Another jump after it is held anew.
	m.wall = m.wall.Add(24 * time.Hour)
	c.Look(nil)
	is(t, "a second jump", c, 24*time.Hour+16*time.Minute)
	c.Accept()
	is(t, "accepted", c, 48*time.Hour+16*time.Minute)
	off(t, "accepted", c, 0)
	// Put right before anybody said anything, it was nothing.
	m, c = fresh()
	m.wall = m.wall.Add(24 * time.Hour)
	c.Look(nil)
	m.wall = m.wall.Add(-24 * time.Hour)
	c.Look(nil)
	off(t, "put right", c, 0)
	is(t, "put right", c, 0)
}

// A clock of another machine confirms a jump, or does not.
func TestAnotherClockConfirms(t *testing.T) {
	t.Parallel()
	for says, follows := range map[time.Duration]bool{24 * time.Hour: true, 24*time.Hour - 9*time.Minute: true, 0: false, 23 * time.Hour: false, 48 * time.Hour: false} {
		m, c := fresh()
		m.wall = m.wall.Add(24 * time.Hour)
		c.Look(func() time.Time { return noon.Add(says) })
		if _, off := c.Off(); off == follows {
			t.Errorf("another clock says %s: off %v", says, off)
		}
	}
	m, c := fresh()
	m.wall = m.wall.Add(24 * time.Hour)
	c.Look(func() time.Time { return time.Time{} })
	off(t, "another clock that does not answer", c, 24*time.Hour)
}

// A machine that slept is not one whose clock jumped.
func TestSleepIsNoJump(t *testing.T) {
	t.Parallel()
	m, c := fresh()
	m.wall, m.up = m.wall.Add(8*time.Hour), m.up+8*time.Hour
	c.Look(nil)
	is(t, "slept", c, 8*time.Hour)
	off(t, "slept", c, 0)
	m.up += 8 * time.Hour // asleep, and the wall clock put back by as much
	c.Look(nil)
	is(t, "put back while asleep", c, 16*time.Hour)
}

// What was kept is where the next life begins.
func TestNextLifeGoesOn(t *testing.T) {
	t.Parallel()
	m, c := fresh()
	m.pass(time.Hour)
	c.Look(nil)
	kept := c.Mark()
	next := func(change func(*machine), shared, since time.Time) *clock.Clock {
		n := *m
		n.run = 0
		change(&n)
		return clock.New(n.readers(), bounds, kept, shared, since)
	}
	down := 3 * time.Hour
	c = next(func(m *machine) { m.wall, m.up = m.wall.Add(down), m.up+down }, time.Time{}, time.Time{})
	is(t, "three hours down, and the machine knows it", c, 4*time.Hour)
	off(t, "three hours down, and the machine knows it", c, 0)
	c = next(func(m *machine) { m.wall, m.up, m.boot = m.wall.Add(down), 0, "two" }, time.Time{}, time.Time{})
	is(t, "three hours, and another start of the machine", c, time.Hour)
	off(t, "three hours, and another start of the machine", c, down)
	c = next(func(m *machine) { m.wall, m.up, m.boot = m.wall.Add(time.Minute), 0, "two" }, time.Time{}, time.Time{})
	is(t, "started anew in a minute", c, time.Hour+time.Minute)
	c = next(func(m *machine) { m.wall, m.up = m.wall.Add(-down), m.up+time.Minute }, time.Time{}, time.Time{})
	is(t, "set back while stopped", c, time.Hour+time.Minute)
	off(t, "set back while stopped", c, -down-time.Minute)
	c = next(func(m *machine) { m.wall, m.boot = m.wall.Add(down), "two" }, noon.Add(3*time.Hour+55*time.Minute), time.Time{})
	is(t, "others went on", c, 4*time.Hour)
	off(t, "others went on", c, 0)
	// To begin anew does not put off what is due.
	c = next(func(m *machine) { m.wall, m.boot = m.wall.Add(down), "two" }, time.Time{}, noon.Add(50*time.Minute))
	if o := off(t, "held since before", c, down); !o.Until.Equal(noon.Add(65 * time.Minute)) {
		t.Errorf("held until %s", o.Until)
	}
	// A jump that was followed in an earlier life is no licence for the next one.
	c = next(func(m *machine) { m.wall, m.boot = m.wall.Add(down), "two" }, time.Time{}, noon.Add(-24*time.Hour))
	if o := off(t, "long ago", c, down); !o.Until.Equal(noon.Add(75 * time.Minute)) {
		t.Errorf("held until %s", o.Until)
	}
	// Another replica's mark is reached, and never left.
	c.Reach(noon.Add(2 * time.Hour))
	c.Reach(noon)
	is(t, "another's mark", c, 2*time.Hour)
}

// The real clocks can be read.
func TestMachine(t *testing.T) {
	t.Parallel()
	r := clock.Machine()
	boot, up, ok := r.Up()
	if ok && (boot == "" || up <= 0) {
		t.Errorf("%q, %s", boot, up)
	}
	c := clock.New(r, bounds, clock.Mark{}, time.Time{}, time.Time{})
	first := c.Now()
	c.Look(nil)
	if o, off := c.Off(); off || c.Now().Before(first) {
		t.Errorf("off %v, %+v", off, o)
	}
}
