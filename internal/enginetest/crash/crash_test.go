package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/scim"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

var pace = access.Pace{Lease: 400 * time.Millisecond, Call: 100 * time.Millisecond, Retry: 20 * time.Millisecond,
	SlowestOff: 100 * time.Millisecond, Recheck: 500 * time.Millisecond, Confirm: 150 * time.Millisecond}

// plan is what the process that dies is told.
type plan struct {
	File, URL string
	Deed      string // grant, revoke or look
	Grant     string // to revoke
	Seam      string // where it dies
	Nth       int    // the how-manieth time it comes there
}

const planKey = "LESSOR_CRASH_PLAN"

// life is an engine on that file and a lane to that line.
type life struct {
	*enginetest.Fixture
	lane *reconcile.Lane
	scim *scim.Connector
}

func live(t *testing.T, file, at, holder string, seam func(string)) life {
	t.Helper()
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) {
		o.DSN, o.Key, o.Pace, o.Now, o.Seam = "sqlite:"+file, "crash", pace, time.Now, seam
	})
	c, err := scim.New(scim.Config{BaseURL: at, Token: func() string { return token }, Timeout: pace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return life{f, reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: c, Holder: holder, Pace: pace,
		Backstop: time.Second, Now: time.Now, Seam: seam}), c}
}

// TestDies is the process that dies; it is run by TestCrashes alone.
func TestDies(t *testing.T) {
	var p plan
	if err := json.Unmarshal([]byte(os.Getenv(planKey)), &p); err != nil {
		t.Skip("is run by TestCrashes")
	}
	came := 0
	l := live(t, p.File, p.URL, fmt.Sprintf("dies-%d", os.Getpid()), func(step string) {
		if step != p.Seam {
			return
		}
		if came++; came == p.Nth {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	switch p.Deed {
	case "grant":
		l.Approve("mia", l.Ask("eve", ask))
	case "revoke":
		if err := l.Engine.Revoke(t.Context(), l.As("sara"), p.Grant, "an incident"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l.lane.Run(ctx)
	t.Fatalf("came to %q %d times, and did not die", p.Seam, came)
}

var ask = engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to read", Term: access.Term(8 * time.Hour)}

// began is what the processes find: a file in which nothing has happened yet,
// and one in which a grant is live and seen.
type began struct{ fresh, held, grant string }

func begin(t *testing.T) (b began) {
	t.Helper()
	dir := t.TempDir()
	b.fresh, b.held = filepath.Join(dir, "fresh.db"), filepath.Join(dir, "held", "held.db")
	live(t, b.fresh, newLine(t, "", "").url, "begins", nil).Close()
	if err := errors.Join(os.Mkdir(filepath.Dir(b.held), 0o700), copyFile(b.fresh, b.held)); err != nil {
		t.Fatal(err)
	}
	at := newLine(t, "", "")
	people(t, at, false)
	l := live(t, b.held, at.url, "begins", nil)
	b.grant = l.Granted("eve", ask, "mia").ID
	l.quiet(t, at)
	l.Close()
	return b
}

func people(t *testing.T, at *line, member bool) {
	t.Helper()
	_, err := at.target.AddUser("eve")
	members := []string{}
	if member {
		members = append(members, "eve")
	}
	if _, err2 := at.target.AddGroup("wiki", members...); err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// quiet works until nothing is under way and the oracle has nothing to say.
func (l life) quiet(t *testing.T, at *line) {
	t.Helper()
	o := l.Oracle()
	o.Systems = []string{"dir"}
	o.Held = func(string) (list []connector.Ref) {
		for _, m := range at.target.Members("wiki") {
			list = append(list, connector.Ref{Account: m, Object: "wiki"})
		}
		return list
	}
	var problems []error
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); { // where a call gets no answer in time, again and again
		n, err := l.lane.Once(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			continue
		}
		if problems, err = o.Problems(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if len(problems) == 0 {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	for _, p := range problems {
		t.Errorf("oracle: %v", p)
	}
}

// Kill −9 at every seam of every deed under every fault: after the restart
// nobody has access without a live grant, no ended grant has access, nothing
// that was committed is lost and nothing is doubled.
func TestCrashes(t *testing.T) {
	b := begin(t)
	deeds := []struct {
		name, method, file string
		held               bool // really, as the process that dies begins
		verbs              []string
	}{
		{"grant", "PATCH", b.fresh, false, []string{"submit", "vote"}},
		{"revoke", "PATCH", b.held, true, []string{"revoke"}},
		{"look", "GET", b.held, false, nil}, // access was taken away behind our back: to be seen, and repaired
	}
	for _, deed := range deeds {
		var seams []string
		for _, v := range append(deed.verbs, "claim", "settle") {
			seams = append(seams, v+" before commit", v+" after commit")
		}
		seams = append(seams, "claimed", "looked first", "acted", "looked", "settled")
		for _, f := range []fault{fails, failDone, hangs, doneLate} {
			for _, seam := range seams {
				for nth := 1; nth <= 2; nth++ {
					if verb, _, _ := strings.Cut(seam, " "); nth > 1 && (verb == "submit" || verb == "vote" || verb == "revoke") {
						continue // each is done once
					}
					t.Run(fmt.Sprintf("%s, %s, %s %d", deed.name, f, seam, nth), func(t *testing.T) {
						t.Parallel()
						at := newLine(t, f, deed.method)
						people(t, at, deed.held)
						p := plan{File: filepath.Join(testserver.Memory(t), "lessor.db"), URL: at.url, Deed: deed.name, Grant: b.grant, Seam: seam, Nth: nth}
						if err := copyFile(deed.file, p.File); err != nil {
							t.Fatal(err)
						}
						p.die(t)
						p.judge(t, at)
					})
				}
			}
		}
	}
}

// die runs the process that must die at its seam.
func (p plan) die(t *testing.T) {
	t.Helper()
	if out, died := dies(t, "TestDies", planKey, p); !died {
		t.Fatalf("it was to die by SIGKILL:\n%s", out)
	}
}

// dies runs one of this program's tests as a process of its own, told a plan, and says
// whether it died by SIGKILL. To end by itself is not to die; to end badly fails the test.
func dies(t *testing.T, test, key string, plan any) (out []byte, died bool) {
	t.Helper()
	told, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), key+"="+string(told))
	out, err = cmd.CombinedOutput()
	if err == nil {
		return out, false
	}
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("it was to die by SIGKILL: %v\n%s", err, out)
	}
	return out, true
}

// judge goes on where the dead process stopped, without faults, and says whether all is well.
func (p plan) judge(t *testing.T, at *line) {
	t.Helper()
	at.mend()
	at.flying.Wait()
	l := live(t, p.File, at.url, "goes-on", nil)
	l.quiet(t, at)
	grants := l.Grants()
	held := len(at.target.Members("wiki")) == 1
	switch {
	case p.Deed == "grant" && (strings.HasPrefix(p.Seam, "submit") || p.Seam == "vote before commit"):
		if len(grants) != 0 || held {
			t.Errorf("nothing was granted: %d grants, held: %t", len(grants), held)
		}
	case p.Deed == "revoke" && p.Seam != "revoke before commit":
		if len(grants) != 1 || grants[0].Ended != access.EndRevoked || held {
			t.Errorf("what was revoked: %+v, held: %t", grants, held)
		}
	default:
		if len(grants) != 1 || grants[0].State != access.Live || !held {
			t.Errorf("what was granted: %+v, held: %t", grants, held)
		}
	}
}
