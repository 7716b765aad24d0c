package policy_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Every testdata/explain/*.txtar is a folder of rules and pairs of files: a
// question, as in the corpus, and under the same name with ".says" what Explain
// shows of it: the rules that had a say and the facts they read.
func TestExplain(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/explain/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("nothing to explain", err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		folder, says := fstest.MapFS{}, map[string]string{}
		for _, f := range a.Files {
			if strings.HasSuffix(f.Name, ".cedar") {
				folder[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			says[f.Name] = string(f.Data)
		}
		set := mustLoad(t, folder)
		for name, want := range says {
			question, ok := strings.CutSuffix(name, ".says")
			if !ok {
				continue
			}
			t.Run(question, func(t *testing.T) {
				t.Parallel()
				if got := explained(t, set, strings.Split(strings.TrimSpace(says[question]), "\n")); got != want {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
			})
		}
	}
}

// explained writes an explanation: the answer, then each rule that applied,
// erred or is not a guard, with what it read.
func explained(t *testing.T, set *policy.Set, lines []string) string {
	t.Helper()
	f, world := policy.Facts{Now: noon, Directory: company().directory()}, company()
	var e policy.Explanation
	for _, line := range lines {
		words := strings.Fields(line)
		f.Directory = world.directory()
		switch words[0] {
		case "ask":
			f = askLine(t, f, words[1:])
			f.Item.Decision = set.MayRequest(f)
			f.Request.Items = []access.Item{f.Item}
		case "vote":
			f.Votes = append(f.Votes, voteLine(t, f, words[1:]))
		case "approve":
			e = set.Explain(f, words[0], access.Actor{Identity: words[1], Strength: strings.Join(words[3:], "")}, words[2])
		case "view":
			e = set.Explain(f, words[0], access.Actor{Identity: words[1]}, "")
		default:
			e = set.Explain(f, words[0], access.Actor{}, "")
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "allow=%v: %s\n", e.Decision.Allow, e.Decision.Why)
	for _, c := range e.Rules {
		if c.Guard && !c.Applied && c.Error == "" {
			continue
		}
		fmt.Fprintf(&b, "%s %s (%s:%d) applied=%v%s\n", c.Rule.Effect, c.Rule.ID, c.File, c.Line, c.Applied, strings.TrimSuffix(" error="+c.Error, " error="))
		for _, fact := range c.Facts {
			fmt.Fprintf(&b, "    %s: %s\n", fact.Key, fact.Value)
		}
	}
	return b.String()
}

// What is explained is what is decided: the rules that applied are those of the decision.
func TestExplanationIsTheDecision(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, nil)
	f := askLine(t, policy.Facts{Now: noon, Directory: company().directory()}, strings.Fields("ann git:hooks 1h"))
	f.Item.Decision = set.MayRequest(f)
	f.Request.Items = []access.Item{f.Item}
	for _, question := range []string{"request", "approve", "hold", "view"} {
		e := set.Explain(f, question, access.Actor{Identity: "mia"}, "manager")
		applied := map[string]bool{}
		for _, c := range e.Rules {
			if c.Applied {
				applied[c.Rule.ID] = true
			}
		}
		for _, r := range e.Decision.Rules {
			if !applied[r.ID] {
				t.Errorf("%s: rule %s decided and is not explained", question, r.ID)
			}
			delete(applied, r.ID)
		}
		for id := range applied { // of a denial, the permits that applied decided nothing
			if e.Decision.Allow {
				t.Errorf("%s: rule %s applied and is not in the decision", question, id)
			}
		}
	}
	for _, question := range []string{"revoke", "oblige", ""} {
		if e := set.Explain(f, question, access.Actor{}, ""); e.Decision.Allow || !strings.Contains(e.Decision.Why, "there is no question") {
			t.Errorf("%q was explained: %+v", question, e.Decision)
		}
	}
	f.Directory = nil
	if e := set.Explain(f, "request", access.Actor{}, ""); e.Decision.Allow || len(e.Decision.Errors) == 0 {
		t.Errorf("explained without a directory: %+v", e.Decision)
	}
}
