package web

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// leaverView is what somebody's leaving comes to, and what the reader may say of it.
type leaverView struct {
	Who      string // as typed
	Missing  string // why there is nobody to show
	Leaving  *engine.Leaving
	Rows     []handoverView
	Says     bool   // the reader may say that they have left, or are back
	Stronger string // how strongly the reader has to sign in for that; empty: as they are
	Reason   string
	Wrong    string
	Said     string
}

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
	found, err := v.Engine.Leaving(v.r.Context(), v.by, who)
	switch {
	case errors.Is(err, access.ErrNotFound):
		view.Missing = "There is no such person. Type their id, as the directory has it."
		return view, nil
	case err != nil:
		return view, unknown(err)
	}
	view.Leaving = &found
	for _, h := range found.Decisions {
		view.Rows = append(view.Rows, v.handoverRow(h))
	}
	return view, nil
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
