package api_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// The examples of docs/api.md run in one shell, as somebody would paste them, and
// do what the text around them says.
func TestTheDocsExamplesRun(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		testserver.Missing(t, "curl")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\n"
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1)
	for _, b := range blocks {
		script += string(b[1]) + "\n"
	}
	d := open(t, store.SQLite)
	c := exec.CommandContext(t.Context(), "sh", "-c", script)
	c.Env = append(os.Environ(), "LESSOR="+d.serve(), "TOKEN=token of eve", "APPROVER=token of mia")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%v\n%s\n%s", err, &out, &errs)
	}
	grants := d.Grants()
	if len(blocks) < 5 || len(grants) != 1 || grants[0].Ended != access.EndReturned || grants[0].Identity != "eve" {
		t.Errorf("%d examples came to %+v\n%s", len(blocks), grants, &out)
	}
	if !strings.Contains(out.String(), `"entitlement":"dir:wiki"`) || !strings.Contains(out.String(), "HTTP/1.1 200") {
		t.Errorf("said %s", &out)
	}
}

// Each filter and type of problem that the text names is one of the contract's.
func TestTheDocsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	contract, err := os.ReadFile(filepath.Join("testdata", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, filters, _ := strings.Cut(string(text), "| filter | of |")
	filters, _, _ = strings.Cut(filters, "```")
	names := regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(filters, -1)
	for _, n := range names {
		if !bytes.Contains(contract, []byte(`"name": "`+n[1]+`"`)) {
			t.Errorf("the contract has no filter %q", n[1])
		}
	}
	problems, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	types := regexp.MustCompile("\\| `(?:urn:lessor:problem|…):([a-z-]+)`").FindAllSubmatch(text, -1)
	for _, n := range types {
		if !bytes.Contains(problems, []byte(`"`+string(n[1])+`"`)) && !bytes.Contains(problems, []byte(`:`+string(n[1])+`"`)) {
			t.Errorf("there is no type of problem %q", n[1])
		}
	}
	if len(names) < 10 || len(types) != 12 {
		t.Errorf("%d filters and %d types are named", len(names), len(types))
	}
}
