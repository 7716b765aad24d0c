package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// handoverView is one handover in words.
type handoverView struct {
	access.Handover

	About    string
	From     string
	Proposed string
	Offered  string
	Mine     bool // the reader may accept or decline it
	Disposes bool // the reader may offer it, or have it retired
	Retires  bool // it can be retired at all
	Note     string
	To       string
	Wrong    string
	Said     string
}

// mostHandovers is how many one page lists.
const mostHandovers = 100

// handovers lists what leavers answered for and the reader is to decide; all of it, to
// whoever oversees.
func (p *portal) handovers(v *visit) error {
	all := v.r.FormValue("all") != ""
	list, err := p.Engine.Handovers(v.r.Context(), v.by, all, all, v.r.FormValue("before"), mostHandovers)
	if err != nil {
		return unknown(err)
	}
	rows, more := make([]handoverView, len(list)), ""
	for i, h := range list {
		rows[i] = v.handoverRow(h)
	}
	if len(list) == mostHandovers {
		more = list[len(list)-1].ID
	}
	return v.page(http.StatusOK, "To hand over", "/handovers", handoversPage(rows, all, v.audits(), more, v.now))
}

func (v *visit) handoverRow(h access.Handover) handoverView {
	kind, id := h.What()
	who, _ := v.dir.Identity(id)
	about := map[string]string{"identity": "the " + orElse(string(who.Kind), "workload") + " " + v.name(id), "sponsor": "the sponsorship of " + v.name(id), "entitlement": "the entitlement " + v.entitlement(id).Name,
		"system": "the system " + v.system(id), "reports": "the people managed by " + v.name(id), "findings": "the open findings of " + v.name(id)}[kind]
	mine := func(who string) bool { return who != "" && v.dir.PersonOf(who) == v.dir.PersonOf(v.by.Identity) }
	from, _ := v.dir.Identity(h.From)
	security := false
	for _, g := range v.dir.GroupsOf(v.by.Identity) {
		security = security || g == "security"
	}
	return handoverView{Handover: h, About: about, From: v.name(h.From), Proposed: v.name(h.Proposed), Offered: v.name(h.Offered), Mine: h.State == access.HandoverOffered && mine(h.Offered),
		Disposes: h.Undecided() && (security || mine(h.Proposed) || mine(from.Manager)), Retires: kind == "identity" || kind == "sponsor"}
}

// handover is one, and what the reader may decide.
func (p *portal) handover(v *visit) error {
	h, err := p.Engine.ShowHandover(v.r.Context(), v.by, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	view := v.handoverRow(h)
	view.Said = map[string]string{"accept": "You answer for it from now on.", "decline": "Declined. Security looks for somebody else.",
		"retire": "Retired. What it held counts as gone once it was seen gone.", "offer": "Offered. They accept it or decline it."}[v.justDone()]
	return v.page(http.StatusOK, "To hand over", "/handovers", handoverPage(view))
}

// decideHandover does what the reader chose.
func (p *portal) decideHandover(v *visit) error {
	h, err := p.Engine.ShowHandover(v.r.Context(), v.by, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	f := v.r.PostForm
	how, note, to := f.Get("how"), strings.ReplaceAll(strings.TrimSpace(f.Get("note")), "\r\n", "\n"), strings.TrimSpace(f.Get("to"))
	switch how {
	case "accept":
		_, err = p.Engine.AcceptHandover(v.r.Context(), v.by, h.ID, note)
	case "decline":
		_, err = p.Engine.DeclineHandover(v.r.Context(), v.by, h.ID, note)
	case "retire":
		_, err = p.Engine.RetireHandover(v.r.Context(), v.by, h.ID, note)
	case "offer":
		_, err = p.Engine.OfferHandover(v.r.Context(), v.by, h.ID, to, note)
	default:
		err = fmt.Errorf("%w: a handover is accepted, declined, offered or retired, not %.20q", access.ErrInvalid, how)
	}
	if err == nil {
		return v.done("/handovers/"+h.ID, how)
	}
	if !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrConflict) {
		return err
	}
	view := v.handoverRow(h)
	view.Wrong, view.Note, view.To = said(err), note, to
	return v.page(http.StatusUnprocessableEntity, "To hand over", "/handovers", handoverPage(view))
}
