package report_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// Every line of a request's story is found and verified, from asking to seen gone.
func TestTrailOfAWholeLife(t *testing.T) {
	t.Parallel()
	p := live(t)
	trail, err := report.Follow(t.Context(), p.DB, p.Signer.VerifierKey(), p.ended.Request)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, l := range trail.Lines {
		kinds = append(kinds, l.Kind)
	}
	want := []string{"request.submitted", "request.decided", "request.pending", "vote.cast", "request.voted", "vote.cast", "assignment.absent", "grant.scheduled",
		"request.approved", "grant.live", "assignment.adding", "grant.seen", "assignment.seen", "assignment.held", "grant.ended", "assignment.removing", "assignment.seen", "assignment.absent"}
	if !slices.Equal(kinds, want) {
		t.Errorf("the lines: %v", kinds)
	}
	if holds, waiting := trail.Verified(); holds != len(trail.Lines) || waiting != 0 || trail.Fault != "" {
		t.Errorf("%d of %d lines hold, %d wait: %s", holds, len(trail.Lines), waiting, trail.Fault)
	}
	// Two reasons for one assignment: the other's grant is another request's story.
	trail, err = report.Follow(t.Context(), p.DB, p.Signer.VerifierKey(), p.first.Request)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range trail.Lines {
		if l.Grant != "" && l.Grant != p.first.ID {
			t.Errorf("a line of grant %s in the story of %s", l.Grant, p.first.ID)
		}
	}
}

// What was edited, cut or signed by somebody else does not verify, and the rest does.
func TestTrailThatDoesNotHold(t *testing.T) {
	t.Parallel()
	p := live(t)
	err := p.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.ExecContext(t.Context(), `update event set body = replace(body, 'as agreed', 'as I like') where request = $1`, p.ended.Request)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	trail, err := report.Follow(t.Context(), p.DB, p.Signer.VerifierKey(), p.ended.Request)
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, l := range trail.Lines {
		if !l.Verified() {
			bad = append(bad, l.Kind+" "+l.Fault)
		}
	}
	if len(bad) != 1 || !strings.HasPrefix(bad[0], "vote.cast ") {
		t.Errorf("what does not hold: %q", bad)
	}
	trail, err = report.Follow(t.Context(), p.DB, signer(t, "somebody else").VerifierKey(), p.ended.Request)
	if err != nil || trail.Fault == "" {
		t.Fatalf("another key: %q, %v", trail.Fault, err)
	}
	if holds, _ := trail.Verified(); holds != 0 {
		t.Errorf("%d lines hold under another key", holds)
	}
}
