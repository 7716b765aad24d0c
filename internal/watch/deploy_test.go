package watch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

const deploy = "../../deploy"

// exported are the names of the series that a replica with something of everything has.
func exported(t *testing.T) []string {
	t.Helper()
	h, err := busy(t).Handler(state(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, text := scraped(t, h, "")
	var names []string
	for line := range strings.Lines(text) {
		if name := strings.FieldsFunc(line, func(r rune) bool { return r == '{' || r == ' ' }); len(name) > 0 && !strings.HasPrefix(line, "#") {
			names = append(names, name[0])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var figure = regexp.MustCompile(`\b(lessor|process|go)_[a-z_]+\b`)

// What dashboard and alerts ask for is there, and each figure of ours is in the page
// that explains them, and in the dashboard.
func TestWhatIsAskedForIsThere(t *testing.T) {
	t.Parallel()
	have := exported(t)
	if len(have) < 50 {
		t.Fatalf("only %d series: %v", len(have), have)
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(filepath.Join(deploy, "grafana", "lessor.json"))), &dashboard); err != nil {
		t.Fatal(err)
	}
	drawn := ""
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			drawn += q.Expr + "\n"
		}
	}
	alerts := read(filepath.Join(deploy, "prometheus", "alerts.yaml"))
	for from, text := range map[string]string{"lessor.json": drawn, "alerts.yaml": alerts, "alerts_test.yaml": read(filepath.Join(deploy, "prometheus", "alerts_test.yaml"))} {
		names := figure.FindAllString(text, -1)
		if len(names) < 10 {
			t.Errorf("%s asks for %d figures only", from, len(names))
		}
		for _, name := range names {
			if !slices.Contains(have, name) {
				t.Errorf("%s asks for %s, which no replica has", from, name)
			}
		}
	}
	page := read("../../docs/operating/observing.md")
	for _, name := range have {
		if !strings.HasPrefix(name, "lessor_") || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") {
			continue
		}
		if base := strings.TrimSuffix(name, "_bucket"); !strings.Contains(page, "`"+base+"`") && !strings.Contains(page, "`"+base+"{") {
			t.Errorf("the page does not say what %s is", base)
		}
		if !strings.Contains(drawn, name) {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
	for _, name := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(alerts, -1) {
		if !strings.Contains(page, "`"+name[1]+"`") {
			t.Errorf("the page does not say what to do at %s", name[1])
		}
	}
}

// Prometheus takes the rules, and each fires when it should and not before.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		testserver.Missing(t, "promtool")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		run := exec.CommandContext(t.Context(), promtool, args...)
		run.Dir = filepath.Join(deploy, "prometheus")
		if out, err := run.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	// Each alert has its test.
	rules, err := os.ReadFile(filepath.Join(deploy, "prometheus", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(deploy, "prometheus", "alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		if !strings.Contains(string(tests), "alertname: "+name[1]+"\n") {
			t.Errorf("%s is never seen to fire", name[1])
		}
	}
}
