package web

import (
	"encoding/csv"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// registerAll is the auditor's list: who held what, when, and what was seen of it.
func (p *portal) registerAll(v *visit) error {
	open := v.r.FormValue("all") == ""
	list, err := p.Engine.Register(v.r.Context(), v.by, "", open, v.r.FormValue("before"), mostHolders)
	if err != nil {
		return unknown(err)
	}
	rows, more := v.registered(list)
	return v.page(http.StatusOK, "Register", "/register", registerPage(rows, more, open, v.now))
}

// audits tells whether the reader is shown the way to the register; whether they
// may see it, the engine says.
func (v *visit) audits() bool {
	groups := v.dir.GroupsOf(v.by.Identity)
	return slices.Contains(groups, "security") || slices.Contains(groups, "auditors")
}

// exportPage is how many grants are read at a time for a file.
const exportPage = 500

// registerFile writes the whole register as CSV, page by page, newest first.
func (p *portal) registerFile(v *visit) error {
	list, err := p.Engine.Register(v.r.Context(), v.by, "", false, "", exportPage)
	if err != nil {
		return unknown(err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="register.csv"`)
	w := csv.NewWriter(v.w)
	cell := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	// If whoever asked has gone, writing fails and the next page's reading ends it.
	_ = w.Write([]string{"grant", "request", "identity", "entitlement", "system", "account", "state", "start", "end", "ended", "ended_because", "first_seen", "assignment", "last_looked", "owner"})
	for len(list) > 0 {
		for _, g := range list {
			_ = w.Write(inert([]string{g.Grant.ID, g.Grant.Request, g.Grant.Identity, g.Grant.Entitlement, g.Assignment.System, g.Assignment.Account, string(g.Grant.State), cell(g.Grant.Start), cell(g.Grant.End),
				cell(g.Grant.EndedAt), string(g.Grant.Ended), cell(g.Grant.Seen), string(g.Assignment.State), cell(g.Assignment.SeenAt), g.Grant.Owner}))
		}
		w.Flush()
		if len(list) < exportPage {
			return nil
		}
		if list, err = p.Engine.Register(v.r.Context(), v.by, "", false, list[len(list)-1].Grant.ID, exportPage); err != nil {
			v.Log.ErrorContext(v.r.Context(), "register", "error", err.Error())
			panic(http.ErrAbortHandler) // a file that is cut off must not look whole
		}
	}
	w.Flush()
	return nil
}

// unknown has a page that is not the reader's look like one that is not there.
func unknown(err error) error {
	if errors.Is(err, access.ErrDenied) {
		return access.ErrNotFound
	}
	return err
}

// inert keeps a spreadsheet from taking a name for a formula.
func inert(cells []string) []string {
	for i, c := range cells {
		if strings.IndexAny(c, "=+-@\t\r") == 0 {
			cells[i] = "'" + c
		}
	}
	return cells
}
