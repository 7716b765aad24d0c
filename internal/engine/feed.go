package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// FeedJob asks that a feed be read whole, or held against the settings again where it
// tells of changes by itself.
type FeedJob struct {
	Feed string `json:"feed"`
}

// Kind implements river.JobArgs.
func (FeedJob) Kind() string { return "feed" }

// ScopeFeed begins the scope of a token that may say what one feed says: "feed:hr".
const ScopeFeed = "feed:"

// FeedDrift is what the word of a feed came to.
type FeedDrift struct {
	New, Changed int
	Left         int  // entries that are gone or inactive, and are believed to be
	Doubted      int  // … and are not, for too many are at once
	Held         int  // no identity until somebody decides, of those looked at
	Moved        int  // identities that are not what they were
	Overtaken    bool // a reading begun later was taken first: nothing follows from this one
}

// How many may leave a feed in leaveWithin and be believed: the feed's share, and never
// fewer than fewLeavers, so that in a small house people may leave, too.
const (
	leaveWithin = 24 * time.Hour
	fewLeavers  = 2
	slowWithin  = 30 * leaveWithin // … and no more than so many in the long run
	fewInMonth  = 6
)

// feedBatch is how many records one transaction takes.
const feedBatch = 200

// feed is one of the feeds there are.
func (e *Engine) feed(id string) (access.Feed, error) {
	for _, f := range e.Feeds() {
		if f.ID == id {
			return f, nil
		}
	}
	return access.Feed{}, fmt.Errorf("%w: there is no feed %.80q", access.ErrNotFound, id)
}

// leaversLeft tells how many more may leave a feed now and be believed: of the day, and
// of the thirty behind, so far as nobody has confirmed since that so many have.
func (d *deed) leaversLeft(ctx context.Context, f access.Feed) (more, of int, err error) {
	n, err := d.FeedSize(ctx, f.ID, d.now.Add(-leaveWithin))
	if err != nil {
		return 0, 0, err
	}
	of = n.Here + n.Doubted + n.Left
	more = max(fewLeavers, of*f.Shrink/100) - n.Left
	slow, ofSlow, err := d.leftSlowly(ctx, f, n)
	return min(more, max(fewInMonth, ofSlow*f.InMonth()/100)-slow), of, err
}

// leftSlowly counts those who have left a feed in the long run, and of how many.
func (d *deed) leftSlowly(ctx context.Context, f access.Feed, now store.FeedSize) (left, of int, err error) {
	since := d.now.Add(-slowWithin)
	confirmed, err := d.ReadUntil(ctx, "feed confirmed/"+f.ID)
	if err != nil {
		return 0, 0, err
	}
	if confirmed.After(since) {
		since = confirmed
	}
	left, err = d.FeedLeft(ctx, f.ID, since)
	return left, now.Here + now.Doubted + left, err
}

// saidOf is a record as it is with what a feed says of it, and how that came about: gone is
// that it has it no more, doubt that somebody who has left is not believed to have.
func (d *deed) saidOf(f access.Feed, was, says access.Record, gone, doubt bool) (next access.Record, how string) {
	// 1. What is its to say, and what was ours to say of it.
	next = says.Says()
	next.Identity, next.Held, next.Why, next.Version = was.Identity, was.Held, was.Why, was.Version
	next.Since, next.Said, next.Gone, next.Doubted, next.Left, next.Emptied = was.Since, was.Said, time.Time{}, was.Doubted, was.Left, was.Emptied
	if !says.Emptied.IsZero() {
		next.Emptied = d.now
	}
	if next.Since.IsZero() {
		next.Since = d.now
	}
	if gone {
		next = was
		if was.Gone.IsZero() {
			next.Gone = d.now
		}
	}
	// 2. Is it there?
	how = "changed"
	switch {
	case was.Version == 0:
		how = "new"
	case next.Here() && !was.Here():
		how, next.Doubted, next.Left = "back", time.Time{}, time.Time{}
	case next.Group:
	case !gone && cut(f, was, says, d.now) && doubt && !confirmed(was, d.now):
		how, next.Start, next.End = "doubted", was.Start, was.End
		if next.Doubted.IsZero() {
			next.Doubted = d.now
		}
	case !gone && cut(f, was, says, d.now):
		how, next.Doubted, next.Left = "left", time.Time{}, d.now
	case next.Here() && !was.Doubted.IsZero(): // it takes that word back
		how, next.Doubted = "back", time.Time{}
	case was.Here() && !next.Here() && doubt:
		how, next.Doubted = "doubted", d.now
	case was.Believed() && !next.Here() && !doubt:
		how, next.Doubted, next.Left = "left", time.Time{}, d.now
	}
	if !next.Here() {
		next.Held, next.Why = "", "" // nothing is to be decided of whoever is not there
	}
	return next, how
}

// hears stores what a feed says of an entry where it is not what it said before.
func (d *deed) hears(ctx context.Context, f access.Feed, was, says access.Record, gone, doubt bool) (next access.Record, changed bool, err error) {
	next, how := d.saidOf(f, was, says, gone, doubt)
	if was.Version > 0 && access.Digest(was) == access.Digest(next) {
		return was, false, nil
	}
	return next, true, d.saveRecord(ctx, was, &next, how)
}

// cut tells whether a feed has somebody who is there end soon who would not have, or
// begin only later: that is one more way to say that they leave.
func cut(f access.Feed, was, says access.Record, now time.Time) bool {
	over := func(end time.Time) bool { return f.IsSoon(end, now) }
	return was.Version > 0 && was.Here() && says.Here() && !says.Group &&
		(slices.Contains(f.Gives, "end") && over(says.End) && !over(was.End) ||
			slices.Contains(f.Gives, "start") && says.Start.After(now) && !was.Start.After(now))
}

// confirmed tells whether somebody has just said of a record that is still there that it leaves.
func confirmed(r access.Record, now time.Time) bool {
	return r.Here() && r.Doubted.IsZero() && !r.Left.IsZero() && now.Sub(r.Left) < leaveWithin
}

// saveRecord stores a record and tells of it.
func (d *deed) saveRecord(ctx context.Context, was access.Record, next *access.Record, how string) error {
	next.Said = d.now
	next.Version = was.Version + 1
	if err := d.SaveRecord(ctx, was, *next); err != nil {
		return err
	}
	ev := d.event("record." + how)
	ev.To, ev.Note, ev.After = how, next.Why, *next
	return d.tell(ctx, ev)
}

// storedRecord is the record under a key; the zero one where there is none.
func (d *deed) storedRecord(ctx context.Context, feed, key string) (access.Record, error) {
	r, err := d.Record(ctx, feed, key)
	if errors.Is(err, access.ErrNotFound) {
		return access.Record{}, nil
	}
	return r, err
}

// doubtLeavers keeps the finding that so many have left a feed at once that they are not
// believed to have, as long as that is so.
func (d *deed) doubtLeavers(ctx context.Context, f access.Feed) error {
	n, err := d.FeedSize(ctx, f.ID, d.now.Add(-leaveWithin))
	if err != nil {
		return err
	}
	if n.Doubted == 0 {
		return d.settleFinding(ctx, access.FeedShrunk, f.ID, "nobody's leaving is in doubt any more")
	}
	return d.renew(ctx, access.Finding{Kind: access.FeedShrunk, Subject: f.ID, Owner: "security", DueAt: d.now.Add(4 * time.Hour),
		Text: fmt.Sprintf("Feed %s no longer has, or ends, %d people who were active, of %d: more than its share of %d%% in a day, or of %d%% in thirty. None of them is taken to have left. Mend the feed, or have somebody in security confirm it: lessor feed confirm %s --count %d --reason WHY.",
			f.ID, n.Doubted, n.Here+n.Doubted+n.Left, f.Shrink, f.InMonth(), f.ID, n.Doubted)}, "another number is in doubt")
}

// undecidedRecords keeps the finding that a feed has records that could be several identities, or none that may be.
func (d *deed) undecidedRecords(ctx context.Context, f access.Feed) error {
	list, err := d.HeldRecords(ctx, f.ID, "", 10*mostNamed)
	if err != nil {
		return err
	}
	var named []string
	more := 0
	for _, r := range list {
		switch {
		case r.Held != access.FeedAmbiguous:
		case len(named) < mostNamed:
			named = append(named, fmt.Sprintf("%s: %s", plain(r.Key), r.Why))
		default:
			more++
		}
	}
	if len(named) == 0 {
		return d.settleFinding(ctx, access.FeedAmbiguous, f.ID, "every record is decided")
	}
	text := fmt.Sprintf("Records of feed %s are no identity: mend the feed or its rules in feeds.yaml, or decide each with lessor feed decide. ", f.ID)
	for _, n := range named {
		text += n + ". "
	}
	if more > 0 {
		text += fmt.Sprintf("And %d more.", more)
	}
	return d.renew(ctx, access.Finding{Kind: access.FeedAmbiguous, Subject: f.ID, Owner: "security", DueAt: d.now.Add(72 * time.Hour), Text: text}, "others are not decided")
}

// inOrder are the keys of a map, in order.
func inOrder[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
