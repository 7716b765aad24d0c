package abuse

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
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
	"github.com/lessor-iam/lessor/internal/cli"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/web"
)

// markup is what a text may try on a page: a script, a handler, a link that runs,
// the end of whatever it stands in.
const markup = `</textarea></p>"'><script>alert(1)</script><img src=x onerror=alert(2)><svg/onload=alert(3)><a href="javascript:alert(4)">here</a> [here](javascript:alert(5)) {{7*7}} &lt;b&gt;`

// trail is the portal's proof, of the fixture's own log.
type trail struct {
	web.Proof
	f *enginetest.Fixture
}

// Trail implements [web.Proof].
func (p trail) Trail(ctx context.Context, request string) (report.Trail, error) {
	return report.Follow(ctx, p.f.DB, p.f.Signer.VerifierKey(), request)
}

// portal puts the portal before the door's engine, and returns where it is and
// somebody's browser, which follows nothing by itself.
func (d *door) portal() (base string, as func(who string) *http.Client) {
	d.t.Helper()
	dir := func() *access.Directory { return d.WorldAt(d.Now()).Directory }
	sessions, err := auth.New(auth.Config{Shelf: d.DB, Known: func(id string, now time.Time) (bool, error) {
		i, ok := dir().Identity(id)
		return ok && i.ActiveAt(now), nil
	},
		Now: d.Now, Rand: enginetest.Rand(d.t), Idle: 100 * time.Hour, Longest: 1000 * time.Hour, Plain: true})
	if err != nil {
		d.t.Fatal(err)
	}
	signIn := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		if err := sessions.Begin(w, r, r.FormValue("who"), "mfa"); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
	h, err := web.New(web.Config{Engine: d.Engine, Directory: dir, Sessions: sessions, SignIn: signIn, Proof: trail{nil, d.Fixture}, News: d.Wire(), Now: d.Now})
	if err != nil {
		d.t.Fatal(err)
	}
	s := httptest.NewServer(h)
	d.t.Cleanup(s.Close)
	browsers := map[string]*http.Client{}
	return s.URL, func(who string) *http.Client {
		d.t.Helper()
		if browsers[who] == nil {
			jar, err := cookiejar.New(nil)
			if err != nil {
				d.t.Fatal(err)
			}
			browsers[who] = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			if who == "" {
				return browsers[who]
			}
			res, err := browsers[who].PostForm(s.URL+"/sign-in", url.Values{"who": {who}})
			if err != nil {
				d.t.Fatal(err)
			}
			res.Body.Close()
		}
		return browsers[who]
	}
}

// pages is how somebody reads a page of the portal before the door's engine.
func (d *door) pages() func(who, path string) (http.Header, string) {
	d.t.Helper()
	base, as := d.portal()
	return func(who, path string) (http.Header, string) {
		d.t.Helper()
		res, err := as(who).Get(base + path)
		if err != nil {
			d.t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			d.t.Fatalf("%s as %s: %d, %v: %.300s", path, who, res.StatusCode, err, raw)
		}
		return res.Header, string(raw)
	}
}

// Whatever is written into a request, a vote, a remark or a name, a page shows it
// as text; and if it ever did not, the page's own policy would run nothing.
func TestAB14_PagesShowTextsAsText(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			eve, wiki := c.People["eve"], c.Entitlements["dir:wiki"]
			eve.Name, wiki.Name = "Eve "+markup, "Wiki "+markup
			c.People["eve"], c.Entitlements["dir:wiki"] = eve, wiki
		})
		r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: markup, Reference: markup[:100]})
		if err := d.as("mia").Comment(t.Context(), r.ID, markup); err != nil {
			t.Fatal(err)
		}
		read := d.pages()
		look := func(who, path string) {
			t.Helper()
			header, page := read(who, path)
			for _, live := range []string{"<script>alert", "<img src=x", "<svg/onload", `href="javascript:`, "</textarea></p>\"'>", "49 "} {
				if strings.Contains(page, live) {
					t.Errorf("%s as %s has %q", path, who, live)
				}
			}
			policy := header.Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") && !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: policy %q, %v", path, policy, header)
			}
		}
		for who, paths := range map[string][]string{"eve": {"/requests", "/requests/" + r.ID, "/ask?q=wiki", "/ask/form?entitlement=dir:wiki", "/ask?q=" + url.QueryEscape(markup)}, "mia": {"/waiting", "/waiting/" + r.ID, "/requests/" + r.ID, "/people?id=eve"}} {
			for _, path := range paths {
				look(who, path)
			}
		}
		if _, page := read("mia", "/requests/"+r.ID); strings.Count(page, "&lt;script&gt;alert(1)&lt;/script&gt;") < 3 {
			t.Errorf("the name, the reason and the remark are not shown as text: %s", page)
		}
		if r, err := d.vote("mia", r); err != nil || r.State != access.Approved {
			t.Fatal(r.State, err)
		}
		d.Work()
		for who, paths := range map[string][]string{"eve": {"/access", "/requests/" + r.ID}, "anna": {"/register", "/requests/" + r.ID}} {
			for _, path := range paths {
				look(who, path)
			}
		}
	})
}

// A file for a spreadsheet has no cell that it would run.
func TestAB14_FilesHaveNoFormulas(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		names := []string{`=HYPERLINK("https://evil.example","pay")`, "+1+1", "-2+3", "@SUM(A1)", "\t=1+1"}
		d.Change(func(c *enginetest.Company) {
			for i, name := range names {
				c.People[name] = access.Identity{ID: name, Kind: access.Person, Name: name, Manager: "mia", Accounts: map[string]string{"dir": fmt.Sprint("a", i)}}
			}
		})
		for _, name := range names {
			d.Granted(name, engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
		}
		header, file := d.pages()("anna", "/register.csv")
		rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
		if err != nil || len(rows) != len(names)+1 || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment") {
			t.Fatalf("%d rows, %v, %v", len(rows), err, header)
		}
		for _, row := range rows {
			for _, cell := range row {
				if strings.IndexAny(cell, "=+-@\t\r") == 0 {
					t.Errorf("a cell is %q", cell)
				}
			}
		}
	})
}

// A list is narrowed by what somebody may not know of as by what is not there.
func TestAB67_FiltersTellNothing(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "a secret reason"}, "mia")
		d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}, Reason: "a secret reason"})
		for _, path := range []string{"/requests?identity=%s", "/requests?identity=%s&limit=1", "/grants?identity=%s", "/grants?identity=%s&open=true&limit=1", "/desk?identity=%s", "/register?identity=%s", "/findings?owner=%s", "/findings?subject=%s"} {
			for _, who := range []string{"bob", "nora", "xena"} {
				d.Clock.Pass(time.Second)
				theirs, none := d.send("GET", "/api/v1"+fmt.Sprintf(path, "eve"), who, ""), d.send("GET", "/api/v1"+fmt.Sprintf(path, "nil"), who, "")
				if theirs.status != none.status || theirs.body != none.body || theirs.header.Get("Link") != "" || strings.Contains(theirs.body, "secret") {
					t.Errorf("%s by %s:\n  of eve:    %d %q %s\n  of nobody: %d %s", path, who, theirs.status, theirs.header.Get("Link"), theirs.body, none.status, none.body)
				}
			}
		}
	})
}

// What is answered under a key is its sender's: the same key and content in
// somebody else's hand is their own deed, and refused as ever.
func TestAB67_AKeyIsItsSenders(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
		path, body := "/api/v1/grants/"+g.ID+"/return", `{"note":"done"}`
		if a := d.send("POST", path, "eve", body, "Idempotency-Key", "k"); a.status != http.StatusNoContent {
			t.Fatalf("%d %s", a.status, a.body)
		}
		none := d.send("POST", "/api/v1/grants/gr-none/return", "bob", body, "Idempotency-Key", "k2")
		if a := d.send("POST", path, "bob", body, "Idempotency-Key", "k"); a.status != http.StatusNotFound || strings.ReplaceAll(a.body, g.ID, "gr-none") != none.body {
			t.Errorf("bob, by eve's key: %d %s; of nothing: %d %s", a.status, a.body, none.status, none.body)
		}
		// A token for less is not let in by a key that one for more has used.
		d.key("reader", "eve", engine.ScopeView)
		if a := d.send("POST", path, "reader", `{"note":"again"}`, "Idempotency-Key", "k"); a.status/100 != 4 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// A cursor is refused to whoever else shows it, for any other list, and bent.
func TestAB68_CursorsAreNotBent(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		for range 3 {
			d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
		}
		d.ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}})
		link := d.send("GET", "/api/v1/requests?limit=1", "eve", "").header.Get("Link")
		good := regexp.MustCompile(`cursor=([A-Za-z0-9_-]+)`).FindStringSubmatch(link)
		if good == nil {
			t.Fatalf("no cursor in %q", link)
		}
		if a := d.send("GET", "/api/v1/requests?cursor="+good[1], "eve", ""); a.status != http.StatusOK {
			t.Fatalf("as it was given: %d %s", a.status, a.body)
		}
		refusal := d.send("GET", "/api/v1/requests?cursor=AAAA", "bob", "")
		for i := range good[1] {
			bent := []byte(good[1])
			bent[i] = map[bool]byte{true: 'B', false: 'A'}[bent[i] == 'A']
			d.Clock.Pass(time.Second)
			if i == len(bent)-1 { // its last two bits may be of no byte
				continue
			}
			if a := d.send("GET", "/api/v1/requests?cursor="+string(bent), "eve", ""); a.status != http.StatusBadRequest || a.body != refusal.body {
				t.Errorf("bent at %d: %d %s", i, a.status, a.body)
			}
		}
		for who, path := range map[string]string{"bob": "/requests?cursor=", "mia": "/requests?cursor=", "eve": "/desk?cursor="} {
			if a := d.send("GET", "/api/v1"+path+good[1], who, ""); a.status != http.StatusBadRequest || a.body != refusal.body {
				t.Errorf("%s by %s: %d %s", path, who, a.status, a.body)
			}
		}
	})
}

// What is done under keys is forgotten after a day: nobody fills the database with keys.
func TestAB16_KeysAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
		note := func(key string) {
			t.Helper()
			d.Clock.Pass(time.Second)
			if a := d.send("POST", "/api/v1/requests/"+r.ID+"/comments", "eve", `{"note":"hm"}`, "Idempotency-Key", key); a.status != http.StatusNoContent {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		kept := func() (n int) {
			if err := d.DB.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRowContext(t.Context(), "select count(*) from answered").Scan(&n)
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for i := range 20 {
			note(fmt.Sprint("k", i))
		}
		if n := kept(); n != 20 {
			t.Errorf("%d keys are kept of 20", n)
		}
		d.Clock.Pass(engine.KeysKept)
		note("the next day")
		if n := kept(); n > 2 {
			t.Errorf("%d keys are kept of the day before", n)
		}
	})
}

// What a server says of where a list goes on does nothing on a terminal, and leads
// the token nowhere.
func TestAB14_WhereAListGoesOn(t *testing.T) {
	t.Parallel()
	elsewhere := 0
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	t.Cleanup(evil.Close)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("cursor") == "" {
			w.Header().Set("Link", "<"+evil.URL+"/api/v1/requests?cursor=%1b[31mEVIL%07>; rel=\"next\"")
		}
		_, _ = io.WriteString(w, "[]")
	}))
	t.Cleanup(s.Close)
	for _, args := range [][]string{{"list", "requests", "--limit", "5"}, {"list", "entitlements"}} {
		var out, errs bytes.Buffer
		env := map[string]string{"LESSOR_SERVER": s.URL, "LESSOR_TOKEN": "lessor_secret"}
		cli.Main(t.Context(), args, strings.NewReader(""), &out, &errs, func(name string) string { return env[name] })
		if said := out.String() + errs.String(); strings.ContainsAny(said, "\x1b\x07") {
			t.Errorf("%v prints %q", args, said)
		}
	}
	if elsewhere > 0 {
		t.Error("the token went where a header said")
	}
}
