package server_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// gate is a server whose people sign in at a real provider.
type gate struct {
	t       *testing.T
	dir     string
	address string
	server  *server.Server
}

// open starts a server at an address; signIn is its sign-in.yaml below the address.
func openGate(t *testing.T, address, signIn string) *gate {
	t.Helper()
	g := &gate{t: t, dir: filepath.Join(t.TempDir(), "lessor"), address: address}
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml": "listen: 127.0.0.1:0\ntokens:\n",
		"directory.yaml": `identities:
  - {id: ann, kind: person, name: Ann Archer, manager: mia, mail: ann@example.org, accounts: {corp: s-ann, desk: ann}}
  - {id: mia, kind: person, name: Mia Moss, accounts: {corp: s-mia}}
  - {id: olga, kind: person, name: Olga, accounts: {corp: s-olga}}
  - {id: left, kind: person, name: Left, inactive: true, accounts: {corp: s-left}}
groups:
  - {id: auditors, members: [olga]}
`,
		"catalog.yaml": "systems:\n  - {id: desk, name: Desk, connector: manual, owner: mia, settings: {asked_file: asked.csv, holdings_file: held.csv}}\n" +
			"entitlements:\n  - {id: \"desk:key\", name: Key, object: key, owners: [mia], class: standard, max_term: 1d}\n",
		"policy/rules.cedar": `@id("ask") @needs("manager") permit (principal, action == Action::"request", resource);
@id("oblige-strong") @reason("Every vote is by a second factor.") @step_up("mfa") permit (principal, action == Action::"oblige", resource);
`,
		"sign-in.yaml": "address: " + address + "\n" + signIn,
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(g.dir, files, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.dir, "corp.secret"), []byte("a-client-secret-of-a-test-4471\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"ann", "mia"} {
		if _, err := setup.AddToken(g.dir, setup.Token{Name: who, Identity: who, Scopes: []string{"request", "approve", "view", "revoke"}, Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if g.server, err = server.New(context.WithoutCancel(t.Context()), g.dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	l, err := g.server.Listen(strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- g.server.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended: %v", err)
		}
		if err := g.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// people are those of the provider, by subject.
var people = map[string]map[string]any{"s-ann": {"name": "Ann", "email": "ann@example.org", "email_verified": true}, "s-mia": {}, "s-left": {},
	"s-stranger": {"name": "Ann Archer", "email": "ann@example.org"}}

const mfa = "    strengths:\n      - {name: mfa, acr: [\"urn:mfa\"], amr: [otp], max_age: 10m}\n"

// corp is a server before oidc-provider.
func corp(t *testing.T, more string) (*gate, *testserver.OIDCServer) {
	t.Helper()
	address := fmt.Sprintf("http://127.0.0.1:%d", testserver.Port(t))
	op := testserver.OIDC(t, address, "corp", people)
	return openGate(t, address, fmt.Sprintf("providers:\n  - id: corp\n    name: Example Corp\n    issuer: %s\n    client_id: lessor\n    client_secret_ref: file:corp.secret\n%s", op.Issuer, more)), op
}

// as speaks to the API with a token of the folder.
func (g *gate) as(who string) *client.Client {
	return client.New(g.address, token(g.t, g.dir, who))
}

// edit replaces a part of a file, and has the server read its folder anew.
func (g *gate) edit(name, old, with string) {
	g.t.Helper()
	g.write(name, old, with)
	if err := g.server.Reload(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gate) write(name, old, with string) {
	g.t.Helper()
	name = filepath.Join(g.dir, name)
	text, err := os.ReadFile(name)
	if err != nil || !strings.Contains(string(text), old) {
		g.t.Fatalf("%s has no %q: %v", name, old, err)
	}
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(text), old, with)), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// browser is somebody's, without script.
type browser struct {
	*gate
	client *http.Client
	at     *url.URL
	status int
	page   string
}

func (g *gate) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		g.t.Fatal(err)
	}
	b := &browser{gate: g, client: &http.Client{Jar: jar}}
	g.t.Cleanup(b.client.CloseIdleConnections)
	return b
}

// send goes to an address, by default the server's own, and follows where it leads.
func (b *browser) send(method, address string, form url.Values, head ...string) {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.address + address
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
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
	b.at, b.status, b.page = res.Request.URL, res.StatusCode, string(raw)
}

func (b *browser) goTo(address string) { b.t.Helper(); b.send(http.MethodGet, address, nil) }

var (
	marks  = regexp.MustCompile(`<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
	hidden = regexp.MustCompile(`name="([^"]+)" value="([^"]*)"`)
	action = regexp.MustCompile(`action="([^"]+)"`)
)

// is fails the test unless the page is at that path, has that status and says all of these.
func (b *browser) is(path string, status int, says ...string) {
	b.t.Helper()
	words := spaces.ReplaceAllString(html.UnescapeString(marks.ReplaceAllString(b.page, " ")), " ")
	if b.at.Path != path || b.status != status {
		b.t.Errorf("at %s with %d, want %s with %d:\n%s", b.at, b.status, path, status, words)
	}
	for _, s := range says {
		if !strings.Contains(words, s) {
			b.t.Errorf("%s does not say %q:\n%s", b.at, s, words)
		}
	}
}

// login fills in the provider's form, at which the browser must be.
func (b *browser) login(subject string, strong bool) {
	b.t.Helper()
	m := action.FindStringSubmatch(b.page)
	if m == nil || b.at.Host == strings.TrimPrefix(b.address, "http://") {
		b.t.Fatalf("%s is no form of the provider:\n%s", b.at, b.page)
	}
	form := url.Values{"login": {subject}}
	if strong {
		form.Set("strong", "yes")
	}
	b.send(http.MethodPost, b.at.ResolveReference(&url.URL{Path: m[1]}).String(), form)
	if strings.Contains(b.page, "Submitting Callback") { // the provider lets go of whom it had before
		form := url.Values{}
		for _, m := range hidden.FindAllStringSubmatch(b.page, -1) {
			form.Set(m[1], html.UnescapeString(m[2]))
		}
		b.send(http.MethodPost, html.UnescapeString(action.FindStringSubmatch(b.page)[1]), form)
	}
}

// A person signs in at a real provider and comes to the page they wanted.
func TestSignInByOIDCProvider(t *testing.T) {
	t.Parallel()
	g, _ := corp(t, mfa)
	ann := g.browser()
	ann.goTo("/access?x=1")
	ann.is("/sign-in", http.StatusOK, "Sign in with Example Corp")
	ann.goTo("/sign-in/go/corp?next=%2Faccess%3Fx%3D1")
	ann.login("s-ann", false)
	ann.is("/access", http.StatusOK, "My access", "Ann Archer")
	if ann.at.RawQuery != "x=1" {
		t.Errorf("came back to %s", ann.at)
	}
	// Who is signed in there already is not asked again.
	again := g.browser()
	again.client.Jar = ann.client.Jar
	again.send(http.MethodPost, "/sign-out", nil)
	again.goTo("/access")
	again.is("/sign-in", http.StatusOK)
	again.goTo("/sign-in/go/corp")
	again.is("/access", http.StatusOK, "My access")

	for subject, says := range map[string]string{
		"s-stranger": "nobody in Lessor's directory goes by sub = s-stranger", // called as Ann is, with her address
		"s-left":     "not as somebody who may sign in at present",
		"":           "Example Corp did not sign you in",
	} {
		b := g.browser()
		b.goTo("/sign-in/go/corp")
		b.login(subject, true)
		b.is("/sign-in/back/corp", http.StatusForbidden, says)
		b.goTo("/access")
		b.is("/sign-in", http.StatusOK)
	}
	// The answer is worth nothing a second time, or in another browser.
	b := g.browser()
	b.goTo("/sign-in/go/corp")
	stop := b.client.CheckRedirect
	back := ""
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/sign-in/back/") {
			back = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	b.login("s-ann", false)
	b.client.CheckRedirect = stop
	other := g.browser()
	other.goTo(back)
	other.is("/sign-in/back/corp", http.StatusBadRequest, "does not belong to a sign-in that this browser began")
	b.goTo(back)
	b.is("/access", http.StatusOK, "My access")
	b.goTo(back)
	b.is("/sign-in/back/corp", http.StatusBadRequest)
}

// A vote that needs more is cast after more was shown, and the session is another then.
func TestStepUpByOIDCProvider(t *testing.T) {
	t.Parallel()
	g, _ := corp(t, mfa)
	r, err := g.as("ann").Submit(t.Context(), engine.Ask{Entitlements: []string{"desk:key"}, Term: access.Term(time.Hour), Reason: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	state := func() access.RequestState {
		s, err := g.as("ann").Request(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		return s.Request.State
	}
	at, vote := "/waiting/"+r.ID, url.Values{"verdict": {"approve"}, "digest": {r.Digest}}
	mia := g.browser()
	mia.goTo("/sign-in/go/corp?next=" + at)
	mia.login("s-mia", false)
	mia.is(at, http.StatusOK, "Approving needs a sign-in by mfa")
	mia.send(http.MethodPost, at, vote)
	if s := state(); s != access.Pending {
		t.Fatalf("approved by less: %s", s)
	}
	before := mia.session()
	// The provider has a session of hers, and asks again all the same.
	link := regexp.MustCompile(`href="(/sign-in/stronger[^"]*)"`).FindStringSubmatch(mia.page)
	if link == nil {
		t.Fatalf("the page does not lead there:\n%s", mia.page)
	}
	up := html.UnescapeString(link[1])
	mia.goTo(up)
	mia.login("s-mia", false)
	if !strings.Contains(mia.page, "essential_acr") {
		t.Errorf("it was not asked again because of the strength:\n%s", mia.page)
	}
	mia.login("s-mia", true)
	mia.is(at, http.StatusOK, "Approve")
	after := mia.session()
	if before == after {
		t.Error("the session is as before")
	}
	old := g.browser()
	old.client.Jar.SetCookies(mustURL(t, g.address), []*http.Cookie{{Name: "lessor", Value: before}})
	old.goTo("/access")
	old.is("/sign-in", http.StatusOK)
	// Being known better is as somebody, and not as somebody else.
	mia.goTo(up)
	if mia.at.Path == at {
		mia.is(at, http.StatusOK)
	}
	mia.send(http.MethodPost, at, vote)
	mia.is("/waiting", http.StatusOK, "Your approval is counted")
	if s := state(); s != access.Approved {
		t.Errorf("it is %s", s)
	}
	mia.goTo("/sign-in/stronger?strength=gold&next=" + at)
	mia.is("/sign-in/go/corp", http.StatusNotFound, "There is no such sign-in")
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// session is the browser's cookie.
func (b *browser) session() string {
	b.t.Helper()
	for _, c := range b.client.Jar.Cookies(mustURL(b.t, b.address)) {
		if c.Name == "lessor" {
			return c.Value
		}
	}
	b.t.Fatal("nobody is signed in")
	return ""
}

// Somebody else at the provider is not taken for a better known one.
func TestStepUpAsSomebodyElse(t *testing.T) {
	t.Parallel()
	g, _ := corp(t, mfa)
	b := g.browser()
	b.goTo("/sign-in/go/corp")
	b.login("s-ann", false)
	b.goTo("/sign-in/stronger?strength=mfa&next=/access")
	b.login("s-mia", true)
	b.is("/sign-in/back/corp", http.StatusForbidden, "That was somebody else")
	// The provider has let go of ann, and says so by the back channel: she is signed out.
	b.goTo("/access")
	b.is("/sign-in", http.StatusOK)
}

var xsrf = regexp.MustCompile(`name="xsrf" value="([^"]+)"`)

// Signing out at the provider signs out here, at once.
func TestBackChannelLogout(t *testing.T) {
	t.Parallel()
	g, op := corp(t, "")
	ann, phone, mia := g.browser(), g.browser(), g.browser()
	for b, who := range map[*browser]string{ann: "s-ann", phone: "s-ann", mia: "s-mia"} {
		b.goTo("/sign-in/go/corp")
		b.login(who, false)
		b.is("/access", http.StatusOK)
	}
	ann.goTo("/sign-in")
	link := regexp.MustCompile(`href="([^"]+/session/end[^"]*)"`).FindStringSubmatch(ann.page)
	if link == nil {
		t.Fatalf("the page has no way to sign out there:\n%s", ann.page)
	}
	ann.goTo(html.UnescapeString(link[1]))
	token := xsrf.FindStringSubmatch(ann.page)
	if token == nil {
		t.Fatalf("%s:\n%s", ann.at, ann.page)
	}
	ann.send(http.MethodPost, op.Issuer+"/session/end/confirm", url.Values{"xsrf": {token[1]}, "logout": {"yes"}})
	ann.is("/sign-in", http.StatusOK)
	testserver.Await(t, "the end of her session", 20*time.Second, func() error {
		ann.goTo("/access")
		if ann.at.Path != "/sign-in" {
			return fmt.Errorf("she is at %s", ann.at)
		}
		return nil
	})
	for _, b := range []*browser{phone, mia} { // other sessions there, and other people
		b.goTo("/access")
		b.is("/access", http.StatusOK)
	}
}

// Who is moved, taken out or switched off in the files is so at the next page.
func TestTheDirectoryIsAskedAtEachPage(t *testing.T) {
	t.Parallel()
	g, _ := corp(t, "")
	ann, mia := g.browser(), g.browser()
	for b, who := range map[*browser]string{ann: "s-ann", mia: "s-mia"} {
		b.goTo("/sign-in/go/corp")
		b.login(who, false)
	}
	// Groups are the directory's: in it, she sees the register; out of it, no more.
	ann.goTo("/register")
	ann.is("/register", http.StatusNotFound)
	g.edit("directory.yaml", "members: [olga]", "members: [olga, ann]")
	ann.goTo("/register")
	ann.is("/register", http.StatusOK)
	g.edit("directory.yaml", "members: [olga, ann]", "members: [olga]")
	ann.goTo("/register")
	ann.is("/register", http.StatusNotFound)
	// Her subject is given to somebody else.
	g.edit("directory.yaml", "corp: s-ann,", "corp: s-ann-2,")
	ann.goTo("/access")
	ann.is("/sign-in", http.StatusOK)
	// The provider is another's now.
	g.write("directory.yaml", "corp:", "corp2:")
	g.edit("sign-in.yaml", "id: corp", "id: corp2")
	mia.goTo("/access")
	mia.is("/sign-in", http.StatusOK)
	mia.goTo("/sign-in/go/corp")
	mia.is("/sign-in/go/corp", http.StatusNotFound)
}

// A provider that is down keeps nobody out who is in, and the page says what it is.
func TestProviderDown(t *testing.T) {
	t.Parallel()
	address := fmt.Sprintf("http://127.0.0.1:%d", testserver.Port(t))
	g := openGate(t, address, fmt.Sprintf("providers:\n  - {id: corp, name: Example Corp, issuer: \"http://127.0.0.1:%d\", client_id: lessor}\n", testserver.Port(t)))
	b := g.browser()
	b.goTo("/sign-in")
	b.is("/sign-in", http.StatusOK, "Sign in with Example Corp")
	b.goTo("/sign-in/go/corp?next=/ask")
	b.is("/sign-in/go/corp", http.StatusServiceUnavailable, "Example Corp does not answer")
	b.send(http.MethodPost, "/sign-in/ended/corp", url.Values{"logout_token": {"a.b.c"}})
	b.is("/sign-in/ended/corp", http.StatusBadRequest)
}
