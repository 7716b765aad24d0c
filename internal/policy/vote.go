package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/lessor-iam/lessor/internal/access"
)

// due is what an item must have before it may be held, and who wrote the rules.
type due struct {
	stages  []access.Stage
	stepUp  string
	torn    string // why no vote can count: it was asked under another sign-in than is wanted now
	maxTerm access.Term
	authors []string // persons
}

// duesOf are the dues of the stored decision and, where now is given, of one
// asked anew: a later rule can only add.
func duesOf(f *Facts, now *access.Decision) due {
	stored := f.Item.Decision
	u := due{authors: slices.Clone(f.Authors)}
	for _, d := range []*access.Decision{&stored, now} {
		if d == nil || !d.Allow {
			continue
		}
		u.stages = unite(u.stages, d.Stages)
		u.maxTerm = access.Shorter(u.maxTerm, d.MaxTerm)
		if u.stepUp != "" && d.StepUp != "" && d.StepUp != u.stepUp {
			u.torn = fmt.Sprintf("it was asked under rules that want the sign-in %q, and they want %q now; it has to be asked anew", u.stepUp, d.StepUp)
		}
		u.stepUp = cmp.Or(u.stepUp, d.StepUp)
		for _, r := range d.Rules {
			if r.Author != "" && r.Effect == "permit" {
				u.authors = append(u.authors, r.Author)
			}
		}
	}
	u.authors = persons(f.Directory, u.authors)
	return u
}

// dues asks the request question anew unless the item was decided under these very rules.
func (s *Set) dues(f *Facts) due {
	if d := f.Item.Decision; d.Allow && d.Policy == s.digest {
		return duesOf(f, nil)
	}
	now := s.MayRequest(*f)
	return duesOf(f, &now)
}

// approveAsked is the question of one voter and stage; voted are persons.
func approveAsked(f *Facts, voter access.Actor, stage, stepUp string, voted []string) asked {
	q := ask(QuestionApprove, voter.Identity, f.Now).withText("stage", stage).withText("strength", voter.Strength).withText("stepUp", stepUp).
		with("voted", uids(identityType, voted), func(w *writer) { w.list(voted) })
	answer := f.answerers(stage)
	q = q.with("answerable", uids(identityType, answer), func(w *writer) { w.list(answer) })
	if !personalStage(stage) && f.Directory.HasGroup(stage) {
		q = q.with("group", uid(groupType, stage), func(w *writer) { w.texts(stage) })
	}
	q.stage = stage
	return q
}

// votersOf are the persons whose approval of this item already counts: who voted, and
// on whose behalf.
func votersOf(f *Facts) []string {
	var ids []string
	for _, v := range f.Votes {
		if v.Verdict == access.Approve && v.WithdrawnAt.IsZero() {
			ids = append(ids, v.Voter)
			if !v.Behalf.IsZero() {
				ids = append(ids, v.Behalf.Of)
			}
		}
	}
	return persons(f.Directory, ids)
}

// MayApprove answers whether the voter has authority over that stage of the item.
// The votes in the facts are those cast before this one.
func (s *Set) MayApprove(f Facts, voter access.Actor, stage string) access.Decision {
	if why := f.unusable(); why != "" {
		return s.cannot(QuestionApprove, &f, why)
	}
	u := s.dues(&f)
	return s.approve(&f, f.resource(s, u.authors), u, voter, stage, votersOf(&f))
}

func (s *Set) approve(f *Facts, resource *built, u due, voter access.Actor, stage string, voted []string) access.Decision {
	d := s.decide(s.factsOf(f.Directory, f.Now, resource), approveAsked(f, voter, stage, u.stepUp, voted))
	d.StepUp = u.stepUp
	if u.torn != "" {
		return refuse(d, "%s", u.torn)
	}
	if len(d.Rules) == 0 && len(d.Errors) == 0 {
		d.Why = fmt.Sprintf("no rule permits %s to approve %s at the stage %s", voter.Identity, f.Item.Entitlement, stage)
	}
	return d
}

// MayHold answers whether the beneficiary may hold the item now. It is asked at
// the moment of granting and believes nothing that was decided before:
//
//  1. the request question is asked anew, and its dues added to the stored ones;
//  2. every vote's authority is asked anew, in the order of the votes;
//  3. the votes that still stand are counted, stage by stage;
//  4. Cedar is asked, with the stages that are missing.
func (s *Set) MayHold(f Facts) access.Decision {
	if why := f.unusable(); why != "" {
		return s.cannot(QuestionHold, &f, why)
	}
	// 1.
	now := s.MayRequest(f)
	if !now.Allow {
		now.Question = QuestionHold
		return now
	}
	u := duesOf(&f, &now)
	resource := f.resource(s, u.authors)

	// 2. and 3.
	tally := s.count(&f, resource, u)
	missing, told := tally.missing(u.stages)

	// 4.
	q := ask(QuestionHold, f.Request.Beneficiary, f.Now).
		with("missing", texts(missing), func(w *writer) { w.list(missing) }).withFlag("unattended", len(u.stages) == 0).
		resting(func(w *writer) {
			w.list(tally.looked)
			w.texts(stagesText(u.stages), u.stepUp)
			w.numbers(int64(u.maxTerm), int64(tally.narrowed))
		})
	d := s.decide(s.factsOf(f.Directory, f.Now, resource), q)
	d.Stages, d.MaxTerm, d.StepUp = u.stages, u.maxTerm, u.stepUp
	switch {
	case len(d.Errors) > 0:
	case tally.denied != "":
		d.Rules = nil
		return refuse(d, "%s voted against it", tally.denied)
	case len(missing) > 0 && soleReason(d, "guard.hold-votes"):
		d.Why = told
	case u.maxTerm != 0 && f.term() > u.maxTerm:
		return refuse(d, "the term of %s is longer than the %s under which it was asked or is allowed now", f.term(), u.maxTerm)
	case tally.narrowed != 0 && f.term() > tally.narrowed:
		return refuse(d, "the term of %s is longer than the %s that was approved", f.term(), tally.narrowed)
	}
	return d
}

func soleReason(d access.Decision, id string) bool { return len(d.Rules) == 1 && d.Rules[0].ID == id }

func texts(ss []string) types.Set {
	values := make([]types.Value, len(ss))
	for i, s := range ss {
		values[i] = types.String(s)
	}
	return types.NewSet(values...)
}

// tally is how the votes came out when each was asked again.
type tally struct {
	per      map[string]int // stage -> approvals that still stand
	looked   []string       // the votes and how each came out, in order
	void     map[string][]string
	denied   string // who voted against it
	narrowed access.Term
}

// count asks for every vote whether its voter has authority over its stage now.
// The earliest vote of a person is the one that counts.
func (s *Set) count(f *Facts, resource *built, u due) tally {
	t := tally{per: map[string]int{}, void: map[string][]string{}}
	votes := slices.Clone(f.Votes)
	slices.SortStableFunc(votes, func(a, b access.Approval) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
	})
	var voted []string
	for _, v := range votes {
		why := misplaced(f, v)
		switch {
		case why == "" && v.Verdict != access.Approve:
			t.denied = cmp.Or(t.denied, v.Voter)
			why = "it is a vote against"
		case why == "":
			voter := access.Actor{Identity: v.Voter, Channel: v.Channel, Strength: v.Strength}
			if d := s.answers(f, resource, u, voter, v.Stage, voted, v.Behalf); !d.Allow {
				why = d.Why
			}
		}
		t.looked = append(t.looked, v.ID, v.Voter, v.Stage, v.Strength, why)
		if !v.Behalf.IsZero() {
			t.looked = append(t.looked, v.Behalf.Of, string(v.Behalf.How), v.Behalf.Ref)
		}
		if why != "" {
			t.void[v.Stage] = append(t.void[v.Stage], fmt.Sprintf("the vote of %s does not count: %s", v.Voter, strings.TrimSuffix(why, ".")))
			continue
		}
		voted = append(voted, f.Directory.PersonOf(v.Voter))
		if !v.Behalf.IsZero() {
			voted = append(voted, f.Directory.PersonOf(v.Behalf.Of))
		}
		slices.Sort(voted)
		t.per[v.Stage]++
		t.narrowed = access.Shorter(t.narrowed, v.Term)
	}
	return t
}

// misplaced says why a vote has nothing to do with this item of this revision.
func misplaced(f *Facts, v access.Approval) string {
	switch {
	case !v.WithdrawnAt.IsZero():
		return "it was withdrawn"
	case !v.Counts(f.Request):
		return "it was cast on another revision"
	case v.Entitlement != f.Item.Entitlement:
		return "it was cast on another entitlement"
	}
	return ""
}

// missing lists the stages without their count, and says so in one sentence.
func (t tally) missing(stages []access.Stage) (names []string, told string) {
	var parts []string
	for _, st := range stages {
		if t.per[st.Name] >= st.Count {
			continue
		}
		names = append(names, st.Name)
		part := fmt.Sprintf("the stage %s has %d of %d approvals that stand", st.Name, t.per[st.Name], st.Count)
		if void := t.void[st.Name]; len(void) > 0 {
			part += " (" + strings.Join(void, "; ") + ")"
		}
		parts = append(parts, part)
	}
	return names, strings.Join(parts, "; ")
}
