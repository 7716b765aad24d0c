package web

import (
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
)

// systemView is one connected target.
type systemView struct {
	System access.System
	Owner  string
	Rows   []part
	All    int
}

// mostOfSystem is how many of its entitlements one page shows.
const mostOfSystem = 100

// system is one connected target and what it can let people hold.
func (p *portal) systemPage(v *visit) error {
	if err := p.Engine.MayLook(v.by); err != nil {
		return err
	}
	s, ok := v.dir.System(v.r.FormValue("id"))
	if !ok {
		return fmt.Errorf("%w: system", access.ErrNotFound)
	}
	view := systemView{System: s, Owner: v.name(s.Owner)}
	for _, l := range p.bookOf(v.dir).lines {
		if l.Entitlement.System != s.ID {
			continue
		}
		if view.All++; len(view.Rows) < mostOfSystem {
			view.Rows = append(view.Rows, part{l.Entitlement, s.Name})
		}
	}
	return v.page(http.StatusOK, s.Name, "", systemSheet(view))
}
