package server_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// connected is a folder with one system, connected so.
func connected(t *testing.T, by, settings string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "lessor")
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:0\nprovision_within: 30s\npace: {lease: 10s, call: 3s, retry: 200ms, slowest_off: 2s, recheck: 10s, confirm: 500ms}\ntokens:\n",
		"directory.yaml": "identities:\n  - {id: ann, kind: person, name: Ann, manager: mia, accounts: {file: ann}}\n  - {id: mia, kind: person, name: Mia}\n",
		"catalog.yaml": "systems:\n  - id: file\n    connector: " + by + "\n    owner: mia\n    settings:\n" + settings +
			"entitlements:\n  - {id: \"file:db\", name: DB, object: db, owners: [mia], class: standard, max_term: 1d}\n",
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/test"); err != nil {
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

// What is wrong with the settings is said, and what is only not there yet is warned of.
func TestExecSettings(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]struct{ problem, warning string }{
		"      program: sh\n      args: a b\n":                                    {problem: "args is a JSON array"},
		"      args: '[]'\n":                                                      {problem: `setting "program" is needed`},
		"      program: sh\n      shell: bash\n":                                  {problem: `has no setting "shell"`},
		"      program: sh\n      batch: none\n":                                  {problem: "batch is a number from 1"},
		"      program: sh\n      effective: maybe\n":                             {problem: "effective is true or false"},
		"      program: sh\n      lingers: long\n":                                {problem: "lingers is not a time"},
		"      program: sh\n      env_token: abc\n":                               {problem: "env_token_ref"},
		"      program: ./none\n":                                                 {warning: "no such file"},
		"      program: no-such-program\n":                                        {warning: "not found in $PATH"},
		"      program: sh\n      env_a_ref: env:NOT_SET_ANYWHERE\n":              {warning: "env_a_ref"},
		"      program: sh\n      env_a: b\n      timeout: 10s\n      batch: 7\n": {},
	} {
		_, _, warnings, err := server.Check(connected(t, "exec", settings))
		text := strings.Join(warnings, "\n")
		switch {
		case want.problem == "" && err != nil, want.problem != "" && (err == nil || !strings.Contains(err.Error(), want.problem)):
			t.Errorf("%s: %v, want %q", settings, err, want.problem)
		case !strings.Contains(text, want.warning), want.warning == "" && err == nil && strings.Contains(text, "system file"):
			t.Errorf("%s: warnings %q, want %q", settings, text, want.warning)
		}
	}
}

// The example connector works under a server: access is seen, and seen gone.
func TestExecUnderAServer(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		testserver.Missing(t, "python3")
	}
	program, err := filepath.Abs("../../examples/connector/file.py")
	if err != nil {
		t.Fatal(err)
	}
	dir := connected(t, "exec", "      program: "+program+"\n      effective: true\n      args: '[\"two words.json\"]'\n")
	target := filepath.Join(dir, "two words.json") // it runs in the folder
	if err := os.WriteFile(target, []byte(`{"accounts": ["ann", "bob"], "objects": {"db": {"members": ["bob"], "inner": []}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	members := func() []string {
		var state struct {
			Objects map[string]struct{ Members []string }
		}
		raw, err := os.ReadFile(target)
		if err == nil {
			err = json.Unmarshal(raw, &state)
		}
		if err != nil {
			t.Fatal(err)
		}
		return state.Objects["db"].Members
	}
	as := serve(t, dir)
	r, err := as("ann").Submit(t.Context(), engine.Ask{Entitlements: []string{"file:db"}, Term: access.Term(2 * time.Second), Reason: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil {
		t.Fatal(err)
	}
	wasSeen := false
	testserver.Await(t, "the whole life of a grant", 30*time.Second, func() error {
		s, err := as("ann").Grant(t.Context(), r.Items[0].Grant)
		if err == nil && s.Assignment.State == access.Held && !wasSeen {
			if wasSeen = true; !slices.Contains(members(), "ann") {
				t.Error("seen held, and the file does not say so")
			}
		}
		if err == nil && (s.Grant.State != access.Ended || s.Assignment.State != access.Absent) {
			return errors.New("it is not over yet")
		}
		return err
	})
	if got := members(); !wasSeen || !slices.Equal(got, []string{"bob"}) {
		t.Errorf("seen held: %t; held at last by %q", wasSeen, got)
	}
}
