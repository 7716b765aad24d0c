package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lessor": func() { os.Exit(Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)) },
	})
}

// TestScript runs the command line as people do, one story a file.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[jiraKey{}] = &standIn{}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "short" {
				return testing.Short(), nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code1, "listen": listen, "await": await, "grab": grab, "flip": flip, "lastline": lastLine, "sub": sub, "json": parses, "jira": jira, "until": until, "status": status, "certify": certify,
		},
	})
}

// code1 runs a command and expects an exit code: code 2 lessor bogus.
func code1(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		m := regexp.MustCompile(`exit status (\d+)`).FindStringSubmatch(err.Error())
		if m == nil {
			ts.Fatalf("%v", err)
		}
		got, _ = strconv.Atoi(m[1])
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// listen sets a variable to a free loopback address: listen ADDR.
func listen(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	ts.Setenv(args[0], l.Addr().String())
}

// await waits until a server is healthy: await ADDR.
func await(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		res, err := http.Get("http://" + args[0] + "/healthz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("%s is not healthy", args[0])
}

// status expects what HTTP answers: status 404 POST URL.
func status(ts *testscript.TestScript, _ bool, args []string) {
	req, err := http.NewRequest(args[1], args[2], nil)
	ts.Check(err)
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	ts.Check(res.Body.Close())
	if got := strconv.Itoa(res.StatusCode); got != args[0] {
		ts.Fatalf("%s %s: %s, want %s", args[1], args[2], res.Status, args[0])
	}
}

// grab sets a variable to what a pattern's group finds in the last output: grab VAR pattern.
func grab(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no %q in the output", args[1])
	}
	ts.Setenv(args[0], m[len(m)-1])
}

// flip changes one byte in the middle of a file: flip FILE.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	raw := []byte(ts.ReadFile(args[0]))
	raw[len(raw)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), raw, 0o600))
}

// lastLine expects the last line of the output to match: lastline pattern.
func lastLine(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\n"), "\n")
	if last := lines[len(lines)-1]; !regexp.MustCompile("^" + args[0] + "$").MatchString(last) {
		ts.Fatalf("the last line is %q", last)
	}
}

// parses expects the last output to be one JSON document: json.
func parses(ts *testscript.TestScript, _ bool, _ []string) {
	if out := ts.ReadFile("stdout"); !json.Valid([]byte(out)) || strings.TrimSpace(out) == "null" {
		ts.Fatalf("not one JSON document: %q", out)
	}
}

// sub replaces a text in a file: sub FILE old new.
func sub(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}

// What cannot be carried as it was written is refused.
func TestArgumentsAreText(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	if code := Main(t.Context(), []string{"request", "x:y", "--term", "1h", "--reason", "\xff\xfe"}, strings.NewReader(""), io.Discard, &said, func(string) string { return "" }); code != 2 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(said.String(), "argument 6 is not valid UTF-8") {
		t.Errorf("said %q", said.String())
	}
}
