package server_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/cli"
	"github.com/lessor-iam/lessor/internal/client"
)

// laptop is a machine with the command line, and a home of its own.
type laptop struct {
	*gate
	home string
}

// lessor runs a command, and returns its exit code and what it said.
func (l laptop) lessor(args ...string) (int, string) {
	l.t.Helper()
	var out bytes.Buffer
	code := cli.Main(l.t.Context(), append(args, "--server", l.address), strings.NewReader(""), &out, &out, l.env)
	return code, out.String()
}

func (l laptop) env(name string) string { return map[string]string{"HOME": l.home}[name] }

// login runs `lessor login` until it shows a code; end waits for it to come back.
func (l laptop) login() (page, code string, end func() (int, string)) {
	l.t.Helper()
	r, w := io.Pipe()
	var out bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- cli.Main(l.t.Context(), []string{"login", "--server", l.address}, strings.NewReader(""), &out, w, l.env)
		_ = w.Close()
	}()
	lines := bufio.NewReader(r)
	line, err := lines.ReadString('\n')
	m := regexp.MustCompile(`^open (\S+) and type the code ([A-Z]{4}-[A-Z]{4})\n$`).FindStringSubmatch(line)
	if m == nil {
		l.t.Fatalf("it says %q, %v", line, err)
	}
	var more bytes.Buffer
	copied := make(chan struct{})
	go func() { _, _ = more.ReadFrom(lines); close(copied) }() // read, or it could not write
	return m[1], m[2], func() (int, string) {
		code := <-done
		<-copied
		return code, out.String() + more.String()
	}
}

// The command line signs in as a person: a code, typed where they are signed in.
func TestLoginByTheCommandLine(t *testing.T) {
	t.Parallel()
	g, _ := corp(t, mfa)
	l := laptop{g, t.TempDir()}
	page, code, end := l.login()
	ann := g.browser()
	ann.goTo(page)
	ann.is("/sign-in", http.StatusOK)
	ann.goTo("/sign-in/go/corp?next=/sign-in/cli")
	ann.login("s-ann", true)
	ann.is("/sign-in/cli", http.StatusOK, "Let a program in", "signed in as Ann Archer")
	ann.goTo("/sign-in/cli?code=BBBB-BBBB")
	ann.is("/sign-in/cli", http.StatusNotFound, "Nothing waits by that code")
	for _, from := range []string{"cross-site", "none"} { // followed from a page of somebody else's, or out of a mail
		ann.send(http.MethodGet, "/sign-in/cli?code="+code, nil, "Sec-Fetch-Site", from)
		if ann.is("/sign-in/cli", http.StatusOK, "Let a program in"); strings.Contains(ann.page, "Is this yours?") {
			t.Errorf("a link types the code (%s)", from)
		}
	}
	ann.send(http.MethodGet, "/sign-in/cli?code="+strings.ToLower(code), nil, "Sec-Fetch-Site", "same-origin")
	ann.is("/sign-in/cli", http.StatusOK, "Is this yours?", "lessor on ", code)
	ann.send(http.MethodPost, "/sign-in/cli", url.Values{"code": {code}, "verdict": {"let"}})
	ann.is("/sign-in/cli", http.StatusOK, "It is let in")
	if n, said := end(); n != 0 || !strings.Contains(said, "as ann until") {
		t.Fatalf("login: %d %s", n, said)
	}
	files, err := filepath.Glob(filepath.Join(l.home, ".config", "lessor", "logins", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %q, %v", files, err)
	}
	if st, err := os.Stat(files[0]); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", st.Mode(), err)
	}
	// She is who she is, and no stronger than that: a vote that needs more is the portal's.
	if n, said := l.lessor("request", "desk:key", "--term", "1h", "--reason", "notes"); n != 0 {
		t.Errorf("request: %d %s", n, said)
	}
	mine, err := g.as("ann").Requests(t.Context(), "", true, client.Page{})
	if err != nil || len(mine) == 0 || mine[0].Requester != "ann" {
		t.Errorf("%+v, %v", mine, err)
	}
	// What is kept is the sign-in of that server alone, and nobody else's to read.
	if err := os.Chmod(files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if n, said := l.lessor("list", "requests"); n != 3 || !strings.Contains(said, "may be read by others") {
		t.Errorf("with a file that others may read: %d %s", n, said)
	}
	if err := os.Chmod(files[0], 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	// She sees it, nobody else does, and nobody else can end it.
	ann.goTo("/sign-in/mine")
	ann.is("/sign-in/mine", http.StatusOK, "lessor on ", "End it")
	id := regexp.MustCompile(`name="end" value="([^"]+)"`).FindStringSubmatch(ann.page)[1]
	mia := g.browser()
	mia.goTo("/sign-in/go/corp?next=/sign-in/mine")
	mia.login("s-mia", false)
	mia.is("/sign-in/mine", http.StatusOK, "No program acts as you")
	mia.send(http.MethodPost, "/sign-in/mine", url.Values{"end": {id}})
	if n, said := l.lessor("list", "requests"); n != 0 {
		t.Errorf("mia ended what is ann's: %d %s", n, said)
	}
	if n, said := l.lessor("logout"); n != 0 {
		t.Errorf("logout: %d %s", n, said)
	}
	if _, err := os.Stat(files[0]); err == nil {
		t.Error("the file is still there")
	}
	if err := os.WriteFile(files[0], raw, 0o600); err != nil { // somebody has kept a copy
		t.Fatal(err)
	}
	if n, said := l.lessor("list", "requests"); n != 3 {
		t.Errorf("after logout, by a copy of the file: %d %s", n, said)
	}
}

func TestLoginIsRefused(t *testing.T) {
	t.Parallel()
	g, _ := corp(t, "")
	l := laptop{g, t.TempDir()}
	_, code, end := l.login()
	ann := g.browser()
	ann.goTo("/sign-in/go/corp")
	ann.login("s-ann", false)
	ann.send(http.MethodPost, "/sign-in/cli", url.Values{"code": {code}, "verdict": {"refuse"}})
	ann.is("/sign-in/cli", http.StatusOK, "Refused")
	if n, said := end(); n != 3 || !strings.Contains(said, "refused at the portal") {
		t.Errorf("%d %s", n, said)
	}
	// Who is switched off has no program either.
	_, code, end = l.login()
	ann.send(http.MethodPost, "/sign-in/cli", url.Values{"code": {code}, "verdict": {"let"}})
	if n, said := end(); n != 0 {
		t.Fatalf("%d %s", n, said)
	}
	if n, said := l.lessor("list", "requests"); n != 0 {
		t.Errorf("%d %s", n, said)
	}
	ann.goTo("/sign-in/mine")
	ann.send(http.MethodPost, "/sign-in/mine", url.Values{"end": {regexp.MustCompile(`name="end" value="([^"]+)"`).FindStringSubmatch(ann.page)[1]}})
	ann.is("/sign-in/mine", http.StatusOK, "acts as you no longer", "No program acts as you")
	if n, said := l.lessor("list", "requests"); n != 3 {
		t.Errorf("a program that was shut out: %d %s", n, said)
	}
	_, code, end = l.login()
	ann.send(http.MethodPost, "/sign-in/cli", url.Values{"code": {code}, "verdict": {"let"}})
	if n, said := end(); n != 0 {
		t.Fatalf("%d %s", n, said)
	}
	g.edit("directory.yaml", "name: Ann Archer,", "name: Ann Archer, inactive: true,")
	if n, said := l.lessor("list", "requests"); n != 3 {
		t.Errorf("an inactive person's program: %d %s", n, said)
	}
	// Whoever is back signs in anew: what let them in before ended when they left.
	g.edit("directory.yaml", "inactive: true, manager", "manager")
	if n, said := l.lessor("list", "requests"); n != 3 {
		t.Errorf("active again, by the program of before: %d %s", n, said)
	}
	ann = g.browser()
	ann.goTo("/sign-in/go/corp")
	ann.login("s-ann", false)
	_, code, end = l.login()
	ann.send(http.MethodPost, "/sign-in/cli", url.Values{"code": {code}, "verdict": {"let"}})
	if n, said := end(); n != 0 {
		t.Fatalf("%d %s", n, said)
	}
	if n, said := l.lessor("list", "requests"); n != 0 {
		t.Errorf("active again: %d %s", n, said)
	}
	// Signed out everywhere is that: browsers and programs.
	ann.send(http.MethodPost, "/sign-in/mine", url.Values{"end": {"all"}})
	ann.is("/sign-in", http.StatusOK)
	if n, said := l.lessor("list", "requests"); n != 3 {
		t.Errorf("signed out everywhere: %d %s", n, said)
	}
	// Where no program is let in, it is said.
	g.edit("sign-in.yaml", "providers:", "command_line: 0s\nproviders:")
	if n, said := l.lessor("login"); n != 3 || !strings.Contains(said, "lets no program sign in") {
		t.Errorf("%d %s", n, said)
	}
}

// Whoever asks for codes without end shuts nobody out but themselves.
func TestAFloodOfLoginsShutsNobodyOut(t *testing.T) {
	t.Parallel()
	g, _ := corp(t, "")
	_, code, end := laptop{g, t.TempDir()}.login()
	flood := g.browser()
	last := 0
	for range 150 {
		if flood.send(http.MethodPost, "/sign-in/cli/ask", nil, "X-Forwarded-For", code); flood.status == http.StatusTooManyRequests {
			last = flood.status
			break
		}
	}
	if last == 0 {
		t.Error("one place may ask for codes without end")
	}
	ann := g.browser()
	ann.goTo("/sign-in/go/corp")
	ann.login("s-ann", false)
	ann.send(http.MethodPost, "/sign-in/cli", url.Values{"code": {code}, "verdict": {"let"}})
	ann.is("/sign-in/cli", http.StatusOK, "It is let in")
	if n, said := end(); n != 0 {
		t.Errorf("%d %s", n, said)
	}
}
