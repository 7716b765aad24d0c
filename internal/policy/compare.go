package policy

import (
	"iter"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Change is one request that two sets of rules do not answer alike.
type Change struct {
	Requester   string          `json:"requester"`
	Beneficiary string          `json:"beneficiary"`
	Entitlement string          `json:"entitlement"`
	Easier      []string        `json:"easier,omitempty"` // in what
	Harder      []string        `json:"harder,omitempty"` // in what
	Voters      []string        `json:"voters,omitempty"` // persons who could not approve it and can now
	Before      access.Decision `json:"before"`
	After       access.Decision `json:"after"`
}

// Compare asks both sets the same requests and returns those that come out
// differently: what a change of rules does, before it is in force.
func Compare(before, after *Set, asks iter.Seq[Facts]) []Change {
	var out []Change
	for f := range asks {
		c := Change{Requester: f.Request.Requester, Beneficiary: f.Request.Beneficiary, Entitlement: f.Item.Entitlement,
			Before: before.MayRequest(f), After: after.MayRequest(f)}
		c.weigh()
		if c.Before.Allow && c.After.Allow {
			c.Voters = newVoters(before, after, f, c)
		}
		if len(c.Easier)+len(c.Harder)+len(c.Voters) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// weigh says in what the answer became easier, and in what harder; it may be both.
func (c *Change) weigh() {
	was, is := c.Before, c.After
	if was.Allow != is.Allow {
		if is.Allow {
			c.Easier = append(c.Easier, "it may be asked for")
		} else {
			c.Harder = append(c.Harder, "it may not be asked for: "+is.Why)
		}
		return
	}
	if !is.Allow {
		return
	}
	if less := missingFrom(is.Stages, was.Stages); len(less) > 0 {
		c.Easier = append(c.Easier, "it no longer needs "+stagesText(less))
	}
	if more := missingFrom(was.Stages, is.Stages); len(more) > 0 {
		c.Harder = append(c.Harder, "it needs "+stagesText(more))
	}
	if was.MaxTerm != is.MaxTerm {
		if access.Shorter(was.MaxTerm, is.MaxTerm) == was.MaxTerm {
			c.Easier = append(c.Easier, "its longest term is "+termText(is.MaxTerm)+", not "+termText(was.MaxTerm))
		} else {
			c.Harder = append(c.Harder, "its longest term is "+termText(is.MaxTerm)+", not "+termText(was.MaxTerm))
		}
	}
	switch {
	case was.StepUp == is.StepUp:
	case is.StepUp == "":
		c.Easier = append(c.Easier, "its votes no longer need the sign-in "+was.StepUp)
	case was.StepUp == "":
		c.Harder = append(c.Harder, "its votes need the sign-in "+is.StepUp)
	default: // no order is known between two sign-ins
		c.Easier = append(c.Easier, "its votes need the sign-in "+is.StepUp+", not "+was.StepUp)
	}
}

// missingFrom lists the stages of wanted that have asks less of, or not at all.
func missingFrom(has, wanted []access.Stage) []access.Stage {
	return slices.DeleteFunc(slices.Clone(wanted), func(w access.Stage) bool {
		return slices.ContainsFunc(has, func(h access.Stage) bool { return h.Name == w.Name && h.Count >= w.Count })
	})
}

func newVoters(before, after *Set, f Facts, c Change) []string {
	var gained []string
	for _, st := range c.After.Stages {
		f.Item.Decision = c.Before
		could := persons(f.Directory, before.WhoCanApprove(f, st.Name))
		f.Item.Decision = c.After
		for _, p := range persons(f.Directory, after.WhoCanApprove(f, st.Name)) {
			if !slices.Contains(could, p) {
				gained = append(gained, p)
			}
		}
	}
	slices.Sort(gained)
	return slices.Compact(gained)
}

// Gain lists the persons for whom anything became easier, or who got a vote:
// requesters, beneficiaries, and owners and sponsors of either. None of them
// decides about the change of rules that does it (law 10).
func Gain(d *access.Directory, changes []Change) []string {
	var out []string
	for _, c := range changes {
		if len(c.Easier) > 0 {
			out = slices.Concat(out, d.Hands(c.Requester), d.Hands(c.Beneficiary))
		}
		out = append(out, c.Voters...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// OwnAsks is every identity asking for every entitlement for itself, for an
// hour or, where that is less, its longest term: identities times entitlements.
func OwnAsks(d *access.Directory, now time.Time) iter.Seq[Facts] {
	return func(yield func(Facts) bool) {
		for _, id := range d.Identities() {
			for _, ent := range d.Entitlements() {
				e, _ := d.Entitlement(ent)
				term := access.Shorter(access.Term(time.Hour), e.MaxTerm)
				f := Facts{Now: now, Directory: d, Item: access.Item{Entitlement: ent, Term: term},
					Request: access.Request{ID: "compare", Revision: 1, Requester: id, Beneficiary: id, Term: term}}
				if !yield(f) {
					return
				}
			}
		}
	}
}
