package authzen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/store"
)

// written is every test of the house, with the texts in its file: the names of
// its cases are among them.
func written(t *testing.T) (tests map[string][]string, here []string) {
	t.Helper()
	tests = map[string][]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") || f.Recv != nil {
				continue
			}
			var texts []string
			ast.Inspect(f, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil {
						texts = append(texts, s)
					}
				}
				return true
			})
			tests[f.Name.Name] = append(texts, f.Name.Name)
			if filepath.Dir(path) == filepath.Join("..", "authzen") {
				here = append(here, f.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests, here
}

// TestStandardsTable holds docs/standards.md against the tests there are.
func TestStandardsTable(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "standards.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests, here := written(t)
	bears := regexp.MustCompile("`(Test[^`]*)`")
	named, rows := map[string]bool{}, 0
	_, tables, _ := strings.Cut(string(raw), "\n## ") // what stands before is about the texts
	for line := range strings.SplitSeq(tables, "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| ---") || strings.HasSuffix(line, " | Test |") {
			continue
		}
		names := bears.FindAllStringSubmatch(cells[2], -1)
		if len(names) == 0 {
			t.Errorf("a row without a test: %s", line)
		}
		rows++
		for _, n := range names {
			test, sub, cased := strings.Cut(n[1], "/")
			named[test] = true
			if texts, there := tests[test]; !there {
				t.Errorf("there is no %s: %s", test, line)
			} else if cased && !slices.Contains(texts, sub) {
				t.Errorf("%s has no case %q", test, sub)
			}
		}
	}
	for _, name := range here {
		if !named[name] && name != "TestMain" && name != "TestStandardsTable" {
			t.Errorf("%s is in no row of docs/standards.md", name)
		}
	}
	if rows < 130 {
		t.Errorf("the tables have %d rows", rows)
	}
	if !strings.Contains(string(raw), authzen.Commit) {
		t.Error("the page names another commit than discovery does")
	}
}

// A door that lacks something, or calls itself by what is not https, is not made.
func TestDoorIsWholeOrNotMade(t *testing.T) {
	t.Parallel()
	var good authzen.Config
	open(t, store.SQLite, func(c *authzen.Config) { good = *c })
	for what, change := range map[string]func(*authzen.Config){
		"no engine":         func(c *authzen.Config) { c.Engine = nil },
		"no directory":      func(c *authzen.Config) { c.Directory = nil },
		"no shelf":          func(c *authzen.Config) { c.Shelf = nil },
		"no budget":         func(c *authzen.Config) { c.SpendEvaluation = nil },
		"no visitor":        func(c *authzen.Config) { c.Visitor = nil },
		"no key":            func(c *authzen.Config) { c.Key = nil },
		"a key too short":   func(c *authzen.Config) { c.Key = c.Key[:16] },
		"plain http":        func(c *authzen.Config) { c.Base = "http://pdp.example" },
		"a query":           func(c *authzen.Config) { c.Base = "https://pdp.example?x" },
		"a fragment":        func(c *authzen.Config) { c.Base = "https://pdp.example/#x" },
		"a name and secret": func(c *authzen.Config) { c.Base = "https://a:b@pdp.example" },
	} {
		c := good
		change(&c)
		if _, err := authzen.New(c); err == nil {
			t.Errorf("%s: it is made", what)
		}
	}
	d := open(t, store.SQLite, func(c *authzen.Config) { c.Base = "https://pdp.example/" })
	d.is("a base of its own", d.call("", "GET", authzen.Discovery, nil), 200, "policy_decision_point", "https://pdp.example", "access_evaluation_endpoint", "https://pdp.example"+authzen.Evaluation)
}
