package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// personView is one person, workload or agent, as far as the reader may know.
type personView struct {
	Identity access.Identity
	Facts    []fact
	Owns     []choice // workloads and agents it answers for
	Grants   []registered
	More     string
	Uses     []useView // what they took without approval
	Stands   string    // why it holds and may do nothing; empty: it is active
	Leaving  bool      // what their leaving comes to is the reader's to see
}

// person is one identity and what it holds, of what the reader may know. Whoever
// may know of a grant of theirs and is not close to them sees the name and that;
// to everybody else there is nothing.
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
	view.Grants, view.More = v.registered(list)
	uses, err := v.uses()
	if err != nil {
		return err
	}
	for _, u := range uses {
		if v.dir.PersonOf(u.Person) == v.dir.PersonOf(id) {
			view.Uses = append(view.Uses, u)
		}
	}
	if !v.closeTo(i) {
		if len(list) == 0 { // nothing that the reader may know of leads here
			return fmt.Errorf("%w: identity", access.ErrNotFound)
		}
		return v.page(http.StatusOK, i.Name, "", personSheet(view, v.now))
	}
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
	view.Stands = inactive(i, v.now)
	says, _ := v.Engine.SaysWhoLeft(v.r.Context(), v.by)
	view.Leaving = i.Kind == access.Person && (says || v.audits())
	for _, o := range v.dir.OwnedBy(id) {
		view.Owns = append(view.Owns, choice{o, v.name(o)})
	}
	return v.page(http.StatusOK, i.Name, "", personSheet(view, v.now))
}

// inactive says why an identity holds and may do nothing, or nothing.
func inactive(i access.Identity, now time.Time) string {
	switch {
	case i.Inactive:
		return "Not active: the directory, a feed or somebody says that they have gone. They hold and may do nothing."
	case i.Suspended:
		return "Suspended: a signal says that an account of theirs is disabled. They hold and may do nothing until that is taken back."
	case now.Before(i.Start):
		return "Not active yet: they begin on " + i.Start.UTC().Format("2 Jan 2006") + "."
	case !i.ActiveAt(now):
		return "Not active any more: their end has come. They hold and may do nothing."
	}
	return ""
}

// closeTo tells whether somebody's own facts are the reader's to know: of
// themselves, of whom they manage, sponsor or answer for, and of everybody where
// they are in security or an auditor.
func (v *visit) closeTo(i access.Identity) bool {
	me := v.dir.PersonOf(v.by.Identity)
	return v.audits() || slices.ContainsFunc([]string{i.ID, i.Manager, i.Sponsor, i.Owner}, func(id string) bool { return id != "" && v.dir.PersonOf(id) == me })
}
