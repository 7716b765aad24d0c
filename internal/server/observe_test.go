package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/setup"
)

// observed is a server on a first configuration with these lines in lessor.yaml.
func observed(t *testing.T, settings string, options ...Option) (s *Server, err error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "first")
	if err := setup.First(dir, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "lessor.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(text), "127.0.0.1:7317", "127.0.0.1:0", 1)+"\n"+settings+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = New(t.Context(), dir, slog.New(slog.DiscardHandler), options...); err == nil {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, err
}

// Figures are on a listener of their own, and not on the door that people and
// programs use; whoever cannot reach the loopback asks there whether it is ready.
func TestMetricsOnTheirOwn(t *testing.T) {
	t.Parallel()
	s, err := observed(t, `metrics: {listen: "127.0.0.1:0"}`)
	if err != nil {
		t.Fatal(err)
	}
	at, err := s.listenMetrics()
	if err != nil {
		t.Fatal(err)
	}
	defer s.serveMetrics(at)()
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + at.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if err := s.engine.Find(t.Context(), "inventory_unread", "ldap", "security", "why", 0); err != nil {
		t.Fatal(err)
	}
	status, text := get("/metrics")
	for _, want := range []string{`lessor_verbs_total{outcome="done",verb="find"} 1`, `lessor_findings_open{kind="inventory_unread"} 1`, `lessor_ready{check="database"} 1`,
		`lessor_lane_state{state="healthy",system="ldap"} 1`, `lessor_halted{why="recovery"} 0`, `lessor_database_seconds_count{kind="write"}`, `lessor_log_waiting_events 1`} {
		if status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%d, not there: %s", status, want)
		}
	}
	if status, text := get("/healthz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("healthz: %d %q", status, text)
	}
	if status, _ := get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readyz of a server that does not run: %d", status)
	}
	if status, _ := get("/api/v1/status"); status != http.StatusNotFound {
		t.Errorf("another door's path: %d", status)
	}
	if status, text := asked(s, "/metrics"); strings.Contains(text, "lessor_") {
		t.Errorf("on the door of everybody: %d %s", status, text)
	}
}

func TestMetricsWithAToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "scrape")
	if err := os.WriteFile(file, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := observed(t, `metrics: {token_ref: "file:`+file+`"}`)
	if err != nil {
		t.Fatal(err)
	}
	if status, text := asked(s, "/metrics"); status != http.StatusUnauthorized || strings.Contains(text, "lessor_") {
		t.Errorf("without it: %d %s", status, text)
	}
	if l, err := s.listenMetrics(); l != nil || err != nil {
		t.Errorf("a listener: %v, %v", l, err)
	}
}

// Nobody reads figures that the files do not give away, and a port that is taken
// keeps the server from starting.
func TestMetricsRefused(t *testing.T) {
	t.Parallel()
	s, err := observed(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if status, text := asked(s, "/metrics"); strings.Contains(text, "lessor_") {
		t.Errorf("by default: %d %s", status, text)
	}
	if _, err := observed(t, "", MetricsAt("127.0.0.1:0")); err == nil || !strings.Contains(err.Error(), "write metrics with listen") {
		t.Errorf("a flag alone: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s, err = observed(t, `metrics: {listen: "127.0.0.1:1"}`, MetricsAt(taken.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.WithoutCancel(t.Context()), l); err == nil || !strings.Contains(err.Error(), "something listens on") {
		t.Errorf("a port that is taken: %v", err)
	}
	s.beside = "0.0.0.0:0"
	if l, err := s.listenMetrics(); l != nil || err == nil || !strings.Contains(err.Error(), access.ErrInvalid.Error()) {
		t.Errorf("everywhere, without a token: %v", err)
	}
}
