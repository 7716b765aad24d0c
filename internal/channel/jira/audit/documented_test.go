package audit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
)

// TestPermissionsAreDocumented: the document names every permission that is checked for.
func TestPermissionsAreDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../../docs/connectors/jira.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range audit.PermissionKeys() {
		if !strings.Contains(string(raw), "`"+key+"`") {
			t.Errorf("docs/connectors/jira.md does not name %s", key)
		}
	}
}

// TestFindingsAreDocumented: the document has a row for every kind of finding.
func TestFindingsAreDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../../docs/connectors/jira.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range access.AuditKinds {
		if !strings.Contains(string(raw), "| `"+kind+"` |") {
			t.Errorf("docs/connectors/jira.md has no row for %s", kind)
		}
	}
}

// TestTheExampleReads: the mapping in the document is one that the server takes.
func TestTheExampleReads(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../../docs/connectors/jira.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(raw), "```yaml\nsites:\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the document has no example")
	}
	got := open(t).load("sites:\n" + example)
	if p := got.Projects[0]; got.ID != "acme" || len(p.RequestTypes[0].Entitlements.Options) != 3 || p.SecurityLevel != "10100" {
		t.Errorf("it reads as %+v", got)
	}
}
