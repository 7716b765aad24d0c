package web_test

import (
	"bufio"
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

var streamAt = regexp.MustCompile(`data-live="([^"]*)"`)

// listens opens the stream that the page names, and returns what it says, an event a time.
func (b *person) listens(path string) <-chan string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	b.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" {
		b.t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
	}
	said := make(chan string, 100)
	go func() {
		defer close(said)
		defer res.Body.Close()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				said <- name
			}
		}
	}()
	return said
}

// live is where the page that is open hears that it has changed.
func (b *person) live() string {
	b.t.Helper()
	m := streamAt.FindStringSubmatch(b.page)
	if m == nil {
		b.t.Fatalf("%s hears nothing", b.at)
	}
	return html.UnescapeString(m[1])
}

func (b *person) hears(said <-chan string) {
	b.t.Helper()
	if name, ok := <-said; !ok || name != "changed" {
		b.t.Fatalf("heard %q, %v", name, ok)
	}
}

// Each page that shows a state is told when that changes; looking again it is another
// page, and the same one while nothing has.
func TestPagesAreToldOfChanges(t *testing.T) {
	t.Parallel()
	p := open(t)
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour, Reason: "notes"}, "mia")
	p.Advance(time.Minute)
	eve, sara := p.as("eve"), p.as("sara")
	var said []<-chan string
	for _, one := range []struct {
		by *person
		at string
	}{{eve, "/access"}, {eve, "/requests/" + g.Request}, {eve, "/grants/" + g.ID}, {sara, "/operations"}} {
		one.by.goTo(one.at)
		at := one.by.live()
		tag := at[strings.LastIndex(at, "tag=")+4:]
		said = append(said, one.by.listens(at))
		one.by.goTo(one.at + "?tag=" + tag)
		one.by.is(http.StatusNoContent)
	}
	p.Targets["dir"].Always(enginetest.Unreachable, enginetest.Blind)
	if err := p.Engine.Return(t.Context(), p.As("eve"), g.ID, "done"); err != nil {
		t.Fatal(err)
	}
	p.Work()
	for _, s := range said {
		eve.hears(s)
	}
	p.Targets["dir"].Mend()
	p.Advance(time.Hour)
	for _, s := range said {
		eve.hears(s)
	}
	// A page from before a change is told at once: nothing is missed between loading and listening.
	eve.hears(eve.listens("/live?on=access&tag=another"))
}

// A stream of what is not yours is not there, and neither is one of nothing.
func TestStreamsAreOfWhatIsYours(t *testing.T) {
	t.Parallel()
	p := open(t)
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour, Reason: "notes"}, "mia")
	bob := p.as("bob")
	for _, on := range []string{"request:" + g.Request, "grant:" + g.ID, "work", "", "request:", "everything"} {
		bob.goTo("/live?on=" + on)
		bob.is(http.StatusNotFound, "Not found")
	}
	nobody := p.as("")
	nobody.goTo("/live?on=access")
	if nobody.page != "sign in here" {
		t.Errorf("without signing in: %q", nobody.page)
	}
}

// Streams end with the server: it does not wait for them.
func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	p := open(t)
	s := httptest.NewServer(p.handler)
	eve := p.as("eve")
	eve.base = s.URL
	eve.send(http.MethodPost, "/sign-in", map[string][]string{"who": {"eve"}, "next": {"/access"}})
	said := eve.listens(eve.live())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Config.Shutdown(ctx); err != nil {
		t.Errorf("it waits: %v", err)
	}
	for range said {
		t.Log("said something")
	}
	s.Close()
}

// A page that is left open asks by itself; its reader is signed out all the same.
func TestAPageLeftOpenKeepsNobodySignedIn(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve := p.as("eve")
	for range 3 { // two of them are longer than a session lasts unused
		eve.goTo("/access")
		eve.is(http.StatusOK, "My access")
		p.Advance(60 * time.Hour)
	}
	stream := eve.live()
	eve.listens(stream)
	eve.goTo("/access?tag=another")
	eve.is(http.StatusOK, "My access")
	p.Advance(60 * time.Hour)
	eve.send(http.MethodGet, "/access?tag=another", nil, "HX-Request", "true")
	if eve.is(http.StatusNoContent); eve.header.Get("HX-Refresh") != "true" {
		t.Errorf("the page is not told to load anew: %v", eve.header)
	}
	eve.goTo("/access")
	if eve.page != "sign in here" {
		t.Errorf("after 120 hours in which only the page asked: %d %.200q", eve.status, eve.page)
	}
}

// One person's streams are bounded, and leave room for others'; one that ends makes room.
func TestNobodyTakesAllStreams(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, bob := p.as("eve"), p.as("bob")
	mine := eve.live()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	opens := func() int {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, eve.base+mine, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := eve.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.StatusCode
	}
	for n := range 20 {
		if status := opens(); status != http.StatusOK {
			t.Fatalf("stream %d: %d", n, status)
		}
	}
	if status := opens(); status != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", status)
	}
	bob.listens(bob.live())
	stop()
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	for wait := time.Now().Add(time.Minute); opens() != http.StatusOK; p.Clock.Pass(time.Second) {
		if time.Now().After(wait) {
			t.Fatal("streams that ended are counted still")
		}
	}
}
