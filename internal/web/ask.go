package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// mostFound is how much of the catalog one page shows.
const mostFound = 25

// found is one line of the catalog as it is shown.
type found struct {
	Name, Sub, Class, Link string
	About                  string // its own page; empty: none
	Powers                 []string
	Longest                access.Term
	Held                   bool
}

// catalog is where somebody looks for what to ask for.
func (p *portal) catalog(v *visit) error {
	words := v.r.FormValue("q")
	if len(words) > 200 {
		return fmt.Errorf("%w: a search has at most 200 characters", access.ErrInvalid)
	}
	lines, all := p.bookOf(v.dir).search(words, mostFound)
	holdings, err := p.Engine.Holdings(v.r.Context(), v.by, "", true, "", mostHoldings)
	if err != nil {
		return err
	}
	held := map[string]bool{}
	for _, h := range holdings {
		held[h.Grant.Entitlement] = held[h.Grant.Entitlement] || h.Grant.Identity == v.by.Identity
	}
	var rows []found
	for _, l := range lines {
		if e := l.Entitlement; e.ID != "" {
			rows = append(rows, found{Name: e.Name, Sub: v.system(e.System) + ", asked of " + few(v.names(e.Owners), 2, "or"), Class: e.Class, Powers: e.Powers, Longest: e.MaxTerm,
				Link: "/ask/form?" + url.Values{"entitlement": {e.ID}}.Encode(), About: "/entitlements?" + url.Values{"id": {e.ID}}.Encode(), Held: held[e.ID]})
			continue
		}
		rows = append(rows, found{Name: l.Bundle.Name, Sub: v.called(l.Bundle.Entitlements), Class: "bundle", Link: "/ask/form?" + url.Values{"bundle": {l.Bundle.ID}}.Encode()})
	}
	return v.page(http.StatusOK, "Ask", "/ask", catalogPage(words, rows, all))
}

// asking is the form as it was typed, with what is wrong with it.
type asking struct {
	Entitlements []string // ids
	Bundle       string
	Extends      string
	For          string
	Term, Other  string // Other is typed where Term is "other"
	Start        string // as a datetime-local field has it; empty: as soon as granted
	Offset       string // minutes from the typed start to UTC
	Reason       string
	Ticket       string
	Reference    string

	Title   string // what is asked for, in words
	Whose   []choice
	Terms   []access.Term
	Longest access.Term
	Wrong   map[string]string // field -> what is wrong with it
	Also    []string          // what is wrong and belongs to no field
	Parts   []part
}

// choice is one identity somebody may ask for.
type choice struct{ ID, Name string }

// part is one entitlement of what is asked for, as the catalog has it.
type part struct {
	Entitlement access.Entitlement
	System      string
}

// askForm is the empty form for something of the catalog, or for more time.
func (p *portal) askForm(v *visit) error {
	q := v.r.URL.Query()
	a := asking{Entitlements: q["entitlement"], Bundle: q.Get("bundle"), Extends: q.Get("extends"), For: v.by.Identity}
	if a.Extends != "" {
		h, _, err := p.Engine.Grant(v.r.Context(), v.by, a.Extends)
		if err != nil {
			return err
		}
		a.Entitlements, a.For = []string{h.Grant.Entitlement}, h.Grant.Identity
	}
	if err := v.fill(&a); err != nil {
		return err
	}
	a.Term = a.Terms[0].String()
	return v.page(http.StatusOK, "Ask", "/ask", askFormPage(a))
}

// fill adds what the form offers.
func (v *visit) fill(a *asking) error {
	ids := slices.Clone(a.Entitlements)
	if a.Bundle != "" {
		b, ok := v.dir.Bundle(a.Bundle)
		if !ok {
			return fmt.Errorf("%w: bundle", access.ErrNotFound)
		}
		ids, a.Title = append(ids, b.Entitlements...), b.Name
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		e, ok := v.dir.Entitlement(id)
		if !ok {
			return fmt.Errorf("%w: entitlement", access.ErrNotFound)
		}
		a.Parts = append(a.Parts, part{e, v.system(e.System)})
		a.Longest = access.Shorter(a.Longest, e.MaxTerm)
	}
	if len(a.Parts) == 0 {
		return fmt.Errorf("%w: nothing is chosen; go back to Ask and choose something", access.ErrInvalid)
	}
	if a.Title == "" {
		a.Title = v.called(ids)
	}
	for _, id := range v.behalf() {
		i, _ := v.dir.Identity(id)
		name := i.Name
		if i.Kind != access.Person {
			name += ", " + string(i.Kind)
		}
		a.Whose = append(a.Whose, choice{id, name})
	}
	a.Terms = offered(a.Longest)
	if a.Offset == "" {
		a.Offset = "0"
	}
	return nil
}

// typed reads the form; what is wrong stays with its field.
func (v *visit) typed() (asking, engine.Ask, error) {
	f := v.r.PostForm
	a := asking{Entitlements: f["entitlement"], Bundle: f.Get("bundle"), Extends: f.Get("extends"), For: f.Get("for"), Term: f.Get("term"), Other: strings.TrimSpace(f.Get("other")),
		Start: f.Get("start"), Offset: f.Get("offset"), Reason: strings.ReplaceAll(f.Get("reason"), "\r\n", "\n"), Ticket: strings.TrimSpace(f.Get("ticket")), Reference: f.Get("reference"), Wrong: map[string]string{}}
	if err := v.fill(&a); err != nil {
		return a, engine.Ask{}, err
	}
	ask := engine.Ask{Entitlements: a.Entitlements, Bundle: a.Bundle, Extends: a.Extends, Beneficiary: a.For, Reason: a.Reason, Ticket: a.Ticket, Reference: a.Reference}
	text := a.Term
	if text == "other" {
		text = a.Other
	}
	var err error
	if ask.Term, err = access.ParseTerm(text); err != nil {
		a.Wrong["term"] = said(err)
	}
	if strings.TrimSpace(a.Reason) == "" {
		a.Wrong["reason"] = "Say in a sentence what the access is for: whoever answers reads it."
	}
	if a.Start != "" {
		at, err := time.Parse("2006-01-02T15:04", a.Start)
		minutes, bad := strconv.Atoi(a.Offset)
		if err != nil || bad != nil || minutes < -14*60 || minutes > 14*60 {
			a.Wrong["start"] = "Write the start as 2026-11-30T08:00, or leave it empty."
		}
		ask.Start = at.Add(time.Duration(minutes) * time.Minute)
	}
	return a, ask, nil
}

// askAgain is the form with what was typed, to be changed.
func (p *portal) askAgain(v *visit) error {
	a, _, err := v.typed()
	if err != nil {
		return err
	}
	a.Wrong = nil
	return v.page(http.StatusOK, "Ask", "/ask", askFormPage(a))
}

// askCheck shows what policy says before anything is sent: by the question that
// sending asks again.
func (p *portal) askCheck(v *visit) error {
	a, ask, err := v.typed()
	if err != nil {
		return err
	}
	if len(a.Wrong) > 0 {
		return v.page(http.StatusUnprocessableEntity, "Ask", "/ask", askFormPage(a))
	}
	list, err := p.Engine.Foresee(v.r.Context(), v.by, ask)
	if errors.Is(err, access.ErrInvalid) {
		a.Also = strings.Split(said(err), ". ")
		return v.page(http.StatusUnprocessableEntity, "Ask", "/ask", askFormPage(a))
	} else if err != nil {
		return err
	}
	// The same check sent twice is one request: a second press of the button asks nothing more.
	a.Reference = "portal " + access.Digest([]any{v.by.Identity, ask, v.now})[7:23]
	return v.page(http.StatusOK, "Check", "/ask", askCheckPage(a, v.outlooks(list, ask), v.name(a.For), ask, v.now))
}

// outlook is one entitlement's answer, in words.
type outlook struct {
	Part      part
	Item      access.Item
	Denied    bool
	Asked     []string // a sentence a stage
	Conflicts []string
	Held      []access.Grant
	Longest   access.Term
}

func (v *visit) outlooks(list []engine.Outlook, ask engine.Ask) (out []outlook) {
	for _, o := range list {
		e := v.entitlement(o.Item.Entitlement)
		one := outlook{Part: part{e, v.system(e.System)}, Item: o.Item, Denied: o.Item.Outcome == access.ItemDenied, Held: o.Held, Longest: access.Shorter(o.Item.Decision.MaxTerm, e.MaxTerm)}
		for _, w := range o.Asked {
			who := few(v.names(w.Approvers), 4, "or")
			if w.Count > 1 {
				who = count(w.Count, "person") + " of " + few(v.names(w.Approvers), 4, "and")
			}
			one.Asked = append(one.Asked, fmt.Sprintf("%s, as %s", who, stage(w.Stage)))
		}
		for _, c := range o.Item.Decision.Clashes {
			one.Conflicts = append(one.Conflicts, v.entitlement(c).Name)
		}
		out = append(out, one)
	}
	return out
}

// askSend asks.
func (p *portal) askSend(v *visit) error {
	a, ask, err := v.typed()
	if err != nil {
		return err
	}
	if len(a.Wrong) > 0 {
		return v.page(http.StatusUnprocessableEntity, "Ask", "/ask", askFormPage(a))
	}
	r, err := p.Engine.Submit(v.r.Context(), v.by, ask)
	if errors.Is(err, access.ErrInvalid) || errors.Is(err, access.ErrDenied) {
		a.Also = []string{said(err)}
		return v.page(http.StatusUnprocessableEntity, "Ask", "/ask", askFormPage(a))
	} else if err != nil {
		return err
	}
	return v.goTo("/requests/" + r.ID)
}
