package web

import (
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
)

// mostFindings is how many findings one page shows.
const mostFindings = 100

// findingView is one finding.
type findingView struct {
	Finding access.Finding
	Kind    string
	Owner   string
	Late    bool
}

// operations is what is not as it should be: to security and auditors all of
// it, to everybody else what is theirs to settle.
func (p *portal) operations(v *visit) error {
	list, err := p.Engine.Findings(v.r.Context(), v.by, false, mostFindings)
	if err != nil {
		return err
	}
	var rows []findingView
	for _, f := range list {
		rows = append(rows, findingView{f, plainly(f.Kind), v.name(f.Owner), v.now.After(f.DueAt)})
	}
	return v.page(http.StatusOK, "Findings", "/findings", operationsPage(rows))
}

// plainly writes a finding's kind as words: late_removal is "late removal".
func plainly(kind string) string {
	b := []byte(kind)
	for i, c := range b {
		if c == '_' {
			b[i] = ' '
		}
	}
	return capital(string(b))
}

// late counts what is past its due date.
func late(rows []findingView) (n int) {
	for _, r := range rows {
		if r.Late {
			n++
		}
	}
	return n
}
