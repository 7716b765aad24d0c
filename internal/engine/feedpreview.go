package engine

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
)

// FeedPreview is what a reading would do, and with whom.
type FeedPreview struct {
	Feed    string      `json:"feed"`
	Records int         `json:"records"` // entries there are
	New     int         `json:"new"`
	Changed int         `json:"changed"` // who say another thing than before, or are back
	Left    int         `json:"left"`    // who would be taken to have left
	Doubted int         `json:"doubted"` // … and would not, for too many are at once
	Held    int         `json:"held"`    // who would be nobody until somebody decides
	Some    []FeedWould `json:"some"`    // of each at most mostPreviewed, in the keys' order
}

// FeedWould is what a reading would do with one entry.
type FeedWould struct {
	Key      string `json:"key"`
	User     string `json:"user,omitempty"`
	Name     string `json:"name,omitempty"`
	Identity string `json:"identity,omitempty"`
	What     string `json:"what"` // new, changed, left, doubted or held
	Why      string `json:"why,omitempty"`
}

// mostPreviewed are as many of a kind as somebody reads.
const mostPreviewed = 50

// MayReadFeed tells whether the actor may have a feed read: somebody in security may.
func (e *Engine) MayReadFeed(ctx context.Context, by access.Actor, feed string) error {
	return e.look(ctx, by, func(d *deed) error {
		if err := d.mayRunFeed(); err != nil {
			return err
		}
		_, err := e.feed(feed)
		return err
	})
}

// AskFeed has a feed read now, and not only when its time comes.
func (e *Engine) AskFeed(ctx context.Context, by access.Actor, feed string) error {
	return e.do(ctx, "read feed", by, func(d *deed) error {
		if err := d.mayRunFeed(); err != nil {
			return err
		}
		if _, err := e.feed(feed); err != nil {
			return err
		}
		return d.Enqueue(ctx, FeedJob{Feed: feed}, nil)
	})
}

// PreviewFeed tells what FeedRead would do with a reading, and does nothing. Two records
// of it that would be one identity it may not tell apart from each other.
func (e *Engine) PreviewFeed(ctx context.Context, by access.Actor, feed string, records []access.Record) (p FeedPreview, err error) {
	if err := e.MayReadFeed(ctx, by, feed); err != nil {
		return p, err
	}
	f, err := e.feed(feed)
	if err != nil {
		return p, err
	}
	says, err := reading(f, records)
	if err != nil {
		return p, fmt.Errorf("feed preview: %w", err)
	}
	was, err := e.recordsOf(ctx, f.ID)
	if err != nil {
		return p, fmt.Errorf("feed preview: %w", err)
	}
	emptied(f, was, says, e.Now())
	err = e.look(ctx, by, func(d *deed) error {
		p = FeedPreview{Feed: f.ID, Records: len(says), Some: []FeedWould{}}
		more, _, err := d.leaversLeft(ctx, f)
		if err != nil {
			return err
		}
		doubt := leaving(f, was, says, d.now) > more
		for _, key := range otherwise(was, says) {
			r, still := says[key]
			next, how := d.saidOf(f, was[key], r, !still, doubt)
			if next, err = d.wouldBe(ctx, f, next); err != nil {
				return err
			}
			if next.Identity != "" && was[key].Identity == "" {
				d.newly = append(d.newly, next.Identity)
			}
			p.would(was[key], next, how)
		}
		return nil
	})
	return p, err
}

// would counts one entry.
func (p *FeedPreview) would(was, next access.Record, how string) {
	same := was.Version > 0 && was.Same(next) && was.Gone.Equal(next.Gone) && was.Doubted.IsZero() == next.Doubted.IsZero() && was.Identity == next.Identity
	n := &p.Changed
	switch {
	case next.Held != "":
		n, how = &p.Held, "held"
	case next.Group || same && next.Doubted.IsZero():
		return
	case !next.Doubted.IsZero():
		n, how = &p.Doubted, "doubted"
	case how == "left":
		n = &p.Left
	case how == "new":
		n = &p.New
	default:
		how = "changed"
	}
	if *n++; *n <= mostPreviewed {
		p.Some = append(p.Some, FeedWould{Key: next.Key, User: next.User, Name: plain(next.Name), Identity: next.Identity, What: how, Why: next.Why})
	}
}
