package powers

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The table of rules in docs/powers.md is drawn from the code.
func TestDocsListEveryRule(t *testing.T) {
	t.Parallel()
	const name, begin, end = "../../docs/powers.md", "<!-- generated: rules -->\n", "<!-- end: rules -->"
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of rules", name)
	}
	drawn := drawRules()
	if os.Getenv("LESSOR_GENERATE") != "" {
		if err := os.WriteFile(name, []byte(before+begin+drawn+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if old != drawn {
		t.Errorf("%s does not say what the code does; run LESSOR_GENERATE=1 go test ./internal/powers", name)
	}
}

func drawRules() string {
	var b strings.Builder
	b.WriteString("| rule | rights | its holder can | and so | where |\n| --- | --- | --- | --- | --- |\n")
	cell := strings.NewReplacer("|", `\|`, "{on}", "…", "*", `\*`)
	for _, system := range slices.Sorted(maps.Keys(Rules)) {
		for _, r := range Rules[system] {
			var needs, then []string
			for _, n := range r.Needs {
				more := ""
				if len(n) > 3 {
					n, more = n[:3], fmt.Sprintf(" or %d more", len(n)-3)
				}
				needs = append(needs, "`"+strings.Join(n, "` or `")+"`"+more)
			}
			for _, e := range r.Then {
				to := e.Name
				if e.Itself {
					to = "it itself"
				}
				then = append(then, fmt.Sprintf("%s %s", strings.ReplaceAll(string(e.Kind), "_", " "), to))
			}
			version := ""
			if r.From > 0 {
				version = fmt.Sprintf(" (from %d)", r.From)
			}
			if r.Before > 0 {
				version = fmt.Sprintf(" (before %d)", r.Before)
			}
			fmt.Fprintf(&b, "| %s%s | %s | %s | %s | %s |\n", r.ID, version, strings.Join(needs, ", and "), cell.Replace(r.Can), cell.Replace(strings.Join(then, "; ")), cell.Replace(r.Where))
		}
	}
	return b.String()
}
