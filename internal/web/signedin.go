package web

import (
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/auth"
)

// signedInView is where somebody is signed in.
type signedInView struct {
	List     []auth.Mine
	Said     string
	Programs bool
}

// signedIn lists one's own browsers.
func (p *portal) signedIn(v *visit) error {
	list, err := p.Sessions.Of(v.r)
	if err != nil {
		return err
	}
	view := signedInView{List: list, Programs: p.Programs}
	switch v.justDone() {
	case "ended":
		view.Said = "That browser is signed out."
	case "others":
		view.Said = "Every other browser is signed out."
	}
	return v.page(http.StatusOK, "Where you are signed in", "/signed-in", signedInPage(view, v.now))
}

// endSignedIn ends one of them, or all others.
func (p *portal) endSignedIn(v *visit) error {
	id := v.r.PostFormValue("end")
	if id == "others" {
		n, err := p.Sessions.EndOthers(v.r)
		if err != nil {
			return err
		}
		p.Log.InfoContext(v.r.Context(), "signed out elsewhere", "by", v.by.Identity, "ended", n)
		return v.done("/signed-in", "others")
	}
	if err := p.Sessions.EndOne(v.r, id); err != nil {
		return err
	}
	p.Log.InfoContext(v.r.Context(), "browser signed out", "by", v.by.Identity)
	return v.done("/signed-in", "ended")
}

// strongly says how strongly somebody is known by a session.
func strongly(m auth.Mine) string {
	if m.Strength == "" {
		return "as signed in"
	}
	return fmt.Sprintf("with %s", m.Strength)
}
