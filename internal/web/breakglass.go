package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// glassView is what the reader may take without approval, and what others took.
type glassView struct {
	engine.Enrolment

	Choices []choice
	Weak    bool // the reader is known less strongly than it takes
	Uses    []useView
	Said    string

	Chosen, Why, Ref, Term string // as typed
	Wrong                  string
	WrongUse, Text         string // of a review: which, and as typed
	WrongReview            string
}

// useView is one use of break-glass in words.
type useView struct {
	access.Emergency

	Who, What, Reviewer string
	Overdue             bool
	Open                bool // not reviewed yet
	Reviews             bool // the reader may be the one who does
}

// mostUses is how many one page lists.
const mostUses = 100

// breakGlass is the way in, and what came of it so far.
func (p *portal) breakGlass(v *visit) error {
	view, err := v.glass()
	if err != nil {
		return err
	}
	view.Said = map[string]string{"taken": "It is granted, for a short while. The owner and security were told. Give it back as soon as you can.", "reviewed": "The review is kept, with your words."}[v.justDone()]
	return v.page(http.StatusOK, "Break glass", "/break-glass", breakGlassPage(view, v.now))
}

func (v *visit) glass() (view glassView, err error) {
	if view.Enrolment, err = v.Engine.Enrolled(v.r.Context(), v.by); err != nil {
		return view, err
	}
	for _, id := range view.Entitlements {
		view.Choices = append(view.Choices, choice{id, v.entitlement(id).Name})
	}
	view.Weak = view.StepUp != "" && v.by.Strength != "" && v.by.Strength != view.StepUp
	view.Uses, err = v.uses()
	return view, err
}

// uses are those that the reader may know of, newest first.
func (v *visit) uses() (rows []useView, err error) {
	list, err := v.Engine.Emergencies(v.r.Context(), v.by, "", mostUses)
	if err != nil {
		return nil, unknown(err)
	}
	me, groups := v.dir.PersonOf(v.by.Identity), v.dir.GroupsOf(v.by.Identity)
	for _, m := range list {
		ent, _ := v.dir.Entitlement(m.Entitlement)
		owns := slices.ContainsFunc(ent.Owners, func(o string) bool { return v.dir.PersonOf(o) == me })
		u := useView{Emergency: m, Who: v.name(m.Identity), What: v.entitlement(m.Entitlement).Name, Open: m.ReviewedAt.IsZero()}
		if m.ReviewedBy != "" {
			u.Reviewer = v.name(m.ReviewedBy)
		}
		u.Overdue = u.Open && v.now.After(m.ReviewBy)
		u.Reviews = u.Open && me != v.dir.PersonOf(m.Person) && (owns || slices.Contains(groups, "security"))
		rows = append(rows, u)
	}
	return rows, nil
}

// loud are those that nobody has reviewed, and those of the last day.
func (v *visit) loud() (rows []useView, err error) {
	all, err := v.uses()
	for _, u := range all {
		if u.Open || v.now.Sub(u.At) < 24*time.Hour {
			rows = append(rows, u)
		}
	}
	return rows, err
}

// takeGlass takes access without approval.
func (p *portal) takeGlass(v *visit) error {
	f := v.r.PostForm
	b := engine.Breaking{Entitlement: f.Get("entitlement"), Incident: strings.TrimSpace(f.Get("incident")), Reason: strings.ReplaceAll(strings.TrimSpace(f.Get("reason")), "\r\n", "\n")}
	var err error
	if term := strings.TrimSpace(f.Get("term")); term != "" {
		b.Term, err = access.ParseTerm(term)
	}
	if err == nil {
		_, err = p.Engine.BreakGlass(v.r.Context(), v.by, b)
	}
	if err == nil {
		return v.done("/break-glass", "taken")
	}
	return v.glassRefused(err, func(view *glassView) {
		view.Wrong, view.Chosen, view.Why, view.Ref, view.Term = said(err), b.Entitlement, b.Reason, b.Incident, f.Get("term")
	})
}

// reviewGlass reviews what somebody took.
func (p *portal) reviewGlass(v *visit) error {
	r := engine.EmergencyReview{Emergency: v.r.PathValue("id"), Verdict: access.EmergencyVerdict(v.r.PostForm.Get("verdict")), Text: strings.ReplaceAll(strings.TrimSpace(v.r.PostForm.Get("text")), "\r\n", "\n")}
	_, err := p.Engine.ReviewEmergency(v.r.Context(), v.by, r)
	if err == nil {
		return v.done("/break-glass", "reviewed")
	}
	return v.glassRefused(err, func(view *glassView) { view.WrongReview, view.WrongUse, view.Text = said(err), r.Emergency, r.Text })
}

func (v *visit) glassRefused(err error, with func(*glassView)) error {
	if !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrConflict) && !errors.Is(err, access.ErrGone) && !errors.Is(err, access.ErrHalted) {
		return err
	}
	view, broken := v.glass()
	if broken != nil {
		return broken
	}
	with(&view)
	return v.page(http.StatusUnprocessableEntity, "Break glass", "/break-glass", breakGlassPage(view, v.now))
}

// typed is what the reader wrote about one of them, where it was refused.
func (v glassView) typed(u useView) string {
	if v.WrongUse != u.ID {
		return ""
	}
	return v.Text
}
