package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/report"
)

// mostUrgent is how many findings the page of operations shows: those due first.
const mostUrgent = 10

// operationsView is how the work of the systems stands that the reader answers for.
type operationsView struct {
	report.Operations

	All    bool // of every system
	Rows   []systemRow
	Glass  []useView     // what was taken without approval lately, or is not reviewed
	Brakes []findingView // what holds something back
	Urgent []findingView
	Open   int    // findings
	Tag    string // what this page shows; another tag is another page
}

// systemRow is how one system does.
type systemRow struct {
	report.Underway

	Name   string
	Sick   []findingView // what says that it cannot be read or does not do as asked
	Behind time.Duration // how long work has waited for its lane; zero: it has not
	Late   int           // removals, of those listed
}

// Brakes hold something back until a reading, or somebody, says otherwise.
var brakes = report.Brakes

// behindAfter is how long due work may wait before its lane is called behind.
const behindAfter = time.Minute

// operations is how the work stands: what is late, which systems are sick, what is
// held back, what waits to be told.
func (p *portal) operations(v *visit) error {
	view, err := v.work()
	if err != nil {
		return unknown(err)
	}
	if v.shown(view.Tag) {
		return nil
	}
	return v.page(http.StatusOK, "Operations", "/operations", operationsPage(view, v.now))
}

func (v *visit) work() (view operationsView, err error) {
	all, systems, err := v.Engine.Oversees(v.by)
	if err != nil {
		return view, err
	}
	view.All = all
	// 1. The work itself.
	if view.Operations, err = v.Proof.Work(v.r.Context(), systems, all, v.now); err != nil {
		return view, err
	}
	// 2. What was found, of what the reader may know.
	found, err := v.found(mostFindings)
	if err != nil {
		return view, err
	}
	view.Open = len(found)
	if view.Glass, err = v.loud(); err != nil {
		return view, err
	}
	sick := map[string][]findingView{}
	for _, f := range found {
		switch {
		case slices.Contains(brakes, f.Finding.Kind):
			view.Brakes = append(view.Brakes, f)
		case f.Finding.Kind == "inventory_unread":
			sick[f.Finding.Subject] = append(sick[f.Finding.Subject], f)
		}
	}
	slices.SortStableFunc(found, func(a, b findingView) int { return a.Finding.DueAt.Compare(b.Finding.DueAt) })
	view.Urgent = found[:min(len(found), mostUrgent)]
	// 3. Each system, the sickest first.
	for _, u := range view.Systems {
		row := systemRow{Underway: u, Name: v.system(u.System), Sick: sick[u.System]}
		if u.Due > 0 && v.now.Sub(u.OldestDue) > behindAfter {
			row.Behind = v.now.Sub(u.OldestDue)
		}
		for _, r := range view.Removing {
			if r.Late && r.System == u.System {
				row.Late++
			}
		}
		view.Rows = append(view.Rows, row)
	}
	slices.SortStableFunc(view.Rows, func(a, b systemRow) int {
		return cmp.Or(cmp.Compare(b.trouble(), a.trouble()), cmp.Compare(a.Name, b.Name))
	})
	for i := range view.Removing {
		r := &view.Removing[i]
		r.Entitlement, r.Identity = v.entitlement(r.Entitlement).Name, v.name(r.Identity)
	}
	view.Tag = view.tag()
	return view, nil
}

// tag is what the page shows, without how old each thing is and what waits to be
// told: those change all the time.
func (v operationsView) tag() string {
	var shows []any
	for _, r := range v.Removing {
		shows = append(shows, r.ID, r.Work.Attempts, r.Work.Told, r.Late, r.Leased)
	}
	for _, r := range v.Rows {
		shows = append(shows, r.System, len(r.Sick), r.Behind > 0, r.Removing, r.Late)
	}
	for _, f := range slices.Concat(v.Brakes, v.Urgent) {
		shows = append(shows, f.Finding.ID, f.Late)
	}
	for _, u := range v.Glass {
		shows = append(shows, u.ID, u.Open, u.Overdue)
	}
	return tagOf(append(shows, v.Open)...)
}

// sick tells whether something is wrong with a system.
func (r systemRow) sick() bool { return len(r.Sick) > 0 || r.Behind > 0 || r.Late > 0 }

// trouble is how much is wrong with a system.
func (r systemRow) trouble() (n int) {
	n = 2*len(r.Sick) + r.Late
	if r.Behind > 0 {
		n++
	}
	return n
}

// lates counts the removals that are late, of those listed.
func (v operationsView) lates() (n int) {
	for _, r := range v.Removing {
		if r.Late {
			n++
		}
	}
	return n
}

// sick counts the systems with which something is wrong.
func (v operationsView) sick() (n int) {
	for _, r := range v.Rows {
		if r.sick() {
			n++
		}
	}
	return n
}

// releases says what a brake holds back and who may release it.
func releases(kind string) string {
	if kind == "accounts_made_anew" {
		return "Nothing is done about the accounts that have other ids than before. The system's owner or security releases it, by letting it be with a reason, if they are the same people's."
	}
	return closes(kind)
}

// job says in words what background work of a kind does.
func job(kind string) string {
	switch kind {
	case "sequence":
		return "giving events their place in the log"
	case "expire_requests":
		return "closing what nobody answered"
	case "notice":
		return "telling people"
	case "inventory":
		return "reading whole systems"
	case "sweep":
		return "holding grants against the directory"
	}
	return plainly(kind)
}

// operates tells whether the reader is shown the way to operations; what they may
// see there, the engine says.
func (v *visit) operates() bool {
	_, _, err := v.Engine.Oversees(v.by)
	return err == nil
}
