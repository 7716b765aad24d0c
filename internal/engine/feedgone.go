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

// FeedsGone keeps a finding for each feed that the files no longer have while somebody is
// active whom it alone told of: they stay as they were, and nobody would notice that they
// have left. It ends when the feed is back, when another feed with authority has them, or
// when they are inactive.
func (e *Engine) FeedsGone(ctx context.Context) error {
	// 1. What is stored of feeds there are no more.
	var gone []string
	if err := e.DB.Read(ctx, func(tx *store.Tx) error {
		gone = nil
		for after := ""; ; {
			next, err := tx.FeedAfter(ctx, after)
			if errors.Is(err, access.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			if after = next; !slices.ContainsFunc(e.Feeds(), func(f access.Feed) bool { return f.ID == next }) {
				gone = append(gone, next)
			}
		}
	}); err != nil {
		return fmt.Errorf("feeds gone: %w", err)
	}
	// 2. Whom it leaves.
	left := map[string][]string{}
	for _, feed := range gone {
		who, err := e.leftBy(ctx, feed)
		if err != nil {
			return fmt.Errorf("feeds gone: %w", err)
		}
		left[feed] = who
	}
	return e.do(ctx, "feeds gone", access.Clock, func(d *deed) error {
		// 3. Said, once for each feed.
		open, err := d.OpenFindings(ctx, access.FeedGone)
		if err != nil {
			return err
		}
		for _, f := range open {
			if len(left[f.Subject]) == 0 {
				if err := d.settleFinding(ctx, f.Kind, f.Subject, "the feed is back, or nobody is active by it alone"); err != nil {
					return err
				}
			}
		}
		for _, feed := range gone {
			if err := d.settleFinding(ctx, access.FeedUnread, feed, "it is in the files no more"); err != nil {
				return err
			}
			who := left[feed]
			if len(who) == 0 {
				continue
			}
			text := fmt.Sprintf("Feed %s is no longer in feeds.yaml, and %d people whom no other feed tells of stay as it left them: none of them will ever leave by it. Put it back, have another feed give active for them, or write in the directory who is inactive. ", feed, len(who))
			for _, id := range who[:min(len(who), mostNamed)] {
				text += id + ". "
			}
			if more := len(who) - mostNamed; more > 0 {
				text += fmt.Sprintf("And %d more.", more)
			}
			due := d.now.Add(72 * time.Hour)
			for _, f := range open {
				if f.Subject == feed {
					due = f.DueAt // that there are fewer by now gives nobody more time
				}
			}
			if err := d.renew(ctx, access.Finding{Kind: access.FeedGone, Subject: feed, Owner: "security", DueAt: due, Text: text}, "there are others by now"); err != nil {
				return err
			}
		}
		return nil
	})
}

// leftBy lists who is active by a feed that is gone and by no other that gives active.
func (e *Engine) leftBy(ctx context.Context, feed string) (ids []string, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		ids = nil
		dir := e.World().Directory
		var mine []string
		if err := everyRecord(ctx, tx, feed, func(r access.Record) {
			if i, ok := dir.Identity(r.Identity); ok && !i.Inactive && r.Believed() {
				mine = append(mine, r.Identity)
			}
		}); err != nil {
			return err
		}
		slices.Sort(mine)
		for part := range slices.Chunk(slices.Compact(mine), feedBatch) {
			records, err := tx.RecordsOf(ctx, part)
			if err != nil {
				return err
			}
			told := map[string]bool{}
			for _, r := range records {
				if f, err := e.feed(r.Feed); err == nil && slices.Contains(f.Gives, "active") {
					told[r.Identity] = true
				}
			}
			for _, id := range part {
				if !told[id] {
					ids = append(ids, id)
				}
			}
		}
		return nil
	})
	return ids, err
}
