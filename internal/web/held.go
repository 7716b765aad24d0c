package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// heldView is what is held of transmitters that ended too much at once.
type heldView struct {
	List     []engine.HeldSignals
	Says     bool
	Stronger string
	Of       string // the transmitter that something was tried with
	Reason   string
	Wrong    string
	Said     string
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
	view.List, err = v.Engine.SignalsHeld(v.r.Context(), v.by)
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

// meant is whom a signal means, as far as we know.
func (v heldView) meant(h access.Heard) string {
	s := h.Subject
	return orElse(h.Identity, "nobody known: "+cmp.Or(s.Email, s.URI, s.ID, s.Sub))
}
