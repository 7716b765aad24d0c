// Package connector_test holds the example connector to every promise of the
// port, and shows that the promises catch what is wrong with a copy of it.
package connector_test

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/exec"
	"github.com/lessor-iam/lessor/internal/connector/exec/check"
	"github.com/lessor-iam/lessor/internal/connector/promise"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// run holds a program to the promises whose name contains only.
func run(t *testing.T, program, target, only string) check.Report {
	t.Helper()
	if _, err := osexec.LookPath("python3"); err != nil {
		testserver.Missing(t, "python3")
	}
	r, err := check.Run(t.Context(), check.Program{Command: []string{program, target}}, only, func(check.Verdict) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExample(t *testing.T) {
	t.Parallel()
	target := filepath.Join(t.TempDir(), "target.json")
	r := run(t, "./file.py", target, "")
	for _, v := range r.Verdicts {
		if !v.Kept {
			t.Errorf("%s: %s%s", v.Name, v.Skipped, strings.Join(v.Wrong, "\n"))
		}
	}
	if want := concern(t, exec.Besides{}, false) + len(exec.Manners()); r.Kept != want || len(r.Settings) != 1 || r.Settings[0] != "effective: true" {
		t.Errorf("%d promises kept of %d; settings %q", r.Kept, want, r.Settings)
	}
	// What the check put up, it took down.
	raw, err := os.ReadFile(target)
	if err != nil || string(raw) != `{"accounts": [], "objects": {}}` {
		t.Errorf("left at the target: %.300s, %v", raw, err)
	}
}

// concern counts the promises of a program that can do this besides.
func concern(t *testing.T, besides exec.Besides, sessions bool) (n int) {
	t.Helper()
	c, err := exec.New(exec.Config{Program: "any", Besides: besides, Target: connector.Capabilities{Sessions: sessions}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range promise.All() {
		if p.Concerns(c) {
			n++
		}
	}
	return n
}

// What only some can do is held to promises of its own.
func TestMore(t *testing.T) {
	t.Parallel()
	r := run(t, "./more.py", filepath.Join(t.TempDir(), "target.json"), "")
	for _, v := range r.Verdicts {
		if !v.Kept {
			t.Errorf("%s: %s%s", v.Name, v.Skipped, strings.Join(v.Wrong, "\n"))
		}
	}
	want := concern(t, exec.Besides{Accounts: true, Follows: true}, true) + len(exec.Manners())
	if settings := "effective: true, sessions: true, accounts: true, follows: true"; r.Kept != want || want < concern(t, exec.Besides{}, false)+10 ||
		strings.Join(r.Settings, ", ") != settings {
		t.Errorf("%d promises kept of %d; settings %q", r.Kept, want, r.Settings)
	}
}

// wrongs are copies of the example with one fault each, and the promise that
// must not be kept for it.
var wrongs = []struct{ fault, broken, old, with string }{
	{"takes silence for done", "an answer that is lost",
		`raise TimeoutError("no answer from the target")`, `pass`},
	{"takes silence for a refusal", "an answer that is lost in a batch",
		`kind = e.kind if isinstance(e, Failure) else "unanswered"`, `kind = e.kind if isinstance(e, Failure) else "refused"`},
	{"takes a refusal for silence", "a target that refuses",
		`kind = "refused"`, `kind = "unanswered"`},
	{"sees nothing where nothing can be seen", "a target that is down",
		"        line.read()\n        with self.opened() as state:\n            return [", "        if line.fault == \"down\":\n            return [self.see({\"objects\": {}}, r[\"account\"], r[\"object\"]) for r in refs]\n        with self.opened() as state:\n            return ["},
	{"minds the removal of what is not there", "remove where nothing is there",
		"if not there and want:", "if not there:"},
	{"adds to nothing without a word", "add to a missing object",
		`raise NoObject("no such account or object")`, `return`},
	{"gives a batch up at the first error", "a batch with bad among good",
		`except Exception as e:  # one bad change stops none of the others`, `except KeyError as e:`},
	{"replaces the list of holders", "never touches what it was not asked about",
		`held["members"].append(account)`, `held["members"] = [account]`},
	{"does not look inside", "a look through nested objects",
		`for inner in held["inner"]:`, `for inner in []:`},
	{"takes a ring for a grant", "a look through nested objects in a ring",
		`"effective": direct or bool(ways)`, `"effective": direct or bool(ways) or len(been) > 2`},
	{"trims names", "hostile names",
		`target.change(c["account"], c["object"], c["want"])`, `target.change(c["account"].strip(), c["object"], c["want"])`},
	{"remembers what it saw", "a look is never cached",
		"    def look(self, refs):\n", "    @__import__('functools').cache\n    def once(self, account, object):\n        with self.opened() as state:\n            return self.see(state, account, object)\n\n    def look(self, refs):\n        line.read()\n        return [self.once(r[\"account\"], r[\"object\"]) for r in refs]\n\n    def look_anew(self, refs):\n"},
	{"cuts a read short", "a large object",
		"        if len(some) == 500:", "        if count == 100:\n            break\n        if len(some) == 500:"},
	{"counts wrong", "observe one, several and all",
		`return {"end": {"count": count}}`, `return {"end": {"count": count + 1}}`},
	{"observes more than it was asked", "observe one, several and all",
		`if objects is None or name in objects:`, `if True:`},
	{"changes without a lock", "many calls at once",
		`fcntl.flock(lock, fcntl.LOCK_EX if write else fcntl.LOCK_SH)`, `__import__("time").sleep(0.001)`},
	{"answers a verb it does not know", "a verb it does not know",
		`raise Refused("no such verb")`, `return say({"id": req["id"], "ok": True})`},
	{"can always be tested", "test verbs outside a test",
		`if req.get("test"):`, `if True:`},
	{"stays when its input has ended", "the end of its input",
		`os._exit(0)`, `threading.Event().wait()`},
	{"prints beside the protocol", "a ping",
		`def ping(req):`, "def ping(req):\n    print('pong', flush=True)"},
}

func TestWrongIsCaught(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("file.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrongs {
		t.Run(w.fault, func(t *testing.T) {
			t.Parallel()
			bent := strings.Replace(string(source), w.old, w.with, 1)
			if bent == string(source) {
				t.Fatalf("the example has no %q any more", w.old)
			}
			program := filepath.Join(t.TempDir(), "file.py")
			if err := os.WriteFile(program, []byte(bent), 0o755); err != nil {
				t.Fatal(err)
			}
			caught := false
			for _, v := range run(t, program, filepath.Join(t.TempDir(), "target.json"), w.broken).Verdicts {
				if v.Name == w.broken {
					caught = !v.Kept && v.Skipped == "" && len(v.Wrong) > 0
					t.Log(strings.Join(v.Wrong, "\n"))
				}
			}
			if !caught {
				t.Errorf("a connector that %s keeps %q", w.fault, w.broken)
			}
		})
	}
}
