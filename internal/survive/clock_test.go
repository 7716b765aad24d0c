package survive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/clock"
	"github.com/lessor-iam/lessor/internal/store"
)

const clockJumps = "clock jumps"

// followed is how far a clock that is set ahead is followed: the default, which a life keeps to.
const followed = 10 * time.Minute

// machine is this machine, but for a wall clock that is wrong by what a file says. The
// file is read each time: so a clock is set while the process runs.
func (p plan) machine() clock.Readers {
	r := clock.Machine()
	if p.Clock != "" {
		r.Wall = func() time.Time {
			text, err := os.ReadFile(p.Clock)
			by, err2 := time.ParseDuration(string(text))
			if err := errors.Join(err, err2); err != nil {
				panic(fmt.Sprintf("the clock of a test: %v", err))
			}
			return time.Now().Add(by)
		}
	}
	return r
}

// setClock has the wall clock of a server's machine be wrong by that.
func (r *replica) setClock(t testing.TB, by time.Duration) {
	t.Helper()
	if err := errors.Join(os.WriteFile(r.plan.Clock+".new", []byte(by.String()), 0o600), os.Rename(r.plan.Clock+".new", r.plan.Clock)); err != nil {
		t.Fatal(err)
	}
}

// clockJumps sets clocks back and ahead, by less than is followed and by more. What is
// off stays so while the oracle reads; see [life.clockRight].
func (l *life) clockJumps(ctx context.Context, rnd *rand.Rand) string {
	some := l.replicas[rnd.IntN(len(l.replicas)):][:1]
	if rnd.IntN(2) == 0 {
		some = l.replicas
	}
	near := time.Minute + upTo(rnd, 8*time.Minute)
	wait(ctx, upTo(rnd, storm/2))
	switch rnd.IntN(5) {
	case 0:
		l.set(some, -near)
		if off := l.behind(-near); off > followed-time.Minute { // who was followed ahead before is further behind now
			return l.mayBeAsked(ctx, some, -near, off)
		}
		wait(ctx, time.Minute)
		l.tally["clock set back by what nothing is said about"]++
		return l.jumped(some, -near, "nothing is said about it")
	case 1:
		return l.setAhead(ctx, some, near)
	case 2, 3:
		return l.setFar(ctx, rnd, some, -(15*time.Minute + upTo(rnd, 3*time.Hour)))
	}
	return l.setFar(ctx, rnd, some, 25*time.Minute+upTo(rnd, 70*time.Minute))
}

func (l *life) set(some []*replica, by time.Duration) {
	for _, r := range some {
		r.setClock(l.t, l.base+by)
	}
	l.line.add("CLOCK of %d servers set by %s", len(some), by)
}

func (l *life) jumped(some []*replica, by time.Duration, came string) string {
	return fmt.Sprintf("clock of %d servers jumps by %s: %s", len(some), by.Round(time.Second), came)
}

// setAhead sets a clock ahead by so little that it is followed: then everybody is.
func (l *life) setAhead(ctx context.Context, some []*replica, by time.Duration) string {
	was := l.now()
	l.set(some, by)
	l.await("a clock set ahead is followed", func() error {
		mark, err := l.mark()
		if is := time.Now().Add(l.base + by); err == nil && mark.Before(is.Add(-10*time.Second)) && was.Before(is) {
			err = fmt.Errorf("the time is kept as %s, and the clock says %s", mark, is)
		}
		return err
	})
	l.lead.Store(max(l.lead.Load(), int64(l.base+by)))
	wait(ctx, time.Minute)
	l.tally["clock set ahead and followed"]++
	return l.jumped(some, by, "followed")
}

// setFar sets a clock back or ahead by so much that nothing is granted: what ends goes
// on, nothing ends by the jump. Then it is set right, or security accepts it.
func (l *life) setFar(ctx context.Context, rnd *rand.Rand, some []*replica, by time.Duration) string {
	stays := rnd.IntN(2) == 0
	if by > 0 && stays {
		some = l.replicas // it stays so for all: their machines keep one time
	}
	l.set(some, by)
	if off := l.behind(by); by < 0 && off < followed+l.let+time.Minute {
		return l.mayBeAsked(ctx, some, by, off)
	}
	// 1. The halt, and what it is.
	l.await("a clock that is far off halts", func() error { return l.halted(access.HaltClock) })
	l.onlyEnds(l.replicas, access.HaltClock)
	if by > 0 && !l.stands(l.held[0]) {
		l.wrong("clock: grant %s of an hour ended by a jump of %s that nobody confirmed", l.held[0], by)
	}
	l.tally["clock far off, and nothing granted"]++
	wait(ctx, time.Minute)
	switch {
	// 2. Set right before anybody said anything, it was nothing.
	case !stays && by > 0:
		l.set(some, 0)
		l.await("a clock that is right again", l.noHalt)
		if !l.stands(l.held[0]) {
			l.wrong("clock: grant %s of an hour ended by a jump of %s that was taken back", l.held[0], by)
		}
		return l.jumped(some, by, "held, and set right")
	case !stays: // it stays behind until the oracle has read: nothing lasts longer for it
		l.meant = access.HaltClock
		return l.jumped(some, by, "held, and set right when all had ended that was to end")
	// 3. Security says that it is right.
	case by > 0:
		l.base += by
		l.lead.Store(max(l.lead.Load(), int64(l.base)))
	default:
		l.let = max(l.let, l.behind(by))
	}
	l.accepting = true
	l.accept()
	l.tally["clock accepted by security"]++
	return l.jumped(some, by, "held, and accepted by security")
}

// behind is how far clocks set by that are behind the time that servers go by.
func (l *life) behind(by time.Duration) time.Duration {
	return time.Duration(l.lead.Load()) - l.base - by
}

// mayBeAsked is a clock of which a server may ask, or not: security has let it be so far
// behind before, or nearly, or it is nearly too far. What one server's clock is let be,
// another's is asked about again.
func (l *life) mayBeAsked(ctx context.Context, some []*replica, by, off time.Duration) string {
	l.accepting, l.let = true, max(l.let, off)
	wait(ctx, time.Minute)
	return l.jumped(some, by, "security lets it be so far behind, if asked")
}

// clockRight sets every clock right, and then things are granted again.
func (l *life) clockRight(ctx context.Context) {
	l.set(l.replicas, 0)
	l.meant = ""
	l.grantsAgain(ctx)
	l.accepting = false
}

// accept has security accept the clock where a halt asks for it: of several servers
// each may begin one, as it comes to look.
func (l *life) accept() {
	if l.halted(access.HaltClock) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := client.New(l.replicas[0].url, l.tokens[security]).AcceptClock(ctx, "the clock of the wall says the same")
	l.line.add("ACCEPTED the clock: %v", err)
}

// mark is the time as it is kept for all.
func (l *life) mark() (mark time.Time, err error) {
	err = l.db.Read(context.Background(), func(tx *store.Tx) error {
		k, err := tx.Timekeeping(context.Background())
		mark = k.Mark
		return err
	})
	return mark, err
}

// halted says what is missing where the database tells of no halt for that reason.
func (l *life) halted(reason access.HaltReason) error {
	list, err := l.halts()
	for _, h := range list {
		if h.Reason == reason {
			return nil
		}
	}
	return errors.Join(err, fmt.Errorf("there is no halt %q", reason))
}

// noHalt says what halts.
func (l *life) noHalt() error {
	list, err := l.halts()
	for _, h := range list {
		err = errors.Join(err, fmt.Errorf("%s: %s", h.Reason, h.Text))
	}
	return err
}

func (l *life) halts() (list []access.Halt, err error) {
	err = l.db.Read(context.Background(), func(tx *store.Tx) (err error) { list, err = tx.OpenHalts(context.Background()); return err })
	return list, err
}

// await waits until it is so, and notes what never came.
func (l *life) await(what string, is func() error) {
	var err error
	for end := time.Now().Add(mendWithin); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		if err = is(); err == nil {
			l.line.add("SEEN: %s", what)
			return
		}
	}
	l.wrong("%s: not within %s: %v", what, mendWithin, strings.ReplaceAll(err.Error(), "\n", "; "))
}
