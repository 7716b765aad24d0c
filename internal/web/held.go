package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// heldView is what is held of transmitters that ended too much at once.
type heldView struct {
	List     []heldOfOne
	Says     bool
	Stronger string
	Of       string // the transmitter that something was tried with
	Reason   string
	Wrong    string
	Said     string
}

// heldOfOne is what is held of one transmitter.
type heldOfOne struct {
	Transmitter string
	Rows        []heldRow
	More        bool
}

// held lists it.
func (p *portal) held(v *visit) error {
	view, err := v.held()
	if err != nil {
		return err
	}
	view.Said = map[string]string{"heed": "Heeded: what was held is done.", "drop": "Dropped: nothing of it was done."}[v.justDone()]
	return v.page(http.StatusOK, "Held signals", "/findings", heldPage(view))
}

func (v *visit) held() (view heldView, err error) {
	view.Says, view.Stronger = v.Engine.SaysWhoLeft(v.r.Context(), v.by)
	list, err := v.Engine.SignalsHeld(v.r.Context(), v.by)
	for _, t := range list {
		one := heldOfOne{Transmitter: t.Transmitter, More: t.More}
		for _, h := range t.Signals {
			one.Rows = append(one.Rows, v.heldRow(h))
		}
		view.List = append(view.List, one)
	}
	return view, unknown(err)
}

// decideHeld heeds or drops what is held of one of them.
func (p *portal) decideHeld(v *visit) error {
	view, err := v.held()
	if err != nil {
		return err
	}
	f := v.r.PostForm
	how := f.Get("how")
	view.Of, view.Reason = f.Get("of"), typed(f, "reason")
	switch how {
	case "heed", "drop":
		_, err = p.Engine.HeedHeld(v.r.Context(), v.by, view.Of, how == "heed", view.Reason)
	default:
		err = fmt.Errorf("%w: what is held is heeded or dropped, not %.20q", access.ErrInvalid, how)
	}
	switch {
	case err == nil:
		return v.done("/signals", how)
	case !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrConflict):
		return err
	}
	view.Wrong = said(err)
	return v.page(http.StatusUnprocessableEntity, "Held signals", "/findings", heldPage(view))
}

// heldRow is one signal in words.
type heldRow struct {
	Who, At string // whom it means, and their page
	Says    string
	Does    string // what is done once it is heeded
	Heard   time.Time
}

func (v *visit) heldRow(h access.Heard) heldRow {
	r := heldRow{Who: v.name(h.Identity), At: "/people?id=" + url.QueryEscape(h.Identity), Says: capital(strings.ReplaceAll(h.Event, "-", " ")), Heard: h.Heard}
	if s := h.Subject; h.Identity == "" {
		r.Who, r.At = "nobody known: "+cmp.Or(s.Email, s.URI, s.ID, s.Sub), ""
	}
	switch h.Event {
	case access.SignalDisabled, access.SignalPurged:
		r.Does = "Heeded, they are suspended, and all they hold ends"
	case access.SignalSessionRevoked:
		r.Does = "Heeded, they are signed out"
	case access.SignalCredentialChange, access.SignalCompromise:
		r.Does = "Heeded, they are signed out, and a credential it can only mean is killed"
	}
	return r
}
