package policy_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Every testdata/load/*.txtar is a folder of rules and the file "problems" with
// exactly what Load must say about it.
func TestLoadTellsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no folders to load", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			folder, want := fstest.MapFS{}, ""
			for _, f := range a.Files {
				if f.Name == "problems" {
					want = strings.TrimSpace(string(f.Data))
				} else {
					folder[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			set, err := policy.Load(folder)
			var problems access.Problems
			if set != nil || !errors.As(err, &problems) || !errors.Is(err, access.ErrInvalid) {
				t.Fatalf("loaded %v with %v, want problems that are invalid input", set, err)
			}
			if err.Error() != want {
				t.Errorf("got:\n%s\nwant:\n%s", err, want)
			}
		})
	}
}

func rules(text string) fstest.MapFS { return fstest.MapFS{"x.cedar": {Data: []byte(text)}} }

func TestLoadBounds(t *testing.T) {
	t.Parallel()
	when := func(condition string) fstest.MapFS {
		return rules(`@id("a") forbid (principal, action == Action::"request", resource) when { ` + condition + ` };`)
	}
	rule := `@id("a") forbid (principal, action == Action::"request", resource);`
	for _, tc := range []struct {
		name   string
		folder fs.FS
		want   string // in the problem; "" if it loads
	}{
		{"a file of 1 MiB", rules(rule + strings.Repeat("\n", 1<<20-len(rule))), ""},
		{"and one byte", rules(rule + strings.Repeat("\n", 1<<20-len(rule)+1)), "x.cedar:1:1: the file is larger than 1 MiB"},
		{"a rule of more than 64 KiB", when(strings.Repeat("!", 64<<10) + "resource.extension"), "x.cedar:1:1: the rule is larger than 64 KiB"},
		{"as deep as it gets", when(strings.Repeat("(", 97) + "resource.extension" + strings.Repeat(")", 97)), ""},
		{"too deep", when(strings.Repeat("(", 100_000) + "resource.extension" + strings.Repeat(")", 100_000)), "x.cedar:1:173: more than 99 brackets are open"},
		{"brackets of every kind", when(strings.Repeat("[{(", 40)), "more than 99 brackets are open"},
		{"brackets in a string and a comment", when(`resource.entitlement.class == "` + strings.Repeat("(", 200) + "\" // " + strings.Repeat("(", 200) + "\n"), ""},
		{"too many ifs", when(strings.Repeat("if resource.extension then true else ", 401) + "false"), "x.cedar:1:1: the rule has too many ifs"},
		{"no UTF-8", rules("@id(\"a\")\n// \xff\n"), "x.cedar:1:1: the file is not UTF-8"},
		{"a byte order mark", rules("\ufeff" + rule), "x.cedar:1:2: cannot be read"},
		{"an empty file", rules(""), ""},
		{"a folder of nothing", fstest.MapFS{}, ""},
		{"no folder", os.DirFS("testdata/nowhere"), "the folder cannot be read"},
		{"a file that cannot be read", fstest.MapFS{"x.cedar": {Mode: fs.ModeSymlink, Data: []byte("gone")}}, "x.cedar:1:1: the file cannot be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := policy.Load(tc.folder)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("does not load: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %.200v, want %q", err, tc.want)
			}
		})
	}
}

// The validator and partial evaluation are experimental: another version of
// cedar-go must be read and measured before it is used.
func TestCedarIsPinned(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("schema.go")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`(?m)cedar-policy/cedar-go (v\S+)`).FindSubmatch(mod)
	read := regexp.MustCompile(`cedar-go (v[0-9.]+[0-9])`).FindSubmatch(source)
	if used == nil || read == nil || string(used[1]) != string(read[1]) {
		t.Errorf("go.mod uses cedar-go %q, and schema.go was written for %q", used, read)
	}
	others, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range others {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, room := range []string{"x/exp/eval", "x/exp/schema"} {
			if name != "schema.go" && !strings.HasSuffix(name, "_test.go") && strings.Contains(string(text), "cedar-go/"+room) {
				t.Errorf("%s imports %s: only schema.go does", name, room)
			}
		}
	}
}

// What the shipped guards hold on to cannot be undone by anything in a folder.
func TestGuardsAreAlwaysOn(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, rules(`@id("all") @needs("none") permit (principal, action, resource);`))
	listed := set.Rules()
	own := slices.IndexFunc(listed, func(r policy.RuleListing) bool { return !r.Guard })
	if own < 20 || slices.ContainsFunc(listed[own:], func(r policy.RuleListing) bool { return r.Guard }) {
		t.Fatalf("the guards are not the first of %d rules", len(listed))
	}
	for _, r := range listed[:own] {
		if r.Reason == "" || !strings.HasPrefix(r.ID, "guard.") || !strings.HasPrefix(r.File, "guards/") || !strings.Contains(r.Text, r.ID) {
			t.Errorf("guard %s is not listed whole: %+v", r.ID, r)
		}
	}
}

// A folder without an answer to a question gets the shipped one, but never for
// what may be requested.
func TestLoadTakesShippedAnswers(t *testing.T) {
	t.Parallel()
	files := func(folder fs.FS) string {
		var names []string
		for _, r := range mustLoad(t, folder).Rules() {
			if !r.Guard && !slices.Contains(names, r.File) {
				names = append(names, r.File)
			}
		}
		return strings.Join(names, " ")
	}
	for _, tc := range []struct {
		name, text, want string
	}{
		{"nothing at all", ``, "defaults/oblige.cedar defaults/approve.cedar defaults/view.cedar defaults/revoke.cedar defaults/settle.cedar defaults/rotate.cedar defaults/retire.cedar defaults/compromised.cedar"},
		{"a forbid answers nothing", `@id("a") forbid (principal, action == Action::"view", resource) when { !context.approver };`,
			"x.cedar defaults/oblige.cedar defaults/approve.cedar defaults/view.cedar defaults/revoke.cedar defaults/settle.cedar defaults/rotate.cedar defaults/retire.cedar defaults/compromised.cedar"},
		{"two of its own", `@id("a") permit (principal, action in [Action::"view", Action::"approve"], resource);`,
			"x.cedar defaults/oblige.cedar defaults/revoke.cedar defaults/settle.cedar defaults/rotate.cedar defaults/retire.cedar defaults/compromised.cedar"},
		{"a floor of its own", `@id("a") @needs("none") permit (principal, action == Action::"oblige", resource);`,
			"x.cedar defaults/approve.cedar defaults/view.cedar defaults/revoke.cedar defaults/settle.cedar defaults/rotate.cedar defaults/retire.cedar defaults/compromised.cedar"},
		{"everything is everything but the floor", `@id("a") @needs("owner") permit (principal, action, resource);`, "x.cedar defaults/oblige.cedar"},
	} {
		if got := files(rules(tc.text)); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestDigestIsOfEverything(t *testing.T) {
	t.Parallel()
	a, b := `@id("a") forbid (principal, action == Action::"view", resource);`, `@id("b") forbid (principal, action == Action::"view", resource);`
	base := fstest.MapFS{"1.cedar": {Data: []byte(a)}, "2.cedar": {Data: []byte(b)}}
	seen := map[string]string{}
	for name, folder := range map[string]fstest.MapFS{
		"base":            base,
		"a byte more":     {"1.cedar": {Data: []byte(a + "\n")}, "2.cedar": {Data: []byte(b)}},
		"another name":    {"1.cedar": {Data: []byte(a)}, "3.cedar": {Data: []byte(b)}},
		"glued":           {"1.cedar": {Data: []byte(a + b)}},
		"the other way":   {"1.cedar": {Data: []byte(b)}, "2.cedar": {Data: []byte(a)}},
		"one file more":   {"1.cedar": {Data: []byte(a)}, "2.cedar": {Data: []byte(b)}, "3.cedar": {}},
		"the shipped one": nil,
	} {
		var from fs.FS
		if folder != nil {
			from = folder
		}
		first, again := mustLoad(t, from), mustLoad(t, from)
		if first.Digest() != again.Digest() || !strings.HasPrefix(first.Digest(), "sha256:") {
			t.Errorf("%s: %s and then %s", name, first.Digest(), again.Digest())
		}
		if other, twice := seen[first.Digest()]; twice {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[first.Digest()] = name
	}
}

func mustLoad(t testing.TB, folder fs.FS) *policy.Set {
	t.Helper()
	set, err := policy.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
