package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// HandoverJob asks that what is overdue of handovers be done.
type HandoverJob struct {
	Handover string `json:"handover" river:"unique"`
}

// Kind implements river.JobArgs.
func (HandoverJob) Kind() string { return "handover" }

// handoverOverdue is the finding that nobody decided in time who answers for something.
const handoverOverdue = "handover_overdue"

// forceDecisions makes everything somebody answered for a decision that others have to
// make by a due date. Until then it is still theirs by name: nobody inherits silently.
func (d *deed) forceDecisions(ctx context.Context, person string, whose []string, _ string, left *Left) (bool, error) {
	subjects, err := d.chargesOf(ctx, person, whose)
	if err != nil {
		return false, err
	}
	made := 0
	for _, subject := range subjects {
		switch _, err := d.UndecidedAbout(ctx, subject); {
		case err == nil:
			continue
		case !errors.Is(err, access.ErrNotFound):
			return false, err
		}
		if made == leaveAt {
			return true, nil
		}
		h, err := d.propose(ctx, subject, person)
		if err != nil {
			return false, err
		}
		if err := d.force(ctx, h); err != nil {
			return false, err
		}
		made++
		left.Handovers++
	}
	return false, nil
}

// chargesOf lists what a person answers for.
func (d *deed) chargesOf(ctx context.Context, person string, whose []string) ([]string, error) {
	if d.charges == nil {
		d.charges = d.world.Directory.Charges(d.now)
	}
	subjects := slices.Clone(d.charges[person])
	for _, id := range whose {
		open, err := d.FindingsSought(ctx, store.FindingsSought{Owner: id, Open: true, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(open) > 0 {
			return append(subjects, "findings "+person), nil
		}
	}
	return subjects, nil
}

// propose says who should take something over, why, and by when.
func (d *deed) propose(ctx context.Context, subject, from string) (h access.Handover, err error) {
	h = access.Handover{Subject: subject, From: from, State: access.HandoverOpen, At: d.now}
	dir := d.world.Directory
	kind, id := h.What()
	// 1. By when: what is privileged waits less.
	within, err := d.within(ctx, kind, id)
	if err != nil {
		return h, err
	}
	h.Due = d.now.Add(within)
	h.Next = h.Due
	// 2. Who: the first of these who may.
	was, _ := dir.Identity(from)
	type candidate struct{ id, why string }
	var list []candidate
	if i, ok := dir.Identity(id); kind == "identity" && ok && i.Contract != nil {
		list = append(list, candidate{i.Contract.Deputy, "the deputy that its contract names"})
	}
	list = append(list, candidate{was.Deputy, "the deputy of " + from}, candidate{was.Manager, "the manager of " + from})
	if system := d.placedAt(kind, id); system != "" {
		sys, _ := dir.System(system)
		list = append(list, candidate{sys.Owner, "the owner of " + system})
	}
	for _, c := range list {
		if c.id == "" {
			continue
		}
		why, err := d.mayTake(ctx, h, c.id)
		if err != nil {
			return h, err
		}
		if why == "" {
			h.Proposed, h.Why = c.id, c.why
			return h, nil
		}
	}
	h.Proposed, h.Why = "security", "nobody nearer may take it over"
	return h, nil
}

// placedAt is the one system that a subject is of; empty: none, or several.
func (d *deed) placedAt(kind, id string) string {
	dir := d.world.Directory
	switch kind {
	case "entitlement":
		ent, _ := dir.Entitlement(id)
		return ent.System
	case "identity":
		if i, _ := dir.Identity(id); len(i.Accounts) == 1 {
			for system := range i.Accounts {
				return system
			}
		}
	}
	return ""
}

// within is how long a handover may take.
func (d *deed) within(ctx context.Context, kind, id string) (time.Duration, error) {
	said := d.world.Lifecycle.Said()
	switch kind {
	case "system":
		return said.DuePrivileged, nil
	case "entitlement":
		if ent, ok := d.world.Directory.Entitlement(id); ok && highly(ent) {
			return said.DuePrivileged, nil
		}
	case "identity", "sponsor":
		grants, err := d.GrantsOf(ctx, []string{id}, true, "", leaveAt)
		if err != nil {
			return 0, err
		}
		for _, g := range grants {
			if ent, ok := d.world.Directory.Entitlement(g.Entitlement); !ok || highly(ent) {
				return said.DuePrivileged, nil
			}
		}
	}
	return said.Due, nil
}

// highly tells whether an entitlement is what people mean by privileged.
func highly(ent access.Entitlement) bool {
	return ent.Class == "privileged" || slices.Contains(ent.Powers, "admin") || slices.Contains(ent.Powers, "grant")
}

// force stores a handover and offers it at once to the person it is proposed to.
func (d *deed) force(ctx context.Context, h access.Handover) error {
	h.ID = d.e.ids.next("ho", d.now)
	if err := d.AddHandover(ctx, h); err != nil {
		return err
	}
	ev := d.event("handover.open")
	ev.To, ev.Note, ev.After = string(h.State), h.From+" has left", h
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	if err := d.Enqueue(ctx, HandoverJob{h.ID}, &river.InsertOpts{ScheduledAt: h.Due}); err != nil {
		return err
	}
	if _, person := d.world.Directory.Identity(h.Proposed); person {
		return d.offer(ctx, h, h.Proposed, "proposed: "+h.Why)
	}
	return d.notice(ctx, Notice{To: []string{h.Proposed}, Subject: "to hand over: " + h.Subject,
		Text: fmt.Sprintf("%s has left and answered for %s. Offer it to somebody by %s. %s", h.From, h.Subject, h.Due.Format(time.RFC3339), consequence(h))})
}

// consequence says what happens if nobody decides.
func consequence(h access.Handover) string {
	switch kind, id := h.What(); kind {
	case "identity":
		return "If nobody has taken it over by then, everything " + id + " holds ends."
	case "sponsor":
		return "If nobody has taken it over by then, " + id + " leaves."
	}
	return "If nobody has taken it over by then, security hears of it every day."
}

// offer asks somebody to take it over.
func (d *deed) offer(ctx context.Context, h access.Handover, to, note string) error {
	h.Offered = to
	if err := d.moveHandover(ctx, h, access.HandoverOffered, note); err != nil {
		return err
	}
	return d.notice(ctx, Notice{To: []string{to}, Subject: "offered to you: " + h.Subject,
		Text: fmt.Sprintf("%s has left and answered for %s. Accept it or decline it (handover %s) by %s. %s", h.From, h.Subject, h.ID, h.Due.Format(time.RFC3339), consequence(h))})
}

func (d *deed) moveHandover(ctx context.Context, h access.Handover, to access.HandoverState, note string) error {
	next, ev, err := h.To(to, d.now, d.by, note)
	if err != nil {
		return err
	}
	if err := d.SaveHandover(ctx, h.State, next); err != nil {
		return err
	}
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	if next.Undecided() {
		return nil
	}
	return d.settleFinding(ctx, handoverOverdue, h.ID, string(to)+": "+note)
}

// mayTake says why somebody may not answer for what a handover is about, or nothing.
// Nobody comes to decide over what they hold themselves, nor to hold by a workload
// what a duty keeps apart from what they have.
func (d *deed) mayTake(ctx context.Context, h access.Handover, who string) (why string, err error) {
	dir := d.world.Directory
	i, ok := dir.Identity(who)
	person := dir.PersonOf(who)
	itself, _ := dir.Identity(person)
	kind, id := h.What()
	switch {
	case !ok || !d.active(who):
		return who + " is unknown or not active", nil
	case i.Kind != access.Person || i.External || itself.External:
		return "only an employee answers for something", nil
	case person == dir.PersonOf(h.From):
		return who + " is the one who left", nil
	case kind == "sponsor" && dir.PersonOf(id) == person:
		return "nobody is their own sponsor", nil
	case kind == "reports" && slices.Index(dir.Above(who), dir.PersonOf(id)) > 0:
		return who + " is managed by one of them: they would manage each other", nil
	}
	whose := append(slices.Clone(dir.IdentitiesOf(who)), dir.OwnedBy(who)...)
	switch kind {
	case "entitlement":
		return d.benefits(ctx, whose, who, id)
	case "identity":
		return d.wouldClash(ctx, who, id)
	}
	return "", nil
}

// benefits says that somebody holds an entitlement, or waits for it.
func (d *deed) benefits(ctx context.Context, whose []string, who, entitlement string) (string, error) {
	for _, id := range whose {
		grants, err := d.GrantsOf(ctx, []string{id}, true, "", 1<<30) // all: nobody hides one among five hundred
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(grants, func(g access.Grant) bool { return g.Entitlement == entitlement }) {
			return who + " holds it, by themselves or by a workload of theirs: nobody decides over what they hold", nil
		}
	}
	pending, err := d.PendingFor(ctx, whose)
	for _, r := range pending {
		if r.Item(entitlement) >= 0 {
			return who + " has asked for it (request " + r.ID + "): nobody decides over what they would hold", err
		}
	}
	return "", err
}

// wouldClash says that what a workload holds is kept apart from what its new owner has.
func (d *deed) wouldClash(ctx context.Context, who, workload string) (string, error) {
	grants, err := d.GrantsOf(ctx, []string{workload}, true, "", 1<<30)
	if err != nil || len(grants) == 0 {
		return "", err
	}
	own, err := d.heldBy(ctx, access.Request{Beneficiary: who}, "")
	if err != nil {
		return "", err
	}
	both := slices.Clone(own)
	for _, g := range grants {
		both = append(both, g.Entitlement)
	}
	implies, err := d.implies(ctx, both)
	if err != nil {
		return "", err
	}
	violations := func(held []string) [][2]string {
		return d.world.Policy.Violations(policy.Facts{Now: d.now, Directory: d.world.Directory, Request: access.Request{Beneficiary: who}, Held: held, Implies: implies})
	}
	before := violations(own)
	for _, pair := range violations(both) {
		if !slices.Contains(before, pair) {
			return fmt.Sprintf("%s and %s, of which %s would hold one and %s the other, are kept apart", pair[0], pair[1], who, workload), nil
		}
	}
	return "", nil
}
