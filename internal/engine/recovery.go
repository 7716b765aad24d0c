package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// This file is what an instance does whose database was put back ([Restore]), until
// two people of security say that it may grant again. Meanwhile whatever ends, ends;
// each system is read whole; what the backup takes to be held and is not to be seen
// there ends; and what it did not know is written down with an end, and removed then
// unless somebody has adopted it.

// recoveryRead names how far a system was read whole in recovery.
func recoveryRead(system string) string { return "recovery read/" + system }

// heldOver is the finding that a system holds what the backup did not know.
const heldOver = "held_over"

// disown ends the grants of access that the backup takes to be held and a look saw
// gone: it was ended since, and putting back a backup gives nothing back.
func (d *deed) disown(ctx context.Context, job store.Job, grants []access.Grant, seen access.Receipt) ([]access.Grant, error) {
	if job.State != access.Held || seen.Held() || !access.Wanted(grants, d.now) {
		return grants, nil
	}
	rec, open, err := d.OpenRecovery(ctx)
	if err != nil || !open || !job.SeenAt.Before(rec.At) {
		return grants, err
	}
	after := make([]access.Grant, len(grants))
	for i, g := range grants {
		ended, ev, err := g.Finish(d.now, access.EndSuperseded, d.by, "the database was put back, and the target no longer shows it: ask anew")
		if err != nil {
			return nil, err
		}
		if err := errors.Join(d.SaveGrant(ctx, g.State, ended), d.tell(ctx, ev)); err != nil {
			return nil, err
		}
		after[i] = ended
	}
	return after, nil
}

// holdOver writes down what a reading found that the backup did not know, with its
// end, and takes it out of what the reading contradicts.
func (d *deed) holdOver(ctx context.Context, r Reading, c *contradiction) error {
	// 1. What is so already, recovery or not: nothing happens to it before its end.
	list, err := d.HeldOverAt(ctx, r.System)
	if err != nil {
		return err
	}
	rec, open, err := d.OpenRecovery(ctx)
	if err != nil || !open && len(list) == 0 {
		return err
	}
	d.over = map[Held]time.Time{}
	for _, h := range list {
		d.over[Held{h.Account, h.Object}] = h.End
	}
	// 2. What is new to it.
	if open {
		if err := d.notKnown(ctx, r, c, rec); err != nil {
			return err
		}
	}
	for i := 0; i < len(c.again); i++ {
		if _, is := d.over[c.back[i]]; is {
			c.again, c.back = slices.Delete(c.again, i, i+1), slices.Delete(c.back, i, i+1)
			i--
		}
	}
	return d.tellHeldOver(ctx, r.System)
}

// notKnown writes down what recovery finds held: what was ungranted already when the
// backup was taken is an old finding; and where the log tells of everything up to its
// head, access seen gone then and there again is removed as ever.
func (d *deed) notKnown(ctx context.Context, r Reading, c *contradiction, rec access.Recovery) error {
	of, known := map[string]string{}, map[Held]bool{}
	for _, ent := range d.catalogOf(r) {
		of[ent.Object] = ent.ID
	}
	before, err := d.InventoryObjects(ctx, r.System)
	if err != nil {
		return err
	}
	read := map[string]bool{}
	for _, o := range before {
		read[o.Object] = true
		for _, a := range o.Stray {
			known[Held{a, o.Object}] = true
		}
	}
	hold := func(h Held) error {
		if _, is := d.over[h]; is {
			return nil
		}
		d.over[h] = rec.HoldUntil
		return d.AddHeldOver(ctx, store.HeldOver{System: r.System, Account: h.Account, Object: h.Object, Entitlement: of[h.Object], End: rec.HoldUntil})
	}
	for h := range c.strays {
		if of[h.Object] != "" && read[h.Object] && !known[h] {
			if err := hold(h); err != nil {
				return err
			}
		}
	}
	if rec.Tail != access.TailNone {
		return nil
	}
	jobs, err := d.Assignments(ctx, c.again)
	for _, job := range jobs {
		if job.SeenAt.Before(rec.At) && of[job.Object] != "" {
			err = errors.Join(err, hold(Held{job.Account, job.Object}))
		}
	}
	return err
}

// tellHeldOver opens, renews or closes the finding of a system.
func (d *deed) tellHeldOver(ctx context.Context, system string) error {
	list, err := d.HeldOverAt(ctx, system)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return d.settleFinding(ctx, heldOver, system, "all of it is adopted, or its end was brought about")
	}
	var names []string
	for _, h := range list[:min(len(list), mostNamed)] {
		names = append(names, fmt.Sprintf("%s (%s)", quoted(h.Account), h.Entitlement))
	}
	if more := len(list) - mostNamed; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	sys, _ := d.world.Directory.System(system)
	return d.renew(ctx, access.Finding{Kind: heldOver, Subject: system, Owner: sys.Owner, DueAt: list[0].End,
		Text: fmt.Sprintf("%d holdings at %s that the backup did not know, or of which nobody can tell whether they were extended: %s. Adopt what is needed before %s; what nobody has adopted is removed then.",
			len(list), system, strings.Join(names, ", "), stampOf(list[0].End))}, "there are others")
}

// freshlyBack tells whether this is the first reading of a system since the database was
// put back: what an old backup counted there measures nothing, and whatever the
// reading lacks is looked at before it is believed.
func (d *deed) freshlyBack(ctx context.Context, system string) (bool, error) {
	rec, open, err := d.OpenRecovery(ctx)
	if err != nil || !open {
		return false, err
	}
	at, err := d.ReadUntil(ctx, recoveryRead(system))
	return at.Before(rec.At), err
}

// readInRecovery notes that a system was read whole, and that the reading was believed.
func (d *deed) readInRecovery(ctx context.Context, r Reading) error {
	if r.Part {
		return nil
	}
	if _, open, err := d.OpenRecovery(ctx); err != nil || !open {
		return err
	}
	return d.SetReadUntil(ctx, recoveryRead(r.System), r.At.UTC().Truncate(time.Microsecond))
}

// heldOverBatch is how many ends of what is held over one transaction brings about.
const heldOverBatch = 200

// EndHeldOver brings about the ends of what recovery held over: what has been granted
// meanwhile goes on by its grant, and everything else is removed by the one loop. It
// waits for no recovery to be left: the end was written with the beginning.
func (e *Engine) EndHeldOver(ctx context.Context) (ended int, err error) {
	for {
		n := 0
		err := e.do(ctx, "end held over", access.Clock, func(d *deed) error {
			due, err := d.HeldOverDue(ctx, d.now, heldOverBatch)
			n = len(due)
			systems := map[string]bool{}
			for _, h := range due {
				systems[h.System] = true
				err = errors.Join(err, d.endHeldOver(ctx, h))
			}
			for s := range systems {
				err = errors.Join(err, d.tellHeldOver(ctx, s))
			}
			return err
		})
		if ended += n; err != nil || n < heldOverBatch {
			return ended, err
		}
	}
}

func (d *deed) endHeldOver(ctx context.Context, h store.HeldOver) error {
	if err := d.DoneHeldOver(ctx, h, d.now); err != nil {
		return err
	}
	job, err := d.AssignmentAt(ctx, h.System, h.Account, h.Object)
	if err == nil {
		open, err := d.OpenGrants(ctx, []string{job.ID})
		if err != nil || access.Wanted(open[job.ID], d.now) {
			return err
		}
	} else if !errors.Is(err, access.ErrNotFound) {
		return err
	}
	holder, _ := d.world.Directory.ByAccount(h.System, h.Account)
	ent := access.Entitlement{ID: h.Entitlement, System: h.System, Object: h.Object}
	return d.removeStray(ctx, ent, Held{h.Account, h.Object}, holder, "held over since the database was put back, and adopted by nobody", access.Digests{})
}

// RecoveryState is how far a recovery has come.
type RecoveryState struct {
	access.Recovery
	Open     bool     `json:"open"`             // false: there is none, and the rest says nothing
	Unread   []string `json:"unread,omitempty"` // systems that were not read whole yet
	Unseen   int      `json:"unseen"`           // held by the backup, and not looked at yet
	HeldOver int      `json:"held_over"`        // what the backup did not know, and will be removed unless adopted
	Ready    bool     `json:"ready"`            // people may approve that it is left
}

// RecoveryFor says that there is a recovery to whoever is known, and how far it has come
// to security and auditors: which systems there are is not everybody's to know.
func (e *Engine) RecoveryFor(ctx context.Context, by access.Actor) (RecoveryState, error) {
	s, err := e.Recovery(ctx)
	if all, _, no := e.Oversees(by); no != nil || !all {
		s.Unread, s.Unseen, s.HeldOver = nil, 0, 0
	}
	return s, err
}

// Recovery says how far the recovery has come, to whoever runs the server.
func (e *Engine) Recovery(ctx context.Context) (s RecoveryState, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		s, err = (&deed{Tx: tx, e: e, world: e.World()}).recovery(ctx)
		return err
	})
	return s, err
}

func (d *deed) recovery(ctx context.Context) (s RecoveryState, err error) {
	if s.Recovery, s.Open, err = d.OpenRecovery(ctx); err != nil || !s.Open {
		return s, err
	}
	for _, system := range d.world.Directory.Systems() {
		at, err := d.ReadUntil(ctx, recoveryRead(system))
		if err != nil {
			return s, err
		}
		if at.Before(s.At) {
			s.Unread = append(s.Unread, system)
		}
		over, err := d.HeldOverAt(ctx, system)
		if err != nil {
			return s, err
		}
		s.HeldOver += len(over)
	}
	s.Unseen, err = d.HeldUnseen(ctx, s.At)
	s.Ready = len(s.Unread) == 0 && s.Unseen == 0
	return s, err
}

// LeaveRecovery is one person's word that recovery may be left; with the word of a
// second one, it is, and what was kept back begins. Both must be of security, known
// strongly, and not the same person by whatever identity.
func (e *Engine) LeaveRecovery(ctx context.Context, by access.Actor, note string) (s RecoveryState, err error) {
	err = e.do(ctx, "leave recovery", by, func(d *deed) error {
		// 1. Whoever may, and why.
		if err := d.scope(ScopeApprove); err != nil {
			return err
		}
		dir := d.world.Directory
		if id, ok := dir.Identity(by.Identity); !ok || id.Kind != access.Person || !id.ActiveAt(d.now) || !d.ofSecurity() {
			return fmt.Errorf("%w: only people of security approve that recovery is left", access.ErrDenied)
		}
		if why := unsaid(note); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		// 2. Whether it can be.
		if s, err = d.recovery(ctx); err != nil {
			return err
		}
		switch {
		case !s.Open:
			return fmt.Errorf("%w: there is no recovery to be left", access.ErrGone)
		case len(s.Unread) > 0:
			return fmt.Errorf("%w: not yet read whole since the database was put back: %s", access.ErrConflict, strings.Join(s.Unread, ", "))
		case s.Unseen > 0:
			return fmt.Errorf("%w: %d holdings of the backup have not been looked at yet", access.ErrConflict, s.Unseen)
		}
		// 3. One word, or the second.
		next, done := s.Recovery.Approve(access.RecoveryApproval{Identity: by.Identity, Person: dir.PersonOf(by.Identity), At: d.now, Note: note})
		if err := d.SaveRecovery(ctx, next); err != nil {
			return err
		}
		s.Recovery, s.Open = next, !done
		ev := d.event("recovery.approved")
		ev.To, ev.Note, ev.After = "approved", note, next
		if !done {
			return errors.Join(d.tell(ctx, ev), d.notice(ctx, Notice{To: []string{"security"}, Subject: "recovery", Text: by.Identity + " approves that recovery is left; it takes one more of you. " + note}))
		}
		ev.Kind, ev.To = "recovery.left", "left"
		if err := d.tell(ctx, ev); err != nil {
			return err
		}
		var people []string
		for _, a := range next.Approvals {
			people = append(people, a.Identity)
		}
		_, err := d.endHalt(ctx, access.HaltRecovery, people, note)
		return err
	})
	return s, err
}
