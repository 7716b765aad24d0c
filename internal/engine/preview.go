package engine

import (
	"context"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Outlook is what would come of asking for one entitlement now.
type Outlook struct {
	Item  access.Item    `json:"item"`            // denied, with the reason, if it would be refused at once
	Asked []Waiting      `json:"asked,omitempty"` // who would be asked, stage by stage
	Held  []access.Grant `json:"held,omitempty"`  // grants of it that the beneficiary has already
}

// Preview answers what policy would say to an ask, and asks nothing: the form,
// the check and the deed are the same question.
func (e *Engine) Preview(ctx context.Context, by access.Actor, ask Ask) (items []access.Item, err error) {
	list, err := e.Foresee(ctx, by, ask)
	for _, o := range list {
		items = append(items, o.Item)
	}
	return items, err
}

// Foresee is Preview with whom it would keep waiting and what is held already.
func (e *Engine) Foresee(ctx context.Context, by access.Actor, ask Ask) (list []Outlook, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		asked, err := d.read(ctx, ask)
		if err != nil {
			return err
		}
		r := asked
		r.Items = slices.Clone(asked.Items)
		list = make([]Outlook, len(r.Items))
		for i := range r.Items {
			f, _, err := d.foresee(ctx, asked, &r, i)
			if err != nil {
				return err
			}
			if list[i], err = d.outlook(ctx, r, i, f); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func (d *deed) outlook(ctx context.Context, r access.Request, i int, f policy.Facts) (Outlook, error) {
	it := r.Items[i]
	o := Outlook{Item: it}
	if it.Outcome == access.Undecided {
		for _, st := range it.Decision.Stages {
			o.Asked = append(o.Asked, Waiting{it.Entitlement, st.Name, st.Count, d.world.Policy.WhoCanApprove(f, st.Name), d.world.Policy.WhoCanStandIn(f, st.Name), false})
		}
	}
	grants, err := d.GrantsOf(ctx, d.world.Directory.IdentitiesOf(r.Beneficiary), true, "", 1<<30)
	for _, g := range grants {
		if g.Entitlement == it.Entitlement && d.now.Before(g.End) && d.mayKnow(ctx, g) == nil {
			o.Held = append(o.Held, g)
		}
	}
	return o, err
}
