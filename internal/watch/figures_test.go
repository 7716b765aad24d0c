package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// now is when these tests look.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// state is a company with something of everything.
func state() State {
	return State{
		Feel: func(context.Context) (report.Pulse, error) {
			return report.Pulse{
				Systems: []report.Beat{{Underway: store.Underway{System: "dir", Removing: 2, Due: 3, OldestDue: now.Add(-time.Second), Leased: 1, LastLook: now.Add(-time.Minute)}, Overdue: 2, OverdueAt: now.Add(-time.Minute), Read: now.Add(-time.Hour)},
					{Underway: store.Underway{System: "git"}, Braked: true}},
				Findings: []store.OpenKind{{Kind: "late_removal", Open: 2, Overdue: 1}, {Kind: "ann@example.org", Open: 1}},
				Waiting:  4, WaitingAt: now.Add(-2 * time.Second), Head: store.Checkpoint{Size: 9, At: now.Add(-3 * time.Second)},
				Requests: 5, Unheeded: 1, Asked: now.Add(-time.Hour), Sessions: 6, Queue: []store.Queued{{Kind: "notice", Waiting: 1, Running: 2, Retrying: 3, Given: 4}},
				Ready: map[string]time.Time{"notice": now.Add(-time.Minute)}, Feeds: map[string]time.Time{"hr": now.Add(-24 * time.Hour)},
			}, nil
		},
		Lanes: func() map[string]reconcile.Pulse {
			return map[string]reconcile.Pulse{"dir": {Came: now.Add(-time.Second), Sick: now.Add(-time.Minute)}, "git": {Came: now}}
		},
		Ready:    func(context.Context) map[string]bool { return map[string]bool{"database": true, "lanes": false} },
		Degraded: func() []string { return []string{"notify"} },
		Halts:    func() []string { return []string{"clock"} },
		Free:     func() (uint64, bool) { return 1 << 30, true },
		Spans:    func() (sent, dropped uint64) { return 7, 8 },
		Replicas: func() (alike, other int) { return 3, 1 },
		Seen: func(context.Context) (Followed, error) {
			return Followed{Behind: map[string]int64{"near": 0, "far": 12}, Late: 90 * time.Second}, nil
		},
		Now: func() time.Time { return now },
	}
}

// busy has seen something of everything.
func busy(t testing.TB) *Figures {
	t.Helper()
	f := New("v1.2.3")
	verb := engine.Did{Verb: "submit", From: now, To: now.Add(3 * time.Millisecond), Happened: []engine.Happened{
		{Kind: "request.submitted", Request: "rq-1"}, {Kind: "request.decided", Request: "rq-1"}, {Kind: "request.pending", To: "pending", Request: "rq-1"},
		{Kind: "vote.cast", To: "approve", Request: "rq-1"}, {Kind: "vote.refused", Request: "rq-1"}, {Kind: "request.approved", To: "approved", Request: "rq-1"}},
		Gone: []engine.Gone{{System: "dir", Lag: 300 * time.Millisecond}}}
	f.Verb(verb)
	f.Verb(engine.Did{Verb: "vote", Err: fmt.Errorf("vote: %w: ann may not", access.ErrDenied)})
	f.Turn(reconcile.Turn{System: "dir", Tasks: make([]engine.Task, 3), Refused: 1, Steps: []reconcile.Step{{Name: "look", From: now, To: now.Add(time.Second)}},
		Outcomes: []engine.Outcome{{Looked: true}, {Sent: true, Unanswered: true}, {Trouble: "look: no"}}})
	f.Transaction("write")(3, nil)
	f.Transaction("read")(1, errors.New("no"))
	f.Job("notice", time.Second, nil)
	f.Job("notice", time.Second, errors.New("no"))
	return f
}

// scraped is what a handler answers to whoever shows a token.
func scraped(t testing.TB, h http.Handler, token string) (status int, text string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestFigures(t *testing.T) {
	t.Parallel()
	h, err := busy(t).Handler(state(), nil)
	if err != nil {
		t.Fatal(err)
	}
	status, text := scraped(t, h, "")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	for _, want := range []string{
		`lessor_build_info{go="go`, `version="v1.2.3"} 1`,
		`lessor_verbs_total{outcome="denied",verb="vote"} 1`, `lessor_verb_seconds_bucket{verb="submit",le="0.005"} 1`,
		`lessor_decisions_total{outcome="pending"} 1`, `lessor_votes_total{verdict="approve"} 1`, `lessor_votes_total{verdict="refused"} 1`,
		`lessor_events_total{kind="request.approved"} 1`, `lessor_revocation_lag_seconds_bucket{system="dir",le="0.25"} 0`, `lessor_revocation_lag_seconds_bucket{system="dir",le="0.5"} 1`,
		`lessor_lane_outcomes_total{outcome="unanswered",system="dir"} 1`, `lessor_lane_outcomes_total{outcome="too_late",system="dir"} 1`, `lessor_lane_step_seconds_count{step="look",system="dir"} 1`,
		`lessor_database_retries_total 2`, `lessor_database_failures_total{kind="read"} 1`, `lessor_jobs_total{kind="notice",outcome="failed"} 1`,
		`lessor_removals_overdue{system="dir"} 2`, `lessor_removals_overdue_oldest_seconds{system="dir"} 60`, `lessor_removals_overdue{system="git"} 0`,
		`lessor_lane_state{state="sick",system="dir"} 1`, `lessor_lane_state{state="healthy",system="dir"} 0`, `lessor_lane_state{state="braked",system="git"} 1`,
		`lessor_log_waiting_oldest_seconds 2`, `lessor_checkpoint_age_seconds 3`, `lessor_findings_overdue{kind="late_removal"} 1`, `lessor_feed_age_seconds{feed="hr"} 86400`,
		`lessor_jobs{kind="notice",state="given_up"} 4`, `lessor_jobs_oldest_seconds{kind="notice"} 60`, `lessor_ready{check="lanes"} 0`, `lessor_degraded{what="notify"} 1`, `lessor_halted{why="clock"} 1`, `lessor_replicas{files="other"} 1`, `lessor_witness_behind_events{witness="far"} 12`, `lessor_witness_quorum_behind_seconds 90`,
		`lessor_trace_spans_dropped_total 8`, `lessor_database_readable 1`, `lessor_sessions 6`, `process_start_time_seconds`, `go_goroutines`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not there: %s", want)
		}
	}
	if strings.Contains(text, "ann") && strings.Contains(text, "example.org") {
		t.Error("a person is in a label")
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		check.Stdin = strings.NewReader(text)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("promtool: %v\n%s", err, out)
		}
	} else {
		testserver.Missing(t, "promtool")
	}
}

// A database that does not answer leaves what this replica knows by itself.
func TestFiguresWithoutADatabase(t *testing.T) {
	t.Parallel()
	s := state()
	asked := 0
	s.Feel = func(context.Context) (report.Pulse, error) { asked++; return report.Pulse{}, errors.New("no") }
	h, err := busy(t).Handler(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		status, text := scraped(t, h, "")
		if status != http.StatusOK || !strings.Contains(text, "lessor_database_readable 0\n") || !strings.Contains(text, `lessor_lane_state{state="sick",system="dir"} 1`) || strings.Contains(text, "lessor_removals_overdue{") {
			t.Fatalf("%d %s", status, text)
		}
	}
	if asked != 1 {
		t.Errorf("the database was asked %d times at once", asked)
	}
}

// Whoever does not show the token learns nothing.
func TestFiguresBehindAToken(t *testing.T) {
	t.Parallel()
	token, trouble := "right", error(nil)
	h, err := busy(t).Handler(state(), func() (string, error) { return token, trouble })
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{"", "wrong", "righ", "right "} {
		if status, text := scraped(t, h, shown); status != http.StatusUnauthorized || strings.Contains(text, "lessor_") {
			t.Errorf("%q: %d %s", shown, status, text)
		}
	}
	if status, _ := scraped(t, h, "right"); status != http.StatusOK {
		t.Errorf("the token: %d", status)
	}
	if token = ""; true {
		if status, _ := scraped(t, h, ""); status != http.StatusUnauthorized {
			t.Errorf("an empty token: %d", status)
		}
	}
	if token, trouble = "right", io.ErrUnexpectedEOF; true {
		if status, _ := scraped(t, h, "right"); status != http.StatusUnauthorized {
			t.Errorf("a token that cannot be read: %d", status)
		}
	}
}
