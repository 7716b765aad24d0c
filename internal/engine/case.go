package engine

import (
	"context"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// Case is what somebody who is to answer a request should know before they do.
type Case struct {
	Story
	Points  []Point   `json:"points"` // one for each entitlement
	Remarks []Remark  `json:"remarks,omitempty"`
	Before  []Holding `json:"before"` // what the beneficiary holds and has held, of what the actor may know; newest first
}

// Point is one entitlement of a case.
type Point struct {
	Entitlement string          `json:"entitlement"`
	Stage       string          `json:"stage,omitempty"`   // the open stage this actor could answer; empty: none
	Basis       access.Decision `json:"basis,omitzero"`    // why they may answer, or why not
	Behalf      access.Behalf   `json:"behalf,omitzero"`   // in whose place
	Weak        bool            `json:"weak,omitempty"`    // they may, and must sign in as strongly as Basis.StepUp asks
	Clashes     []string        `json:"clashes,omitempty"` // as things stand now
	Reach       access.Reach    `json:"reach,omitzero"`
	Peers       int             `json:"peers"` // other people of the beneficiary's department
	Holding     int             `json:"holding"`
}

const (
	mostHolders = 1000 // looked through for peers
	mostBefore  = 50
)

// Case returns a request as an approver's desk shows it, to whoever may know of it.
func (e *Engine) Case(ctx context.Context, by access.Actor, id string) (c Case, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		// 1. The request and what came of it so far.
		if c.Request, err = d.visible(ctx, id); err != nil {
			return err
		}
		if err := d.story(ctx, &c.Story); err != nil {
			return err
		}
		// 2. Each entitlement: may this actor answer, and what speaks for or against it.
		c.Points = make([]Point, len(c.Request.Items))
		for i := range c.Request.Items {
			if c.Points[i], err = d.point(ctx, c.Request, i); err != nil {
				return err
			}
		}
		if c.Remarks, err = d.remarks(ctx, id); err != nil {
			return err
		}
		// 3. What else the beneficiary holds and held.
		grants, err := d.GrantsOf(ctx, d.world.Directory.IdentitiesOf(c.Request.Beneficiary), false, "", mostBefore)
		if err != nil {
			return err
		}
		grants = slices.DeleteFunc(grants, func(g access.Grant) bool { return g.Request == id || d.mayKnow(ctx, g) != nil })
		c.Before, err = d.holdings(ctx, grants)
		return err
	})
	return c, err
}

func (d *deed) point(ctx context.Context, r access.Request, i int) (Point, error) {
	it := r.Items[i]
	p := Point{Entitlement: it.Entitlement}
	votes, err := d.standing(ctx, r, it.Entitlement)
	if err != nil {
		return p, err
	}
	f, err := d.facts(ctx, r, i, votes)
	if err != nil {
		return p, err
	}
	now := d.world.Policy.MayRequest(f)
	p.Clashes, p.Reach = now.Clashes, now.Reach
	if r.State == access.Pending && it.Outcome == access.Undecided {
		if p.Stage, p.Basis, p.Behalf, err = d.authority(ctx, r, i, votes, ""); err != nil {
			return p, err
		}
		if strong := d.by; p.Stage == "" && it.Decision.StepUp != "" && d.by.Strength != it.Decision.StepUp {
			strong.Strength = it.Decision.StepUp
			d := *d // the same moment and snapshot, asked as the same person known better
			d.by = strong
			if p.Stage, p.Basis, p.Behalf, err = d.authority(ctx, r, i, votes, ""); err != nil {
				return p, err
			}
			p.Weak = p.Stage != ""
		}
	}
	p.Peers, p.Holding, err = d.peers(ctx, r.Beneficiary, it.Entitlement)
	return p, err
}

// peers counts the other people of somebody's department, and how many of them
// hold the entitlement.
func (d *deed) peers(ctx context.Context, beneficiary, entitlement string) (all, holding int, err error) {
	dir := d.world.Directory
	me := dir.PersonOf(beneficiary)
	person, _ := dir.Identity(me)
	people := dir.InDepartment(person.Department)
	if _, in := slices.BinarySearch(people, me); !in {
		return 0, 0, nil
	}
	holders, err := d.HoldersOf(ctx, entitlement, mostHolders)
	var counted []string
	for _, id := range holders {
		one := dir.PersonOf(id)
		if _, in := slices.BinarySearch(people, one); in && one != me && !slices.Contains(counted, one) {
			counted = append(counted, one)
		}
	}
	return len(people) - 1, len(counted), err
}
