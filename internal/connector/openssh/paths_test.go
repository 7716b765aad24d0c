package openssh

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// write replaces an object's file by other means than ours.
func (w *world) write(t testing.TB, object, file string) {
	t.Helper()
	w.edit(t, func([]string) []string { return []string{strings.TrimSuffix(file, "\n")} }, "principals", object)
}

// What we read of a line is what sshd makes of it: whoever it lets in is seen, and
// nobody else.
func TestLinesAsSSHDReadsThem(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	// From another address, or with a certificate that has no command of its own, some let in.
	elsewhere := map[string]bool{`from="192.0.2.7" ann`: true, `command="true" ann`: true, "bob ann": true, "%61nn": true}
	for i, x := range []struct {
		line string
		in   bool // ann
	}{
		{"ann", true}, {"  ann  ", true}, {"\tann\t", true}, {"ann # of the staff", true}, {"ann#x", true}, {"#ann", false}, {"# x\nann", true},
		{"no-pty ann", true}, {"no-pty\tann", true}, {"bob ann", false}, {"ann bob", false}, {"ann\r", false}, {"ann\x00x", true}, {"ann,bob", false},
		{`command="true" ann`, false}, {`from="192.0.2.7" ann`, false}, {"Ann", false}, {"*", false}, {"annex", false}, {"%61nn", false}, {"", false},
	} {
		object := fmt.Sprintf("lines%d", i)
		w.object(t, object)
		w.write(t, object, x.line)
		in, err := c.try(t.Context(), object, []string{"ann"})
		if err != nil || in != x.in {
			t.Errorf("%q: sshd lets ann in: %t (%v), want %t", x.line, in, err, x.in)
		}
		// Seen is at least what sshd lets in from here.
		s := look(t, c, "ann", object)
		switch {
		case in && !s.Effective:
			t.Errorf("%q lets ann in, and is not seen to: %+v", x.line, s)
		case s.Effective && !in && !elsewhere[x.line]:
			t.Errorf("%q does not let ann in, and is seen to: %+v", x.line, s)
		}
		if s.Direct {
			apply(t, c, remove("ann", object))
			if in, err := c.try(t.Context(), object, []string{"ann"}); in || err != nil {
				t.Errorf("%q was removed, and sshd lets ann in: %t, %v", x.line, in, err)
			}
		}
	}
}

// Whatever else lets the account in is named, and then it is not gone.
func TestOtherWaysIn(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.account(t, "ann@example.org")
	w.KeyGen(t, "key")
	key := strings.TrimSpace(w.Read(t, "key.pub"))
	for i, x := range []struct {
		principals, keys string
		effective        bool
		names            string
	}{
		{names: ""},
		{principals: `from="192.0.2.0/24" ann@example.org`, effective: true, names: "line 1"},
		{principals: "# who is on call\nno-pty ann@example.org", effective: true, names: "line 2"},
		{keys: key + " ann@example.org", effective: true, names: "bears its name"},
		{keys: "restrict " + key + " ann@example.org laptop", effective: true, names: "bears its name"},
		{keys: "# old\n\n" + key + " bob@laptop", names: "1 keys or CAs"},
		{keys: `cert-authority,principals="bob,ann@example.org" ` + key, effective: true, names: "a CA in"},
		{keys: `cert-authority ` + key, names: "1 keys or CAs"},
	} {
		object := fmt.Sprintf("ways%d", i)
		w.object(t, object)
		w.write(t, object, x.principals)
		if x.keys != "" {
			w.Write(t, "keys/"+object, x.keys+"\n")
		}
		// Added and removed, that way is left, byte for byte.
		apply(t, c, add("ann@example.org", object))
		if s := look(t, c, "ann@example.org", object); !s.Direct || !s.Effective {
			t.Errorf("%+v: added, seen %+v", x, s)
		}
		apply(t, c, remove("ann@example.org", object))
		s := look(t, c, "ann@example.org", object)
		if s.Direct || s.Effective != x.effective || !strings.Contains(strings.Join(s.Residual, "; "), x.names) || (x.names == "") != (len(s.Residual) == 0) {
			t.Errorf("%+v: seen %+v", x, s)
		}
		if file, _ := os.ReadFile(w.path("principals", object)); strings.TrimSpace(string(file)) != x.principals {
			t.Errorf("%+v: the file is now %q", x, file)
		}
	}
}

// With a second way in, the removal is not called done until that is gone, too.
func TestRemovalWaitsForTheSecondWay(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.object(t, "wiki")
	w.account(t, "eve")
	w.KeyGen(t, "key")
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) { o.Pace = pace() })
	lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: connect(t, w.config()), Holder: "second",
		Pace: pace(), Backstop: time.Minute, Now: f.Now})
	state := func(want access.AssignmentState, id string) {
		t.Helper()
		for n := 1; n > 0; {
			var err error
			if n, err = lane.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if job := f.Job(id); job.State != want {
			t.Fatalf("the assignment is %s (%s), want %s", job.State, job.Work.Trouble, want)
		}
	}
	g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour)}, "mia")
	state(access.Held, g.Assignment)
	w.Write(t, "keys/wiki", strings.TrimSpace(w.Read(t, "key.pub"))+" eve@laptop\n")
	f.Clock.Pass(2 * time.Hour)
	state(access.Removing, g.Assignment)
	if err := os.Remove(filepath.Join(w.Dir, "keys", "wiki")); err != nil {
		t.Fatal(err)
	}
	f.Clock.Pass(time.Hour)
	state(access.Absent, g.Assignment)
	f.Check()
}

// Only sshd knows what else it was told: whom it lets in is let in.
func TestWhatOnlySSHDKnows(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	wrap := filepath.Join(w.Dir, "wrap")
	if err := os.WriteFile(wrap, []byte("#!/bin/sh\necho eve\necho 'no-pty'\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if look(t, c, "eve", "deploy").Effective {
		t.Fatal("eve is let in already")
	}
	w.restart(t, "AuthorizedPrincipalsCommand /usr/bin/env ", "AuthorizedPrincipalsCommand /usr/bin/env "+wrap+" /usr/bin/env ")
	testserver.Await(t, "the new configuration", time.Minute, func() error {
		if in, err := c.try(t.Context(), "deploy", []string{"eve"}); !in {
			return fmt.Errorf("eve is turned away (%v)", err)
		}
		return nil
	})
	refs := []connector.Ref{}
	for _, name := range []string{"ann", "bob", "cat", "eve", "fay"} {
		refs = append(refs, ref(name, "deploy"))
	}
	for _, s := range c.Look(t.Context(), refs) {
		if want := s.Account == "eve"; s.Err != nil || s.Direct || s.Effective != want || want != (len(s.Residual) > 0) {
			t.Errorf("%+v", s)
		}
	}
}

// restart changes the configuration under the server, which reads it anew.
func (w *world) restart(t testing.TB, old, now string) {
	t.Helper()
	text := w.Read(t, "sshd_config")
	changed := strings.Replace(text, old, now, 1)
	if changed == text {
		t.Fatalf("%q is not in the configuration", old)
	}
	w.Write(t, "sshd_config", changed)
	w.Reload(t)
}

// Where sshd does not go by the principals file, nothing is known from it.
func TestSSHDGoesByAnotherFile(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.KeyGen(t, "other-ca")
	text := w.Read(t, "sshd_config")
	for _, x := range []struct{ old, now, says string }{
		{"AuthorizedPrincipalsFile none", "AuthorizedPrincipalsFile " + w.Dir + "/else/%u", "set it to none"},
		{"AuthorizedPrincipalsCommand ", "AuthorizedPrincipalsCommand /bin/echo %u\n#", "does not ask"},
		{"TrustedUserCAKeys " + w.path("ca.pub"), "TrustedUserCAKeys " + w.Dir + "/other-ca.pub", "does not trust"},
		{"RevokedKeys ", "RevokedKeys none\n#", "does not read"},
		{"TrustedUserCAKeys " + w.path("ca.pub"), "TrustedUserCAKeys " + w.Dir + "/missing", "missing"},
		{"Match User", "Nonsense yes\nMatch User", "Nonsense"},
	} {
		w.Write(t, "sshd_config", strings.Replace(text, x.old, x.now, 1))
		// Not told to read it anew, the server goes on as before; the program reads it.
		c := connect(t, w.config())
		s := c.Look(t.Context(), []connector.Ref{ref("ann", "deploy")})[0]
		if !errors.Is(s.Err, connector.ErrRefused) || !strings.Contains(s.Err.Error(), x.says) || s.Direct || s.Effective {
			t.Errorf("%s: %+v, want %q and %q", x.now, s, connector.ErrRefused, x.says)
		}
	}
}

// Drift by the target's own tools is seen by the next look and the next reading,
// whatever kind of line it is.
func TestDrift(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.object(t, "web")
	apply(t, c, add("ann", "deploy"))
	for _, command := range []string{
		"echo mallory >> principals/deploy", "echo 'no-pty  mallory # for now' >> principals/deploy",
		`printf 'caf\303\251\nbad\377\n' >> principals/web`, "printf 'mallory' >> principals/web", "sed -i /ann/d principals/deploy",
	} {
		cmd := exec.Command("sh", "-ec", command)
		cmd.Dir = w.path()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for object, want := range map[string]bool{"deploy": true, "web": true} {
		if s := look(t, c, "mallory", object); !s.Direct || s.Effective != want {
			t.Errorf("%+v", s)
		}
	}
	if s := look(t, c, "ann", "deploy"); s.Direct || s.Effective {
		t.Errorf("%+v", s)
	}
	var got []string
	if err := c.Observe(t.Context(), nil, func(h connector.Holding) error { got = append(got, h.Object+":"+h.Account); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"deploy:mallory", "web:café", "web:bad\ufffd", "web:mallory"}; !slices.Equal(got, want) {
		t.Errorf("observed %q, want %q", got, want)
	}
	// Without an end of line, what is added begins on a line of its own.
	w.write(t, "web", "bob")
	if err := os.Truncate(w.path("principals", "web"), 3); err != nil {
		t.Fatal(err)
	}
	apply(t, c, add("ann", "web"))
	if got := w.members(t, "web"); !slices.Equal(got, []string{"ann", "bob"}) {
		t.Errorf("let in: %q", got)
	}
}

// The folder may hold what no user can be called, links and folders: that is an
// error, not a shorter list, and none of it is written through.
func TestStrangeFiles(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	secret := filepath.Join(w.Dir, "secret")
	w.Write(t, "secret", "mallory\n")
	if err := os.Symlink(secret, w.path("principals", "web")); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"observe": c.Observe(t.Context(), nil, func(connector.Holding) error { return nil }),
		"add":     c.Apply(t.Context(), []connector.Change{add("ann", "web")})[0].Err,
		"remove":  c.Apply(t.Context(), []connector.Change{remove("mallory", "web")})[0].Err,
		"look":    c.Look(t.Context(), []connector.Ref{ref("mallory", "web")})[0].Err,
	} {
		if !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "plain file") {
			t.Errorf("%s through a link: %v", what, err)
		}
	}
	if got := w.Read(t, "secret"); got != "mallory\n" {
		t.Errorf("the link's file is now %q", got)
	}
	apply(t, c, add("ann", "deploy")) // the others go on
	if err := os.Rename(w.path("principals", "web"), w.path("principals", "a b")); err != nil {
		t.Fatal(err)
	}
	if err := c.Observe(t.Context(), nil, func(connector.Holding) error { return nil }); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("observe: %v", err)
	}
	// What a call left that was killed is no user's file, and goes with the next.
	if err := os.Rename(w.path("principals", "a b"), w.path("principals", ".lessor-deploy")); err != nil {
		t.Fatal(err)
	}
	apply(t, c, remove("ann", "deploy"))
	if _, err := os.Lstat(w.path("principals", ".lessor-deploy")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// The connector's own user is never an object.
func TestOwnUser(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.account(t, "eve")
	w.write(t, "deploy", "eve")
	if err := os.Rename(w.path("principals", "deploy"), w.path("principals", w.Admin)); err != nil {
		t.Fatal(err)
	}
	for _, ch := range []connector.Change{add("eve", w.Admin), remove("eve", w.Admin)} {
		if err := c.Apply(t.Context(), []connector.Change{ch})[0].Err; !errors.Is(err, connector.ErrRefused) {
			t.Errorf("%+v: %v", ch, err)
		}
	}
	if s := c.Look(t.Context(), []connector.Ref{ref("eve", w.Admin)})[0]; !errors.Is(s.Err, connector.ErrRefused) {
		t.Errorf("%+v", s)
	}
	eve := w.person(t, "eve")
	eve.certified(t, "eve")
	if eve.lets(t, w.Admin) {
		t.Error("a certificate lets in as the connector's user, with the documented lines")
	}
}

// The host's program reads only what it must: a request it does not know, or one
// that breaks off, is none.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	if _, err := c.ask(t.Context(), host.Request{Verb: "shell"}); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("a verb it does not know: %v", err)
	}
	p := person{w, filepath.Join(w.Dir, "lessor-key")}
	for _, command := range []string{"id", "sh -c id", "serve", ""} {
		cmd := p.ssh(t.Context(), w.Admin, command)
		cmd.Stdin = strings.NewReader(`{"verb":"change","changes":[{"principal":"ann","object":"deploy","want":true`)
		out, err := cmd.CombinedOutput()
		if err == nil || strings.Contains(string(out), "uid=") || len(w.members(t, "deploy")) > 0 {
			t.Errorf("%q gave %q (%v), and let in %q", command, out, err, w.members(t, "deploy"))
		}
	}
}
