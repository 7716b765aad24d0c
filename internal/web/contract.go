package web

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
)

// contractForm is a workload's contract as its owner may have it changed; to anybody else there is no such form.
func (p *portal) contractForm(v *visit) error {
	w, err := v.Engine.Workload(v.r.Context(), v.by, v.r.FormValue("id"))
	if err != nil {
		return err
	}
	if !w.Changes {
		return fmt.Errorf("%w: a contract that the reader may change", access.ErrNotFound)
	}
	c := access.Contract{}
	if w.Identity.Contract != nil {
		c = *w.Identity.Contract
	}
	form := registering{Values: contractOn(c), Systems: v.dir.Systems()}
	form.Set("id", w.Identity.ID)
	return v.page(http.StatusOK, "Its contract", "/workloads", contractPage(form))
}

// changeContract puts what is on the form in the place of the contract, or says what is
// wrong with it.
func (p *portal) changeContract(v *visit) error {
	f := v.r.PostForm
	c, err := contractIn(f)
	if err == nil {
		if err = p.Engine.ChangeContract(v.r.Context(), v.by, f.Get("id"), c, typed(f, "reason")); err == nil {
			return v.doneAt("/workload", f.Get("id"), "contract")
		}
	}
	if !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrConflict) {
		return err
	}
	return v.page(http.StatusUnprocessableEntity, "Its contract", "/workloads", contractPage(registering{Values: f, Systems: v.dir.Systems(), Wrong: said(err)}))
}
