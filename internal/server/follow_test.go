package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// directory is a real one with people bob and cyd and dan and a group wiki.
type directory struct {
	settings string
	wiki     string
	put      func(t *testing.T, person string) // into wiki, behind our back
}

func openLDAP(t *testing.T) directory {
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	wiki := s.Group(t, "wiki")
	return directory{fmt.Sprintf("{url: %q, ca_file: %q, bind_dn: %q, password_ref: file:password, people_base: %q, groups_base: %q}",
		s.URL, s.CAFile, testserver.SlapdService, testserver.SlapdPeople, testserver.SlapdGroups), wiki,
		func(t *testing.T, person string) {
			s.Modify(t, wiki, "member", []string{s.Person(t, person)}, nil)
		}}
}

func ds389(t *testing.T) directory {
	s := testserver.DS389(t, true)
	wiki := s.Group(t, "wiki")
	return directory{fmt.Sprintf("{url: %q, ca_file: %q, bind_dn: %q, password_ref: file:password, people_base: %q, groups_base: %q, persistent_search: true}",
		s.URL, s.CAFile, testserver.SlapdService, testserver.SlapdPeople, testserver.SlapdGroups), wiki,
		func(t *testing.T, person string) {
			s.Modify(t, wiki, "member", []string{s.Person(t, person)}, nil)
		}}
}

func samba(t *testing.T) directory {
	a := testserver.Samba(t).Area(t)
	wiki := a.Group(t, "wiki")
	return directory{fmt.Sprintf("{url: %q, ca_file: %q, bind_dn: %q, password_ref: file:password, people_base: %q, groups_base: %q, account_attribute: uid}",
		a.URL, a.CAFile, testserver.SambaService, a.People, a.Groups), wiki,
		func(t *testing.T, person string) {
			a.Modify(t, wiki, "member", []string{a.Person(t, person)}, nil)
		}}
}

// What is changed behind our back is a finding at once, though the next round is six
// hours off: on every kind of directory, with the account of the documentation.
func TestAChangeBehindOurBack(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]struct {
		start  func(*testing.T) directory
		secret string
	}{
		"OpenLDAP": {openLDAP, testserver.SlapdServiceSecret}, "389": {ds389, testserver.SlapdServiceSecret}, "Samba": {samba, testserver.SambaServiceSecret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open.start(t)
			said := &lines{}
			mia := followed(t, d, open.secret, said)
			testserver.Await(t, "the feed and a reading", time.Minute, func() error {
				if said.count("feed", func(l saidLine) bool { return l.Listening }) == 0 || said.count("inventory", func(l saidLine) bool { return !l.Part }) == 0 {
					return errors.New("not yet")
				}
				return nil
			})
			// The whole is read once or twice at the start, which may find the first of
			// them, and not again for a minute.
			for _, person := range []string{"bob", "cyd", "dan"} {
				d.put(t, person)
				testserver.Await(t, "a finding of "+person, time.Minute, func() error { return foundBy(t, mia, person) })
				if said.count("inventory", func(l saidLine) bool { return l.Part && l.Unexpected > 0 }) > 0 {
					return
				}
			}
			t.Errorf("only whole readings found it:\n%s", said)
		})
	}
}

// foundBy says, as nil, that there is an open finding that names the person.
func foundBy(t *testing.T, c *client.Client, person string) error {
	list, err := c.Findings(t.Context(), false, 100)
	for _, f := range list {
		if f.Kind == "unexpected_access" && strings.Contains(f.Text, person) {
			return nil
		}
	}
	return errors.Join(err, fmt.Errorf("findings are %+v", list))
}

// followed runs a server on the directory until the test ends, which it must in time.
func followed(t *testing.T, d directory, secret string, said *lines) (mia *client.Client) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lessor")
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:0\ninventory: 6h\ntokens:\n",
		"directory.yaml": "identities:\n  - {id: mia, kind: person, name: Mia}\n",
		"catalog.yaml": fmt.Sprintf("systems:\n  - {id: ldap, connector: ldap, owner: mia, settings: %s}\nentitlements:\n  - {id: \"ldap:wiki\", name: Wiki, object: %q, owners: [mia], class: standard, max_term: 1d}\n",
			d.settings, d.wiki),
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := setup.AddToken(dir, setup.Token{Name: "mia", Identity: "mia", Scopes: []string{"request", "approve", "view", "revoke"}, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), dir, slog.New(slog.NewJSONHandler(said, nil)))
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
		select {
		case err := <-ended:
			if err := errors.Join(err, s.Close()); err != nil {
				t.Error(err)
			}
		case <-time.After(2 * time.Minute):
			t.Error("it does not end")
		}
	})
	return client.New("http://"+l.Addr().String(), token(t, dir, "mia"))
}

// lines is what a server has said.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// saidLine is what is asked of one line.
type saidLine struct {
	Msg             string
	Listening, Part bool
	Unexpected      int
	Error           string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) count(msg string, is func(saidLine) bool) (n int) {
	for line := range strings.Lines(l.String()) {
		var one saidLine
		if json.Unmarshal([]byte(line), &one) == nil && one.Msg == msg && one.Error == "" && is(one) {
			n++
		}
	}
	return n
}
