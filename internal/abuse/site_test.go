package abuse

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/cli"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/scimtarget"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// files is a small company on disk. TARGET is where its SCIM service listens.
var files = map[string]string{
	"lessor.yaml": `listen: 127.0.0.1:0
provision_within: 30s
pace: {lease: 6s, call: 2s, retry: 50ms, slowest_off: 500ms, recheck: 1h, confirm: 50ms}
tokens:
`,
	"directory.yaml": `identities:
  - {id: ann, kind: person, name: Ann, manager: mia, accounts: {work: ann, play: ann}}
  - {id: bob, kind: person, name: Bob, manager: mia, accounts: {work: bob, play: bob}}
  - {id: mia, kind: person, name: Mia, accounts: {work: mia}}
  - {id: olga, kind: person, name: Olga, accounts: {work: olga}}
  - {id: sam, kind: person, name: Sam}
  - {id: adam, kind: person, name: Adam}
groups:
  - {id: security, members: [sam]}
  - {id: auditors, members: []}
`,
	"catalog.yaml": `systems:
  - {id: work, name: Workspace, connector: scim, owner: olga, settings: {url: "TARGET", token_ref: "file:target.token"}}
  - {id: play, name: Playground, connector: scim, owner: olga, settings: {url: "TARGET", token_ref: "file:target.token"}}
entitlements:
  - {id: "work:wiki", name: Wiki, object: wiki, owners: [olga], class: standard, max_term: 30d}
  - {id: "work:lobby", name: Lobby, object: lobby, owners: [olga], class: open, max_term: 30d}
  - {id: "work:portal", name: Portal, object: portal, owners: [olga], class: third-party, max_term: 30d}
  - {id: "play:games", name: Games, object: games, owners: [olga], class: open, max_term: 30d}
`,
	"policy/rules.cedar": `@id("ask-standard") @needs("manager")
permit (principal, action == Action::"request", resource in Class::"standard");

@id("ask-open") @needs("none")
permit (principal, action == Action::"request", resource in Class::"open");

@id("ask-third-party") @needs("owner, security")
permit (principal, action == Action::"request", resource in Class::"third-party");
`,
	"target.token": "target-token",
}

// site is the whole server on a folder of its own, before a real SCIM service.
type site struct {
	t      *testing.T
	dir    string
	target *scimtarget.Target
	server *server.Server
	url    string
	log    *lines
	stop   func()
	roles  bool          // it has roles of Lessor itself, at the system own
	ahead  time.Duration // how far its wall clock is set ahead of the true time, and the oracle with it
	echoes atomic.Bool   // the target tells whoever asks what they asked with, as its error

	hidden struct { // what no line of the log may have, beside what is in the folder
		sync.Mutex
		list []string
	}
}

// hide notes secrets that no line of the log may have.
func (s *site) hide(secrets ...string) {
	s.hidden.Lock()
	defer s.hidden.Unlock()
	s.hidden.list = append(s.hidden.list, secrets...)
}

// keepsToItself fails the test where the log, which has every verb, has a secret of the
// folder or one that was noted, in whatever form.
func (s *site) keepsToItself() {
	s.t.Helper()
	for _, of := range []string{"tokens/*", "*.token", "*.key", "*.key.*", "*.hook", "*.password"} {
		names, err := filepath.Glob(filepath.Join(s.dir, of))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil {
				s.t.Fatal(err)
			}
			s.hide(string(raw))
		}
	}
	s.hidden.Lock()
	defer s.hidden.Unlock()
	if found := testserver.Leaks(s.log.all(), s.hidden.list...); len(found) > 0 {
		s.t.Errorf("the log has secrets: %q", found)
	}
}

// newSite writes the folder; start starts the server. When the case is over the
// server is stopped and the oracle asked.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "site"), log: &lines{}, stop: func() {}}
	var err error
	if s.target, err = scimtarget.New(scimtarget.Config{Token: "target-token"}); err != nil {
		t.Fatal(err)
	}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.echoes.Load() {
			w.Header().Set("Content-Type", "application/scim+json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprintf(w, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"500","detail":%q}`, "I cannot do that: "+r.Header.Get("Authorization"))
			return
		}
		s.target.ServeHTTP(w, r)
	}))
	t.Cleanup(target.Close)
	for _, u := range []string{"ann", "bob", "mia", "olga"} {
		if _, err := s.target.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range []string{"wiki", "lobby", "portal", "games"} {
		if _, err := s.target.AddGroup(g); err != nil {
			t.Fatal(err)
		}
	}
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "TARGET", target.URL+"/v2")), Mode: 0o600}
	}
	if err := setup.Folder(s.dir, folder, "log.example.com/abuse"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(s.dir, "target.token"), 0o600); err != nil {
		t.Fatal(err)
	}
	for who, scopes := range map[string][]string{"ann": everything, "bob": everything, "mia": everything, "olga": everything, "sam": everything, "adam": {engine.ScopeAdmin}} {
		s.token(who, who, scopes...)
	}
	t.Cleanup(func() { s.halt(); s.check(); s.keepsToItself() })
	return s
}

// token makes a token in the folder.
func (s *site) token(name, identity string, scopes ...string) {
	s.t.Helper()
	if _, err := setup.AddToken(s.dir, setup.Token{Name: name, Identity: identity, Scopes: scopes, Strength: "mfa", Expires: time.Now().Add(time.Hour)}); err != nil {
		s.t.Fatal(err)
	}
}

// edit replaces a part of a file of the folder.
func (s *site) edit(name, old, new string) {
	s.t.Helper()
	name = filepath.Join(s.dir, filepath.FromSlash(name))
	text, err := os.ReadFile(name)
	if err != nil || !strings.Contains(string(text), old) {
		s.t.Fatalf("%s has no %q: %v", name, old, err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs the server; its error is that of refusing to start.
func (s *site) start() error {
	s.t.Helper()
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	made, err := server.New(context.WithoutCancel(s.t.Context()), s.dir, log, s.clocks()...)
	if err != nil {
		return err
	}
	l, err := made.Listen("")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- made.Run(ctx, l) }()
	s.server, s.url = made, "http://"+l.Addr().String()
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the server ended: %v", err)
		}
		if err := made.Close(); err != nil {
			s.t.Errorf("close: %v", err)
		}
	}
	return nil
}

// run starts the server and fails the test if it refuses.
func (s *site) run() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// halt stops the server, if it runs.
func (s *site) halt() {
	s.t.Helper()
	s.stop()
	s.stop, s.server = func() {}, nil
}

// as is somebody's way to the server.
func (s *site) as(name string) *client.Client {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, "tokens", name))
	if err != nil {
		s.t.Fatal(err)
	}
	return client.New(s.url, strings.TrimSpace(string(raw)))
}

// granted asks and has it approved.
func (s *site) granted(who string, a engine.Ask, approvers ...string) access.Grant {
	s.t.Helper()
	r, err := s.as(who).Submit(s.t.Context(), filled(a))
	for _, v := range approvers {
		if err == nil {
			r, err = s.as(v).Vote(s.t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
		}
	}
	if err != nil || r.State != access.Approved {
		s.t.Fatalf("request of %s: %s, %v", who, r.State, err)
	}
	sight, err := s.as(who).Grant(s.t.Context(), r.Items[0].Grant)
	if err != nil {
		s.t.Fatal(err)
	}
	return sight.Grant
}

// soon waits until it is so, or fails the test.
func (s *site) soon(what string, so func() bool) {
	s.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	late := time.After(60 * time.Second)
	for !so() {
		select {
		case <-look.C:
		case <-late:
			all := s.log.all()
			s.t.Fatalf("not so after a minute: %s\n…%s", what, all[max(0, len(all)-2000):])
		}
	}
}

// holds tells by the target's own means whether somebody is in a group.
func (s *site) holds(who, group string) bool {
	return strings.Contains(" "+strings.Join(s.target.Members(group), " ")+" ", " "+who+" ")
}

// state is how the assignment under a grant stands.
func (s *site) state(who, grant string) access.AssignmentState {
	s.t.Helper()
	sight, err := s.as(who).Grant(s.t.Context(), grant)
	if err != nil {
		s.t.Fatal(err)
	}
	return sight.Assignment.State
}

// inspect opens the database to be read.
func (s *site) inspect() *store.DB {
	s.t.Helper()
	db, err := store.Inspect(context.WithoutCancel(s.t.Context()), "sqlite:"+filepath.Join(s.dir, "lessor.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

// check asks the oracle about the folder of a server that does not run.
func (s *site) check() {
	s.t.Helper()
	if _, err := os.Stat(filepath.Join(s.dir, "lessor.db")); err != nil {
		return // it never ran
	}
	db := s.inspect()
	defer db.Close()
	s.oracle(db).Check(s.t)
}

func (s *site) oracle(db *store.DB) enginetest.Oracle {
	s.t.Helper()
	key, err := os.ReadFile(filepath.Join(s.dir, "log.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	of := map[string][]string{"work": {"wiki", "lobby", "portal"}, "play": {"games"}}
	systems := []string{"work", "play"}
	if s.roles {
		systems = append(systems, "own")
	}
	return enginetest.Oracle{DB: db, VKey: strings.TrimSpace(string(key)), Now: s.wall, Systems: systems, Provision: 30 * time.Second,
		Held: func(system string) (list []connector.Ref) {
			if system == "own" {
				return s.onRoster(db)
			}
			for _, g := range of[system] {
				for _, m := range s.target.Members(g) {
					list = append(list, connector.Ref{Account: m, Object: g})
				}
			}
			return list
		}}
}

// lessor runs one command on the folder, with somebody's token.
func (s *site) lessor(who string, args ...string) (code int, out, errs string) {
	s.t.Helper()
	var o, e bytes.Buffer
	args = append(args, "--dir", s.dir)
	if who != "" {
		args = append(args, "--as", who, "--server", s.url)
	}
	code = cli.Main(context.WithoutCancel(s.t.Context()), args, strings.NewReader(""), &o, &e, func(string) string { return "" })
	return code, o.String(), e.String()
}

// problemsOf reads the folder as the server would.
func (s *site) problemsOf() string {
	s.t.Helper()
	_, _, _, err := server.Check(s.dir)
	if err == nil {
		return ""
	}
	return err.Error()
}
