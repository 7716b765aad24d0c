package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// company is a folder whose directory server is the given one.
func company(t *testing.T, slapd *testserver.SlapdServer) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "lessor")
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml": "listen: 127.0.0.1:0\nprovision_within: 30s\npace: {lease: 10s, call: 3s, retry: 200ms, slowest_off: 2s, recheck: 10s, confirm: 500ms}\ntokens:\n",
		"directory.yaml": `identities:
  - {id: ann, kind: person, name: Ann, manager: mia, accounts: {ldap: ann}}
  - {id: mia, kind: person, name: Mia}
`,
		"catalog.yaml": fmt.Sprintf(`systems:
  - id: ldap
    connector: ldap
    owner: mia
    settings: {url: %q, ca_file: %q, bind_dn: %q, password_ref: file:bind.password, people_base: %q, groups_base: %q}
entitlements:
  - {id: "ldap:wiki", name: Wiki, object: "cn=wiki,%s", owners: [mia], class: standard, max_term: 1d}
`, slapd.URL, slapd.CAFile, testserver.SlapdService, testserver.SlapdPeople, testserver.SlapdGroups, testserver.SlapdGroups),
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bind.password"), []byte(testserver.SlapdServiceSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"ann", "mia"} {
		token := setup.Token{Name: who, Identity: who, Scopes: []string{"request", "approve", "view", "revoke"}, Expires: time.Now().Add(time.Hour)}
		if _, err := setup.AddToken(dir, token); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serve runs a server on the folder until the test ends, and returns the way to it for each token.
func serve(t *testing.T, dir string) (as func(who string) *client.Client) {
	t.Helper()
	_, at := served(t, dir, io.Discard)
	return func(who string) *client.Client { return client.New(at, token(t, dir, who)) }
}

// served runs a server on the folder until the test ends; at is its address.
func served(t *testing.T, dir string, said io.Writer) (s *server.Server, at string) {
	t.Helper()
	s, err := server.New(t.Context(), dir, slog.New(slog.NewJSONHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug})))
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
		if err := errors.Join(<-ended, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, "http://" + l.Addr().String()
}

// token reads somebody's token as a person would.
func token(t *testing.T, dir, who string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "tokens", who))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// listed asks the directory with OpenLDAP's own tool.
func listed(t *testing.T, slapd *testserver.SlapdServer) bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ldapsearch", "-x", "-LLL", "-H", slapd.PlainURL, "-D", testserver.SlapdAdmin, "-w", testserver.SlapdAdminSecret,
		"-b", "cn=wiki,"+testserver.SlapdGroups, "-s", "base", "member").CombinedOutput()
	if err != nil {
		t.Fatalf("ldapsearch: %v\n%s", err, out)
	}
	return strings.Contains(string(out), "member: uid=ann,")
}

// TestAPersonWithLdapsearch watches a real directory while two overlapping
// grants come and go: the member is there from the first sight to the last end,
// and gone after it.
func TestAPersonWithLdapsearch(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ldapsearch"); err != nil {
		testserver.Missing(t, "ldapsearch")
	}
	slapd := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	slapd.Person(t, "ann")
	slapd.Group(t, "wiki")
	as := serve(t, company(t, slapd))

	grant := func(term access.Term) string {
		r, err := as("ann").Submit(t.Context(), engine.Ask{Entitlements: []string{"ldap:wiki"}, Term: term, Reason: "notes"})
		if err != nil {
			t.Fatal(err)
		}
		if r, err = as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil || r.State != access.Approved {
			t.Fatalf("request is %s: %v", r.State, err)
		}
		return r.Items[0].Grant
	}
	until := func(id, what string, is func(api.Sight) bool) (s api.Sight) {
		testserver.Await(t, "grant "+id+" "+what, 20*time.Second, func() (err error) {
			if s, err = as("ann").Grant(t.Context(), id); err == nil && !is(s) {
				err = fmt.Errorf("it is %s and its access %s %s", s.Grant.State, s.Assignment.State, s.Trouble)
			}
			return err
		})
		return s
	}
	seen := func(s api.Sight) bool { return !s.Grant.Seen.IsZero() && s.Assignment.State == access.Held }
	ended := func(s api.Sight) bool { return s.Grant.State == access.Ended }

	if listed(t, slapd) {
		t.Fatal("ann is a member before anything was granted")
	}
	second := access.Term(time.Second)
	first, last := grant(2*second), grant(4*second)
	until(first, "seen", seen)
	until(last, "seen", seen)
	if !listed(t, slapd) {
		t.Error("seen held, and ldapsearch does not list ann")
	}
	until(first, "ended", ended)
	if s := until(last, "still live", seen); !listed(t, slapd) && time.Now().Before(s.Grant.End) {
		t.Error("the first grant's end took the access of the second")
	}
	s := until(last, "seen gone", func(s api.Sight) bool { return ended(s) && s.Assignment.State == access.Absent })
	if listed(t, slapd) {
		t.Error("seen gone, and ldapsearch still lists ann")
	}
	if s.Assignment.SeenAt.Before(s.Grant.End) {
		t.Errorf("removed at %s, before the end %s", s.Assignment.SeenAt, s.Grant.End)
	}
	if !slices.ContainsFunc(s.Receipts, func(r access.Receipt) bool { return r.Held() }) {
		t.Error("no receipt says that it was held")
	}
}
