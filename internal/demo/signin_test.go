package demo

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/server"
)

// The demo's way in is made here and handed over: the same server, over the same
// folder, without it lets nobody choose who to be.
func TestTheWayInIsTheDemosAlone(t *testing.T) {
	t.Parallel()
	c := openCompany(t)
	with := c.server.Handler()
	dir := t.TempDir()
	_, stop, err := writeCompany(dir, "http://127.0.0.1:1/v2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s, err := server.New(t.Context(), dir, slog.New(slog.NewJSONHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	without := s.Handler()

	ask := func(h http.Handler, method, host, path, form string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://"+host+path, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	who := url.Values{"who": {"ann"}}.Encode()
	if w := ask(with, http.MethodPost, "127.0.0.1:7317", "/sign-in", who); w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
		t.Errorf("the demo: %d, %v", w.Code, w.Result().Cookies())
	}
	for what, form := range map[string]string{"nobody": "", "a stranger": "who=mallory", "a workload": "who=report-bot"} {
		if w := ask(with, http.MethodPost, "127.0.0.1:7317", "/sign-in", form); w.Code != http.StatusNotFound || len(w.Result().Cookies()) > 0 {
			t.Errorf("the demo lets in %s: %d", what, w.Code)
		}
	}
	// A name that was made to point here is another origin.
	for _, host := range []string{"elsewhere.example:7317", "127.0.0.1.elsewhere.example", "10.0.0.1:7317"} {
		if w := ask(with, http.MethodPost, host, "/sign-in", who); w.Code != http.StatusNotFound || len(w.Result().Cookies()) > 0 {
			t.Errorf("the demo as %s: %d", host, w.Code)
		}
	}
	for _, path := range []string{"/sign-in", "/sign-in/", "/sign-in/local", "/sign-in/ann"} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			w := ask(without, method, "127.0.0.1:7317", path+"?"+who, who)
			if len(w.Result().Cookies()) > 0 || strings.Contains(w.Body.String(), "Petrova") {
				t.Errorf("the server itself at %s %s: %d, %v", method, path, w.Code, w.Result().Cookies())
			}
		}
	}
	if w := ask(without, http.MethodGet, "127.0.0.1:7317", "/sign-in", ""); !strings.Contains(w.Body.String(), "Nobody can sign in here yet") {
		t.Errorf("the server itself says: %d %s", w.Code, w.Body)
	}
	// Programs are where they were.
	if w := ask(without, http.MethodGet, "127.0.0.1:7317", "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("healthz: %d", w.Code)
	}
	if w := ask(without, http.MethodGet, "127.0.0.1:7317", "/api/v1/requests", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("the API without a token: %d", w.Code)
	}
}
