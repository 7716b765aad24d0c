package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// FeedChange is what a feed says anew of one entry.
type FeedChange struct {
	Record access.Record // all it says of it; of a change of members, as it is stored
	Was    int           // the version that was presumed; 0: there was none
	Gone   bool
	Join   []string // keys of those who are in this group from now on
	Leave  []string // … and are in it no more
}

// mostMembers is how many one word may put into a group or take out.
const mostMembers = 10_000

// FeedSaid takes one word of a feed that tells of changes by itself: somebody came, is
// another now or has left. Whoever leaves is believed to, unless more have in a day
// than the feed's share.
func (e *Engine) FeedSaid(ctx context.Context, by access.Actor, feed string, c FeedChange) (r access.Record, err error) {
	err = e.do(ctx, "feed said", by, func(d *deed) error {
		d.mayWait = true
		// 1. May it be said, and of this?
		if err := d.scope(ScopeFeed + feed); err != nil {
			return err
		}
		f, err := e.feed(feed)
		if err != nil {
			return err
		}
		says, err := c.Record.Says().Clean()
		if err != nil {
			return err
		}
		says.Feed = f.ID
		was, err := d.storedRecord(ctx, f.ID, says.Key)
		if err != nil {
			return err
		}
		if was.Version != c.Was {
			return fmt.Errorf("%w: record %.80q is at version %d", access.ErrConflict, says.Key, was.Version)
		}
		says.Groups = was.Groups // groups say who is in them
		if err := d.aloneInFeed(ctx, was, says, c.Gone); err != nil {
			return err
		}
		var filled map[string]string // before its name is another
		if says.Group {
			if filled, err = d.groupKeys(ctx, f); err != nil {
				return err
			}
		}
		if err := d.brakeOne(ctx, f, was, &says, c.Gone); err != nil {
			return err
		}
		// 2. What it says, and who it is.
		more, _, err := d.leaversLeft(ctx, f)
		if err != nil {
			return err
		}
		var drift FeedDrift
		if err := d.hearOne(ctx, f, was, says, c.Gone, more < 1 || !was.Doubted.IsZero(), &drift); err != nil {
			return err
		}
		if r, err = d.Record(ctx, f.ID, says.Key); err != nil {
			return err
		}
		// 3. Whom it is about besides.
		touched, err := d.touched(ctx, f, was, &r, c, filled)
		if err != nil {
			return err
		}
		if _, err := d.merge(ctx, touched); err != nil {
			return err
		}
		return errors.Join(d.doubtLeavers(ctx, f), d.undecidedRecords(ctx, f))
	})
	if errors.Is(err, access.ErrBraked) { // nothing of it is stored; that it was said is
		err = errors.Join(err, e.do(ctx, "feed findings", access.Clock, func(d *deed) error {
			f, err := e.feed(feed)
			if err != nil {
				return err
			}
			return d.tellBraked(ctx, f)
		}))
	}
	return r, err
}

// aloneInFeed refuses a second entry of a feed under a name that only one may have at a time.
func (d *deed) aloneInFeed(ctx context.Context, was, says access.Record, gone bool) error {
	mark, name := "user "+access.Fold(says.User), says.User
	if says.Group {
		mark, name = "group "+access.Fold(says.Name), says.Name
	}
	if gone || name == "" {
		return nil
	}
	if slices.Contains(was.Marks(), mark) && was.Gone.IsZero() {
		return nil // it has it already
	}
	others, err := d.MarkedHere(ctx, mark, says.Feed, mostAlike)
	for _, o := range others {
		if o.Key != says.Key && o.Gone.IsZero() && o.Group == says.Group && slices.Contains(o.Marks(), mark) {
			return fmt.Errorf("%w: %.80q is the name of another entry: %.80q", access.ErrTaken, name, o.Key)
		}
	}
	return err
}

// touched lists the identities that may be others because of a word about this record:
// its own, those who report to it, and those in the group that it is. filled are the feed's
// groups that filled one of the files' before the word.
func (d *deed) touched(ctx context.Context, f access.Feed, was access.Record, r *access.Record, c FeedChange, filled map[string]string) (ids []string, err error) {
	if r.Identity != "" {
		ids = append(ids, r.Identity)
	}
	if r.Identity != was.Identity {
		reports, err := d.Reports(ctx, f.ID, r.Key, mostMembers)
		if err != nil {
			return nil, err
		}
		for _, o := range reports {
			ids = append(ids, o.Identity)
		}
	}
	if !r.Group {
		return slices.DeleteFunc(ids, func(id string) bool { return id == "" }), nil
	}
	// A group that is gone has nobody in it; one that has another name fills another
	// group, or none.
	join, leave := c.Join, c.Leave
	var members []string
	if c.Gone || was.Name != r.Name {
		if members, err = d.FeedMembers(ctx, f.ID, r.Key, "", mostMembers+1); err != nil {
			return nil, err
		}
		if c.Gone {
			leave = members
		}
		if err := d.membersAre(ctx, f, members, &ids); err != nil {
			return nil, err
		}
	}
	if len(join)+len(leave)+len(ids) > mostMembers {
		return nil, fmt.Errorf("%w: at most %d members of a group are changed at once", access.ErrInvalid, mostMembers)
	}
	if err := d.brakeGroups(ctx, f, filled, r.Key, leave, members); err != nil {
		return nil, err
	}
	changed, err := d.regroup(ctx, f, r.Key, join, leave, &ids)
	if err == nil && changed && !c.Gone {
		old := *r
		err = d.saveRecord(ctx, old, r, "changed") // another version: whoever presumed the old members did so wrongly
	}
	return ids, err
}

// membersAre adds the identities that these records are.
func (d *deed) membersAre(ctx context.Context, f access.Feed, keys []string, ids *[]string) error {
	list, err := d.RecordsNamed(ctx, f.ID, keys)
	for _, r := range list {
		if r.Identity != "" {
			*ids = append(*ids, r.Identity)
		}
	}
	return err
}

// regroup puts records into a group and takes others out.
func (d *deed) regroup(ctx context.Context, f access.Feed, group string, join, leave []string, ids *[]string) (changed bool, err error) {
	list, err := d.RecordsNamed(ctx, f.ID, slices.Compact(slices.Sorted(slices.Values(slices.Concat(join, leave)))))
	if err != nil {
		return false, err
	}
	known := make(map[string]bool, len(list))
	for _, was := range list {
		known[was.Key] = !was.Group && was.Gone.IsZero()
		next := was
		next.Groups = slices.DeleteFunc(slices.Clone(was.Groups), func(g string) bool { return g == group })
		if slices.Contains(join, was.Key) {
			next.Groups = slices.Sorted(slices.Values(append(next.Groups, group)))
		}
		if len(next.Groups) == 0 {
			next.Groups = nil
		}
		if slices.Equal(was.Groups, next.Groups) {
			continue
		}
		changed = true
		if err := d.saveRecord(ctx, was, &next, "changed"); err != nil {
			return false, err
		}
		if was.Identity != "" {
			*ids = append(*ids, was.Identity)
		}
	}
	for _, key := range join {
		if !known[key] {
			return false, fmt.Errorf("%w: there is no record %.80q of a person to be a member", access.ErrInvalid, key)
		}
	}
	return changed, nil
}
