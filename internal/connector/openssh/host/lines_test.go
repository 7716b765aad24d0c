package host

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Adding and removing changes one line and no other.
func TestWith(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ was, added, removed string }{
		{"", "ann\n", ""},
		{"ann\n", "ann\n", ""},
		{"bob", "bob\nann\n", "bob"},
		{" ann # x\nann\nbob\n", " ann # x\nann\nbob\n", "bob\n"},
		{"no-pty ann\n", "no-pty ann\nann\n", "no-pty ann\n"},
		{"#ann\n\n", "#ann\n\nann\n", "#ann\n\n"},
		{"annex\r\n", "annex\r\nann\n", "annex\r\n"},
	} {
		if got := string(with([]byte(x.was), "ann", true)); got != x.added {
			t.Errorf("%q with ann is %q, want %q", x.was, got, x.added)
		}
		if got := string(with([]byte(x.was), "ann", false)); got != x.removed {
			t.Errorf("%q without ann is %q, want %q", x.was, got, x.removed)
		}
	}
}

func FuzzWith(f *testing.F) {
	for _, s := range []string{"", "ann", "no-pty ann\nbob # x", "#\n\x00\n \t\nann\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, was []byte) {
		names := func(file []byte) (own []string, all int) {
			for _, l := range read(file) {
				if all++; l.Principal == "ann" && !l.Options {
					own = append(own, l.Principal)
				}
			}
			return own, all
		}
		in := with(was, "ann", true)
		if own, _ := names(in); len(own) == 0 {
			t.Errorf("%q with ann lets her not in: %q", was, in)
		}
		out := with(in, "ann", false)
		own, left := names(out)
		if len(own) > 0 || !bytes.Equal(with(out, "ann", false), out) || !bytes.Equal(with(in, "ann", true), in) {
			t.Errorf("%q without ann: %q", in, out)
		}
		if mine, all := names(was); left != all-len(mine) {
			t.Errorf("%q lets in %d others, afterwards %d", was, all-len(mine), left)
		}
	})
}

// A user's list of keys is looked for where sshd looks for it.
func TestExpand(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		".ssh/authorized_keys": filepath.Join(me.HomeDir, ".ssh/authorized_keys"),
		"%h/keys":              me.HomeDir + "/keys",
		"/etc/keys/%u":         "/etc/keys/" + me.Username,
		"/etc/keys/%U%%":       "/etc/keys/" + me.Uid + "%",
	} {
		if got, err := expand(context.Background(), pattern, me.Username); err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", pattern, got, err, want)
		}
	}
	if got, err := expand(context.Background(), "%h/keys", "nobody-is-called-this"); err != nil || got != "" {
		t.Errorf("of somebody the host does not know: %q, %v", got, err)
	}
}

// A family is a process, its children, and whoever shares their session though the
// parent in between is gone.
func TestDescent(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("setsid", "sh", "-c", "(sleep 3600 & echo $!) ; echo $$; exec sleep 3600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	buf := make([]byte, 64)
	var said string
	for strings.Count(said, "\n") < 2 {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		said += string(buf[:n])
	}
	root, err := process(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	family, err := descent(root)
	if err != nil || len(family) < 2 {
		t.Fatalf("the family is %v (%v), want two", family, err)
	}
	if own, err := process(os.Getpid()); err != nil || slices.Contains(family, own) {
		t.Fatalf("we are of the family (%v)", err)
	}
	stranger := root
	stranger.began = "1"
	if err := stranger.signal(9); err != nil || !root.runs() {
		t.Fatalf("a later process with the number was meant: %v", err)
	}
	for _, p := range family {
		if err := p.signal(9); err != nil {
			t.Error(err)
		}
	}
	_ = cmd.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for anyRuns(family) { // a signal takes its time
		if err := pause(ctx); err != nil {
			t.Fatal("some of it runs")
		}
	}
	if err := root.signal(9); err != nil { // gone is no error
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"deploy": true, "_apt": true, "ann.b": true, `CORP\ann`: true, "host$": true, "": false, ".": false, "..": false,
		"a/b": false, "-x": false, "a b": false, "a,b": false, "é": false, "a\x00": false, strings.Repeat("x", 256): false} {
		if usable(name) != want {
			t.Errorf("a user called %q: %t", name, !want)
		}
	}
}

func TestMainWithoutAWord(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"serve", "x"}, {"principals", "deploy"}, {"-nonsense"}} {
		var out, complaints bytes.Buffer
		if code := Main(args, strings.NewReader(""), &out, &complaints); code == 0 || out.Len() > 0 || complaints.Len() == 0 {
			t.Errorf("%q: code %d, said %q, complained %q", args, code, &out, &complaints)
		}
	}
}
