package server_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/server"
)

// withStores is a folder with a stores.yaml.
func withStores(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = connected(t, "exec", "      program: sh\n")
	put(t, dir, "stores.yaml", text)
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Everything that is wrong with any store is said at once, each at its place.
func TestStoresChecked(t *testing.T) {
	t.Parallel()
	_, _, warnings, err := server.Check(withStores(t, `stores:
  - {id: a, kind: walt}
  - {id: b, kind: vault, settings: {token_ref: "env:LESSOR_NO_SUCH_TOKEN", mount: "/x/", colour: red}}
  - {id: c, kind: kubernetes, settings: {url: "http://cluster", token_ref: "env:LESSOR_NO_SUCH_TOKEN", ca_file: none.pem}}
  - {id: d, kind: age, settings: {identity_ref: "file:none", folder: none, recipients_file: none.txt}}
  - {id: e, kind: age, settings: {group_reads: maybe}}
`))
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, says := range []string{`stores.yaml:2:5: secret store a: there is no kind "walt"`, `stores.yaml:3:5: secret store b: setting "url" is needed`, `a secret store of kind vault has no setting "colour"`,
		"stores.yaml:4:5: secret store c: ca_file: ", `secret store e: setting "folder" is needed`, "group_reads is true or false"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("does not say %q: %v", says, err)
		}
	}
	all := strings.Join(warnings, "\n")
	for _, says := range []string{"secret store b: token_ref: secret env:LESSOR_NO_SUCH_TOKEN", "secret store d: identity_ref", "secret store d: folder: there is no folder", "secret store d: recipients_file"} {
		if !strings.Contains(all, says) {
			t.Errorf("does not warn %q: %s", says, all)
		}
	}
}

// A server delivers to a store of its file, read by a consumer's own tool, and takes in
// no other store without a restart.
func TestStoresWired(t *testing.T) {
	t.Parallel()
	dir := withStores(t, "stores:\n  - {id: files, kind: age, settings: {folder: out, identity_ref: \"file:age.key\", recipients_file: consumers.txt}}\n")
	own, err1 := age.GenerateX25519Identity()
	consumer, err2 := age.GenerateX25519Identity()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	put(t, dir, "age.key", own.String()+"\n")
	put(t, dir, "consumers.txt", consumer.Recipient().String()+"\n")
	put(t, dir, "consumer.key", consumer.String()+"\n")
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	store, ref, err := s.Deliver("files:billing/db")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), ref, 1, connector.Worth("hunter2")); err != nil {
		t.Fatal(err)
	}
	if tool, err := exec.LookPath("age"); err == nil {
		out, err := exec.Command(tool, "--decrypt", "-i", filepath.Join(dir, "consumer.key"), filepath.Join(dir, "out/billing/db.age")).Output()
		if err != nil || string(out) != "hunter2" {
			t.Errorf("%d bytes, %v", len(out), err)
		}
	}
	for _, to := range []string{"", "files", "files:../x", "other:x", ":x"} {
		if _, _, err := s.Deliver(to); err == nil {
			t.Errorf("%q is delivered to", to)
		}
	}
	put(t, dir, "stores.yaml", "stores:\n  - {id: files, kind: age, settings: {folder: elsewhere, identity_ref: \"file:age.key\", recipients_file: consumers.txt}}\n")
	if err := s.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "needs a restart of the server: secret store files of stores.yaml") {
		t.Error(err)
	}
}
