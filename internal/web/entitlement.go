package web

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// mostHolders is how many grants one page of a register shows.
const mostHolders = 50

// entitlementView is one thing of the catalog.
type entitlementView struct {
	Part      part
	Owners    []string
	Conflicts []string
	Said      access.SaidObject // what its system itself says of it; zero: nothing
	Unsaid    []string          // the powers of those that the catalog leaves out
	Asks      bool              // the reader answers for it and sees who holds it
	Holders   []registered
	More      string
}

// registered is one grant of a register.
type registered struct {
	Hold holding
	Who  string
	ID   string // of the identity
	G    access.Grant
}

// entitlementPage is one thing of the catalog and, to whoever answers for it, who holds it.
func (p *portal) entitlementPage(v *visit) error {
	id := v.r.FormValue("id")
	if err := p.Engine.MayLook(v.by); err != nil {
		return err
	}
	e, ok := v.dir.Entitlement(id)
	if !ok {
		return fmt.Errorf("%w: entitlement", access.ErrNotFound)
	}
	view := entitlementView{Part: part{e, v.system(e.System)}, Owners: v.names(e.Owners), Asks: true}
	for _, c := range e.Conflicts {
		view.Conflicts = append(view.Conflicts, v.entitlement(c).Name)
	}
	var err error
	if view.Said, err = p.Engine.Said(v.r.Context(), v.by, id); err != nil && !errors.Is(err, access.ErrNotFound) {
		return err
	}
	view.Unsaid = e.Unsaid(view.Said.Powers)
	list, err := p.Engine.Register(v.r.Context(), v.by, id, true, v.r.FormValue("before"), mostHolders)
	if errors.Is(err, access.ErrDenied) {
		view.Asks = false
	} else if err != nil {
		return err
	}
	view.Holders, view.More = v.registered(list)
	return v.page(http.StatusOK, e.Name, "", entitlementSheet(view, v.now))
}

// registered puts a page of a register into words; more is where the next one goes on.
func (v *visit) registered(list []engine.Holding) (rows []registered, more string) {
	for _, h := range list {
		rows = append(rows, registered{v.holding(h), v.name(h.Grant.Identity), h.Grant.Identity, h.Grant})
	}
	if len(list) == mostHolders {
		more = list[len(list)-1].Grant.ID
	}
	return rows, more
}
