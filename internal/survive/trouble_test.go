package survive

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Times of a life. A lease is longer than two calls, and short, so that what a dead
// server held is taken over within the quiet after a storm.
const (
	lease       = 1500 * time.Millisecond
	longestCall = 600 * time.Millisecond
	storm       = 1500 * time.Millisecond
)

// seams are the steps between which a server dies.
var seams = []string{
	"submit before commit", "submit after commit", "vote before commit", "vote after commit", "return before commit", "return after commit",
	"revoke before commit", "revoke after commit", "claim before commit", "claim after commit", "settle before commit", "settle after commit",
	"claimed", "looked first", "acted", "looked", "sessions ended", "settled",
}

// trouble is what goes wrong in a round.
type trouble struct {
	kind   string
	before func(l *life, rnd *rand.Rand) // makes ready for it, while nobody does anything; nil: there is nothing to make ready
	do     func(l *life, ctx context.Context, rnd *rand.Rand) (what string)
	after  func(l *life, ctx context.Context) // ends what was there while the oracle read; nil: the storm ended all of it
	lasts  time.Duration                      // how long people go on; 0: as long as any storm
}

// troubles are all that there can be in this life.
func (l *life) troubles() []trouble {
	list := []trouble{
		{kind: "kill", do: (*life).killed}, {kind: "kill all", do: (*life).killedAll},
		{kind: "seam", before: (*life).mined, do: (*life).diesAtSeam}, {kind: "seam", before: (*life).mined, do: (*life).diesAtSeam},
		{kind: "freeze", do: (*life).frozen}, {kind: "wire to slapd", do: (*life).slapdWire}, {kind: "wire to PostgreSQL", do: (*life).pgWire},
		{kind: targetKilled, before: (*life).remembered, do: (*life).targetKilled},
	}
	if l.cluster != nil {
		list = append(list, trouble{kind: "database killed", do: (*life).databaseKilled}, trouble{kind: "cut off from the database", do: (*life).cutOff})
	}
	if l.disk != "" {
		list = append(list, trouble{kind: diskFull, before: (*life).holds, do: (*life).diskFilled, after: (*life).grantsAgain, lasts: 6 * time.Second})
	}
	if l.clock != "" {
		list = append(list, trouble{kind: clockJumps, before: (*life).holds, do: (*life).clockJumps, after: (*life).clockRight, lasts: 7 * time.Second})
	}
	return list
}

// wait lets some time of the storm pass.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func upTo(rnd *rand.Rand, d time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(d))) }

func (l *life) one(rnd *rand.Rand) *replica { return l.replicas[rnd.IntN(len(l.replicas))] }

func (l *life) killed(ctx context.Context, rnd *rand.Rand) string {
	r := l.one(rnd)
	wait(ctx, upTo(rnd, storm))
	r.kill()
	l.line.add("KILLED %s", r.name)
	wait(ctx, upTo(rnd, storm/2))
	r.start(l.t, "", 0)
	return "kill -9 " + r.name
}

func (l *life) killedAll(ctx context.Context, rnd *rand.Rand) string {
	wait(ctx, upTo(rnd, storm))
	for _, r := range l.replicas {
		r.kill()
	}
	l.line.add("KILLED all")
	for _, r := range l.replicas {
		r.start(l.t, "", 0)
	}
	return "kill -9 all"
}

// mined replaces a server by one that will die at a seam.
func (l *life) mined(rnd *rand.Rand) {
	r := l.one(rnd)
	r.kill()
	r.start(l.t, seams[rnd.IntN(len(seams))], 1+rnd.IntN(3))
	r.ready(l.t)
}

func (l *life) diesAtSeam(ctx context.Context, _ *rand.Rand) string {
	i := slices.IndexFunc(l.replicas, func(r *replica) bool { return r.plan.Seam != "" })
	if i < 0 { // it came to it before it served, and was started anew
		l.tally["died at a seam"]++
		return "kill -9 of a server at a seam, while it started"
	}
	r := l.replicas[i]
	what := fmt.Sprintf("kill -9 %s at %q, time %d", r.name, r.plan.Seam, r.plan.Nth)
	select {
	case <-r.ended:
		l.line.add("DIED: %s", what)
		l.tally["died at a seam"]++
	case <-ctx.Done():
		r.kill()
		what += ", to which it did not come"
		l.line.add("KILLED: %s", what)
	}
	r.start(l.t, "", 0)
	return what
}

func (l *life) frozen(ctx context.Context, rnd *rand.Rand) string {
	r := l.one(rnd)
	wait(ctx, upTo(rnd, storm))
	r.freeze()
	l.line.add("FROZE %s", r.name)
	d := 200*time.Millisecond + upTo(rnd, 2*lease)
	wait(context.Background(), d)
	r.thaw()
	l.line.add("THAWED %s", r.name)
	return fmt.Sprintf("froze %s for %s", r.name, d)
}

func (l *life) slapdWire(ctx context.Context, rnd *rand.Rand) string {
	return l.wire(ctx, rnd, "slapd", l.targets.toSlapd, ways[rnd.IntN(len(ways))])
}

func (l *life) pgWire(ctx context.Context, rnd *rand.Rand) string {
	return l.wire(ctx, rnd, "PostgreSQL", l.targets.toPG, ways[rnd.IntN(len(ways))])
}

func (l *life) wire(ctx context.Context, rnd *rand.Rand, to string, w *wire, is way) string {
	wait(ctx, upTo(rnd, storm/2))
	w.set(is)
	l.line.add("WIRE to %s %s", to, is)
	wait(context.Background(), upTo(rnd, storm))
	w.set(whole)
	l.line.add("WIRE to %s whole", to)
	l.tally["wire "+string(is)]++
	return fmt.Sprintf("wire to %s %s", to, is)
}

func (l *life) databaseKilled(ctx context.Context, rnd *rand.Rand) string {
	by := syscall.SIGKILL
	if rnd.IntN(2) == 0 {
		by = syscall.SIGQUIT
	}
	wait(ctx, upTo(rnd, storm))
	l.cluster.kill(by)
	l.line.add("KILLED the database by %s", by)
	wait(context.Background(), upTo(rnd, storm/2))
	l.cluster.start(l.t)
	l.line.add("STARTED the database")
	return "database " + by.String()
}

func (l *life) cutOff(ctx context.Context, rnd *rand.Rand) string {
	n := rnd.IntN(len(l.replicas))
	return l.wire(ctx, rnd, "the database of "+l.replicas[n].name, l.toLedger[n], ways[rnd.IntN(len(ways))])
}

// mend starts what was killed and lets go of what is held, and waits until every
// server answers.
func (l *life) mend(t testing.TB) {
	t.Helper()
	l.targets.toSlapd.set(whole)
	l.targets.toPG.set(whole)
	for _, w := range l.toLedger {
		w.set(whole)
	}
	l.targets.start()
	if l.cluster != nil {
		l.cluster.start(t)
	}
	for _, r := range l.replicas {
		r.thaw()
		r.ready(t)
	}
}
