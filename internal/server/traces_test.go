package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/testserver"
	"github.com/lessor-iam/lessor/internal/trace/otlp/otlptest"
)

// A request that a program asks for under a trace of its own is in that trace at the
// collector, whose token is shown.
func TestTracesUnderAServer(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t)
	token := filepath.Join(t.TempDir(), "collect")
	if err := os.WriteFile(token, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	take := collector.Config.Handler
	shown := make(chan string, 100)
	collector.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case shown <- r.Header.Get("Authorization"):
		default:
		}
		take.ServeHTTP(w, r)
	})
	s, err := observed(t, `traces: {endpoint: "`+collector.URL+`", token_ref: "file:`+token+`"}`)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	const caller = "4bf92f3577b34da6a3ce929d0e0e4736"
	names, err := os.ReadDir(filepath.Join(s.dir, "tokens"))
	if err != nil {
		t.Fatal(err)
	}
	asked := false
	for _, n := range names {
		mine, err := os.ReadFile(filepath.Join(s.dir, "tokens", n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/api/v1/requests", strings.NewReader(`{"entitlements":["`+s.world.Load().Directory.Entitlements()[0]+`"],"reason":"to do my work","term":"1h"}`))
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(mine)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("traceparent", "00-"+caller+"-00f067aa0ba902b7-01")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		asked = asked || w.Code/100 == 2
	}
	if !asked {
		t.Fatal("nobody could ask")
	}
	testserver.Await(t, "the request's spans", time.Minute, func() error {
		if slices.ContainsFunc(collector.Spans(), func(s otlptest.Span) bool {
			return s.Name == "submit" && s.TraceID == caller && s.ParentID == "00f067aa0ba902b7"
		}) {
			return nil
		}
		return os.ErrNotExist
	})
	if got := <-shown; got != "Bearer right" {
		t.Errorf("shown: %q", got)
	}
}
