package inventory

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
)

// How a follower goes about it. What is heard of one moment is read together, and
// nothing that a target says, however often, has it read for most of the time.
const (
	gather      = 500 * time.Millisecond // how long what is heard first waits for more
	wholeRest   = time.Minute            // between two whole readings, at least
	wholeShare  = 20                     // … and that many times as long as the last one took
	partShare   = 4                      // the same between two of parts
	longest     = 30 * time.Minute       // one reading, as of the rounds
	firstWait   = time.Second            // before a broken line is taken up again
	slowestWait = 5 * time.Minute
	steady      = 10 * time.Minute // a line that held for so long has not been broken before
	askAgain    = time.Hour        // a target that had no feed
	lookEvery   = 10 * time.Second // what the catalog names that it did not
)

// FollowConfig is what a follower is made of. Every field is needed.
type FollowConfig struct {
	Reader *Reader
	// Told hears how each whole reading ended, for whoever is told of those that fail.
	Told func(ctx context.Context, err error)
	Log  *slog.Logger
}

// Follower hears from one system what may have changed behind our back, and has it
// read at once instead of by the next round. It believes nothing of what it hears:
// an object is read anew, and what is read goes the way of every reading. While it
// hears nothing, the rounds go on as they did.
type Follower struct {
	FollowConfig
	feed connector.Feed
	news chan struct{} // something is to be read

	mu      sync.Mutex
	objects map[string]bool // to be read
	since   time.Time       // when the first of them was heard of
	whole   bool            // everything is to be read
	wholeAt time.Time       // when that was heard first
	again   time.Time       // … and last, or of an object: a reading begun after it has seen all of it
	catalog *access.Directory
	named   map[string]bool // what that names at the system
}

// Follow returns a follower, or none where the target has no feed.
func Follow(c FollowConfig) *Follower {
	feed, can := connector.As[connector.Feed](c.Reader.Connector)
	if !can {
		return nil
	}
	return &Follower{FollowConfig: c, feed: feed, news: make(chan struct{}, 1), objects: map[string]bool{}}
}

// Run follows until the context ends.
func (f *Follower) Run(ctx context.Context) {
	var reading sync.WaitGroup
	reading.Go(func() { f.read(ctx) })
	f.listen(ctx)
	reading.Wait()
}

// listen keeps the line up. What was missed while it was down a whole reading
// finds, which the feed itself asks for as soon as it listens.
func (f *Follower) listen(ctx context.Context) {
	none := ""
	for wait := firstWait; ctx.Err() == nil; {
		began := time.Now()
		listening := false
		err := f.feed.Follow(ctx, func(objects []string) {
			if !listening {
				listening = true
				f.Log.InfoContext(ctx, "feed", "system", f.Reader.System, "listening", true)
			}
			f.hear(objects)
		})
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errors.ErrUnsupported) {
			if none != err.Error() { // said once, not every hour
				none = err.Error()
				f.Log.InfoContext(ctx, "no feed", "system", f.Reader.System, "reason", none)
			}
			pause(ctx, askAgain)
			continue
		}
		if time.Since(began) >= steady {
			wait = firstWait
		}
		f.Log.WarnContext(ctx, "feed", "system", f.Reader.System, "error", text(err), "again_in", wait.String())
		pause(ctx, wait)
		wait = min(2*wait, slowestWait)
	}
}

func text(err error) string {
	if err == nil {
		return "it ended"
	}
	return err.Error()
}

// hear notes what is to be read. It never waits, for the line does meanwhile.
func (f *Follower) hear(objects []string) {
	now := time.Now()
	f.mu.Lock()
	if len(objects) == 0 {
		if f.again = now; !f.whole {
			f.whole, f.wholeAt = true, now
		}
	}
	for _, o := range f.charge(objects) { // no more than the catalog has, whatever is said
		if f.again = now; len(f.objects) == 0 {
			f.since = now
		}
		f.objects[o] = true
	}
	f.mu.Unlock()
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// charge is which of the objects the catalog names. Each event asks; so the catalog is
// looked through once, not each time. mu is held.
func (f *Follower) charge(objects []string) (list []string) {
	if len(objects) == 0 {
		return nil
	}
	if now := f.Reader.Directory(); now != f.catalog {
		f.catalog, f.named = now, map[string]bool{}
		for _, o := range Objects(now, f.Reader.System) {
			f.named[o] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(objects), func(o string) bool { return !f.named[o] })
}

// pace is when the next readings may begin, and how often the last ones failed.
type pace struct {
	whole, part             time.Time
	wholeFailed, partFailed int
}

// read has read what was heard of, when it is due, and what the catalog names anew.
func (f *Follower) read(ctx context.Context) {
	var p pace
	catalog := f.Reader.Directory()
	for ctx.Err() == nil {
		if now := f.Reader.Directory(); now != catalog {
			added := without(Objects(now, f.Reader.System), Objects(catalog, f.Reader.System))
			if catalog = now; len(added) > 0 {
				f.hear(added)
			}
		}
		whole, objects, since, wait := f.take(p)
		switch {
		case whole:
			f.readWhole(ctx, &p, since)
		case len(objects) > 0:
			f.readPart(ctx, &p, objects)
		default:
			f.await(ctx, wait)
		}
	}
}

// without lists what of a list is not in another.
func without(list, other []string) []string {
	in := make(map[string]bool, len(other))
	for _, o := range other {
		in[o] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(o string) bool { return in[o] })
}

// await waits for as long, or until something is heard.
func (f *Follower) await(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.news:
	case <-ctx.Done():
	}
}

// take takes what is due: everything before a part of it. If nothing is, it says in
// how long to look again.
func (f *Follower) take(p pace) (whole bool, objects []string, since time.Time, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	var next []time.Time
	if f.whole {
		next = append(next, later(f.wholeAt.Add(gather), p.whole))
		if !next[0].After(now) {
			f.whole, f.objects = false, map[string]bool{}
			return true, nil, f.again, 0
		}
	}
	if len(f.objects) > 0 {
		due := later(f.since.Add(gather), p.part)
		if !due.After(now) {
			for o := range f.objects {
				objects = append(objects, o)
			}
			f.objects = map[string]bool{}
			return false, objects, f.since, 0
		}
		next = append(next, due)
	}
	wait = lookEvery
	for _, at := range next {
		wait = min(wait, at.Sub(now))
	}
	return false, nil, time.Time{}, wait
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// readWhole reads everything, unless a round has done so since.
func (f *Follower) readWhole(ctx context.Context, p *pace, since time.Time) {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	drift, err := f.Reader.whole(bounded, since)
	if ctx.Err() != nil {
		return
	}
	f.Told(ctx, err)
	rest := max(wholeRest, wholeShare*time.Since(began))
	p.wholeFailed++
	switch {
	case err != nil:
		rest = slower(rest, p.wholeFailed)
		f.hear(nil) // it is still to be read
	case drift.Overtaken: // by another machine, whose clock may be ahead: what we heard it need not have seen
		f.hear(nil)
		fallthrough
	default:
		p.wholeFailed = 0
	}
	p.whole = time.Now().Add(rest)
}

// readPart reads some objects. If they have lost more than is believed of a part,
// the whole must tell.
func (f *Follower) readPart(ctx context.Context, p *pace, objects []string) {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	drift, err := f.Reader.ReadObjects(bounded, objects)
	if ctx.Err() != nil {
		return
	}
	rest := partShare * time.Since(began)
	p.partFailed++
	switch {
	case err != nil:
		f.Log.WarnContext(ctx, "inventory", "system", f.Reader.System, "part", true, "objects", len(objects), "error", err.Error())
		rest = slower(max(rest, firstWait), p.partFailed)
		f.hear(objects)
	case drift.Braked || drift.Overtaken:
		f.hear(nil)
		fallthrough
	default:
		p.partFailed = 0
	}
	p.part = time.Now().Add(rest)
}

// slower doubles a wait with each failure beyond the first, up to slowestWait or to
// the wait itself where that is longer.
func slower(wait time.Duration, failed int) time.Duration {
	return max(wait, min(wait<<min(failed-1, 16), slowestWait))
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
