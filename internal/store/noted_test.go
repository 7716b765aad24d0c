package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unnoted read requests or grants and do not say whose: no submit and no vote may go by
// what these tell. Whatever report*.go has is of the kind, too.
var unnoted = []string{
	"duringQuery",             // a text: who asks by it reads whole grants
	"HoldersOf",               // the figures of a case
	"ReasonsOf", "ReasonsFor", // who holds something, for whoever asks a door
	"VotesWaiting", "TicketsUnseen", // of leavers and of queues, whose verbs are Apart
}

// Whoever reads requests or grants notes whose they are, on which it rests that submits
// and votes run beside each other: of whom it asks, also where there is nothing, and of
// whatever rows it finds, which those it scans them with are for.
func TestWhoeverReadsNotesWhose(t *testing.T) {
	t.Parallel()
	reads := regexp.MustCompile(`\b(from|join) (grants|request)\b`)
	byWhom := regexp.MustCompile(`\b(identity|requester|beneficiary)\s*(=|in\b)`)
	notes := map[string]bool{}
	for name, f := range functions(t) {
		if !reads.MatchString(f.sql) {
			continue
		}
		notes[name] = f.calls["reads"] || f.calls["scanGrant"] || f.calls["scanRequest"]
		switch {
		case strings.HasPrefix(f.file, "report") || slices.Contains(unnoted, name):
		case byWhom.MatchString(f.sql) && !f.calls["reads"]:
			t.Errorf("%s (%s) asks for what somebody asked for or was granted, and does not note of whom: begin with tx.reads(…)", name, f.file)
		case !notes[name]:
			t.Errorf("%s (%s) reads requests or grants, and nobody notes whose: read whole rows, or call tx.reads(…), or put it among the unnoted", name, f.file)
		}
	}
	if len(notes) < 20 {
		t.Errorf("only %d functions read requests or grants: this looks past them", len(notes))
	}
	for _, name := range unnoted {
		if noted, is := notes[name]; !is || noted {
			t.Errorf("%s is among the unnoted, and does not read so", name)
		}
	}
}

// function is what one of the store's says to the database, and what it calls or names.
type function struct {
	file, sql string
	calls     map[string]bool
}

func functions(t *testing.T) map[string]function {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	list, consts := map[string]function{}, map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if fn, is := d.(*ast.FuncDecl); is {
				if ofDatabase(fn) {
					continue // no deed has it
				}
				f := function{file: name, calls: map[string]bool{}}
				f.sql = texts(fn.Body, func(id string) { f.calls[id] = true })
				list[fn.Name.Name] = f
				continue
			}
			for _, spec := range d.(*ast.GenDecl).Specs {
				if v, is := spec.(*ast.ValueSpec); is && len(v.Values) == 1 {
					consts[v.Names[0].Name] = texts(v.Values[0], func(string) {})
				}
			}
		}
	}
	for name, f := range list {
		for id := range f.calls {
			f.sql += consts[id]
		}
		list[name] = f
	}
	return list
}

// ofDatabase tells whether a function is the whole database's, and no transaction's.
func ofDatabase(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return false
	}
	of, is := fn.Recv.List[0].Type.(*ast.StarExpr)
	return is && of.X.(*ast.Ident).Name == "DB"
}

// texts are the strings that are written in something, one after the other.
func texts(in ast.Node, name func(string)) (all string) {
	ast.Inspect(in, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				all += strings.Trim(n.Value, "`\"") + " "
			}
		case *ast.Ident:
			name(n.Name)
		}
		return true
	})
	return all
}
