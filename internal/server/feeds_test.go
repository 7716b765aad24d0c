package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// told is a folder with a feed that is read every ten seconds.
func told(t *testing.T) (dir, people string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "lessor")
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:0\ntokens:\n",
		"directory.yaml": "identities:\n  - {id: mia, kind: person, name: Mia}\n  - {id: sam, kind: person, name: Sam}\ngroups:\n  - {id: security, members: [sam]}\n",
		"catalog.yaml": "systems:\n  - {id: list, connector: manual, owner: mia, settings: {asked_file: asked.jsonl, holdings_file: holdings.csv}}\n" +
			"entitlements:\n  - {id: \"list:wiki\", name: Wiki, object: wiki, owners: [mia], class: standard, max_term: 1d}\n",
		"feeds.yaml":         "feeds:\n  - {id: hr, kind: csv, key: number, identity: user, every: 10s, settings: {people_file: people.csv}, match: [{attribute: user, equals: id}]}\n",
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	if _, err := setup.AddToken(dir, setup.Token{Name: "sam", Identity: "sam", Scopes: []string{"view", "revoke"}, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, "people.csv")
}

func employees(t *testing.T, file string, n int) {
	t.Helper()
	text := "number;user;name;manager\n1;mia;Mia;\n"
	for i := range n {
		text += fmt.Sprintf("%d;p%d;Person %d;1\n", 100+i, i, i)
	}
	next := file + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
}

// until waits until the feed is so.
func until(t *testing.T, c *client.Client, what string, so func(engine.FeedState) bool) {
	t.Helper()
	testserver.Await(t, what, time.Minute, func() error {
		list, err := c.Feeds(t.Context())
		if err == nil && (len(list) != 1 || !so(list[0])) {
			err = fmt.Errorf("feeds are %+v", list)
		}
		return err
	})
}

// A running server reads a file of people by itself, says when it cannot, and takes so
// many leavers at once only on somebody's word.
func TestAFeedIsRead(t *testing.T) {
	t.Parallel()
	dir, file := told(t)
	sam := serve(t, dir)("sam")
	until(t, sam, "that it cannot be read", func(f engine.FeedState) bool {
		return strings.Contains(f.Unread, "could not be read") && f.Read.IsZero()
	})
	employees(t, file, 8)
	until(t, sam, "that it is read", func(f engine.FeedState) bool { return f.Here == 9 && f.Unread == "" })
	employees(t, file, 2)
	until(t, sam, "that six leavers are in doubt", func(f engine.FeedState) bool { return f.Here == 3 && f.Doubted == 6 })
	unhurried(t, "who they are", "", func() error {
		held, err := sam.Held(t.Context(), "hr", true, "", 10)
		if err == nil && (len(held) != 6 || held[0].Identity != "p2") {
			t.Fatalf("%+v", held)
		}
		return err
	})
	unhurried(t, "another number", "of 6 is in doubt", func() error { _, err := sam.ConfirmFeed(t.Context(), "hr", 5, "they have left"); return err })
	unhurried(t, "their number", "", func() error {
		got, err := sam.ConfirmFeed(t.Context(), "hr", 6, "they have left")
		if err == nil && got.Left != 6 {
			t.Fatalf("%+v", got)
		}
		return err
	})
	until(t, sam, "that they have left", func(f engine.FeedState) bool { return f.Doubted == 0 && f.Left == 6 })
	unhurried(t, "a record that is not held", "not held", func() error { _, err := sam.DecideRecord(t.Context(), "hr", "100", "", "it is new"); return err })
}

// unhurried does something once the door, which was asked often, has time again; says is
// how it must be refused, empty: not at all.
func unhurried(t *testing.T, what, says string, do func() error) {
	t.Helper()
	testserver.Await(t, what, time.Minute, func() error {
		err := do()
		switch {
		case err != nil && strings.Contains(err.Error(), "too many requests"):
			return err
		case (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says):
			t.Errorf("%s: %v; want %q", what, err, says)
		}
		return nil
	})
}

// A directory is read by a running server; what is wrong with its settings is said where it stands.
func TestADirectoryIsRead(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Access: `access to dn.subtree="ou=people,dc=example,dc=org" attrs=entry,objectClass,entryUUID,uid,cn,manager
  by dn.exact="cn=svc-lessor,ou=svc,dc=example,dc=org" read
  by * none
`})
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	s.Modify(t, ann, "manager", []string{bob}, nil) // each is the other's
	s.Modify(t, bob, "manager", []string{ann}, nil)
	dir, _ := told(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pem, err := os.ReadFile(filepath.Join(s.Dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	write("ca.pem", string(pem))
	write("password", testserver.SlapdServiceSecret)
	feed := "feeds:\n  - {id: hr, kind: ldap, identity: user, every: 10s, settings: {url: " + s.URL + ", ca_file: ca.pem, dialect: openldap, " +
		"bind_dn: \"" + testserver.SlapdService + "\", password_ref: file:password, people_base: \"" + testserver.SlapdPeople + "\"}}\n"
	for from, want := range map[string]string{"dialect: openldap, ": `"dialect" is needed`, "dialect: openldap": "feeds.yaml:2", "people_base": `has no setting "people_bas"`} {
		write("feeds.yaml", strings.Replace(feed, from, map[string]string{"people_base": "people_bas", "dialect: openldap": "dialect: x"}[from], 1))
		if _, _, _, err := server.Check(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", from, err, want)
		}
	}
	write("feeds.yaml", feed)
	sam := serve(t, dir)("sam")
	until(t, sam, "that it is read", func(f engine.FeedState) bool { return f.Here == 2 && f.Kind == "ldap" })
	s.Delete(t, ann)
	until(t, sam, "that one has left", func(f engine.FeedState) bool { return f.Here == 1 && f.Left == 1 })
}
