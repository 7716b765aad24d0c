package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// FeedState is what a feed has, and how its last reading went.
type FeedState struct {
	Feed    string    `json:"feed"`
	Kind    string    `json:"kind"`
	Read    time.Time `json:"read,omitzero"` // the last whole reading that was taken
	Here    int       `json:"here"`          // people who are there and active
	Left    int       `json:"left"`          // who have left within a day
	Doubted int       `json:"doubted"`       // whose leaving is not believed until somebody confirms it
	Held    int       `json:"held"`          // records that are no identity until somebody decides
	Shrink  int       `json:"shrink"`        // of a hundred, how many may leave in a day
	Unread  string    `json:"unread,omitempty"`
}

// HeldRecord is a record about which somebody must decide.
type HeldRecord struct {
	Feed     string    `json:"feed"`
	Key      string    `json:"key"`
	User     string    `json:"user,omitempty"`
	Name     string    `json:"name,omitempty"`
	Identity string    `json:"identity,omitempty"`
	Kind     string    `json:"kind"` // of the finding it is in
	Why      string    `json:"why"`
	Since    time.Time `json:"since"`
}

// mayKnowFeeds refuses whoever is not shown what feeds say: it is for security and auditors.
func (d *deed) mayKnowFeeds() error {
	groups := d.world.Directory.GroupsOf(d.by.Identity)
	if !slices.Contains(groups, "security") && !slices.Contains(groups, "auditors") {
		return fmt.Errorf("%w: feeds are shown to security and auditors", access.ErrDenied)
	}
	return nil
}

// FeedStates lists the feeds there are, to security and auditors.
func (e *Engine) FeedStates(ctx context.Context, by access.Actor) (list []FeedState, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		list = []FeedState{}
		if err := d.mayKnowFeeds(); err != nil {
			return err
		}
		for _, f := range e.Feeds() {
			n, err := d.FeedSize(ctx, f.ID, d.now.Add(-leaveWithin))
			if err != nil {
				return err
			}
			s := FeedState{Feed: f.ID, Kind: f.Kind, Here: n.Here, Left: n.Left, Doubted: n.Doubted, Held: n.Held, Shrink: f.Shrink}
			if s.Read, err = d.ReadUntil(ctx, "feed read/"+f.ID); err != nil {
				return err
			}
			unread, err := d.OpenFinding(ctx, access.FeedUnread, f.ID)
			if s.Unread = unread.Text; err != nil && !errors.Is(err, access.ErrNotFound) {
				return err
			}
			list = append(list, s)
		}
		return nil
	})
	return list, err
}

// FeedHeld lists up to limit records of a feed, with keys above after, about which
// somebody must decide: doubted tells whether those whose leaving is in doubt, or those
// that are no identity.
func (e *Engine) FeedHeld(ctx context.Context, by access.Actor, feed string, doubted bool, after string, limit int) (list []HeldRecord, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		list = []HeldRecord{}
		if err := d.mayKnowFeeds(); err != nil {
			return err
		}
		if _, err := e.feed(feed); err != nil {
			return err
		}
		held := d.HeldRecords
		if doubted {
			held = d.DoubtedRecords
		}
		records, err := held(ctx, feed, after, limit)
		for _, r := range records {
			h := HeldRecord{Feed: r.Feed, Key: r.Key, User: r.User, Name: plain(r.Name), Identity: r.Identity, Kind: r.Held, Why: r.Why, Since: r.Said}
			if doubted {
				h.Kind, h.Since, h.Why = access.FeedShrunk, r.Doubted, "the feed says that it has left, together with too many others to be believed"
			}
			list = append(list, h)
		}
		return err
	})
	return list, err
}

// ofFeed reads for the door by which a feed tells of changes: only what that feed said.
func (e *Engine) ofFeed(ctx context.Context, by access.Actor, feed string, do func(tx *store.Tx) error) error {
	if err := scoped(by, ScopeFeed+feed); err != nil {
		return err
	}
	if _, err := e.feed(feed); err != nil {
		return err
	}
	return e.DB.Read(ctx, do)
}

// FeedRecord returns what a feed said of an entry, to that feed.
func (e *Engine) FeedRecord(ctx context.Context, by access.Actor, feed, key string) (r access.Record, err error) {
	err = e.ofFeed(ctx, by, feed, func(tx *store.Tx) (err error) { r, err = tx.Record(ctx, feed, key); return err })
	return r, err
}

// FeedNamed lists the entries of a feed that are there under a mark (attribute, blank,
// folded value), to that feed: some may have had it only.
func (e *Engine) FeedNamed(ctx context.Context, by access.Actor, feed, mark string) (list []access.Record, err error) {
	err = e.ofFeed(ctx, by, feed, func(tx *store.Tx) (err error) {
		list, err = tx.MarkedHere(ctx, mark, feed, mostNamesakes)
		return err
	})
	return list, err
}

// mostNamesakes is how many entries under one name, or that had it, a feed is shown.
const mostNamesakes = 1000

// FeedListed lists up to limit people or groups that a feed has after so many others, in
// the order of their keys, and tells how many there are, to that feed.
func (e *Engine) FeedListed(ctx context.Context, by access.Actor, feed string, groups bool, skip, limit int) (list []access.Record, of int, err error) {
	err = e.ofFeed(ctx, by, feed, func(tx *store.Tx) (err error) {
		list, of, err = tx.RecordsListed(ctx, feed, groups, skip, limit)
		return err
	})
	return list, of, err
}

// FeedMembers lists up to limit of those whom a feed has and who are in a group of it,
// with keys above after, to that feed. If there are fewer, there are no more.
func (e *Engine) FeedMembers(ctx context.Context, by access.Actor, feed, group, after string, limit int) (list []access.Record, err error) {
	err = e.ofFeed(ctx, by, feed, func(tx *store.Tx) (err error) {
		list = nil
		for last := after; len(list) < limit; {
			keys, err := tx.FeedMembers(ctx, feed, group, last, limit-len(list))
			if err != nil || len(keys) == 0 {
				return err
			}
			last = keys[len(keys)-1]
			some, err := tx.RecordsNamed(ctx, feed, keys)
			if err != nil {
				return err
			}
			list = append(list, slices.DeleteFunc(some, func(r access.Record) bool { return !r.Gone.IsZero() })...)
		}
		return nil
	})
	return list, err
}
