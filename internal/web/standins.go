package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// standInsView is who answers for the reader, and for whom the reader does.
type standInsView struct {
	Deputy      string
	Longest     access.Term
	Delegations []delegationRow
	Absences    []absenceRow
	Said        string

	Wrong, WrongAway             string // what was refused
	To, Scope, Term, Reason      string // of the delegation, as typed
	Person, AwayTerm, AwayReason string // of the absence, as typed
}

// delegationRow is one delegation in words.
type delegationRow struct {
	access.Delegation

	From, To, Scope, Stands string
	Open                    bool // not over yet
}

// absenceRow is one absence in words.
type absenceRow struct {
	access.Absence

	Person, Stands string
	Open           bool
	Ends           bool // the reader may say that it is over
}

// standIns lists them.
func (p *portal) standIns(v *visit) error {
	view, err := v.standing()
	if err != nil {
		return err
	}
	view.Said = map[string]string{"delegated": "They may answer in your place, until it ends.", "ended": "That delegation has ended. Votes that rest on it and led to no grant yet count no longer.",
		"away": "Noted. What waits for you may be answered by your deputy; your own vote you keep.", "back": "Noted that the absence is over."}[v.justDone()]
	return v.page(http.StatusOK, "My stand-ins", "/stand-ins", standInsPage(view))
}

func (v *visit) standing() (view standInsView, err error) {
	c, err := v.Engine.Cover(v.r.Context(), v.by, false)
	if err != nil {
		return view, err
	}
	view.Longest = c.Longest
	if c.Deputy != "" {
		view.Deputy = v.name(c.Deputy)
	}
	stands := func(start, end, ended time.Time) (string, bool) {
		switch {
		case !ended.IsZero() && ended.Before(end):
			return "ended early", false
		case !v.now.Before(end):
			return "over", false
		case v.now.Before(start):
			return "to come", true
		}
		return "in force", true
	}
	for _, d := range c.Delegations {
		row := delegationRow{Delegation: d, From: v.name(d.From), To: v.name(d.To), Scope: "everything"}
		switch {
		case d.Entitlement != "":
			row.Scope = v.entitlement(d.Entitlement).Name
		case d.System != "":
			row.Scope = "what is at " + v.system(d.System)
		}
		row.Stands, row.Open = stands(d.Start, d.End, d.EndedAt)
		view.Delegations = append(view.Delegations, row)
	}
	me := v.dir.PersonOf(v.by.Identity)
	for _, a := range c.Absences {
		person, _ := v.dir.Identity(v.dir.PersonOf(a.Person))
		row := absenceRow{Absence: a, Person: v.name(a.Person)}
		row.Stands, row.Open = stands(a.From, a.Until, a.EndedAt)
		row.Ends = row.Open && (v.dir.PersonOf(a.Person) == me || v.dir.PersonOf(person.Manager) == me)
		view.Absences = append(view.Absences, row)
	}
	return view, nil
}

// standInsDo does what the reader chose on that page.
func (p *portal) standInsDo(v *visit) error {
	f := v.r.PostForm
	word := func(key string) string { return strings.ReplaceAll(strings.TrimSpace(f.Get(key)), "\r\n", "\n") }
	var err error
	how := f.Get("how")
	what, id, _ := strings.Cut(how, " ")
	switch what {
	case "delegate":
		a := engine.Delegating{To: word("to"), Reason: word("reason")}
		if _, ok := v.dir.System(word("scope")); ok {
			a.System = word("scope")
		} else {
			a.Entitlement = word("scope")
		}
		if a.End, err = v.after(word("term")); err == nil {
			_, err = p.Engine.Delegate(v.r.Context(), v.by, a)
		}
		what = "delegated"
	case "end":
		err, what = p.Engine.EndDelegation(v.r.Context(), v.by, id, ""), "ended"
	case "away":
		a := engine.BeingAway{Person: word("person"), Reason: word("away-reason")}
		if a.Until, err = v.after(word("away-term")); err == nil {
			_, err = p.Engine.Away(v.r.Context(), v.by, a)
		}
	case "back":
		err = p.Engine.Back(v.r.Context(), v.by, id, "")
	default:
		err = fmt.Errorf("%w: nothing was chosen", access.ErrInvalid)
	}
	if err == nil {
		return v.done("/stand-ins", what)
	}
	if !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrConflict) && !errors.Is(err, access.ErrGone) {
		return err
	}
	wrong := said(err)
	view, err := v.standing()
	if err != nil {
		return err
	}
	if what == "away" || what == "back" {
		view.WrongAway = wrong
	} else {
		view.Wrong = wrong
	}
	view.To, view.Scope, view.Term, view.Reason = word("to"), word("scope"), word("term"), word("reason")
	view.Person, view.AwayTerm, view.AwayReason = word("person"), word("away-term"), word("away-reason")
	return v.page(http.StatusUnprocessableEntity, "My stand-ins", "/stand-ins", standInsPage(view))
}

// after is so long from now.
func (v *visit) after(term string) (time.Time, error) {
	t, err := access.ParseTerm(term)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: how long: write a time such as 8h or 14d, not %.40q", access.ErrInvalid, term)
	}
	return v.now.Add(t.D()), nil
}
