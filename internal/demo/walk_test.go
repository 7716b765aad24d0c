package demo

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"testing"
)

// unopened are the patterns of the portal that are no page to hold against anything.
var unopened = map[string]string{
	"GET /{$}":                  "leads to another page",
	"GET /live":                 "a stream of events",
	"GET /grants/{id}/evidence": "a file",
	"GET /register.csv":         "a file",
}

// walk is which pages of the portal the stories have opened.
type walk struct {
	mux  *http.ServeMux // of the portal's patterns, to find an address's
	open map[string]bool
}

// patternOfPage is a pattern as the portal's router is given it.
var patternOfPage = regexp.MustCompile(`"(GET /[^"]*)"`)

// newWalk reads the portal's patterns where they are written.
func newWalk(t *testing.T) *walk {
	t.Helper()
	text, err := os.ReadFile("../web/web.go")
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{http.NewServeMux(), map[string]bool{}}
	for _, m := range patternOfPage.FindAllStringSubmatch(string(text), -1) {
		if m[1] == "GET /assets/" {
			continue
		}
		w.mux.Handle(m[1], http.NotFoundHandler())
		w.open[m[1]] = false
	}
	if len(w.open) < 30 {
		t.Fatalf("the portal is routed elsewhere than in web.go, for there are %d pages: %v", len(w.open), w.open)
	}
	return w
}

// opened notes a page that was opened and held against what every page must be.
func (w *walk) opened(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	_, pattern := w.mux.Handler(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host})
	w.open[pattern] = true
}

// complete fails where there is a page that no story opens.
func (w *walk) complete(t *testing.T) {
	t.Helper()
	for _, pattern := range slices.Sorted(maps.Keys(w.open)) {
		switch why, no := unopened[pattern]; {
		case !no && !w.open[pattern]:
			t.Errorf("no story opens %s: open it where somebody needs it, do what it is for, and hold it by seen", pattern)
		case no && w.open[pattern]:
			t.Errorf("%s is opened, though it is said to be %s", pattern, why)
		}
	}
	for pattern := range unopened {
		if _, ok := w.open[pattern]; !ok {
			t.Errorf("the portal has no %s any more", pattern)
		}
	}
}
