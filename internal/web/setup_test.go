package web_test

import (
	"compress/gzip"
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/web"
)

const hour = access.Term(time.Hour)

// portal is the pages over a real engine, with a clock held by hand.
type portal struct {
	*enginetest.Fixture
	t       testing.TB
	base    string
	handler http.Handler
}

// proof reads the fixture's own log.
type proof struct{ f *enginetest.Fixture }

func (p proof) Trail(ctx context.Context, request string) (report.Trail, error) {
	return report.Follow(ctx, p.f.DB, p.f.Signer.VerifierKey(), request)
}

func (p proof) Settled(ctx context.Context, request string) (report.Trail, error) {
	if _, err := p.f.Engine.Sequence(ctx); err != nil {
		return report.Trail{}, err
	}
	return p.Trail(ctx, request)
}

func (p proof) Bundle(ctx context.Context, grant string) ([]byte, error) {
	if _, err := p.f.Engine.Sequence(ctx); err != nil {
		return nil, err
	}
	return report.Bundle(ctx, p.f.DB, grant)
}

func (p proof) Numbers(ctx context.Context, from, to time.Time) (report.Numbers, error) {
	return report.Count(ctx, p.f.DB, p.f.WorldAt(p.f.Now()).Directory, from, to)
}

func (p proof) Work(ctx context.Context, systems []string, queue bool, now time.Time) (report.Operations, error) {
	return report.Work(ctx, p.f.DB, systems, queue, now)
}

func open(t testing.TB, change ...func(*enginetest.Company)) *portal {
	t.Helper()
	f := enginetest.Open(t, store.SQLite)
	for _, do := range change {
		f.Change(do)
	}
	dir := func() *access.Directory { return f.WorldAt(f.Now()).Directory }
	sessions, err := auth.New(auth.Config{Shelf: f.DB, Known: func(id string, now time.Time) (bool, error) {
		i, ok := dir().Identity(id)
		return ok && i.ActiveAt(now), nil
	},
		Now: f.Now, Rand: enginetest.Rand(t), Idle: 100 * time.Hour, Longest: 1000 * time.Hour, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	signIn := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := r.FormValue("who"); who != "" {
			if err := sessions.Begin(w, r, who, r.FormValue("strength")); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			http.Redirect(w, r, web.Next(r), http.StatusSeeOther)
			return
		}
		_, _ = io.WriteString(w, "sign in here")
	})
	h, err := web.New(web.Config{Engine: f.Engine, Directory: dir, Sessions: sessions, SignIn: signIn, Proof: proof{f}, News: f.Wire(), Now: f.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &portal{f, t, s.URL, h}
}

// person is somebody's browser without script: it follows links, and sends the
// forms that a page has, with what they hold already.
type person struct {
	*portal
	client *http.Client
	at     string
	status int
	header http.Header
	page   string
	size   int // of the page as sent
}

// as signs somebody in.
func (p *portal) as(who string) *person {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	b := &person{portal: p, client: &http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true}}}
	p.t.Cleanup(b.client.CloseIdleConnections)
	if who != "" {
		b.send(http.MethodPost, "/sign-in", url.Values{"who": {who}, "next": {"/access"}})
		b.is(http.StatusOK, "My access")
	}
	return b
}

func (b *person) send(method, path string, form url.Values, header ...string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept-Encoding", "gzip")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.size = len(raw)
	if res.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(strings.NewReader(string(raw)))
		if err != nil {
			b.t.Fatal(err)
		}
		if raw, err = io.ReadAll(z); err != nil {
			b.t.Fatal(err)
		}
	}
	b.at, b.status, b.header, b.page = res.Request.URL.RequestURI(), res.StatusCode, res.Header, string(raw)
}

func (b *person) goTo(path string) { b.t.Helper(); b.send(http.MethodGet, path, nil) }

// is fails the test unless the page has that status and says all of these.
func (b *person) is(status int, says ...string) {
	b.t.Helper()
	if b.status != status {
		b.t.Errorf("%s: status %d, want %d", b.at, b.status, status)
	}
	for _, s := range says {
		if !strings.Contains(b.words(), s) {
			b.t.Errorf("%s does not say %q:\n%s", b.at, s, b.words())
		}
	}
}

var (
	tags  = regexp.MustCompile(`<[^>]*>`)
	space = regexp.MustCompile(`\s+`)
)

// words are the page's own, without its markup.
func (b *person) words() string {
	_, main, _ := strings.Cut(b.page, "<main")
	return strings.TrimSpace(space.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString("<main"+main, " ")), " "))
}

var (
	forms  = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	fields = regexp.MustCompile(`(?s)<(input|textarea|select|button)\b([^>]*)>([^<]*)`)
	option = regexp.MustCompile(`(?s)<option value="([^"]*)" selected`)
)

func attr(in, name string) string {
	m := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(in)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// press sends the form that has a button with that text, with what its fields
// hold and these in their place.
func (b *person) press(button string, with url.Values) {
	b.t.Helper()
	for _, f := range forms.FindAllStringSubmatch(b.page, -1) {
		action, held := attr(f[1], "action"), url.Values{}
		found := false
		for _, m := range fields.FindAllStringSubmatch(f[2], -1) {
			kind, in := m[1], m[2]
			name := attr(in, "name")
			switch {
			case kind == "button":
				text := strings.TrimSpace(space.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(f[2][strings.Index(f[2], m[0]):], " ")), " "))
				if !found && strings.HasPrefix(text, button) && !strings.Contains(in, "disabled") {
					found = true
					if at := attr(in, "formaction"); at != "" {
						action = at
					}
					if name != "" {
						held.Set(name, attr(in, "value"))
					}
				}
			case name == "":
			case kind == "textarea":
				held.Set(name, html.UnescapeString(m[3]))
			case kind == "select":
				if one := option.FindStringSubmatch(f[2]); one != nil {
					held.Set(name, one[1])
				}
			case attr(in, "type") == "radio" || attr(in, "type") == "checkbox":
				if strings.Contains(in, " checked") {
					held.Add(name, attr(in, "value"))
				}
			default:
				held.Add(name, attr(in, "value"))
			}
		}
		if !found {
			continue
		}
		for k, v := range with {
			held[k] = v
		}
		b.send(http.MethodPost, action, held)
		return
	}
	b.t.Fatalf("%s has no button %q:\n%s", b.at, button, b.words())
}

// asks has somebody ask for something, by the form, and returns the request.
func (b *person) asks(entitlement, term, reason string) access.Request {
	b.t.Helper()
	b.goTo("/ask/form?entitlement=" + url.QueryEscape(entitlement))
	b.press("Check", url.Values{"term": {"other"}, "other": {term}, "reason": {reason}})
	b.is(http.StatusOK, "Check before you send")
	b.press("Send the request", nil)
	id := strings.TrimPrefix(b.at, "/requests/")
	return b.Request(id)
}
