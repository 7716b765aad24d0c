package server_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Access that people give is seen when somebody has looked, and no sooner.
func TestManualUnderAServer(t *testing.T) {
	t.Parallel()
	dir := connected(t, "manual", "      asked_file: asked.jsonl\n      holdings_file: holdings.csv\n")
	as := serve(t, dir)
	r, err := as("ann").Submit(t.Context(), engine.Ask{Entitlements: []string{"file:db"}, Term: access.Term(time.Hour), Reason: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil {
		t.Fatal(err)
	}
	grant := r.Items[0].Grant
	until := func(what string, state access.AssignmentState, trouble string) {
		t.Helper()
		testserver.Await(t, what, 30*time.Second, func() error {
			s, err := as("mia").Grant(t.Context(), grant) // who owns the system is told what is to be done
			if err == nil && (s.Assignment.State != state || !strings.Contains(s.Trouble, trouble)) {
				return fmt.Errorf("it is %s: %s", s.Assignment.State, s.Trouble)
			}
			return err
		})
	}
	onList := func(do string) {
		t.Helper()
		testserver.Await(t, "the list", 30*time.Second, func() error {
			raw, err := os.ReadFile(filepath.Join(dir, "asked.jsonl"))
			if err == nil && !strings.Contains(string(raw), `{"do":"`+do+`","account":"ann","object":"db"`) {
				err = errors.New(string(raw))
			}
			return err
		})
	}
	reads := func(account string) {
		t.Helper()
		text := fmt.Sprintf("account,object,seen_at,by\n%s,db,%s,nora\n", account, time.Now().UTC().Format(time.RFC3339Nano))
		name := filepath.Join(dir, "holdings.csv")
		if err := errors.Join(os.WriteFile(name+".new", []byte(text), 0o600), os.Rename(name+".new", name)); err != nil {
			t.Fatal(err)
		}
	}
	onList("add")
	until("what is to be done", access.Adding, "nobody has looked")
	reads("")
	until("what is to be done", access.Adding, `a person must add "ann" to "db"`)
	reads("ann")
	until("held", access.Held, "")
	if err := as("mia").Revoke(t.Context(), grant, "enough"); err != nil {
		t.Fatal(err)
	}
	onList("remove")
	until("what is to be done", access.Removing, `a person must remove "ann" from "db"`)
	reads("")
	until("seen gone", access.Absent, "")
}
