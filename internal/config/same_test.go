package config

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lessor-iam/lessor/internal/access"
)

// Replicas on the same files have the same digest, wherever each listens and its
// folder is; what decides anything gives another.
func TestWhatReplicasMustShare(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:7317\nanswer_within: 24h\ntokens:\n",
		"directory.yaml": "identities:\n  - {id: mia, kind: person, name: Mia}\n",
		"catalog.yaml":   "systems: []\nentitlements: []\n",
		"policy/a.cedar": "",
	}
	digest := func(dir, file, old, with string) string {
		t.Helper()
		fsys := fstest.MapFS{}
		for name, text := range files {
			if name == file {
				text = strings.Replace(text, old, with, 1)
			}
			fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
		}
		c, err := LoadFS(fsys, dir)
		if err != nil {
			t.Fatal(err)
		}
		return access.Digest(c.Files)
	}
	is := digest("/etc/lessor", "", "", "")
	for name, x := range map[string]struct {
		dir, file, old, with string
		same                 bool
	}{
		"another folder":  {"/srv/lessor", "", "", "", true},
		"another address": {"/etc/lessor", "lessor.yaml", ":7317", ":7318", true},
		"a comment":       {"/etc/lessor", "lessor.yaml", "tokens:", "# who may\ntokens:", true},
		"another answer":  {"/etc/lessor", "lessor.yaml", "24h", "25h", false},
		"a token more":    {"/etc/lessor", "lessor.yaml", "tokens:\n", "tokens:\n  - {name: m, identity: mia, scopes: [view], expires: 2030-01-01, sha256: \"" + strings.Repeat("ab", 32) + "\"}\n", false},
		"another notify":  {"/etc/lessor", "lessor.yaml", "tokens:", "notify: [bin/tell]\ntokens:", false},
		"a second person": {"/etc/lessor", "lessor.yaml", "tokens:", "second_person: files\ntokens:", false},
		"another name":    {"/etc/lessor", "directory.yaml", "Mia", "Maria", false},
	} {
		if got := digest(x.dir, x.file, x.old, x.with); (got == is) != x.same {
			t.Errorf("%s: %s, and without it %s; the same: want %t", name, got, is, x.same)
		}
	}
}
