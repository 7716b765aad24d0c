package web

import (
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
)

// personView is one person, workload or agent, as far as the reader may know.
type personView struct {
	Identity access.Identity
	Facts    []fact
	Owns     []choice // workloads and agents it answers for
	Grants   []registered
	More     string
}

// person is one identity and what it holds, of what the reader may know.
func (p *portal) person(v *visit) error {
	id := v.r.FormValue("id")
	i, ok := v.dir.Identity(id)
	if !ok {
		return fmt.Errorf("%w: identity", access.ErrNotFound)
	}
	list, err := p.Engine.Holdings(v.r.Context(), v.by, id, false, v.r.FormValue("before"), mostHolders)
	if err != nil {
		return err
	}
	view := personView{Identity: i}
	add := func(name, value string) {
		if value != "" {
			view.Facts = append(view.Facts, fact{name, value})
		}
	}
	add("Kind", string(i.Kind))
	if i.External {
		add("External", "sponsored by "+v.name(i.Sponsor))
	}
	add("Department", i.Department)
	if i.Manager != "" {
		add("Managed by", v.name(i.Manager))
	}
	if i.Owner != "" {
		add("Answers for it", v.name(i.Owner))
	}
	if !i.End.IsZero() {
		add("Contract ends", i.End.UTC().Format("2 Jan 2006"))
	}
	if i.Inactive {
		add("State", "inactive: holds and may do nothing")
	}
	for _, o := range v.dir.OwnedBy(id) {
		view.Owns = append(view.Owns, choice{o, v.name(o)})
	}
	view.Grants, view.More = v.registered(list)
	return v.page(http.StatusOK, i.Name, "", personSheet(view, v.now))
}
