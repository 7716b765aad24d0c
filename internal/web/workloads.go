package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// mostWorkloads is how many one page lists.
const mostWorkloads = 100

// workloadRow is one workload in a list.
type workloadRow struct {
	engine.WorkloadLine

	Owner string
	As    string // what the reader is to it
	At    string // its page
	Gaps  string
	Found string
}

// workloadsView is a list of workloads.
type workloadsView struct {
	Rows    []workloadRow
	Waiting []registrationView
	Estate  bool // there is more than one's own that the reader may see
	More    string
	Said    string
	Wrong   string

	// of the estate
	Covered *coverageView
	Words   string
	Lacks   string
}

// registrationView is a workload that somebody proposes the reader to answer for.
type registrationView struct {
	access.Registration

	From   string
	Reason string // as typed
	Wrong  string
}

// ownWorkloads are those the reader answers for, and those proposed to the reader.
func (p *portal) ownWorkloads(v *visit) error {
	view, err := v.ownWorkloads()
	if err != nil {
		return err
	}
	switch v.justDone() {
	case "accept":
		view.Said = "You answer for it from now on."
	case "decline":
		view.Said = "Declined. What was found of it stays found."
	case "offered":
		view.Said = "Proposed. It counts once its owner has accepted it."
	}
	return v.page(http.StatusOK, "My workloads", "/workloads", ownWorkloadsPage(view, v.now))
}

func (v *visit) ownWorkloads() (view workloadsView, err error) {
	view.Estate = v.operates()
	if view.Rows, view.More, err = v.workloads(engine.WorkloadsSought{Mine: true, After: v.r.URL.Query().Get("after")}, "/workloads?"); err != nil {
		return view, err
	}
	list, err := v.Engine.WaitingWorkloads(v.r.Context(), v.by)
	for _, r := range list {
		view.Waiting = append(view.Waiting, registrationView{Registration: r, From: v.name(r.By)})
	}
	return view, err
}

// workloads lists a page of them; more is the address of the next one.
func (v *visit) workloads(s engine.WorkloadsSought, at string) (rows []workloadRow, more string, err error) {
	list, goesOn, err := v.Engine.Workloads(v.r.Context(), v.by, s, mostWorkloads)
	me := v.dir.PersonOf(v.by.Identity)
	is := func(who string) bool { return who != "" && v.dir.PersonOf(who) == me }
	for _, l := range list {
		r := workloadRow{WorkloadLine: l, Owner: v.name(l.Identity.Owner), At: "/workload?id=" + url.QueryEscape(l.Identity.ID), Gaps: unsaid(l.Lacks), Found: kindsOf(l.Findings)}
		switch c := l.Identity.Contract; {
		case is(l.Identity.Owner):
			r.As = "owner"
		case is(l.Identity.Sponsor):
			r.As = "sponsor"
		case c != nil && is(c.Deputy):
			r.As = "deputy"
		}
		rows = append(rows, r)
	}
	if goesOn {
		more = at + "after=" + url.QueryEscape(list[len(list)-1].Identity.ID)
	}
	return rows, more, err
}

// unsaid says in words what a contract leaves open.
func unsaid(lacks []string) string {
	if slices.Equal(lacks, []string{"contract"}) {
		return "has no contract"
	}
	said := map[string]string{"rotate_every": "rotation", "review_every": "review", "retires": "end"}
	var words []string
	for _, l := range lacks {
		words = append(words, orElse(said[l], l))
	}
	if len(words) == 0 {
		return ""
	}
	return "does not say: " + list(words, "and")
}

func kindsOf(kinds []string) string {
	var words []string
	for _, k := range slices.Compact(slices.Clone(kinds)) {
		words = append(words, plainly(k))
	}
	return few(words, 3, "and")
}

// coverageView is of how many workloads it is known what should be of all.
type coverageView struct {
	engine.Coverage

	Rows []coveredRow
}

// coveredRow is one line of the figures.
type coveredRow struct {
	Name, Means string
	Known, All  int
	Lacking     string // the address of those of which it is not known
}

func covered(c engine.Coverage) *coverageView {
	view := &coverageView{Coverage: c}
	of := map[string]struct {
		n           int
		name, means string
	}{
		"owner":    {c.Owner, "Owner", "an active person answers for it"},
		"purpose":  {c.Purpose, "Purpose", "its contract says what it is for"},
		"use":      {c.Used, "Last use", "a reading has seen when it was used"},
		"rotation": {c.Rotation, "Rotation", "its contract says how often its credentials change"},
		"end":      {c.End, "End", "it is said when, or upon what, it goes"},
		"review":   {c.Review, "Review", "somebody has looked at it, and the next look is not overdue"},
	}
	for _, key := range engine.WorkloadKnown {
		o := of[key]
		view.Rows = append(view.Rows, coveredRow{o.name, o.means, o.n, c.Workloads, "/workloads/estate?lacks=" + key})
	}
	return view
}

// estate is every workload the reader may know of; with the figures of all, to security and auditors.
func (p *portal) estate(v *visit) error {
	all, _, err := p.Engine.Oversees(v.by)
	if err != nil {
		return unknown(err)
	}
	q := v.r.URL.Query()
	view := workloadsView{Words: strings.TrimSpace(q.Get("q")), Lacks: q.Get("lacks")}
	if !slices.Contains(engine.WorkloadKnown, view.Lacks) {
		view.Lacks = ""
	}
	if all && q.Get("after") == "" { // the figures stand above the first page alone
		c, err := p.Engine.WorkloadCoverage(v.r.Context(), v.by, false)
		if err != nil {
			return err
		}
		view.Covered = covered(c)
	}
	at := "/workloads/estate?" + url.Values{"q": {view.Words}, "lacks": {view.Lacks}}.Encode() + "&"
	if view.Rows, view.More, err = v.workloads(engine.WorkloadsSought{Words: view.Words, Lacks: view.Lacks, After: q.Get("after")}, at); err != nil {
		return err
	}
	return v.page(http.StatusOK, "The estate", "/workloads", estatePage(view, v.now))
}

// workloadView is one workload.
type workloadView struct {
	engine.WorkloadStory

	Owner, Deputy, Sponsor string
	ReviewDue              time.Time
	Held                   []registered
	Findings               []findingView
	Kept                   []credentialRow
	Gaps                   string
	Note, Wrong, Said      string
	Sure                   bool // whoever retires it is asked whether they are sure
}

// workload is one, and what the reader may do about it.
func (p *portal) workload(v *visit) error {
	view, err := v.workloadOf(v.r.FormValue("id"))
	if err != nil {
		return err
	}
	view.Said = map[string]string{"review": "Reviewed: its contract is still right.", "retire": "Retired. What it held counts as gone once it was seen gone.",
		"contract": "It has another contract, and you looked at it today.", "registered": "Registered. You answer for it from now on."}[v.justDone()]
	return v.page(http.StatusOK, orElse(view.Identity.Name, view.Identity.ID), "/workloads", workloadPage(view, v.now))
}

func (v *visit) workloadOf(id string) (view workloadView, err error) {
	w, err := v.Engine.Workload(v.r.Context(), v.by, id)
	if err != nil {
		return view, err
	}
	i := w.Identity
	view = workloadView{WorkloadStory: w, Owner: v.name(i.Owner), Sponsor: v.name(i.Sponsor), Gaps: unsaid(w.Lacks)}
	if c := i.Contract; c != nil {
		view.Deputy, view.ReviewDue = v.name(c.Deputy), c.ReviewDue()
	}
	view.Held, _ = v.registered(w.Grants)
	for _, f := range w.Found {
		view.Findings = append(view.Findings, v.findingRow(f))
	}
	for _, c := range w.Kept {
		view.Kept = append(view.Kept, v.credentialRow(c))
	}
	return view, nil
}

// decideWorkload reviews or retires one. Whoever retires it is told first what ends with it.
func (p *portal) decideWorkload(v *visit) error {
	f := v.r.PostForm
	view, err := v.workloadOf(f.Get("id"))
	if err != nil {
		return err
	}
	id, how := view.Identity.ID, f.Get("how")
	view.Note = typed(f, "note")
	switch {
	case how == "review":
		err = p.Engine.ReviewWorkload(v.r.Context(), v.by, id, view.Note)
	case how == "retire" && f.Get("sure") == "":
		view.Sure = true
		return v.page(http.StatusOK, "Retire "+id, "/workloads", workloadPage(view, v.now))
	case how == "retire":
		_, err = p.Engine.RetireWorkload(v.r.Context(), v.by, id, view.Note)
	default:
		err = fmt.Errorf("%w: a workload is reviewed or retired, not %.20q", access.ErrInvalid, how)
	}
	switch {
	case err == nil:
		return v.doneAt("/workload", id, how)
	case !errors.Is(err, access.ErrInvalid):
		return err
	}
	view.Wrong, view.Sure = said(err), f.Get("sure") != ""
	return v.page(http.StatusUnprocessableEntity, "Retire "+id, "/workloads", workloadPage(view, v.now))
}

// decideRegistration accepts or declines a workload that was proposed.
func (p *portal) decideRegistration(v *visit) error {
	id, f := v.r.PathValue("id"), v.r.PostForm
	how, reason, err := f.Get("how"), typed(f, "reason"), error(nil)
	switch how {
	case "accept":
		var r access.Registration
		if r, err = p.Engine.AcceptWorkload(v.r.Context(), v.by, id); err == nil {
			return v.doneAt("/workload", r.Identity.ID, "registered")
		}
	case "decline":
		err = p.Engine.DeclineWorkload(v.r.Context(), v.by, id, reason)
	default:
		err = fmt.Errorf("%w: a proposal is accepted or declined, not %.20q", access.ErrInvalid, how)
	}
	switch {
	case err == nil:
		return v.done("/workloads", how)
	case !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrConflict):
		return err
	}
	view, other := v.ownWorkloads()
	if other != nil {
		return other
	}
	for i := range view.Waiting {
		if view.Waiting[i].ID == id {
			view.Waiting[i].Wrong, view.Waiting[i].Reason = said(err), reason
		}
	}
	return v.page(http.StatusUnprocessableEntity, "My workloads", "/workloads", ownWorkloadsPage(view, v.now))
}

// typed is what somebody wrote into a field.
func typed(f url.Values, name string) string {
	return strings.ReplaceAll(strings.TrimSpace(f.Get(name)), "\r\n", "\n")
}
