package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/lessor-iam/lessor/internal/access"
)

// decide puts one question to Cedar and fails closed: an error in any rule that
// was looked at, or a fact that does not fit the schema, is a denial, whatever
// the other rules say.
func (s *Set) decide(f *facts, q asked) access.Decision {
	req := cedar.Request{Principal: q.principal, Action: actionOf[q.name], Resource: f.resource.entity.UID, Context: types.NewRecord(q.context)}
	d := access.Decision{Question: q.name, Policy: s.digest, At: f.now}
	principal, _ := f.Get(q.principal)
	answer, why := cedar.Authorize(s.index[q.name].pick(principal, f.resource, q.stage), f, req)
	if q.name == QuestionRequest && answer == cedar.Allow {
		owed := req
		owed.Action = actionOf[QuestionOblige]
		_, more := cedar.Authorize(s.index[QuestionOblige].pick(principal, f.resource, ""), f, owed)
		why.Errors, why.Reasons = append(why.Errors, more.Errors...), append(why.Reasons, more.Reasons...)
	}
	for _, e := range why.Errors {
		d.Errors = append(d.Errors, fmt.Sprintf("rule %s: %s", e.PolicyID, e.Message))
	}
	if err := s.check.question(req); err != nil {
		d.Errors = append(d.Errors, err.Error())
	}
	d.Errors = append(d.Errors, f.errors()...)
	for _, r := range why.Reasons {
		d.Rules = append(d.Rules, s.byKey[r.PolicyID].shown())
	}
	slices.Sort(d.Errors)
	slices.SortFunc(d.Rules, func(a, b access.Rule) int { return strings.Compare(a.ID, b.ID) })
	d.Allow = answer == cedar.Allow && len(d.Errors) == 0
	d.Facts = f.digest(q.said)
	d.Why = sentence(d)
	return d
}

// sentence says for people what a decision came to.
func sentence(d access.Decision) string {
	first := slices.IndexFunc(d.Rules, func(r access.Rule) bool { return r.Effect != "oblige" })
	switch {
	case len(d.Errors) > 0:
		return "the question could not be answered, which is a denial: " + d.Errors[0]
	case first < 0:
		return "no rule permits this"
	case d.Rules[first].Reason != "":
		return d.Rules[first].Reason
	case d.Allow:
		return "rule " + d.Rules[first].ID + " permits it"
	}
	return "rule " + d.Rules[first].ID + " forbids it"
}

// refuse turns a decision into a denial for a reason Cedar cannot know.
func refuse(d access.Decision, why string, args ...any) access.Decision {
	d.Allow, d.Why = false, fmt.Sprintf(why, args...)
	return d
}

// cannot denies a question that was not even put.
func (s *Set) cannot(question string, f *Facts, why string) access.Decision {
	return access.Decision{Question: question, Policy: s.digest, At: f.Now, Why: why, Errors: []string{why}, Facts: access.Digest(question + ": " + why)}
}

// MayRequest answers whether the requester may ask for the item, and what that needs.
func (s *Set) MayRequest(f Facts) access.Decision {
	if why := f.unusable(); why != "" {
		return s.cannot(QuestionRequest, &f, why)
	}
	authors := persons(f.Directory, f.Authors)
	d := s.decide(s.factsOf(f.Directory, f.Now, f.resource(s, authors)), ask(QuestionRequest, f.Request.Requester, f.Now))
	if reach := f.reach(); reach.Beyond() {
		d.Reach = reach.Brief(mostImplied)
	}
	d.Clashes, d.Exceptions = f.clashes(s.snapshot(f.Directory))
	if !d.Allow {
		if len(d.Rules) == 0 && len(d.Errors) == 0 {
			d.Why = fmt.Sprintf("no rule permits %s to request %s for %s", f.Request.Requester, f.Item.Entitlement, f.Request.Beneficiary)
		}
		return d
	}
	return byBirth(s.oblige(d, &f), &f)
}

// oblige adds up what the rules that applied demand; the strictest wins.
func (s *Set) oblige(d access.Decision, f *Facts) access.Decision {
	var tightest string
	var strengths []string
	for _, shown := range d.Rules {
		r := s.byKey[cedar.PolicyID(shown.ID)]
		d.Stages = unite(d.Stages, f.expand(r.Needs))
		if r.MaxTerm != 0 && access.Shorter(r.MaxTerm, d.MaxTerm) != d.MaxTerm {
			d.MaxTerm, tightest = r.MaxTerm, "rule "+r.ID
		}
		if r.StepUp != "" && !slices.Contains(strengths, r.StepUp) {
			strengths = append(strengths, r.StepUp)
		}
	}
	if e, ok := f.Directory.Entitlement(f.Item.Entitlement); ok && access.Shorter(e.MaxTerm, d.MaxTerm) != d.MaxTerm {
		d.MaxTerm, tightest = e.MaxTerm, "the entitlement"
	}
	switch {
	case len(strengths) > 1:
		slices.Sort(strengths)
		return refuse(d, "the rules ask for different sign-ins (%s), and no vote can have both", strings.Join(strengths, ", "))
	case len(strengths) == 1:
		d.StepUp = strengths[0]
	}
	for _, st := range d.Stages {
		if !personalStage(st.Name) && !f.Directory.HasGroup(st.Name) {
			d.Facts = access.Digest(d.Facts + " and no group " + st.Name)
			return refuse(d, "the rules need the approval of %q, and there is no such group", st.Name)
		}
	}
	if d.MaxTerm != 0 && f.term() > d.MaxTerm {
		return refuse(d, "the term of %s is longer than the %s that %s allows", f.term(), d.MaxTerm, tightest)
	}
	if len(d.Stages) > 0 {
		d.Why = strings.TrimSuffix(d.Why, ".") + "; it needs " + stagesText(d.Stages) + "."
	}
	return d
}

// unite is the union of stages: for a name that is in both, the larger count.
func unite(a, b []access.Stage) []access.Stage {
	out := slices.Clone(a)
	for _, st := range b {
		if i := slices.IndexFunc(out, func(o access.Stage) bool { return o.Name == st.Name }); i >= 0 {
			out[i].Count = max(out[i].Count, st.Count)
		} else {
			out = append(out, st)
		}
	}
	slices.SortFunc(out, func(a, b access.Stage) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// CheckDirectory reports what rules name and the directory does not have: groups
// of @needs, identities of @author, and whatever scopes and conditions write
// down. A permit that names nobody is merely useless; a forbid that does forbids
// nothing, and nothing else would ever say so.
func (s *Set) CheckDirectory(d *access.Directory) []access.Problem {
	var out []access.Problem
	for _, r := range s.rules {
		say := func(format string, args ...any) {
			out = append(out, access.Problem{File: r.File, Line: r.Line, Column: 1, Message: "rule " + r.ID + " " + fmt.Sprintf(format, args...)})
		}
		for _, st := range r.Needs {
			if !personalStage(st.Name) && !d.HasGroup(st.Name) {
				say("needs %q, and there is no such group", st.Name)
			}
		}
		if _, ok := d.Identity(r.Author); r.Author != "" && !ok {
			say("is by %q, and there is no such identity", r.Author)
		}
		for _, u := range named(tree(r.policy)) {
			if !exists(d, u) {
				say("names %s, and there is no such thing", u)
			}
		}
	}
	return out
}

// exists is true too of what no directory lists: classes, requests, grants.
func exists(d *access.Directory, u cedar.EntityUID) bool {
	id, ok := string(u.ID), true
	switch u.Type {
	case groupType:
		ok = d.HasGroup(id)
	case identityType:
		_, ok = d.Identity(id)
	case entitlementType:
		_, ok = d.Entitlement(id)
	case systemType:
		_, ok = d.System(id)
	}
	return ok
}
