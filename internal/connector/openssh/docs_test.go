package openssh

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedAccount holds what the tests run with against what the reader is
// told to type, in its order, and nothing between it.
func TestDocumentedAccount(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/openssh.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"```sh\n" + setUp + "\n```", "```\n" + sshdLines + "\n```"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say:\n%s", want)
		}
	}
}
