package channeltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/cli"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/web"
)

// apiDoor speaks JSON over HTTP, and knows of Lessor what its contract says.
type apiDoor struct {
	t    *testing.T
	base string
}

// serveAPI puts the JSON door before the fixture's engine, with a token for everybody.
func serveAPI(t *testing.T, f *enginetest.Fixture) apiDoor {
	t.Helper()
	keys := api.NewKeys(func(string, time.Time) (bool, error) { return true, nil })
	var list []api.Key
	for id := range f.Company.People {
		list = append(list, api.Key{Name: id, Identity: id, Strength: "mfa", Expires: enginetest.Noon.AddDate(1, 0, 0), SHA256: sha256.Sum256([]byte("token of " + id)),
			Scopes: []string{engine.ScopeRequest, engine.ScopeApprove, engine.ScopeView, engine.ScopeRevoke}})
	}
	keys.Set(list)
	s := httptest.NewServer(api.New(api.Config{Engine: f.Engine, News: f.Wire(), Keys: keys, Now: f.Now, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(s.Close)
	return apiDoor{t, s.URL}
}

func openAPI(t *testing.T, kind store.Dialect) (*enginetest.Fixture, door) {
	f := enginetest.Open(t, kind)
	return f, serveAPI(t, f)
}

// send does one call and reads the answer, which must be a good one.
func (d apiDoor) send(who, method, path string, body, into any) {
	d.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.base+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer token of "+who)
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer a.Body.Close()
	said, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode >= 300 {
		d.t.Fatalf("%s %s: %d %s, %v", method, path, a.StatusCode, said, err)
	}
	if into != nil {
		if err := json.Unmarshal(said, into); err != nil {
			d.t.Fatalf("%s %s: %s: %v", method, path, said, err)
		}
	}
}

func asking(entitlement, term, reason string) map[string]any {
	return map[string]any{"entitlements": []string{entitlement}, "term": term, "reason": reason}
}

func (d apiDoor) check(who, entitlement, term, reason string) {
	d.send(who, http.MethodPost, "/preview", asking(entitlement, term, reason), nil)
}

func (d apiDoor) ask(who, entitlement, term, reason string) string {
	var r struct {
		ID string `json:"id"`
	}
	d.send(who, http.MethodPost, "/requests", asking(entitlement, term, reason), &r)
	return r.ID
}

func (d apiDoor) comment(who, request, text string) {
	d.send(who, http.MethodPost, "/requests/"+request+"/comments", map[string]string{"note": text}, nil)
}

func (d apiDoor) cancel(who, request, note string) {
	d.send(who, http.MethodPost, "/requests/"+request+"/cancel", map[string]string{"note": note}, nil)
}

func (d apiDoor) vote(who, request string, verdict access.Verdict, note string) {
	var s struct {
		Request struct {
			Digest string `json:"digest"`
		} `json:"request"`
	}
	d.send(who, http.MethodGet, "/requests/"+request, nil, &s)
	d.send(who, http.MethodPost, "/requests/"+request+"/votes", map[string]any{"digest": s.Request.Digest, "verdict": verdict, "note": note}, nil)
}

func (d apiDoor) giveBack(who, grant, note string) {
	d.send(who, http.MethodPost, "/grants/"+grant+"/return", map[string]string{"note": note}, nil)
}

// cliDoor runs the program's commands, as a shell would, against the JSON door.
type cliDoor struct{ api apiDoor }

func openCLI(t *testing.T, kind store.Dialect) (*enginetest.Fixture, door) {
	f := enginetest.Open(t, kind)
	return f, cliDoor{serveAPI(t, f)}
}

func (d cliDoor) run(who string, args ...string) string {
	d.api.t.Helper()
	var out, errs bytes.Buffer
	env := map[string]string{"LESSOR_SERVER": d.api.base, "LESSOR_TOKEN": "token of " + who}
	if code := cli.Main(d.api.t.Context(), args, strings.NewReader(""), &out, &errs, func(name string) string { return env[name] }); code != 0 {
		d.api.t.Fatalf("lessor %s: exit code %d: %s%s", strings.Join(args, " "), code, &out, &errs)
	}
	return out.String()
}

func (d cliDoor) check(who, entitlement, term, reason string) {
	d.run(who, "request", entitlement, "--term", term, "--reason", reason, "--dry-run")
}

func (d cliDoor) ask(who, entitlement, term, reason string) string {
	var r access.Request
	if out := d.run(who, "request", entitlement, "--term", term, "--reason", reason, "-o", "json"); json.Unmarshal([]byte(out), &r) != nil {
		d.api.t.Fatalf("not JSON: %s", out)
	}
	return r.ID
}

func (d cliDoor) comment(who, request, text string) { d.run(who, "comment", request, "--text", text) }
func (d cliDoor) cancel(who, request, note string)  { d.run(who, "cancel", request, "--note", note) }

func (d cliDoor) vote(who, request string, verdict access.Verdict, note string) {
	d.run(who, string(verdict), request, "--note", note)
}

func (d cliDoor) giveBack(who, grant, note string) { d.run(who, "return", grant, "--note", note) }

// portalDoor is everybody's browser without script: it sends the forms that pages have.
type portalDoor struct {
	t    *testing.T
	base string
	page map[string]*http.Client
}

func openPortal(t *testing.T, kind store.Dialect) (*enginetest.Fixture, door) {
	f := enginetest.Open(t, kind)
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
		if err := sessions.Begin(w, r, r.FormValue("who"), "mfa"); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
	h, err := web.New(web.Config{Engine: f.Engine, Directory: dir, Sessions: sessions, SignIn: signIn, Proof: following{nil, f}, News: f.Wire(), Now: f.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return f, &portalDoor{t, s.URL, map[string]*http.Client{}}
}

// send does one request as somebody, signing them in first, and returns where it led and what is there.
func (d *portalDoor) send(who, method, path string, form url.Values) (at, page string) {
	d.t.Helper()
	c := d.page[who]
	if c == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			d.t.Fatal(err)
		}
		c = &http.Client{Jar: jar}
		d.page[who] = c
		d.send(who, http.MethodPost, "/sign-in", url.Values{"who": {who}})
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a, err := c.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer a.Body.Close()
	raw, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode >= 300 {
		d.t.Fatalf("%s %s: %d, %v: %.600s", method, path, a.StatusCode, err, raw)
	}
	return a.Request.URL.Path, string(raw)
}

var (
	form  = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	input = regexp.MustCompile(`<input\b([^>]*)>`)
)

func attribute(in, name string) string {
	m := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(in)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// submit sends the page's form that goes to action, with what its inputs hold and
// these in their place: a page without it has no such door.
func (d *portalDoor) submit(who, page, action string, with url.Values) (at, next string) {
	d.t.Helper()
	for _, m := range form.FindAllStringSubmatch(page, -1) {
		if attribute(m[1], "action") != action && !strings.Contains(m[2], `formaction="`+html.EscapeString(action)+`"`) {
			continue
		}
		held := url.Values{}
		for _, in := range input.FindAllStringSubmatch(m[2], -1) {
			kind, name := attribute(in[1], "type"), attribute(in[1], "name")
			if ticked := strings.Contains(in[1], " checked"); name != "" && (ticked || (kind != "radio" && kind != "checkbox")) {
				held.Add(name, attribute(in[1], "value"))
			}
		}
		for name, v := range with {
			held[name] = v
		}
		return d.send(who, http.MethodPost, action, held)
	}
	d.t.Fatalf("no form to %s: %.2000s", action, page)
	return "", ""
}

func (d *portalDoor) checked(who, entitlement, term, reason string) string {
	_, page := d.send(who, http.MethodGet, "/ask/form?entitlement="+url.QueryEscape(entitlement), nil)
	_, page = d.submit(who, page, "/ask/check", url.Values{"term": {"other"}, "other": {term}, "reason": {reason}})
	return page
}

func (d *portalDoor) check(who, entitlement, term, reason string) {
	d.checked(who, entitlement, term, reason)
}

func (d *portalDoor) ask(who, entitlement, term, reason string) string {
	at, _ := d.submit(who, d.checked(who, entitlement, term, reason), "/ask", nil)
	return strings.TrimPrefix(at, "/requests/")
}

func (d *portalDoor) comment(who, request, text string) {
	_, page := d.send(who, http.MethodGet, "/requests/"+request, nil)
	d.submit(who, page, "/requests/"+request+"/comment", url.Values{"text": {text}})
}

func (d *portalDoor) cancel(who, request, note string) {
	_, page := d.send(who, http.MethodGet, "/requests/"+request, nil)
	d.submit(who, page, "/requests/"+request+"/cancel", url.Values{"text": {note}})
}

func (d *portalDoor) vote(who, request string, verdict access.Verdict, note string) {
	_, page := d.send(who, http.MethodGet, "/waiting/"+request, nil)
	d.submit(who, page, "/waiting/"+request, url.Values{"verdict": {string(verdict)}, "words": {note}})
}

func (d *portalDoor) giveBack(who, grant, note string) {
	_, page := d.send(who, http.MethodGet, "/access", nil)
	d.submit(who, page, "/grants/"+grant+"/return", url.Values{"note": {note}})
}

// following is the portal's proof, of the fixture's own log: a request's story, and
// nothing else that the conversation looks at.
type following struct {
	web.Proof
	f *enginetest.Fixture
}

// Trail implements [web.Proof].
func (p following) Trail(ctx context.Context, request string) (report.Trail, error) {
	return report.Follow(ctx, p.f.DB, p.f.Signer.VerifierKey(), request)
}
