package openssh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// session is an open one: what is said to it comes back.
type session struct {
	in   io.Writer
	out  *bufio.Reader
	done chan error // when the client has ended
}

// session opens one on the host, as OpenSSH's own ssh does.
func (p person) session(t testing.TB, user, command string) *session {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return start(t, p.ssh(ctx, user, command))
}

func start(t testing.TB, cmd *exec.Cmd) *session {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &session{in, bufio.NewReader(out), make(chan error, 1)}
	if err := s.echoes(); err != nil {
		t.Fatalf("the session does not begin: %v", err)
	}
	go func() { s.done <- cmd.Wait() }()
	return s
}

// echoes says a word and waits until it comes back.
func (s *session) echoes() error {
	if _, err := io.WriteString(s.in, "still there\n"); err != nil {
		return err
	}
	line, err := s.out.ReadString('\n')
	if err == nil && line != "still there\n" {
		err = fmt.Errorf("it says %q", line)
	}
	return err
}

func (s *session) ends(t testing.TB) {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		t.Error("the session goes on")
	}
}

// noteOf names the notes of this very process, which runs as long as the test does.
func noteOf(t testing.TB, w *world) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	return filepath.Join(w.Dir, "run", strconv.Itoa(os.Getpid())+"-"+fields[19])
}

// pace leaves a slow machine the time that real log-ins take.
func pace() access.Pace {
	p := enginetest.Pace
	p.Call, p.Lease = time.Minute, 4*time.Minute
	return p
}

// A session goes on after its certificate has expired, has been revoked, and the
// line that let it in is gone. As long as it may be open the removal is not called
// done; it is ended, and only then is the access seen gone. Bob's goes on.
func TestAB47SessionOutlivesEverything(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.object(t, "wiki")
	for _, name := range []string{"eve", "bob"} {
		w.account(t, name)
	}
	w.put(t, "wiki", "bob")
	c := connect(t, w.config())
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) { o.Pace = pace() })
	lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: c, Holder: "ab47",
		Pace: pace(), Backstop: time.Minute, Now: f.Now})
	work := func() {
		t.Helper()
		for n := 1; n > 0; {
			var err error
			if n, err = lane.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}

	// 1. Eve has the access for an hour, and opens a session with a certificate that is soon over.
	g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour)}, "mia")
	work()
	if job := f.Job(g.Assignment); job.State != access.Held {
		t.Fatalf("the assignment is %s (%s), want held", job.State, job.Work.Trouble)
	}
	eve, bob := w.person(t, "eve"), w.person(t, "bob")
	bob.certified(t, "bob")
	bobs := bob.session(t, "wiki", "cat")
	cert, err := c.Sign(t.Context(), ref("eve", "wiki"), eve.publicKey(t), time.Now().Add(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	eve.holds(t, cert)
	eves := eve.session(t, "wiki", "cat")
	testserver.Await(t, "the end of the certificate", time.Minute, func() error {
		if eve.lets(t, "wiki") {
			return errors.New("it still lets in")
		}
		return nil
	})
	if err := eves.echoes(); err != nil {
		t.Fatalf("the session ended with its certificate: %v", err)
	}

	// 2. The hour is over; whose sessions are open cannot be read.
	note := noteOf(t, w)
	if err := os.WriteFile(note, []byte("not JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Clock.Pass(2 * time.Hour)
	work()
	if got := w.members(t, "wiki"); !slices.Equal(got, []string{"bob"}) {
		t.Fatalf("let in: %q", got)
	}
	w.revoked(t, eve, true)
	if err := eves.echoes(); err != nil {
		t.Fatalf("the session ended by itself, or something else did it: %v", err)
	}
	if job := f.Job(g.Assignment); job.State != access.Removing || !strings.Contains(job.Work.Trouble, "sessions") {
		t.Fatalf("while the session is open the assignment is %s (%q), want removing, because of sessions", job.State, job.Work.Trouble)
	}

	// 3. Once they can, the next try ends it.
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	f.Clock.Pass(time.Hour)
	work()
	if job := f.Job(g.Assignment); job.State != access.Absent {
		t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
	}
	eves.ends(t)
	if err := bobs.echoes(); err != nil {
		t.Errorf("bob's session: %v", err)
	}
	f.Check()
}

// revoked asks ssh-keygen of a person's certificate.
func (w *world) revoked(t testing.TB, p person, want bool) {
	t.Helper()
	out, err := exec.Command("ssh-keygen", "-Q", "-f", w.path("krl"), p.name+"-cert.pub").CombinedOutput()
	if got := strings.Contains(string(out), "REVOKED"); got != want || (err != nil) != want {
		t.Errorf("ssh-keygen -Q says %q (%v), want revoked: %t", out, err, want)
	}
}

func list(t testing.TB, c *Connector, account, object string) []connector.Session {
	t.Helper()
	open, err := c.ListSessions(t.Context(), ref(account, object))
	if err != nil {
		t.Fatal(err)
	}
	return open
}

// Sessions are told apart by principal and by user, though both have the same user
// on the host; a session of one with two principals is both's.
func TestSessionsByPrincipal(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.put(t, "deploy", "ann", "o'brien", "bob")
	w.edit(t, func(l []string) []string { return append(l, "o'brien") }, "principals", "deploy")
	w.object(t, "web")
	w.put(t, "web", "ann")
	people := map[string]person{}
	for name, principals := range map[string]string{"ann": "ann", "brien": Principal("o'brien"), "both": "ann,bob", "bare": "o'brien"} {
		people[name] = w.person(t, name)
		people[name].certified(t, principals)
	}
	open := map[string]*session{}
	for _, x := range []struct{ who, user string }{{"ann", "deploy"}, {"ann", "web"}, {"brien", "deploy"}, {"both", "deploy"}, {"bare", "deploy"}} {
		open[x.who+" "+x.user] = people[x.who].session(t, x.user, "cat")
	}
	for _, x := range []struct {
		account, object string
		want            int
	}{{"ann", "deploy", 2}, {"ann", "web", 1}, {"bob", "deploy", 1}, {"o'brien", "deploy", 2}, {"o'brien", "web", 0}, {"an", "deploy", 0}, {"", "deploy", 0}, {"ann", "../web", 0}} {
		if got := list(t, c, x.account, x.object); len(got) != x.want {
			t.Errorf("sessions of %q as %q: %v, want %d", x.account, x.object, got, x.want)
		}
	}
	for _, s := range list(t, c, "ann", "deploy") {
		if err := c.EndSession(t.Context(), s); err != nil {
			t.Error(err)
		}
		if err := c.EndSession(t.Context(), s); err != nil { // gone is no error
			t.Error(err)
		}
	}
	open["ann deploy"].ends(t)
	open["both deploy"].ends(t)
	if left := list(t, c, "ann", "deploy"); len(left) > 0 {
		t.Errorf("still open: %v", left)
	}
	for _, name := range []string{"ann web", "brien deploy"} {
		if err := open[name].echoes(); err != nil {
			t.Errorf("the session of %s: %v", name, err)
		}
	}
}

// Only what a list gave can be ended, and only while it is that session.
func TestEndSessionMeansOne(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.put(t, "deploy", "ann")
	ann := w.person(t, "ann")
	ann.certified(t, "ann")
	s := ann.session(t, "deploy", "cat")
	open := list(t, c, "ann", "deploy")
	if len(open) != 1 {
		t.Fatalf("listed: %v", open)
	}
	id := strings.TrimSuffix(open[0].ID, " deploy")
	pid, _, _ := strings.Cut(id, "-")
	for _, x := range []connector.Session{
		{ID: id + " web", Account: "ann"}, {ID: id + " deploy", Account: "bob"}, {ID: pid + "-1 deploy", Account: "ann"},
		{ID: "1-0 deploy", Account: "ann"}, {ID: "../" + id + " deploy", Account: "ann"}, {ID: strconv.Itoa(os.Getpid()) + "-1 deploy", Account: "ann"},
	} {
		if err := c.EndSession(t.Context(), x); err != nil {
			t.Errorf("%v: %v", x, err)
		}
	}
	for _, x := range []connector.Session{{}, {ID: id, Account: "ann"}, {ID: id + " deploy"}, {ID: id + " ../x", Account: "ann"}, {ID: " deploy", Account: "ann"}} {
		if err := c.EndSession(t.Context(), x); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("%v: %v, want %q", x, err, connector.ErrRefused)
		}
	}
	if err := s.echoes(); err != nil {
		t.Error(err)
	}
}

// What a session has started ends with it, also what does not listen.
func TestSessionEndsWithItsProcesses(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.put(t, "deploy", "ann")
	ann := w.person(t, "ann")
	ann.certified(t, "ann")
	// The child ignores what it is politely told, and its parent is gone.
	s := ann.session(t, "deploy", `trap "" HUP TERM; read line; echo "$line"; (sh -c 'trap "" HUP TERM; echo $$; exec sleep 3600' &); exec cat`)
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child := filepath.Join("/proc", strings.TrimSpace(line))
	if _, err := os.Stat(child); err != nil {
		t.Fatal(err)
	}
	for _, one := range list(t, c, "ann", "deploy") {
		if err := c.EndSession(t.Context(), one); err != nil {
			t.Error(err)
		}
	}
	s.ends(t)
	testserver.Await(t, "the end of the child", 30*time.Second, func() error {
		state, err := os.ReadFile(child + "/stat")
		if err == nil && !strings.Contains(string(state), ") Z ") {
			return fmt.Errorf("it runs: %s", state)
		}
		return nil
	})
}

// Where it cannot be noted whose session it would be, there is none.
func TestNobodyComesInUnnoted(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.put(t, "deploy", "ann")
	ann := w.person(t, "ann")
	ann.certified(t, "ann")
	if !ann.lets(t, "deploy") {
		t.Fatal("turned away")
	}
	if err := os.WriteFile(noteOf(t, w), []byte("not JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !ann.lets(t, "deploy") {
		t.Error("another's note that is none locks her out")
	}
	run := filepath.Join(w.Dir, "run")
	if err := os.RemoveAll(run); err != nil {
		t.Fatal(err)
	}
	w.Write(t, "run", "no folder")
	if ann.lets(t, "deploy") {
		t.Error("let in without a note")
	}
	if _, err := c.ListSessions(t.Context(), ref("ann", "deploy")); err == nil {
		t.Error("a list that cannot be read is no error")
	}
}

// Who is turned away is noted nowhere: a program that tries again and again would
// otherwise keep its removal from being settled.
func TestTurnedAwayIsNoSession(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.put(t, "deploy", "ann")
	bob := w.person(t, "bob")
	bob.certified(t, "bob")
	if bob.lets(t, "deploy") {
		t.Fatal("let in")
	}
	if notes, err := os.ReadDir(filepath.Join(w.Dir, "run")); len(notes) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("noted: %v, %v", notes, err)
	}
}
