package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const keptPlan = `credentials:
  - {id: job-db, system: db, account: rot-job, kind: password, deliver: "files:job/db", every: 30d, jitter: 1d}
`

// keeping is a folder in which the password of a workload's role is kept in a file that
// its consumer alone can read, besides us; it returns what the consumer reads.
func keeping(t *testing.T, target *testserver.PGTarget) (dir string, read func() string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "lessor")
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:0\npace: {lease: 10s, call: 3s, retry: 200ms, slowest_off: 2s, recheck: 10s, confirm: 500ms}\ntokens:\n",
		"directory.yaml": "identities:\n  - {id: ann, kind: person, name: Ann}\n  - {id: mia, kind: person, name: Mia}\n  - {id: bob, kind: person, name: Bob}\n  - {id: job, kind: workload, name: Job, owner: ann, accounts: {db: rot-job}}\n",
		"catalog.yaml": fmt.Sprintf("systems:\n  - id: db\n    connector: postgres\n    owner: mia\n    settings: {url: \"postgres://%s/postgres\", ca_file: %q, user: rot-lessor, password_ref: \"file:db.password\"}\n", target.Address, target.CAFile) +
			"entitlements:\n  - {id: \"db:team\", name: Team, object: rot_team, owners: [mia], class: standard, max_term: 1d}\n",
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
		"credentials.yaml":   keptPlan,
		"stores.yaml":        "stores:\n  - {id: files, kind: age, settings: {folder: out, identity_ref: \"file:age.key\", recipients_file: consumers.txt}}\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	own, err1 := age.GenerateX25519Identity()
	consumer, err2 := age.GenerateX25519Identity()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	files["consumers.txt"] = &fstest.MapFile{Data: []byte(consumer.Recipient().String() + "\n"), Mode: 0o600}
	if err := errors.Join(setup.Folder(dir, files, "log.example.org/test"), os.Mkdir(filepath.Join(dir, "out"), 0o700)); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "age.key", own.String()+"\n") // by itself: whoever else may read it has it refused
	put(t, dir, "db.password", "lessor-1f0a")
	for who, scopes := range map[string][]string{"ann": {"view", "revoke"}, "bob": {"view", "revoke"}, "mia": {"view", "admin"}} {
		if _, err := setup.AddToken(dir, setup.Token{Name: who, Identity: who, Scopes: scopes, Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func() string {
		t.Helper()
		sealed, err := os.ReadFile(filepath.Join(dir, "out/job/db.age"))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := age.Decrypt(bytes.NewReader(sealed), consumer)
		if err != nil {
			t.Fatal(err)
		}
		worth, err := io.ReadAll(plain)
		if err != nil {
			t.Fatal(err)
		}
		return string(worth)
	}
}

// A password of a workload is made, delivered, made anew when it leaks, and proved dead by
// a running server; its worth stands in nothing else that is in the folder. What the
// server could not carry out it does not take in.
func TestCredentialsAreKept(t *testing.T) {
	t.Parallel()
	target := testserver.PostgresTarget(t, "15")
	target.Exec(t, `create role rot_team; create role "rot-job" login; create role "rot-lessor" login createrole password 'lessor-1f0a'`)
	in := func(worth string) bool {
		conn, err := pgx.Connect(context.Background(), target.URL("rot-job", worth, "postgres"))
		if err == nil {
			_ = conn.Close(context.Background())
		}
		return err == nil
	}
	dir, read := keeping(t, target)
	if _, _, warnings, err := server.Check(dir); err != nil {
		t.Fatal(err, warnings)
	}
	said := &lines{}
	_, at := served(t, dir, said)
	as := func(who string) *client.Client { return client.New(at, token(t, dir, who)) }
	until := func(what string, is func(engine.CredentialKept) bool) (c engine.CredentialKept) {
		t.Helper()
		testserver.Await(t, what, time.Minute, func() (err error) {
			<-time.After(100 * time.Millisecond) // nobody asks more often than twenty times a second
			if c, err = as("mia").Credential(t.Context(), "job-db"); err == nil && !is(c) {
				err = fmt.Errorf("it is %s: %s", c.State, c.Trouble)
			}
			return err
		})
		return c
	}
	// 1. It is made by its plan, and its consumer can log in by it.
	c := until("the first one", func(c engine.CredentialKept) bool { return c.State == "live" })
	first := read()
	if c.Owner != "ann" || c.Generation != 1 || c.Deliver != "files:job/db" || len(c.Rotations) != 1 || !in(first) {
		t.Errorf("%+v", c)
	}
	// 2. It leaks.
	if _, err := as("ann").Compromised(t.Context(), engine.Deed{Credential: "job-db", Reason: "INC-1: it was in a log"}); err != nil {
		t.Fatal(err)
	}
	c = until("another one", func(c engine.CredentialKept) bool { return c.State == "live" && c.Generation > 1 })
	second := read()
	if second == first || in(first) || !in(second) || c.Rotations[0].Olds[0].How != "tried: it lets nobody in" {
		t.Errorf("the old one lets in: %t; the new one: %t; %+v", in(first), in(second), c.Rotations[0])
	}
	// 3. Somebody else finds none of it.
	if list, err := as("bob").Credentials(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := as("bob").Retire(t.Context(), engine.Deed{Credential: "job-db", Reason: "to see"}); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Error(err)
	}
	// 4. What cannot be carried out is not taken in, and said at its place.
	for text, says := range map[string]string{
		strings.Replace(keptPlan, "files:", "gone:", 1):                                                                        `credentials.yaml:2:5: credential job-db: there is no store "gone" in stores.yaml`,
		strings.Replace(keptPlan, "kind: password", "kind: pin", 1):                                                            `credential job-db: the connector of db makes no "pin"; it makes [password]`,
		strings.Replace(keptPlan, "every", "overlap: 1h, every", 1):                                                            "credential job-db: a password of db ends when another is set: there is no overlap",
		strings.Replace(keptPlan, "job/db", "../db", 1):                                                                        "credential job-db: deliver: ",
		keptPlan + "  - {id: again, system: db, account: rot-job, kind: password, deliver: \"files:job/again\", every: 30d}\n": "an account has one password, and ",
	} {
		put(t, dir, "credentials.yaml", text)
		if err := as("mia").Reload(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	put(t, dir, "credentials.yaml", keptPlan)
	if err := as("mia").Reload(t.Context()); err != nil {
		t.Error(err)
	}
	// 5. The worth of neither is anywhere else.
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(first)) || bytes.Contains(raw, []byte(second)) {
			t.Errorf("a worth stands in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// 6. It is ended for good.
	if _, err := as("ann").Retire(t.Context(), engine.Deed{Credential: "job-db", Reason: "the job is no more"}); err != nil {
		t.Fatal(err)
	}
	until("its end", func(c engine.CredentialKept) bool { return c.State == "retired" })
	if in(second) {
		t.Error("what is retired lets in")
	}
	// 7. Nor was any of it said, though every verb was.
	if found := testserver.Leaks(said.String(), first, second, "lessor-1f0a", token(t, dir, "ann")); len(found) > 0 || !strings.Contains(said.String(), `"verb":"settle rotation"`) {
		t.Errorf("in the log, which says %d letters: %q", len(said.String()), found)
	}
}
