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

// FeedRead takes a whole reading of a feed that began at that moment: what is not in it
// is gone. If more have left than is believed at once, none of them is taken to have;
// whatever else it says counts. It is taken in parts, each whole in itself; if we stop
// between them, the next reading takes what is left.
func (e *Engine) FeedRead(ctx context.Context, feed string, at time.Time, records []access.Record) (drift FeedDrift, err error) {
	f, err := e.feed(feed)
	if err != nil {
		return drift, fmt.Errorf("feed read: %w", err)
	}
	// 1. All of it can be taken, or none.
	says, err := reading(f, records)
	if err != nil {
		return drift, fmt.Errorf("feed read: %w", err)
	}
	// 2. Is it the newest reading, and are so many gone that it is not believed?
	was, err := e.recordsOf(ctx, f.ID)
	if err != nil {
		return drift, fmt.Errorf("feed read: %w", err)
	}
	lost := emptied(f, was, says, e.Now())
	var doubt bool
	err = e.do(ctx, "feed read", access.Clock, func(d *deed) error {
		name, at := "feed read/"+f.ID, at.UTC().Truncate(time.Microsecond)
		last, err := d.ReadUntil(ctx, name)
		if drift.Overtaken = err == nil && !at.After(last); err != nil || drift.Overtaken {
			return err
		}
		more, _, err := d.leaversLeft(ctx, f)
		if err != nil {
			return err
		}
		doubt = leaving(f, was, says, d.now) > more
		return errors.Join(d.SetReadUntil(ctx, name, at), d.SetCount(ctx, "feed size/"+f.ID, len(says)), d.tellEmptied(ctx, f, lost))
	})
	if err != nil || drift.Overtaken {
		return drift, err
	}
	// 3. What is another than it was, and what is nobody yet.
	for part := range slices.Chunk(otherwise(was, says), feedBatch) {
		if err := e.hearPart(ctx, f, part, says, doubt, &drift); err != nil {
			return drift, err
		}
	}
	// 4. Who everybody is now.
	return drift, e.mergeAll(ctx, f, &drift)
}

// reading is a reading by key; of its groups only those that the settings name are kept.
func reading(f access.Feed, records []access.Record) (map[string]access.Record, error) {
	says := make(map[string]access.Record, len(records))
	fills := map[string]bool{}
	for _, g := range f.Groups {
		fills[g] = true
	}
	var errs []error
	for _, r := range records {
		r.Groups = slices.DeleteFunc(slices.Clone(r.Groups), func(g string) bool { return !fills[g] })
		r, err := r.Says().Clean()
		r.Feed = f.ID
		if _, twice := says[r.Key]; twice && err == nil {
			err = fmt.Errorf("%w: the key %.80q is there twice: nobody can be told by it", access.ErrInvalid, r.Key)
		}
		if says[r.Key] = r; err != nil && len(errs) < mostNamed {
			errs = append(errs, err)
		}
	}
	return says, errors.Join(errs...)
}

// otherwise lists the keys of which a reading says something else, or that are nobody yet.
func otherwise(was, says map[string]access.Record) (keys []string) {
	for key, r := range says {
		if old := was[key]; old.Version == 0 || !old.Gone.IsZero() || !old.Same(r) || old.Identity == "" || !old.Doubted.IsZero() {
			keys = append(keys, key)
		}
	}
	for key, old := range was {
		if _, still := says[key]; !still && (old.Gone.IsZero() || !old.Doubted.IsZero()) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// recordsOf reads all that is stored of a feed.
func (e *Engine) recordsOf(ctx context.Context, feed string) (was map[string]access.Record, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		was = map[string]access.Record{}
		return everyRecord(ctx, tx, feed, func(r access.Record) { was[r.Key] = r })
	})
	return was, err
}

func everyRecord(ctx context.Context, tx *store.Tx, feed string, do func(access.Record)) error {
	for after := ""; ; {
		page, err := tx.RecordsAfter(ctx, feed, after, 1000)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			after = r.Key
			do(r)
		}
	}
}

// leaving counts those who are taken to be there and are not in the reading. Those whose
// leaving is in doubt already are among them: a mass stays one however often it is read,
// and what is left of it once the others are back is none.
func leaving(f access.Feed, was, says map[string]access.Record, now time.Time) (n int) {
	for key, old := range was {
		r, ok := says[key]
		if !old.Group && old.Believed() && (!ok || !r.Here() || cut(f, old, r, now) && !confirmed(old, now)) {
			n++
		}
	}
	return n
}

// hearPart takes what a reading says of some.
func (e *Engine) hearPart(ctx context.Context, f access.Feed, keys []string, says map[string]access.Record, doubt bool, total *FeedDrift) error {
	var drift FeedDrift
	err := e.do(ctx, "feed read", access.Clock, func(d *deed) error {
		drift = *total
		stored, err := d.RecordsNamed(ctx, f.ID, keys)
		if err != nil {
			return err
		}
		was := make(map[string]access.Record, len(stored))
		for _, r := range stored {
			was[r.Key] = r
		}
		for _, key := range keys {
			r, still := says[key]
			if !still && was[key].Version == 0 {
				continue
			}
			if err := d.hearOne(ctx, f, was[key], r, !still, doubt, &drift); err != nil {
				return err
			}
		}
		_, err = d.merge(ctx, d.newly)
		return err
	})
	if err == nil {
		*total = drift
	}
	return err
}

// hearOne takes what a feed says of one entry, and finds out who it is.
func (d *deed) hearOne(ctx context.Context, f access.Feed, was, says access.Record, gone, doubt bool, drift *FeedDrift) error {
	now, changed, err := d.hears(ctx, f, was, says, gone, doubt)
	if err != nil {
		return err
	}
	if now, err = d.bind(ctx, f, now); err != nil {
		return err
	}
	switch {
	case was.Version == 0:
		drift.New++
	case was.Doubted.IsZero() && !now.Doubted.IsZero():
		drift.Doubted++
	case now.Left.After(was.Left):
		drift.Left++
	case changed:
		drift.Changed++
	}
	if now.Held != "" {
		drift.Held++
	}
	return nil
}

// FeedMerge holds what is stored of a feed against the settings, as whoever tells of
// changes by itself needs it: settings and other feeds may be others now.
func (e *Engine) FeedMerge(ctx context.Context, feed string) (drift FeedDrift, err error) {
	f, err := e.feed(feed)
	if err != nil {
		return drift, fmt.Errorf("feed merge: %w", err)
	}
	was, err := e.recordsOf(ctx, f.ID)
	if err != nil {
		return drift, err
	}
	if err := e.do(ctx, "feed findings", access.Clock, func(d *deed) error { return d.mayEmptyAgain(ctx, f) }); err != nil {
		return drift, err
	}
	maps.DeleteFunc(was, func(_ string, r access.Record) bool { return r.Identity != "" || r.Group || !r.Here() })
	for key, r := range was {
		r.Emptied = time.Time{} // it says nothing new
		was[key] = r
	}
	for part := range slices.Chunk(inOrder(was), feedBatch) {
		if err := e.hearPart(ctx, f, part, was, false, &drift); err != nil {
			return drift, err
		}
	}
	return drift, e.mergeAll(ctx, f, &drift)
}

// mergeAll has everybody of a feed be what the feeds say, and says what is in doubt.
func (e *Engine) mergeAll(ctx context.Context, f access.Feed, drift *FeedDrift) error {
	// 1. Who is another: found out in a snapshot that holds up nobody.
	var differ, mine []string
	err := e.DB.Read(ctx, func(tx *store.Tx) error {
		differ = nil
		var ids []string
		if err := everyRecord(ctx, tx, f.ID, func(r access.Record) {
			if r.Identity != "" {
				ids = append(ids, r.Identity)
			}
		}); err != nil {
			return err
		}
		d := &deed{Tx: tx, e: e, now: e.Now().UTC().Truncate(time.Microsecond), by: access.Clock, world: e.World()}
		slices.Sort(ids)
		mine = slices.Compact(ids)
		for part := range slices.Chunk(mine, feedBatch) {
			was, next, err := d.merged(ctx, part)
			if err != nil {
				return err
			}
			for _, r := range next {
				if old, ok := was[r.ID]; !ok || access.Digest(old.Identity) != access.Digest(r.Identity) {
					differ = append(differ, r.ID)
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("feed merge: %w", err)
	}
	// 2. They are stored; moved says what follows.
	for part := range slices.Chunk(differ, feedBatch) {
		moved := 0
		if err := e.do(ctx, "feed merge", access.Clock, func(d *deed) (err error) {
			moved, err = d.merge(ctx, part)
			return err
		}); err != nil {
			return err
		}
		drift.Moved += moved
	}
	// 3. What somebody must look at.
	return e.do(ctx, "feed findings", access.Clock, func(d *deed) error {
		return errors.Join(d.doubtLeavers(ctx, f), d.undecidedRecords(ctx, f), d.sharedAddresses(ctx, f, mine))
	})
}
