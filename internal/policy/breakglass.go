package policy

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/lessor-iam/lessor/internal/access"
)

// Glass is what the question break-glass reads beside the facts of its request.
type Glass struct {
	Enrolled bool
	Used     int // within 30 days
	Most     int
	Overdue  bool // a review of an earlier use is
	Incident string
	Fits     bool        // the incident is as it must be
	StepUp   string      // how strongly the person must be known, where that is known at all
	Longest  access.Term // that it may last
}

// MayBreakGlass answers whether somebody may have the item at once, without approval:
//
//  1. nothing may forbid to request it: that nothing permits it without approval is no matter;
//  2. nothing may forbid to hold it but that votes are missing;
//  3. the question break-glass must be permitted.
func (s *Set) MayBreakGlass(f Facts, by access.Actor, g Glass) access.Decision {
	if why := f.unusable(); why != "" {
		return s.cannot(QuestionBreakGlass, &f, why)
	}
	from := s.snapshot(f.Directory)
	// 1.
	asked := s.decide(s.factsOf(f.Directory, f.Now, f.resource(s, nil)), ask(QuestionRequest, f.Request.Requester, f.Now))
	asked.Clashes, asked.Exceptions = f.clashes(from)
	if forbidden(asked) {
		asked.Allow, asked.Question = false, QuestionBreakGlass
		return asked
	}
	// 2.
	held := s.decide(s.factsOf(f.Directory, f.Now, f.resource(s, nil)), ask(QuestionHold, f.Request.Beneficiary, f.Now).
		with("missing", texts(nil), func(w *writer) { w.list(nil) }).withFlag("unattended", false))
	if !held.Allow {
		held.Question = QuestionBreakGlass
		return held
	}
	// 3.
	number := func(n int) (types.Value, func(*writer)) {
		return types.Long(n), func(w *writer) { w.numbers(int64(n)) }
	}
	used, writeUsed := number(g.Used)
	most, writeMost := number(g.Most)
	d := s.decide(s.factsOf(f.Directory, f.Now, f.resource(s, nil)), ask(QuestionBreakGlass, by.Identity, f.Now).
		withFlag("enrolled", g.Enrolled).with("used", used, writeUsed).with("most", most, writeMost).withFlag("overdue", g.Overdue).
		withText("incident", g.Incident).withFlag("incidentFits", g.Fits).withText("strength", by.Strength).withText("stepUp", g.StepUp))
	d.Facts = access.Digest(strings.Join([]string{asked.Facts, held.Facts, d.Facts}, " "))
	ent, _ := f.Directory.Entitlement(f.Item.Entitlement)
	d.MaxTerm, d.StepUp, d.Clashes, d.Exceptions = access.Shorter(g.Longest, ent.MaxTerm), g.StepUp, asked.Clashes, asked.Exceptions
	if reach := f.reach(); reach.Beyond() {
		d.Reach = reach.Brief(mostImplied)
	}
	if d.Allow && f.term() > d.MaxTerm {
		return refuse(d, "the term of %s is longer than the %s for which the glass may be broken", f.term(), d.MaxTerm)
	}
	return d
}

// forbidden tells whether a rule forbids it, or an error might have kept one from doing so.
func forbidden(d access.Decision) bool {
	return len(d.Errors) > 0 || slices.ContainsFunc(d.Rules, func(r access.Rule) bool { return r.Effect == "forbid" })
}
