package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
)

var update = flag.Bool("update", false, "write what was found into the corpus; read the difference")

// The corpus: every testdata/*.txtar is a folder, laid over that of base.txtar
// unless its comment begins with "alone", with the exact problems expected of it
// or, where it has none, the exact warnings. hunter2 is a secret in all of them.
func TestCorpus(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 15 {
		t.Fatal("no corpus", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			playCase(t, name)
		})
	}
}

func playCase(t *testing.T, name string) {
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	folder, want := fstest.MapFS{}, map[string]string{"problems": "", "warnings": ""}
	if !strings.HasPrefix(string(a.Comment), "alone") {
		folder = company(t)
	}
	for _, f := range a.Files {
		if _, ok := want[f.Name]; ok {
			want[f.Name] = string(f.Data)
			continue
		}
		folder[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o640}
	}
	got := map[string]string{}
	c, err := LoadFS(folder, "/etc/lessor")
	var problems access.Problems
	switch {
	case err == nil:
		got["warnings"] = lines(c.Warnings)
	case c != nil || !errors.As(err, &problems) || !errors.Is(err, access.ErrInvalid):
		t.Fatalf("%v, %T %v", c, err, err)
	default:
		got["problems"] = lines(problems)
	}
	if strings.Contains(got["problems"]+got["warnings"], "hunter2") {
		t.Error("a secret is repeated")
	}
	if *update {
		rewrite(t, name, a, got)
		return
	}
	for kind, text := range want {
		if text != got[kind] {
			t.Errorf("%s:\n%swant:\n%s", kind, got[kind], text)
		}
	}
}

func rewrite(t *testing.T, name string, a *txtar.Archive, got map[string]string) {
	before := string(txtar.Format(a))
	for i, f := range a.Files {
		if text, ok := got[f.Name]; ok {
			a.Files[i].Data = []byte(text)
		}
	}
	if string(txtar.Format(a)) == before {
		return
	}
	if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

func lines(ps access.Problems) string {
	if len(ps) == 0 {
		return ""
	}
	return ps.Error() + "\n"
}

// company is the folder of base.txtar.
func company(t testing.TB) fstest.MapFS {
	a, err := txtar.ParseFile("testdata/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	for _, f := range a.Files {
		folder[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o640}
	}
	return folder
}
