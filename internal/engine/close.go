package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
)

// Cancel takes back an open request, by its requester or beneficiary.
func (e *Engine) Cancel(ctx context.Context, by access.Actor, request, note string) error {
	return e.do(ctx, "cancel", by, func(d *deed) error {
		r, err := d.own(ctx, request)
		if err != nil {
			return err
		}
		if why := unclean(note, mostReason); why != "" {
			return fmt.Errorf("%w: note %s", access.ErrInvalid, why)
		}
		if !r.Open() {
			return fmt.Errorf("%w: request %s is already %s", access.ErrGone, r.ID, r.State)
		}
		was := r
		r.Items = dropUndecided(r.Items, "taken back")
		to := access.Cancelled
		if some, _ := outcome(r); some == access.Approved {
			to = access.Approved // what was granted meanwhile stays granted; it is ended by giving it back
		}
		_, err = d.move(ctx, was, r, to, note)
		return err
	})
}

// ExpireRequests closes every request whose answer was due: silence denies.
func (e *Engine) ExpireRequests(ctx context.Context) (closed int, err error) {
	err = e.do(ctx, "expire requests", access.Clock, func(d *deed) error {
		closed = 0
		list, err := d.Unanswered(ctx, d.now)
		if err != nil {
			return err
		}
		for _, r := range list {
			was := r
			r.Items = dropUndecided(r.Items, "not answered in time")
			to := access.Expired
			if some, _ := outcome(r); some == access.Approved {
				to = access.Approved
			}
			if _, err := d.move(ctx, was, r, to, "not answered by "+r.AnswerBy.Format("2006-01-02 15:04:05 UTC")); err != nil {
				return err
			}
			closed++
		}
		return nil
	})
	return closed, err
}

func dropUndecided(items []access.Item, why string) []access.Item {
	items = slices.Clone(items)
	for i := range items {
		if items[i].Outcome == access.Undecided {
			items[i].Outcome, items[i].Why = access.ItemDropped, why
		}
	}
	return items
}

// Comment adds a remark of somebody who may see the request to its story. It decides nothing.
func (e *Engine) Comment(ctx context.Context, by access.Actor, request, text string) error {
	return e.do(ctx, "comment", by, func(d *deed) error {
		if err := d.scope(ScopeRequest); err != nil {
			return err
		}
		r, err := d.visible(ctx, request)
		if err != nil {
			return err
		}
		text = strings.TrimSpace(text)
		if why := unsaid(text); why != "" {
			return fmt.Errorf("%w: comment %s", access.ErrInvalid, why)
		}
		ev := d.event("request.commented")
		ev.Request, ev.Note, ev.Digests.Request = r.ID, text, r.Digest
		if err := d.askedBack(ctx, r); err != nil {
			return err
		}
		return d.tell(ctx, ev)
	})
}

// Edit makes a new revision of a pending request: its votes are void, because
// they bind to the old digest, and it is decided anew. digest is of the
// revision the editor has read. Nothing that was granted meanwhile is touched.
// Only who asked may: a beneficiary may take it back, but not put other words
// into the requester's mouth.
func (e *Engine) Edit(ctx context.Context, by access.Actor, request, digest string, ask Ask) (r access.Request, err error) {
	err = e.do(ctx, "edit", by, func(d *deed) error {
		was, err := d.own(ctx, request)
		if err != nil {
			return err
		}
		switch dir := d.world.Directory; {
		case !slices.Contains(dir.Hands(was.Requester), dir.PersonOf(by.Identity)):
			return fmt.Errorf("%w: request %s was made by %s, who alone may change it", access.ErrDenied, was.ID, was.Requester)
		case was.State != access.Pending:
			return fmt.Errorf("%w: request %s is %s; only a pending one is edited", access.ErrGone, was.ID, was.State)
		case was.Adoption():
			return fmt.Errorf("%w: request %s asks for what was found held, and for nothing else; cancel it and ask anew", access.ErrDenied, was.ID)
		case digest != was.Digest:
			return fmt.Errorf("%w: request %s is at revision %d (%s)", access.ErrConflict, was.ID, was.Revision, was.Digest)
		case slices.ContainsFunc(was.Items, func(it access.Item) bool { return it.Outcome == access.Granted }):
			return fmt.Errorf("%w: part of request %s is granted already; ask for the rest anew", access.ErrGone, was.ID)
		}
		ask.Extends, ask.Beneficiary = was.Extends, cmp.Or(ask.Beneficiary, was.Requester)
		next, err := d.read(ctx, ask)
		if err != nil {
			return err
		}
		// 1. The same request, with other content under another digest.
		next.ID, next.Revision, next.State = was.ID, was.Revision+1, was.State
		next.Makers = makers(d.world.Directory, was.Requester, append(slices.Clone(was.Makers), ask.Makers...))
		next.Requester, next.Channel, next.Reference, next.At = was.Requester, was.Channel, was.Reference, was.At
		next.Digest = access.Digest(next.Content())
		if err := d.voidAll(ctx, was); err != nil {
			return err
		}
		// 2. Back to policy, with a time to answer of its own.
		if err := d.Enqueue(ctx, ExpireJob{was.ID}, &river.InsertOpts{ScheduledAt: next.AnswerBy}); err != nil {
			return err
		}
		if r, err = d.move(ctx, was, next, access.Submitted, fmt.Sprintf("revision %d; approvals are void", next.Revision)); err != nil {
			return err
		}
		r, err = d.decide(ctx, r)
		return err
	})
	return r, err
}

func (d *deed) voidAll(ctx context.Context, r access.Request) error {
	list, err := d.Approvals(ctx, r.ID)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.Counts(r) {
			if err := d.void(ctx, a, "the request was edited"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Return ends a grant early, by whoever holds it or answers for the holder.
func (e *Engine) Return(ctx context.Context, by access.Actor, grant, note string) error {
	return e.do(ctx, "return", by, func(d *deed) error {
		if err := d.scope(ScopeRequest); err != nil {
			return err
		}
		g, err := d.Grant(ctx, grant)
		if err != nil {
			return err
		}
		if !slices.Contains(d.world.Directory.Hands(g.Identity), d.world.Directory.PersonOf(by.Identity)) {
			return fmt.Errorf("%w: grant %s", access.ErrNotFound, grant)
		}
		if why := unclean(note, mostReason); why != "" {
			return fmt.Errorf("%w: note %s", access.ErrInvalid, why)
		}
		return d.finish(ctx, g, access.EndReturned, note)
	})
}

// Revoke ends a grant, by whom policy lets: the entitlement's owner, security.
func (e *Engine) Revoke(ctx context.Context, by access.Actor, grant, reason string) error {
	return e.do(ctx, "revoke", by, func(d *deed) error {
		if err := d.scope(ScopeRevoke); err != nil {
			return err
		}
		if why := unsaid(reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		g, err := d.Grant(ctx, grant)
		if err != nil {
			return err
		}
		if dec := d.world.Policy.MayRevoke(d.world.Directory, d.now, by, g); !dec.Allow {
			return fmt.Errorf("%w: grant %s", access.ErrNotFound, grant)
		}
		return d.finish(ctx, g, access.EndRevoked, reason)
	})
}

// finish ends a grant now and makes its assignment due: whether access goes is
// for the remaining grants to say (law 6).
func (d *deed) finish(ctx context.Context, g access.Grant, why access.EndReason, note string) error {
	if now, err := d.fresh(ctx, g); err != nil {
		return err
	} else if g.State != access.Ended && now.State == access.Ended { // with its sponsor's, in this very deed
		return nil
	} else {
		g = now
	}
	if g.State == access.Ended {
		return fmt.Errorf("%w: grant %s has already ended (%s)", access.ErrGone, g.ID, g.Ended)
	}
	ended, ev, err := g.Finish(d.now, why, d.by, note)
	if err != nil {
		return err
	}
	if err := d.SaveGrant(ctx, g.State, ended); err != nil {
		return err
	}
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	job, err := d.Assignment(ctx, g.Assignment)
	if err != nil {
		return err
	}
	return d.dueAt(ctx, job, d.now)
}

// visible reads a request the actor may know of; to anyone else it is not there.
func (d *deed) visible(ctx context.Context, id string) (access.Request, error) {
	r, err := d.Request(ctx, id)
	if err != nil {
		return r, err
	}
	in, err := d.standIns(ctx)
	if err != nil {
		return access.Request{}, err
	}
	if dec := d.world.Policy.MayViewFor(d.world.Directory, d.now, d.by, r, in); !dec.Allow {
		return access.Request{}, fmt.Errorf("%w: request %s", access.ErrNotFound, id)
	}
	return r, nil
}

// own reads a request the actor asked for or benefits from.
func (d *deed) own(ctx context.Context, id string) (access.Request, error) {
	if err := d.scope(ScopeRequest); err != nil {
		return access.Request{}, err
	}
	r, err := d.visible(ctx, id)
	if err != nil {
		return r, err
	}
	me, dir := d.world.Directory.PersonOf(d.by.Identity), d.world.Directory
	if !slices.Contains(dir.Hands(r.Requester), me) && !slices.Contains(dir.Hands(r.Beneficiary), me) {
		return r, fmt.Errorf("%w: request %s is not yours", access.ErrDenied, id)
	}
	return r, nil
}
