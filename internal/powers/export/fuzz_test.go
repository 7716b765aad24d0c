package export

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/powers"
)

func seed(f *testing.F, kind string) {
	names, err := filepath.Glob("testdata/" + kind + "*.txtar")
	if err != nil || len(names) == 0 {
		f.Fatal("no corpus", err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
	}
}

// Whatever the bytes, reading ends, soon, in problems with places inside the
// text, or in roles of which a graph can be made.
func fuzz(f *testing.F, kind string) {
	seed(f, kind)
	f.Fuzz(func(t *testing.T, text []byte) {
		begin := time.Now()
		_, parts, err := read(kind, "f", text)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		if err == nil {
			_, err := powers.New(powers.Config{Parts: parts})
			if err != nil && !strings.Contains(err.Error(), "has no place in the order") { // a class is the order's to know
				t.Fatal(err)
			}
			return
		}
		var problems access.Problems
		if !errors.As(err, &problems) || len(problems) == 0 || len(problems) > maxProblems {
			t.Fatalf("%T %v", err, err)
		}
		lines := strings.Count(string(text), "\n") + 2
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines || p.Message == "" {
				t.Errorf("problem %q of %d lines", p, lines)
			}
		}
	})
}

func FuzzAzure(f *testing.F)      { fuzz(f, "azure") }
func FuzzAWS(f *testing.F)        { fuzz(f, "aws") }
func FuzzKubernetes(f *testing.F) { fuzz(f, "kubernetes") }
func FuzzRights(f *testing.F)     { fuzz(f, "rights") }
