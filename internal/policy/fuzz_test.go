package policy_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// FuzzLoad: whatever a file holds, Load answers with a set that decides, or with
// problems that lie in the file.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"request", "oblige", "approve", "view", "revoke"} {
		text, err := fs.ReadFile(policy.Defaults(), name+".cedar")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	guards, err := filepath.Glob("guards/*.cedar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(files, guards...) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(text).Files {
			f.Add(string(file.Data))
		}
		f.Add(string(text))
	}
	f.Add("@id(\"a\") forbid(principal, action, resource) when { \"\\u{0}\" == \"")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := policy.Load(rules(text))
		var problems access.Problems
		switch {
		case err == nil:
			question := policy.Facts{Now: noon, Directory: company().directory(), Item: access.Item{Entitlement: "git:dev"},
				Request: access.Request{ID: "r1", Requester: "ann", Beneficiary: "ann", Term: access.Term(1e9)}}
			if d := set.MayRequest(question); d.Why == "" || d.Facts == "" || d.Policy != set.Digest() {
				t.Errorf("the record is not whole: %+v", d)
			}
			set.Conflicts()
			set.CheckDirectory(question.Directory)
		case set != nil || !errors.As(err, &problems) || len(problems) == 0:
			t.Fatalf("not problems: %v", err)
		}
		lines := strings.Count(text, "\n") + 1
		for _, p := range problems {
			if p.File != "x.cedar" || p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" || strings.Contains(p.Message, "\n") {
				t.Errorf("a problem out of place: %q of %d lines", p, lines)
			}
		}
	})
}
