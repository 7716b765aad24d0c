package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// ConfirmFeed says that those whose leaving a feed's brake holds have left: as many as
// whoever says so has seen. They end in parts; if we stop between them, it is said again.
func (e *Engine) ConfirmFeed(ctx context.Context, by access.Actor, feed string, count int, reason string) (left int, err error) {
	for after, first := "", true; ; first = false {
		var list []access.Record
		err := e.do(ctx, "confirm feed", by, func(d *deed) error {
			// 1. By somebody in security, who has seen how many, and is none of them.
			if err := d.mayDecideFeed(reason); err != nil {
				return err
			}
			f, err := e.feed(feed)
			if err != nil {
				return err
			}
			n, err := d.mayConfirm(ctx, f, reason)
			if err != nil {
				return err
			}
			if first && n != count {
				return fmt.Errorf("%w: the leaving of %d is in doubt now, not of %d: look again at who they are", access.ErrConflict, n, count)
			}
			if list, err = d.DoubtedRecords(ctx, f.ID, after, min(feedBatch, count-left)); err != nil {
				return err
			}
			// 2. They have left.
			var ids []string
			for _, was := range list {
				next := was
				next.Doubted, next.Left = time.Time{}, d.now
				if err := d.saveRecord(ctx, was, &next, "left"); err != nil {
					return err
				}
				if was.Identity != "" {
					ids = append(ids, was.Identity)
				}
			}
			if _, err := d.merge(ctx, ids); err != nil {
				return err
			}
			return errors.Join(d.SetReadUntil(ctx, "feed confirmed/"+f.ID, d.now), d.doubtLeavers(ctx, f))
		})
		if err != nil {
			return left, err
		}
		if left += len(list); len(list) < feedBatch || left >= count {
			return left, nil
		}
		after = list[len(list)-1].Key
	}
}

// mayConfirm tells how many there are to confirm, if the actor may.
func (d *deed) mayConfirm(ctx context.Context, f access.Feed, reason string) (int, error) {
	if err := d.mayDecideFeed(reason); err != nil {
		return 0, err
	}
	own, err := d.RecordsOf(ctx, d.world.Directory.IdentitiesOf(d.by.Identity))
	if err != nil {
		return 0, err
	}
	if slices.ContainsFunc(own, func(r access.Record) bool { return r.Feed == f.ID && !r.Doubted.IsZero() }) {
		return 0, fmt.Errorf("%w: you are one of them: somebody else must confirm it", access.ErrDenied)
	}
	n, err := d.FeedSize(ctx, f.ID, d.now)
	return n.Doubted, err
}

// mayDecideFeed holds that it is somebody in security who decides, with a reason.
func (d *deed) mayDecideFeed(reason string) error {
	if err := d.mayRunFeed(); err != nil {
		return err
	}
	if why := unsaid(reason); why != "" {
		return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
	}
	return nil
}

// mayRunFeed holds that it is somebody in security.
func (d *deed) mayRunFeed() error {
	if err := d.scope(ScopeRevoke); err != nil {
		return err
	}
	me, _ := d.world.Directory.Identity(d.by.Identity)
	if !d.ofSecurity() || !d.active(d.by.Identity) || me.Kind != access.Person {
		return fmt.Errorf("%w: what a feed says is decided by people in security", access.ErrDenied)
	}
	return nil
}

// DecideRecord says which identity a held record is: one there is, or, where that is
// empty, a new one.
func (e *Engine) DecideRecord(ctx context.Context, by access.Actor, feed, key, is, reason string) (r access.Record, err error) {
	err = e.do(ctx, "decide record", by, func(d *deed) error {
		// 1. Of a record that is held, by somebody in security.
		if err := d.mayDecideFeed(reason); err != nil {
			return err
		}
		f, err := e.feed(feed)
		if err != nil {
			return err
		}
		if r, err = d.Record(ctx, f.ID, key); err != nil {
			return err
		}
		if r.Held == "" || !r.Here() {
			return fmt.Errorf("%w: record %.80q of feed %s is not held", access.ErrGone, key, f.ID)
		}
		// 2. It is nobody in whom the decider has a hand, and no other record's.
		was := r
		if is == "" {
			if r.Identity, err = d.anotherID(ctx, f, r); err != nil {
				return err
			}
		} else if r.Identity, err = is, d.mayBecome(ctx, f, is); err != nil {
			return err
		}
		r.Held, r.Why = "", "decided by "+by.Identity+": "+reason
		if err := d.saveRecord(ctx, was, &r, "matched"); err != nil {
			return err
		}
		if err := d.settleFinding(ctx, access.IdentityRecycled, f.ID+" "+r.Key, "decided by "+by.Identity+": "+reason); err != nil {
			return err
		}
		touched, err := d.touched(ctx, f, was, &r, FeedChange{}, nil)
		if err != nil {
			return err
		}
		if _, err := d.merge(ctx, touched); err != nil {
			return err
		}
		return d.undecidedRecords(ctx, f)
	})
	return r, err
}

// mayBecome refuses what a record can never be.
func (d *deed) mayBecome(ctx context.Context, f access.Feed, id string) error {
	i, ok := d.world.Directory.Identity(id)
	switch {
	case !ok:
		return fmt.Errorf("%w: there is no identity %.80q", access.ErrNotFound, id)
	case i.Kind != access.Person || i.Same != "":
		return fmt.Errorf("%w: a record is a person, and %s is none of its own", access.ErrInvalid, id)
	case d.world.Directory.PersonOf(id) == d.world.Directory.PersonOf(d.by.Identity):
		return fmt.Errorf("%w: nobody decides who they are themselves", access.ErrDenied)
	}
	others, err := d.RecordsOf(ctx, []string{id})
	for _, o := range others {
		if o.Feed == f.ID && o.Believed() {
			return fmt.Errorf("%w: %s is record %.80q of this feed, which is there still", access.ErrConflict, id, o.Key)
		}
	}
	return err
}

// anotherID is an id for a new identity that no other has or had.
func (d *deed) anotherID(ctx context.Context, f access.Feed, r access.Record) (string, error) {
	if f.Identity == "" {
		return "", fmt.Errorf("%w: feed %s makes no identities: say which one it is", access.ErrInvalid, f.ID)
	}
	base, ok := access.IdentityID(r.Attribute(f.Identity))
	if !ok {
		return "", fmt.Errorf("%w: no id can be made of its %s: mend it in the feed", access.ErrInvalid, f.Identity)
	}
	for n := 1; n < 1000; n++ {
		id := base
		if n > 1 {
			id = base + "-" + strconv.Itoa(n)
		}
		if taken, err := d.idTaken(ctx, id); err != nil || !taken {
			return id, err
		}
	}
	return "", fmt.Errorf("%w: a thousand identities are called %s", access.ErrConflict, base)
}
