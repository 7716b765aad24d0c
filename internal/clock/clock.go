// Package clock tells one process the time, from a clock that anybody may set
// and one that nobody can. The time it tells never goes back, never stands still
// while the process runs, and does not leap because somebody set the wall clock:
//
//	the wall clock is set back      time goes on as if it had not been
//	forward, by no more than Jump   it is followed
//	forward, by more                it is not, until a person or another clock confirms it,
//	                                or Hold is over; until then the clock is off
//
// It begins where the time that was kept ends, see [Mark]. It decides nothing: what
// is not done while the clock is off, others say. It does no I/O but what its readers do.
package clock

import (
	"fmt"
	"sync"
	"time"
)

// Readers are the clocks of a machine. Each may be called at any time, by many at once.
type Readers struct {
	Wall func() time.Time     // what the machine says the time is
	Run  func() time.Duration // for how long this process runs; sleep of the machine need not count
	// Up names this start of the machine and says for how long it has been up, its sleep
	// counted; ok is false where that cannot be told, and nil says that it never can.
	Up func() (boot string, up time.Duration, ok bool)
}

// Bounds are how far a clock is believed.
type Bounds struct {
	Jump time.Duration // how far ahead of the clock nobody sets the wall clock is followed, in all
	Hold time.Duration // how long a jump that nothing confirms is not followed
}

// Mark is the time at one moment as it is kept, to go on from.
type Mark struct {
	At   time.Time
	Boot string        // the start of the machine it was taken in; empty: not known
	Up   time.Duration // when the machine had been up that long
}

// Off is how the wall clock contradicts the time that is told.
type Off struct {
	By       time.Duration // how far it is ahead; negative: behind
	Since    time.Time
	Until    time.Time // when it is followed all the same; zero: it is behind, and never is
	Followed bool      // that has come: what was due by the jump alone is due
}

// Text says what is wrong, and what ends it.
func (o Off) Text() string {
	by := o.By.Abs().Round(time.Second)
	switch {
	case o.Followed:
		return fmt.Sprintf("the wall clock jumped %s ahead, and nothing confirmed it in time; it is followed, and what ended by that has ended. Somebody of security has to look and say so (lessor clock accept)", by)
	case o.By > 0:
		return fmt.Sprintf("the wall clock jumped %s ahead and is not followed before %s. Set it right, or say that it is right (lessor clock accept); what is due by the jump alone ends then, too",
			by, o.Until.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("the wall clock is %s behind the time at which things were done already. Nothing lasts longer for it. Set it right, or say that grants may be given all the same (lessor clock accept)", by)
}

// Clock is the time of one process. It is safe for concurrent use.
type Clock struct {
	Readers
	Bounds
	mu     sync.Mutex
	base   time.Time     // the time at the last look,
	run    time.Duration // and what the clocks nobody sets said then
	boot   string
	up     time.Duration
	led    time.Duration // by how much the wall clock was followed ahead of them
	behind time.Duration // by how much it may be behind, because a person said so
	since  time.Time     // since when it was off before this process began
	off    *Off
}

// New begins where what was kept ends: kept is this machine's own mark, shared is that
// of everybody who works on the database, since is when a jump that is not settled
// began in an earlier life; each may be zero. Its first look is taken.
func New(r Readers, b Bounds, kept Mark, shared, since time.Time) *Clock {
	c := &Clock{Readers: r, Bounds: b, since: since}
	c.base, c.run = kept.At, r.Run()
	c.boot, c.up, _ = c.uptime()
	if kept.Boot != "" && kept.Boot == c.boot && c.up > kept.Up && !kept.At.IsZero() {
		c.base = c.base.Add(c.up - kept.Up) // the machine itself says how long nothing ran
	}
	if shared.After(c.base) {
		c.base = shared
	}
	if c.base.IsZero() {
		c.base = c.wall()
	}
	c.Look(nil)
	return c
}

// Now tells the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time { return c.base.Add(max(0, c.Run()-c.run)).UTC() }

// Mark is the time as it is to be kept beside the database.
func (c *Clock) Mark() Mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := Mark{At: c.now(), Boot: c.boot}
	if boot, up, ok := c.uptime(); ok {
		m.Boot, m.Up = boot, up
	}
	return m
}

// Off is how the wall clock contradicted the time at the last look; ok is false where
// it did not.
func (c *Clock) Off() (Off, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off == nil {
		return Off{}, false
	}
	return *c.off, true
}

// Look compares the clocks and follows the wall clock as far as it is believed. It
// returns how far time leapt by that. other is what a clock of another machine says,
// if there is one; zero: there is none.
func (c *Clock) Look(other func() time.Time) (leapt time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.now()
	// 1. How much time has passed by the clocks nobody sets; a machine that slept counts its sleep.
	ours, run := was, c.Run()
	if boot, up, ok := c.uptime(); ok {
		if boot == c.boot && up-c.up-(run-c.run) > tick {
			ours = c.base.Add(up - c.up)
		}
		c.boot, c.up = boot, up
	}
	c.base, c.run = ours, run
	// 2. What the wall clock says to that. Once a jump was followed, only a person settles it.
	ahead := c.wall().Sub(ours)
	switch {
	case ahead >= 0 && ahead <= c.Jump-c.led:
		c.follow(ahead)
		c.led += ahead
		c.settle()
	case ahead < 0 && ahead >= -c.Jump-c.behind:
		c.settle()
	case ahead < 0:
		c.off = &Off{By: ahead, Since: c.began(ours)}
	case c.agrees(other, ahead):
		c.follow(ahead)
		c.led, c.off = 0, nil
	default:
		c.jumped(ours, ahead)
	}
	return c.base.Sub(was)
}

// tick is how finely a machine tells for how long it has been up, and then some.
const tick = time.Second

// jumped holds a jump ahead, or follows it once it was held for long enough.
func (c *Clock) jumped(ours time.Time, ahead time.Duration) {
	since := c.began(ours)
	o := &Off{By: ahead, Since: since, Until: since.Add(c.Hold)}
	if !ours.Before(o.Until) {
		o.Followed = true
		c.follow(ahead)
	}
	c.off = o
}

// began is since when the clock is off, in this life or an earlier one whose hold is not
// over: to begin anew does not put off what is due. A jump after one that was followed
// is another.
func (c *Clock) began(now time.Time) time.Time {
	switch {
	case c.off != nil && !c.off.Followed:
		return c.off.Since
	case c.off == nil && c.since.Before(now) && now.Before(c.since.Add(c.Hold)):
		return c.since
	}
	return now
}

// settle notes that the wall clock is not off.
func (c *Clock) settle() {
	if c.off == nil || !c.off.Followed {
		c.off, c.since = nil, time.Time{}
	}
}

// wall is what the wall clock says, and nothing of what Go remembers beside that.
func (c *Clock) wall() time.Time { return c.Wall().Round(0) }

// uptime is for how long the machine has been up, if that can be told.
func (c *Clock) uptime() (boot string, up time.Duration, ok bool) {
	if c.Up == nil {
		return "", 0, false
	}
	return c.Up()
}

// agrees asks a clock of another machine whether the wall clock is right.
func (c *Clock) agrees(other func() time.Time, ahead time.Duration) bool {
	if other == nil {
		return false
	}
	says := other()
	return !says.IsZero() && c.base.Add(ahead).Sub(says).Abs() <= c.Jump
}

// follow moves the time ahead; it never moves back.
func (c *Clock) follow(ahead time.Duration) {
	if ahead > 0 {
		c.base = c.base.Add(ahead)
	}
}

// Reach moves the time to a mark that others have reached, if it is ahead.
func (c *Clock) Reach(shared time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ahead := shared.Sub(c.now()); ahead > 0 {
		c.base = c.base.Add(ahead)
	}
}

// Accept takes the wall clock for right, because a person says so: a jump ahead is
// followed at once. One that is behind is not: time never goes back, and it may stay as
// far behind as it is.
func (c *Clock) Accept() {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := c.wall().Sub(c.now())
	c.follow(ahead)
	c.led, c.behind, c.off, c.since = 0, max(0, -ahead), nil, time.Time{}
}
