package exec

import (
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/connector/promise"
)

// Every line in the protocol's description is a line of the protocol, and every
// word of it is described.
func TestDocs(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/writing-a-connector.md")
	if err != nil {
		t.Fatal(err)
	}
	asks, answers, text := 0, 0, string(raw)
	for l := range strings.Lines(text) {
		if ask, ok := strings.CutPrefix(l, "-> "); ok {
			asks++
			var req request
			if err := json.Unmarshal([]byte(ask), &req, json.RejectUnknownMembers(true)); err != nil || req.ID == 0 || req.Verb == "" {
				t.Errorf("%s: %v", ask, err)
			}
		}
		if said, ok := strings.CutPrefix(l, "<- "); ok {
			answers++
			if _, err := readAnswer([]byte(said)); err != nil {
				t.Errorf("%s: %v", said, err)
			}
		}
	}
	if asks < 5 || answers < 10 {
		t.Errorf("only %d requests and %d answers are shown", asks, answers)
	}
	words := []string{"test_account", "test_drop_account", "test_object", "test_drop_object", "test_put", "test_members", "test_nest", "test_break", "test_mend",
		"apply", "look", "observe", "ping", "list_sessions", "end_session", "faults", "nests", "large", "name_limit", "hostile", "lingers_ms", "retry_after_ms",
		"accounts", "authors", "traces", "credentials", "follows", "follow", "changed", "end_unknown", "print",
		"test_rename", "test_open", "test_alive", "test_leave", "opens", "renames"}
	for kind := range kinds {
		words = append(words, kind)
	}
	for _, f := range []promise.Fault{promise.LostAnswer, promise.Lie, promise.Late, promise.Refuse, promise.Down} {
		words = append(words, string(f))
	}
	for _, w := range words {
		if !strings.Contains(text, "`"+w+"`") && !strings.Contains(text, "**"+w+"**") && !strings.Contains(text, `"`+w+`"`) {
			t.Errorf("%s is not described", w)
		}
	}
}
