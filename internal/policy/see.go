package policy

import (
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// MayView answers whether the viewer may see the request. Whoever may see one of
// its items sees it all: reason, ticket and votes are the request's.
func (s *Set) MayView(d *access.Directory, now time.Time, viewer access.Actor, r access.Request) access.Decision {
	return s.MayViewFor(d, now, viewer, r, access.StandIns{})
}

// MayViewFor is MayView where others may answer for somebody: who could answer may see.
func (s *Set) MayViewFor(d *access.Directory, now time.Time, viewer access.Actor, r access.Request, in access.StandIns) access.Decision {
	f := Facts{Now: now, Directory: d, Request: r, StandIns: in}
	if why := f.unusable(); why != "" {
		return s.cannot(QuestionView, &f, why)
	}
	if len(r.Items) == 0 {
		return s.cannot(QuestionView, &f, "the request has no items")
	}
	var first access.Decision
	for i, it := range r.Items {
		f.Item, f.Siblings = it, nil
		u := duesOf(&f, nil)
		resource := f.resource(s, u.authors)
		q := ask(QuestionView, viewer.Identity, now).withFlag("approver", s.approvesAny(&f, resource, u, viewer))
		answer := s.decide(s.factsOf(d, now, resource), q)
		if len(answer.Rules) == 0 && len(answer.Errors) == 0 {
			answer.Why = fmt.Sprintf("no rule permits %s to see this request", viewer.Identity)
		}
		if answer.Allow {
			return answer
		}
		if i == 0 {
			first = answer
		}
	}
	return first
}

// approvesAny tells whether the viewer has authority over any stage of the item,
// however strongly they are known: a weak sign-in may look and not vote.
func (s *Set) approvesAny(f *Facts, resource *built, u due, viewer access.Actor) bool {
	viewer.Strength = u.stepUp
	for _, st := range u.stages {
		if d, _ := s.answer(f, resource, u, viewer, st.Name, nil); d.Allow {
			return true
		}
	}
	return false
}

// MayRevoke answers whether somebody may end a grant before its time. To give
// back one's own is not a question of policy.
func (s *Set) MayRevoke(d *access.Directory, now time.Time, by access.Actor, g access.Grant) access.Decision {
	f := Facts{Now: now, Directory: d}
	if why := f.unusable(); why != "" {
		return s.cannot(QuestionRevoke, &f, why)
	}
	answer := s.decide(s.factsOf(d, now, grantResource(s, d, g)), ask(QuestionRevoke, by.Identity, now))
	if len(answer.Rules) == 0 && len(answer.Errors) == 0 {
		answer.Why = fmt.Sprintf("no rule permits %s to revoke %s", by.Identity, g.Entitlement)
	}
	return answer
}
