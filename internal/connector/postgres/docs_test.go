package postgres

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedAccount holds the statements the tests run with against those the
// reader is told to type, in their order, and nothing between them.
func TestDocumentedAccount(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, statements := range [][]string{accountStatements, accountStatements15} {
		if want := "```sql\n" + strings.Join(statements, "\n") + "\n```"; !strings.Contains(string(page), want) {
			t.Errorf("the page does not say:\n%s", want)
		}
	}
}
