package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// Story is a request with everything that came of it.
type Story struct {
	Request   access.Request    `json:"request"`
	Approvals []access.Approval `json:"approvals"`
	Grants    []Holding         `json:"grants"`
	Waiting   []Waiting         `json:"waiting,omitempty"` // for whom each open stage waits
	Kept      []string          `json:"-"`                 // ended grants whose access another grant is a reason for: of [Engine.StoryOf] alone
}

// Waiting is one open stage and who could answer it now.
type Waiting struct {
	Entitlement string   `json:"entitlement"`
	Stage       string   `json:"stage"`
	Count       int      `json:"count"` // votes still missing
	Approvers   []string `json:"approvers"`
	// Others may answer in place of one of the approvers; Escalated says that it has
	// waited too long, so that managers are among them.
	Others    []policy.Other `json:"others,omitempty"`
	Escalated bool           `json:"escalated,omitempty"`
}

// Holding is a grant with the assignment it is a reason for, and what was last
// seen of it: authority beside reality.
type Holding struct {
	Grant      access.Grant      `json:"grant"`
	Assignment access.Assignment `json:"assignment"`
	Trouble    string            `json:"trouble,omitempty"` // what stands in the reconciler's way; why, only for those who can mend it
	// LeftBehind is how many things that were made under an ended grant are still
	// there and not settled: it is ended, and not closed.
	LeftBehind int `json:"left_behind,omitempty"`
}

// look runs a read-only question as one actor at one moment.
func (e *Engine) look(ctx context.Context, by access.Actor, do func(*deed) error) error {
	return e.lookIn(ctx, e.DB, by, do)
}

// lookAfar is for lists of the whole house, by which nobody decides: what they show may
// be a moment old.
func (e *Engine) lookAfar(ctx context.Context, by access.Actor, do func(*deed) error) error {
	return e.Afar(ctx, func(db *store.DB) error { return e.lookIn(ctx, db, by, do) })
}

func (e *Engine) lookIn(ctx context.Context, db *store.DB, by access.Actor, do func(*deed) error) error {
	return db.Read(ctx, func(tx *store.Tx) error {
		d := &deed{Tx: tx, e: e, now: e.Now().UTC(), by: by, world: e.World()}
		if err := d.scope(ScopeView); err != nil {
			return err
		}
		return do(d)
	})
}

// Show returns a request and what came of it, to whoever may know of it.
func (e *Engine) Show(ctx context.Context, by access.Actor, id string) (s Story, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		if s.Request, err = d.visible(ctx, id); err != nil {
			return err
		}
		return d.story(ctx, &s)
	})
	return s, err
}

// story reads what came of a request.
func (d *deed) story(ctx context.Context, s *Story) (err error) {
	if s.Approvals, err = d.Approvals(ctx, s.Request.ID); err != nil {
		return err
	}
	grants, err := d.GrantsFor(ctx, s.Request.ID)
	if err != nil {
		return err
	}
	if s.Grants, err = d.holdings(ctx, grants); err != nil {
		return err
	}
	s.Waiting, err = d.waiting(ctx, s.Request)
	return err
}

func (d *deed) waiting(ctx context.Context, r access.Request) (list []Waiting, err error) {
	if r.State != access.Pending {
		return nil, nil
	}
	for i, it := range r.Items {
		if it.Outcome != access.Undecided {
			continue
		}
		votes, err := d.standing(ctx, r, it.Entitlement)
		if err != nil {
			return nil, err
		}
		f, err := d.facts(ctx, r, i, votes)
		if err != nil {
			return nil, err
		}
		for _, st := range it.Decision.Stages {
			missing := st.Count
			for _, v := range votes {
				if v.Stage == st.Name {
					missing--
				}
			}
			if missing > 0 {
				list = append(list, Waiting{it.Entitlement, st.Name, missing, d.world.Policy.WhoCanApprove(f, st.Name),
					d.world.Policy.WhoCanStandIn(f, st.Name), slices.Contains(it.Escalated, st.Name)})
			}
		}
	}
	return list, nil
}

func (d *deed) holdings(ctx context.Context, grants []access.Grant) ([]Holding, error) {
	var ids []string
	for _, g := range grants {
		ids = append(ids, g.Assignment)
	}
	slices.Sort(ids)
	jobs, err := d.Assignments(ctx, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	of := map[string]store.Job{}
	for _, j := range jobs {
		of[j.ID] = j
	}
	left, err := d.notClosed(ctx, grants)
	if err != nil {
		return nil, err
	}
	list := make([]Holding, len(grants))
	for i, g := range grants {
		job := of[g.Assignment]
		list[i] = Holding{g, job.Assignment, job.Work.Trouble, left[g.ID]}
		if job.Work.Trouble != "" && !d.operates(job.Assignment) {
			list[i].Trouble = hiddenTrouble
		}
	}
	return list, nil
}

// What somebody who does not run a system is told of its failures: the failure
// itself names hosts, accounts and where secrets are kept.
const (
	hiddenTrouble = "the system has not done, or does not show, what was asked of it; it is asked again for as long as it takes, and its owner sees why"
	hiddenAnswer  = "not done as asked"
)

// operates tells whether the actor is one of those who have to mend what stands
// in an assignment's way: security, auditors, and whoever owns its entitlement or system.
func (d *deed) operates(a access.Assignment) bool {
	dir := d.world.Directory
	ent, _ := dir.Entitlement(a.Entitlement)
	sys, _ := dir.System(a.System)
	me, groups := dir.PersonOf(d.by.Identity), dir.GroupsOf(d.by.Identity)
	return slices.Contains(groups, "security") || slices.Contains(groups, "auditors") ||
		slices.ContainsFunc(append([]string{sys.Owner}, ent.Owners...), func(id string) bool { return id != "" && dir.PersonOf(id) == me })
}

// List returns up to limit requests the actor may know of, newest first, with
// ids below before. mine keeps those of the actor's own; waiting those it could answer.
func (e *Engine) List(ctx context.Context, by access.Actor, state access.RequestState, mine bool, before string, limit int) (list []access.Request, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		list, _, err = d.visibleOf(ctx, Only{State: string(state), Mine: mine}, Page{before, limit}, 0)
		return err
	})
	return list, err
}

// Holdings returns up to limit grants, newest first, with ids below before: the
// actor's own and those of its workloads, or, to whoever may view its
// requests, those of somebody else.
func (e *Engine) Holdings(ctx context.Context, by access.Actor, identity string, open bool, before string, limit int) (list []Holding, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		list, _, err = d.grantsOf(ctx, store.GrantsSought{Identities: d.whose(identity), Open: open}, Only{}, Page{before, limit}, 0)
		return err
	})
	return list, err
}

// Grant returns one grant beside reality, with the looks it rests on.
func (e *Engine) Grant(ctx context.Context, by access.Actor, id string) (h Holding, looks []access.Receipt, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		g, err := d.Tx.Grant(ctx, id)
		if err != nil {
			return err
		}
		if err := d.mayKnow(ctx, g); err != nil {
			return err
		}
		list, err := d.holdings(ctx, []access.Grant{g})
		if err != nil {
			return err
		}
		h = list[0]
		looks, err = d.Receipts(ctx, g.Assignment)
		for i := range looks {
			if a := looks[i].Answered; a != "" && a != "ok" && !d.operates(h.Assignment) {
				looks[i].Answered, looks[i].Digest = hiddenAnswer, "" // it is of the whole record
			}
		}
		return err
	})
	return h, looks, err
}

// mayKnow refuses, as not found, a grant whose request the actor may not know of.
func (d *deed) mayKnow(ctx context.Context, g access.Grant) error {
	if _, err := d.visible(ctx, g.Request); err != nil {
		if errors.Is(err, access.ErrNotFound) {
			return fmt.Errorf("%w: grant %s", access.ErrNotFound, g.ID)
		}
		return err
	}
	return nil
}

// Findings returns up to limit open findings (all with closed), newest first, to
// security, auditors and, each its own, owners: those of audits as far as policy
// lets them see the requests they tell of.
func (e *Engine) Findings(ctx context.Context, by access.Actor, closed bool, limit int) (list []access.Finding, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		list, _, err = d.findings(ctx, OnlyFindings{Closed: closed}, Page{"", limit}, 0)
		return err
	})
	return list, err
}

// Explain answers what policy would say to a question about one entitlement of
// a stored request, without asking for anything: which rules, which facts.
func (e *Engine) Explain(ctx context.Context, by access.Actor, request, entitlement, question, voter, stage string) (x policy.Explanation, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		r, err := d.visible(ctx, request)
		if err != nil {
			return err
		}
		if entitlement == "" && len(r.Items) == 1 {
			entitlement = r.Items[0].Entitlement
		}
		i := r.Item(entitlement)
		if i < 0 {
			return fmt.Errorf("%w: request %s does not ask for %.80q", access.ErrInvalid, request, entitlement)
		}
		votes, err := d.standing(ctx, r, entitlement)
		if err != nil {
			return err
		}
		f, err := d.facts(ctx, r, i, votes)
		if err != nil {
			return err
		}
		x = d.world.Policy.Explain(f, question, access.Actor{Identity: voter, Channel: by.Channel, Strength: by.Strength}, stage)
		return nil
	})
	return x, err
}
