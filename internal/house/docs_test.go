package house

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// TestHouseIsDrawnFromTheCode holds the generated parts of docs/house.md: the
// machines from the table of allowed moves, the rooms from the table here.
func TestHouseIsDrawnFromTheCode(t *testing.T) {
	t.Parallel()
	drawInto(t, "../../docs/house.md", map[string]string{"machines": drawMachines(), "rooms": drawRooms()})
	drawInto(t, "../../docs/credentials.md", map[string]string{"rotation": drawMachines(access.RotationMachine)})
}

func drawInto(t *testing.T, name string, parts map[string]string) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for part, drawn := range parts {
		begin, end := "<!-- generated: "+part+" -->\n", "<!-- end: "+part+" -->"
		before, rest, ok := strings.Cut(text, begin)
		old, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no part %q", name, part)
		}
		if old != drawn && os.Getenv("LESSOR_GENERATE") == "" {
			t.Errorf("%s: the part %q is not what the code says; run make generate", name, part)
		}
		text = before + begin + drawn + end + after
	}
	if os.Getenv("LESSOR_GENERATE") != "" {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// drawMachines draws these, or all.
func drawMachines(only ...access.Machine) string {
	var b strings.Builder
	b.WriteString("```\n")
	machine := access.Machine("")
	for _, mv := range access.Machines {
		if len(only) > 0 && !slices.Contains(only, mv.Machine) {
			continue
		}
		if mv.Machine != machine {
			machine = mv.Machine
			fmt.Fprintf(&b, "%s\n", machine)
		}
		from := mv.From
		if from == "" {
			from = "(begin)"
		}
		fmt.Fprintf(&b, "  %-11s -> %-11s %s\n", from, mv.To, mv.Why)
	}
	b.WriteString("```\n")
	return b.String()
}

func drawRooms() string {
	var b strings.Builder
	b.WriteString("| room | what it holds | may import | pure |\n| --- | --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		r := rooms[name]
		may, pure := strings.Join(r.may, ", "), ""
		switch {
		case slices.Contains(testRooms, name):
			may = "anything; imported by tests only"
		case may == "":
			may = "nothing of ours"
		}
		if r.pure {
			pure = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, r.what, may, pure)
	}
	return b.String()
}
