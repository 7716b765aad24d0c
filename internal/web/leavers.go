package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// leaverView is what somebody's leaving comes to, and what the reader may say of it.
type leaverView struct {
	Who      string // as typed
	Missing  string // why there is nobody to show
	Leaving  *engine.Leaving
	Name     string // of whom it is
	By       string // who said that they have left
	Ends     []leavingRow
	Unseen   []leavingRow
	Rows     []handoverView
	Says     bool   // the reader may say that they have left, or are back
	Stronger string // how strongly the reader has to sign in for that; empty: as they are
	Reason   string
	Wrong    string
	Said     string
}

// leavingRow is one thing that ends, or is not seen gone yet.
type leavingRow struct{ Link, Name, Of, Trouble string }

// leaving shows what somebody's leaving would end, or what of it is not seen gone yet.
func (p *portal) leaving(v *visit) error {
	who := typed(v.r.URL.Query(), "who")
	if who == "" {
		who = v.r.URL.Query().Get("id") // by which what was just done is said
	}
	view, err := v.leaver(who)
	if err != nil {
		return err
	}
	view.Said = map[string]string{"left": "It is said. Everything of theirs ends now, and counts as gone once it was seen gone.",
		"back": "The word is taken back. Nothing that has ended comes back with them."}[v.justDone()]
	return v.page(http.StatusOK, "Leaving", "/handovers", leaversPage(view))
}

func (v *visit) leaver(who string) (view leaverView, err error) {
	view.Who = who
	view.Says, view.Stronger = v.Engine.SaysWhoLeft(v.r.Context(), v.by)
	if who == "" {
		if !v.audits() && !view.Says {
			return view, access.ErrNotFound
		}
		return view, nil
	}
	found, err := v.Engine.Leaving(v.r.Context(), v.by, v.personCalled(who))
	switch {
	case errors.Is(err, access.ErrNotFound):
		view.Missing = "There is no such person, or several are called so. Type their id, as the directory has it."
		return view, nil
	case err != nil:
		return view, unknown(err)
	}
	view.Leaving, view.Name, view.By = &found, v.name(found.Person), v.name(found.By)
	for _, h := range found.Grants {
		view.Ends = append(view.Ends, leavingRow{"/grants/" + h.Grant.ID, v.entitlement(h.Grant.Entitlement).Name, v.name(h.Grant.Identity), ""})
	}
	for _, u := range found.Waiting {
		view.Unseen = append(view.Unseen, leavingRow{"", v.entitlement(u.Assignment.Entitlement).Name, u.Assignment.Account, u.Trouble})
	}
	for _, h := range found.Decisions {
		view.Rows = append(view.Rows, v.handoverRow(h))
	}
	return view, nil
}

// personCalled is the id of the one person of that name; else what was typed.
func (v *visit) personCalled(who string) string {
	if _, ok := v.dir.Identity(who); ok {
		return who
	}
	found := ""
	for _, id := range v.dir.Identities() {
		i, _ := v.dir.Identity(id)
		if i.Kind != access.Person || !strings.EqualFold(i.Name, who) {
			continue
		}
		if found != "" {
			return who
		}
		found = id
	}
	return orElse(found, who)
}

// sayLeft says that somebody has left, or takes that word back, once the reader has seen
// what it comes to.
func (p *portal) sayLeft(v *visit) error {
	f := v.r.PostForm
	view, err := v.leaver(typed(f, "who"))
	if err != nil {
		return err
	}
	if view.Leaving == nil {
		return v.page(http.StatusUnprocessableEntity, "Leaving", "/handovers", leaversPage(view))
	}
	how, person := f.Get("how"), view.Leaving.Person
	view.Reason = typed(f, "reason")
	switch how {
	case "left":
		_, err = p.Engine.Leave(v.r.Context(), v.by, person, view.Reason)
	case "back":
		err = p.Engine.Rejoin(v.r.Context(), v.by, person, view.Reason)
	default:
		err = fmt.Errorf("%w: somebody has left or is back, not %.20q", access.ErrInvalid, how)
	}
	switch {
	case err == nil:
		return v.doneAt("/leavers", person, how)
	case !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrConflict):
		return err
	}
	view.Wrong = said(err)
	return v.page(http.StatusUnprocessableEntity, "Leaving", "/handovers", leaversPage(view))
}
