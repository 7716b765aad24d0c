package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// A feed that tells of changes by itself loses what it said of people one word at a time.
// Those words are counted over a day, as leavers are: what goes beyond the feed's share is
// refused, so that the provider keeps what is in force here as what it has told.

// emptiedLately tells whether a feed has lost what it said of somebody within the day.
func emptiedLately(r access.Record, now time.Time) bool {
	return !r.Emptied.IsZero() && now.Sub(r.Emptied) < leaveWithin
}

// brakeOne notes on a word that it takes somebody's department or manager, or refuses it
// where one more is not believed. Whose manager has left has lost nothing else by it.
func (d *deed) brakeOne(ctx context.Context, f access.Feed, was access.Record, says *access.Record, gone bool) error {
	if was.Group || gone || !was.Believed() || !says.Here() {
		return nil
	}
	loses := false
	for _, a := range placed {
		if a.name == "groups" || !slices.Contains(f.Gives, a.name) || a.none(was) || !a.none(*says) {
			continue
		}
		if a.name == "manager" {
			of, err := d.storedRecord(ctx, f.ID, was.Manager)
			if err != nil {
				return err
			}
			if !of.Believed() || of.Version == 0 {
				continue
			}
		}
		loses = true
	}
	if !loses {
		return nil
	}
	says.Emptied = d.now
	if emptiedLately(was, d.now) {
		return nil
	}
	return d.mayEmpty(ctx, f, 1)
}

// mayEmpty refuses where so many more would be beyond the feed's share of the day.
func (d *deed) mayEmpty(ctx context.Context, f access.Feed, more int) error {
	n, err := d.FeedSize(ctx, f.ID, d.now.Add(-leaveWithin))
	if err == nil && f.Shrink < 100 && n.Emptied+more > max(fewLeavers, n.Here*f.Shrink/100) {
		return fmt.Errorf("%w: this feed has taken department, manager or groups from more of its people within a day than is believed: try again later, or ask those who run Lessor", access.ErrBraked)
	}
	return err
}

// brakeGroups does the same of a word about a group, or about its name: for those whom it
// leaves in none of the groups that the feed fills.
func (d *deed) brakeGroups(ctx context.Context, f access.Feed, before map[string]string, group string, leave, all []string) error {
	if !slices.Contains(f.Gives, "groups") {
		return nil
	}
	after, err := d.groupKeys(ctx, f)
	if err != nil {
		return err
	}
	keys := slices.Compact(slices.Sorted(slices.Values(slices.Concat(leave, all))))
	list, err := d.RecordsNamed(ctx, f.ID, keys)
	if err != nil {
		return err
	}
	var lost []access.Record
	more := 0
	for _, r := range list {
		left := slices.DeleteFunc(slices.Clone(r.Groups), func(g string) bool { return g == group && slices.Contains(leave, r.Key) })
		if r.Group || !r.Believed() || !fills(before, r.Groups) || fills(after, left) {
			continue
		}
		lost = append(lost, r)
		if !emptiedLately(r, d.now) {
			more++
		}
	}
	if more > 0 {
		if err := d.mayEmpty(ctx, f, more); err != nil {
			return err
		}
	}
	for _, was := range lost {
		next := was
		next.Emptied = d.now
		if err := d.saveRecord(ctx, was, &next, "changed"); err != nil {
			return err
		}
	}
	return nil
}

// fills tells whether one of the feed's groups fills one of the files'.
func fills(keys map[string]string, groups []string) bool {
	for _, key := range keys {
		if slices.Contains(groups, key) {
			return true
		}
	}
	return false
}

// tellBraked keeps the finding that words of a feed are refused.
func (d *deed) tellBraked(ctx context.Context, f access.Feed) error {
	return d.renew(ctx, access.Finding{Kind: access.FeedEmptied, Subject: f.ID, Owner: "security", DueAt: d.now.Add(4 * time.Hour),
		Text: fmt.Sprintf("Feed %s takes department, manager or groups from more than its share of %d%% of its people within a day. What goes beyond is refused, and they keep what it said before. Mend the provider; or, if that is so, set shrink of the feed to 100%% until it has said so again.",
			f.ID, f.Shrink)}, "it is told anew")
}

// mayEmptyAgain ends that finding once a word would be believed again.
func (d *deed) mayEmptyAgain(ctx context.Context, f access.Feed) error {
	n, err := d.FeedSize(ctx, f.ID, d.now.Add(-leaveWithin))
	if err == nil && n.Emptied < max(fewLeavers, n.Here*f.Shrink/100) {
		err = d.settleFinding(ctx, access.FeedEmptied, f.ID, "a day has passed, or the feed's share is another")
	}
	return err
}
