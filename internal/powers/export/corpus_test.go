package export

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/powers"
)

var update = flag.Bool("update", false, "write what was found into the corpus; read the difference")

// The corpus: every testdata/KIND-*.txtar is one export, with what follows from
// each of its roles, or the exact problems.
func TestCorpus(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 40 {
		t.Fatal("no corpus", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			kind, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(name), ".txtar"), "-")
			got := found(t, kind, a.Files[0].Name, a.Files[0].Data)
			if want := string(a.Files[1].Data); got != want && !*update {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if *update {
				a.Files[1].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// read reads an export of any kind.
func read(kind, file string, text []byte) (roles []powers.Role, parts powers.Parts, err error) {
	switch kind {
	case "azure":
		roles, err = Azure(file, text)
	case "aws":
		roles, err = AWS(file, text, "policy")
	case "kubernetes":
		var k Kubernetes
		k, err = ReadKubernetes(file, text)
		return k.Roles, k.Parts(nil), err
	case "rights":
		roles, err = Rights(file, text)
	}
	return roles, powers.Analyse(nil, roles...), err
}

// found says in lines what follows from each role.
func found(t *testing.T, kind, file string, text []byte) string {
	roles, parts, err := read(kind, file, text)
	if err != nil {
		if !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%v is not invalid", err)
		}
		return err.Error() + "\n"
	}
	g, err := powers.New(powers.Config{Parts: parts})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, role := range roles {
		c, err := g.Closure(role.Ref().ID)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: declared %q, reaches %q, gap %v, self_grant %v\n", role.Name, c.Declared, c.Reached, c.Gap, c.SelfGrant)
		for _, p := range c.Powers {
			rule, _, _ := strings.Cut(p.ID, "@")
			if _, ok := powers.FindRule(rule); !ok {
				t.Errorf("no rule %q", rule)
			}
			fmt.Fprintf(&b, "  can %s [%s]\n", p.Name, rule)
		}
		for _, p := range c.Paths {
			fmt.Fprintf(&b, "  %s: %s\n", p.To, p.Sentence)
		}
	}
	return b.String()
}
