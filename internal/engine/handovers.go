package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// OfferHandover asks somebody to take over what a leaver answered for. Security may, the
// leaver's manager, and whoever is proposed. An offer to somebody else is taken back.
func (e *Engine) OfferHandover(ctx context.Context, by access.Actor, id, to, note string) (h access.Handover, err error) {
	err = e.do(ctx, "offer handover", by, func(d *deed) error {
		was, err := d.toDecide(ctx, id, note, ScopeApprove)
		if err != nil {
			return err
		}
		if !d.disposes(was) {
			return fmt.Errorf("%w: handover %s is offered by security, the manager of %s, or %s", access.ErrDenied, id, was.From, was.Proposed)
		}
		switch why, err := d.mayTake(ctx, was, to); {
		case err != nil:
			return err
		case why != "":
			return fmt.Errorf("%w: %s cannot be offered to %.80q: %s", access.ErrDenied, was.Subject, to, why)
		}
		if was.State == access.HandoverOffered {
			if err := d.moveHandover(ctx, was, access.HandoverOpen, "offered to somebody else"); err != nil {
				return err
			}
			if was, err = d.Handover(ctx, id); err != nil {
				return err
			}
		}
		if err := d.offer(ctx, was, to, note); err != nil {
			return err
		}
		h, err = d.Handover(ctx, id)
		return err
	})
	return h, err
}

// AcceptHandover has the person it is offered to answer for it from now on, and nobody
// else: whether they may is asked again now. What had ended meanwhile does not come back.
func (e *Engine) AcceptHandover(ctx context.Context, by access.Actor, id, note string) (h access.Handover, err error) {
	err = e.do(ctx, "accept handover", by, func(d *deed) error {
		was, err := d.offeredToMe(ctx, id, note)
		if err != nil {
			return err
		}
		switch why, err := d.mayTake(ctx, was, was.Offered); {
		case err != nil:
			return err
		case why != "":
			return fmt.Errorf("%w: you cannot take over %s: %s", access.ErrDenied, was.Subject, why)
		}
		if kind, _ := was.What(); kind == "findings" {
			err = d.takeFindings(ctx, was)
		} else {
			err = d.takeOver(ctx, was)
		}
		if err != nil {
			return err
		}
		if err := d.moveHandover(ctx, was, access.HandoverAccepted, note); err != nil {
			return err
		}
		h, err = d.Handover(ctx, id)
		return err
	})
	return h, err
}

// takeOver has what a handover is about be whoever's it was offered to, for as long as the
// files and feeds name whom they name today: somebody whom they name later is their word.
func (d *deed) takeOver(ctx context.Context, h access.Handover) error {
	var from string
	switch last, err := d.Hand(ctx, h.Subject); {
	case err == nil && d.world.Directory.PersonOf(last.Owner) == d.world.Directory.PersonOf(h.From):
		from = last.From // it was in other hands before, and the files name whoever was the first
	case err != nil && !errors.Is(err, access.ErrNotFound):
		return err
	default:
		from = d.named(h)
	}
	return d.handTo(ctx, access.Hand{Subject: h.Subject, Owner: h.Offered, From: from}, "handover "+h.ID+" from "+h.From)
}

// named is the identity of the leaver that the directory names for it: a person may have several.
func (d *deed) named(h access.Handover) string {
	dir := d.world.Directory
	kind, id := h.What()
	i, _ := dir.Identity(id)
	s, _ := dir.System(id)
	e, _ := dir.Entitlement(id)
	for _, who := range append([]string{map[string]string{"identity": i.Owner, "sponsor": i.Sponsor, "system": s.Owner}[kind]}, e.Owners...) {
		if who != "" && dir.PersonOf(who) == dir.PersonOf(h.From) {
			return who
		}
	}
	return ""
}

// DeclineHandover refuses what is offered: it is open again, and security hears of it.
func (e *Engine) DeclineHandover(ctx context.Context, by access.Actor, id, note string) (h access.Handover, err error) {
	err = e.do(ctx, "decline handover", by, func(d *deed) error {
		was, err := d.offeredToMe(ctx, id, note)
		if err != nil {
			return err
		}
		if why := unsaid(note); why != "" {
			return fmt.Errorf("%w: note %s", access.ErrInvalid, why)
		}
		who := was.Offered
		was.Refused = append(slices.Clone(was.Refused), who)
		was.Proposed, was.Why = "security", who+" has declined it"
		if err := d.moveHandover(ctx, was, access.HandoverOpen, note); err != nil {
			return err
		}
		if h, err = d.Handover(ctx, id); err != nil {
			return err
		}
		return d.notice(ctx, Notice{To: []string{"security"}, Subject: "declined: " + h.Subject,
			Text: fmt.Sprintf("%s will not take over %s, which %s answered for: %s. Offer handover %s to somebody else by %s. %s", who, h.Subject, h.From, note, h.ID, h.Due.Format(time.RFC3339), consequence(h))})
	})
	return h, err
}

// RetireHandover ends what a leaver answered for instead of handing it over: a workload
// or an agent is inactive from now on and everything it holds ends; somebody external
// whose sponsor has left leaves. What is in the catalog is taken out of it by hand.
func (e *Engine) RetireHandover(ctx context.Context, by access.Actor, id, note string) (h access.Handover, err error) {
	err = e.do(ctx, "retire handover", by, func(d *deed) error {
		was, err := d.toDecide(ctx, id, note, ScopeApprove)
		if err != nil {
			return err
		}
		if why := unsaid(note); why != "" {
			return fmt.Errorf("%w: note %s", access.ErrInvalid, why)
		}
		if !d.disposes(was) && !d.isMine(was.Offered) {
			return fmt.Errorf("%w: handover %s is decided by security, the manager of %s, or whom it is offered to", access.ErrDenied, id, was.From)
		}
		if err := d.retire(ctx, was, note); err != nil {
			return err
		}
		h, err = d.Handover(ctx, id)
		return err
	})
	return h, err
}

// retire ends what the handover is about and closes it.
func (d *deed) retire(ctx context.Context, h access.Handover, note string) error {
	dir := d.world.Directory
	kind, id := h.What()
	i, ok := dir.Identity(id)
	switch {
	case kind != "identity" && kind != "sponsor" || !ok:
		return fmt.Errorf("%w: %s cannot be retired here: hand it over, or take it out of the files", access.ErrInvalid, h.Subject)
	case i.Kind == access.Person:
		person := dir.PersonOf(id)
		if err := d.deactivate(ctx, person, note); err != nil {
			return err
		}
		if _, err := d.depart(ctx, person, "the sponsor has left: "+note, &Left{}); err != nil {
			return err
		}
	default:
		if err := d.retireWorkload(ctx, id, note); err != nil {
			return err
		}
	}
	return d.moveHandover(ctx, h, access.HandoverRetired, note)
}

// retireWorkload has a workload or an agent inactive, and everything it holds or awaits
// ends; what plans keep for it is retired.
func (d *deed) retireWorkload(ctx context.Context, id, note string) error {
	if err := d.sayLeft(ctx, id, d.by.Identity, note); err != nil {
		return err
	}
	note = id + " is retired: " + note
	requests, err := d.closeRequests(ctx, id, []string{id}, note, &Left{})
	if err != nil {
		return err
	}
	grants, err := d.endGrants(ctx, id, []string{id}, note, &Left{})
	if err != nil {
		return err
	}
	i, _ := d.world.Directory.Identity(id)
	if _, err := d.retireKept(ctx, i, note); err != nil {
		return err
	}
	if err := d.deadCredentials(ctx, []string{id}); err != nil {
		return err
	}
	if requests || grants { // more than one transaction should do: the sweep ends the rest of whoever is inactive
		return d.Enqueue(ctx, SweepJob{Identities: []string{id}}, nil)
	}
	return nil
}

// takeFindings has the one who accepted answer for the open findings of the leaver.
func (d *deed) takeFindings(ctx context.Context, h access.Handover) error {
	for _, id := range d.world.Directory.IdentitiesOf(h.From) {
		for more := true; more; {
			list, err := d.FindingsSought(ctx, store.FindingsSought{Owner: id, Open: true, Limit: leaveAt})
			if err != nil {
				return err
			}
			for _, f := range list {
				f.Owner = h.Offered
				if err := d.SaveFinding(ctx, f); err != nil {
					return err
				}
				ev := d.event("finding.handed")
				ev.Finding, ev.From, ev.To, ev.Note, ev.After = f.ID, "open", "open", "handover "+h.ID, f
				if err := d.tell(ctx, ev); err != nil {
					return err
				}
			}
			more = len(list) == leaveAt
		}
	}
	return nil
}

// toDecide reads a handover that the actor may know of and that is still to be decided.
func (d *deed) toDecide(ctx context.Context, id, note, scope string) (access.Handover, error) {
	if err := d.scope(scope); err != nil {
		return access.Handover{}, err
	}
	h, err := d.knownHandover(ctx, id)
	if err != nil {
		return h, err
	}
	if why := unclean(note, mostReason); why != "" {
		return h, fmt.Errorf("%w: note %s", access.ErrInvalid, why)
	}
	me, _ := d.world.Directory.Identity(d.by.Identity)
	switch {
	case !d.active(d.by.Identity) || me.Kind != access.Person:
		return h, fmt.Errorf("%w: only active people decide handovers", access.ErrDenied)
	case !h.Undecided():
		return h, fmt.Errorf("%w: handover %s is %s since %s", access.ErrGone, h.ID, h.State, h.Decided.Format(time.RFC3339))
	}
	return h, nil
}

// offeredToMe reads a handover that is offered to the actor.
func (d *deed) offeredToMe(ctx context.Context, id, note string) (access.Handover, error) {
	h, err := d.toDecide(ctx, id, note, ScopeApprove)
	switch {
	case err != nil:
		return h, err
	case h.State != access.HandoverOffered:
		return h, fmt.Errorf("%w: handover %s is not offered to anybody", access.ErrConflict, id)
	case !d.isMine(h.Offered):
		return h, fmt.Errorf("%w: handover %s is offered to %s, who alone accepts or declines it", access.ErrDenied, id, h.Offered)
	}
	return h, nil
}

func (d *deed) isMine(id string) bool {
	return id != "" && d.world.Directory.PersonOf(id) == d.world.Directory.PersonOf(d.by.Identity)
}

// disposes tells whether the actor may offer a handover, or have it retired.
func (d *deed) disposes(h access.Handover) bool {
	was, _ := d.world.Directory.Identity(h.From)
	return slices.Contains(d.world.Directory.GroupsOf(d.by.Identity), "security") || d.isMine(h.Proposed) || d.isMine(was.Manager)
}

// knownHandover reads a handover; to whoever may not know of it, it is not there.
func (d *deed) knownHandover(ctx context.Context, id string) (access.Handover, error) {
	h, err := d.Handover(ctx, id)
	if err == nil && !d.disposes(h) && !d.isMine(h.Offered) && !slices.Contains(d.world.Directory.GroupsOf(d.by.Identity), "auditors") {
		err = access.ErrNotFound
	}
	if errors.Is(err, access.ErrNotFound) {
		err = fmt.Errorf("%w: handover %.80q", access.ErrNotFound, id)
	}
	return h, err
}

// Handovers returns up to limit handovers, newest first, with ids below before: those
// the actor is to decide; with everything, to security and auditors, all of them.
// decided adds those that are.
func (e *Engine) Handovers(ctx context.Context, by access.Actor, everything, decided bool, before string, limit int) (list []access.Handover, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		sought := store.HandoversSought{Undecided: !decided, Before: before, Limit: limit}
		groups := d.world.Directory.GroupsOf(by.Identity)
		switch oversees := slices.Contains(groups, "security") || slices.Contains(groups, "auditors"); {
		case everything && !oversees:
			return fmt.Errorf("%w: everybody's handovers are for security and auditors", access.ErrDenied)
		case !everything:
			sought.For = slices.Clone(d.world.Directory.IdentitiesOf(by.Identity))
			if slices.Contains(groups, "security") {
				sought.For = append(sought.For, "security")
			}
		}
		list, err = d.HandoversSought(ctx, sought)
		return err
	})
	return list, err
}

// ShowHandover returns one to whoever may know of it.
func (e *Engine) ShowHandover(ctx context.Context, by access.Actor, id string) (h access.Handover, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) { h, err = d.knownHandover(ctx, id); return err })
	return h, err
}

// louder is how often it is told that a handover is overdue.
const louder = 24 * time.Hour

// OverdueHandovers does what follows where nobody decided in time: what a workload holds
// ends, somebody external without a sponsor leaves, and security hears of it until
// somebody decides. Silence never hands anything to anybody.
func (e *Engine) OverdueHandovers(ctx context.Context) (n int, err error) {
	for more := true; more; {
		some := 0
		err := e.do(ctx, "overdue handovers", access.Clock, func(d *deed) error {
			some = 0
			list, err := d.HandoversDue(ctx, d.now, 20)
			if err != nil {
				return err
			}
			for _, h := range list {
				if err := d.overdue(ctx, h); err != nil {
					return err
				}
				some++
			}
			more = some == 20
			return nil
		})
		if err != nil {
			return n, err
		}
		n += some
	}
	return n, nil
}

func (d *deed) overdue(ctx context.Context, h access.Handover) error {
	note := fmt.Sprintf("nobody had taken it over by %s", h.Due.Format(time.RFC3339))
	kind, id := h.What()
	i, known := d.world.Directory.Identity(id)
	// 1. What nobody answers for is held no longer.
	switch {
	case kind == "sponsor" && known && i.Kind == access.Person && i.GoneAt(d.now):
		return d.moveHandover(ctx, h, access.HandoverMoot, id+" has left meanwhile")
	case kind == "sponsor" && known:
		return d.retire(ctx, h, note)
	case kind == "identity" && known:
		more, err := d.endGrants(ctx, id, []string{id}, h.Subject+": "+note, &Left{})
		if err != nil {
			return err
		}
		if more { // the rest of them at once, in a transaction of its own
			return d.Enqueue(ctx, HandoverJob{h.ID}, &river.InsertOpts{ScheduledAt: d.now})
		}
	}
	// 2. It is told, louder every day.
	h.Loud++
	h.Next = d.now.Add(louder)
	if err := d.SaveHandover(ctx, h.State, h); err != nil {
		return err
	}
	ev := d.event("handover.overdue")
	ev.From, ev.To, ev.Note, ev.After = string(h.State), string(h.State), note, h
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	if err := d.Enqueue(ctx, HandoverJob{h.ID}, &river.InsertOpts{ScheduledAt: h.Next}); err != nil {
		return err
	}
	text := fmt.Sprintf("%s has left and answered for %s; %s. It is %s. Offer it to somebody, or retire it (handover %s).", h.From, h.Subject, note, h.State, h.ID)
	if h.Loud == 1 {
		return d.finding(ctx, access.Finding{Kind: handoverOverdue, Subject: h.ID, Owner: "security", DueAt: d.now.Add(louder), Text: text})
	}
	to := []string{"security"}
	if h.Offered != "" {
		to = append(to, h.Offered)
	}
	return d.notice(ctx, Notice{To: to, Subject: handoverOverdue + ": " + h.Subject, Text: text, Loud: h.Loud - 1})
}

// deadCredentials has it found at once that what these leave behind at systems still
// lets somebody in. It is to be ended there.
func (d *deed) deadCredentials(ctx context.Context, whose []string) error {
	dir := d.world.Directory
	for _, id := range whose {
		i, _ := dir.Identity(id)
		for _, system := range dir.Systems() {
			account := i.Accounts[system]
			if account == "" {
				continue
			}
			list, err := d.CredentialsOf(ctx, system, account)
			if err != nil {
				return err
			}
			sys, _ := dir.System(system)
			for _, c := range list {
				f, is := d.orphaned(sys, c)
				if !is || slices.Contains(c.LetBe, f.Kind) {
					continue
				}
				f.Subject, f.DueAt = c.ID, d.now
				if err := d.finding(ctx, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
