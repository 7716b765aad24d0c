package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	crand "crypto/rand"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/rotate"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

var rotationPace = access.Pace{Lease: 1500 * time.Millisecond, Call: 500 * time.Millisecond, Retry: 20 * time.Millisecond, SlowestOff: 200 * time.Millisecond}

// forgePace is for a forge, which takes long to make a token of what it draws.
var forgePace = access.Pace{Lease: 3500 * time.Millisecond, Call: 1500 * time.Millisecond, Retry: 20 * time.Millisecond, SlowestOff: 200 * time.Millisecond}

// slowPace is for what is tried eight beside each other: with half a second for a call a
// busy machine does nothing but begin calls anew.
var slowPace = access.Pace{Lease: 6 * time.Second, Call: 2500 * time.Millisecond, Retry: 50 * time.Millisecond, SlowestOff: 500 * time.Millisecond}

// domainPace is for a domain, whose one process takes all calls one after the other: of
// eight at once on a machine that is busy none came to an end within half a second.
var domainPace = access.Pace{Lease: 13 * time.Second, Call: 6 * time.Second, Retry: 50 * time.Millisecond, SlowestOff: 500 * time.Millisecond}

// keyed is a real system whose credentials are made anew, as another process finds it too.
type keyed struct {
	Name, Kind, Address, CA string
	Account                 string
	Token                   string // by which they are made
	Scopes                  []string
	Entry, Dir              string // of a domain: the account's entry, and where the server keeps all
}

// keyedTarget is how one is begun with an account of its own there, how a connector is
// opened, and how the system's own tool signs in.
type keyedTarget struct {
	begin  func(t *testing.T, n int) keyed
	open   func(t *testing.T, k keyed) connector.Issuer
	signIn func(t *testing.T, k keyed, worth string) bool
	store  string // of keptStores
	slow   bool
	pace   access.Pace                 // zero: by whether it is slow
	later  func(t *testing.T, k keyed) // has the time pass for which it takes an old one
}

// paced is how long it is given.
func (on keyedTarget) paced() access.Pace {
	switch {
	case on.pace != access.Pace{}:
		return on.pace
	case on.slow:
		return slowPace
	}
	return rotationPace
}

// named is an account to begin with, under the name by which the target is found again.
func (on keyedTarget) named(t *testing.T, name string, n int) keyed {
	t.Helper()
	k := on.begin(t, n)
	k.Name = name
	return k
}

// rotationPlan is what the process that dies in a rotation is told.
type rotationPlan struct {
	File   string
	Target keyed
	Store  kept
	Deed   string
	Nth    int // the step of all after which it dies
}

const rotationPlanKey = "LESSOR_CRASH_ROTATION"

// keeper is an engine on that file, and a lane to that system and that store.
type keeper struct {
	*enginetest.Fixture
	lane *rotate.Lane
	plan rotationPlan
}

func keep(t *testing.T, p rotationPlan, holder string, seam func(string)) keeper {
	t.Helper()
	k, on := keeper{plan: p}, keyedTargets()[p.Target.Name]
	k.Fixture = enginetest.Open(t, store.SQLite, func(o *enginetest.Options) {
		o.DSN, o.Key, o.Pace, o.Now, o.Seam = "sqlite:"+p.File, "crash", on.paced(), time.Now, seam
		robot := o.Company.People["robot"]
		robot.Accounts = map[string]string{"dir": p.Target.Account}
		o.Company.People["robot"] = robot
		o.Company.Plans = []access.CredentialPlan{{ID: "robot-key", System: "dir", Account: p.Target.Account, Kind: p.Target.Kind, Store: "kept", Ref: p.Store.Ref,
			Every: access.Term(24 * time.Hour), Overlap: access.Term(time.Second), Scopes: p.Target.Scopes}}
		if p.Target.Kind == "password" {
			o.Company.Plans[0].Overlap = 0
		}
	})
	kept := keptStores()[p.Store.Kind].open(t, p.Store)
	k.lane = rotate.New(rotate.Config{Door: k.Engine, System: "dir", Issuer: on.open(t, p.Target), Holder: holder, Pace: on.paced(),
		Stores:   func(string) (deliver.Store, bool) { return kept, true },
		Backstop: time.Second, Now: time.Now, Rand: crand.Reader, Seam: seam})
	return k
}

// TestRotationDies is the process that dies; it is run by TestRotationsCrash alone.
func TestRotationDies(t *testing.T) {
	var p rotationPlan
	if err := json.Unmarshal([]byte(os.Getenv(rotationPlanKey)), &p); err != nil {
		t.Skip("is run by TestRotationsCrash")
	}
	came := 0
	k := keep(t, p, fmt.Sprintf("dies-%d", os.Getpid()), func(step string) {
		if came++; came == p.Nth {
			_, _ = fmt.Fprintf(os.Stderr, "DIES AT %s\n", step)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	deed := engine.Deed{Credential: "robot-key", Reason: "to see"}
	do := map[string]func(context.Context, access.Actor, engine.Deed) (access.Rotation, error){
		"rotate": k.Engine.Rotate, "compromised": k.Engine.Compromised, "retire": k.Engine.Retire}[p.Deed]
	if _, err := do(t.Context(), k.As("eve"), deed); err != nil {
		t.Fatal(err)
	}
	k.over(t)
	_, _ = fmt.Fprintf(os.Stderr, "DONE AFTER %d STEPS\n", came)
}

// over works until nothing is under way. Where an old one is still taken it waits, as
// long as the target's own tool agrees: then the time passes.
func (k keeper) over(t *testing.T) access.Rotation {
	t.Helper()
	on, passed := keyedTargets()[k.plan.Target.Name], false
	var last store.Rotating
	for end := time.Now().Add(8 * time.Minute); time.Now().Before(end); {
		n, err := k.lane.Once(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var list []store.Rotating
		if err := k.DB.Read(t.Context(), func(tx *store.Tx) (err error) { list, err = tx.RotationsOf(t.Context(), "robot-key", 1); return err }); err != nil {
			t.Fatal(err)
		}
		switch {
		case len(list) == 0:
			return access.Rotation{}
		case list[0].State.Over():
			return list[0].Rotation
		case on.later != nil && !passed && strings.Contains(list[0].Work.Trouble, "still lets in"):
			passed = true
			on.later(t, k.plan.Target)
		}
		if last = list[0]; n == 0 {
			<-time.After(10 * time.Millisecond)
		}
	}
	t.Fatalf("minutes were not enough: the rotation is %s, generation %d, after %d attempts: %s", last.State, last.Generation, last.Work.Attempts, last.Work.Trouble)
	return access.Rotation{}
}

// mostSteps is more than any rotation has; a filter on the numbers ends there.
const mostSteps = 1000

// Kill −9 after any step of a rotation on real systems: the next process brings it to
// where exactly what consumers read lets in, by the system's own tool, and what was in
// force before does not. Each of all steps in the long run; else a third of them, each
// time others, and of slow ones four.
func TestRotationsCrash(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base.db")
	enginetest.Open(t, store.SQLite, func(o *enginetest.Options) { o.DSN, o.Key, o.Now = "sqlite:"+base, "crash", time.Now }).Close()
	long := os.Getenv("LESSOR_TEST_LONG") != ""
	for name, on := range keyedTargets() {
		for _, deed := range []string{"rotate", "compromised", "retire"} {
			t.Run(name+", "+deed, func(t *testing.T) {
				if on.slow && !long && deed != "rotate" {
					t.Skip("each takes what its credentials linger: LESSOR_TEST_LONG")
				}
				s := steps{first: 1, each: 1, most: mostSteps, wide: 2}
				if !long {
					s.first, s.each = 1+rand.IntN(3), 3
				}
				if on.slow && !long {
					s.most = s.first + 4*s.each - 1
				}
				if on.slow && long {
					s.wide = 8 // they wait, and compute little
				}
				keep := keptStores()[on.store].begin(t)
				s.run(t, func(t *testing.T, nth int) (over bool, died string) {
					return dieAndGoOn(t, base, rotationPlan{Target: on.named(t, name, nth), Store: keep(t, nth), Deed: deed, Nth: nth})
				})
			})
		}
	}
}

// steps are those after which a process dies, several beside each other.
type steps struct{ first, each, most, wide int }

// run goes on until one says that there are fewer steps. One that was skipped (its system
// is not built) or failed has no end to count to: the next would say the same.
func (s steps) run(t *testing.T, one func(t *testing.T, nth int) (over bool, died string)) {
	t.Helper()
	var (
		mu     sync.Mutex
		next   = s.first
		over   bool
		places = map[string]int{}
		all    sync.WaitGroup
		begun  = time.Now()
	)
	take := func() (nth int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		nth, next = next, next+s.each
		return nth, !over && nth <= s.most
	}
	for range s.wide {
		all.Go(func() {
			for nth, ok := take(); ok; nth, ok = take() {
				t.Run(fmt.Sprint(nth), func(t *testing.T) {
					last, died := true, ""
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						if over = over || last; died != "" {
							places[died]++
						}
					}()
					last, died = one(t, nth)
				})
			}
		})
	}
	all.Wait()
	killed := 0
	for _, n := range places {
		killed += n
	}
	t.Logf("killed after %d steps, at %d places, in %s: %v", killed, len(places), time.Since(begun).Round(time.Second), places)
}

// dieAndGoOn is one case; over says that the rotation has fewer steps, died after which it died.
func dieAndGoOn(t *testing.T, base string, p rotationPlan) (over bool, died string) {
	t.Helper()
	// 1. One that is in force.
	p.File = filepath.Join(testserver.Memory(t), "lessor.db")
	if err := copyFile(base, p.File); err != nil {
		t.Fatal(err)
	}
	on, deed := keyedTargets()[p.Target.Name], p.Deed
	k := keep(t, p, "begins", nil)
	if _, err := k.Engine.PlanRotations(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.over(t)
	k.Close()
	before := p.Store.read(t)
	signIn := func(worth string) bool { return on.signIn(t, p.Target, worth) }
	if !signIn(before) {
		t.Fatal("the first one does not let in")
	}
	// 2. The process dies.
	out, killed := dies(t, "TestRotationDies", rotationPlanKey, p)
	if over = !killed; over && !bytes.Contains(out, []byte("DONE AFTER")) {
		t.Fatalf("it was to die by SIGKILL, or to say that there are fewer steps:\n%s", out)
	}
	_, where, _ := strings.Cut(string(out), "DIES AT ")
	where, _, _ = strings.Cut(where, "\n")
	// 3. The next one goes on.
	k = keep(t, p, "goes-on", nil)
	r := k.over(t)
	k.Check()
	begun := over || !strings.HasSuffix(where, deed+" before commit") && r.Cause != access.CauseScheduled
	// 4. By the system's own tool.
	after := p.Store.read(t)
	switch {
	case !begun:
		if after != before || !signIn(before) {
			t.Errorf("nothing was begun, and the old one is not what lets in (died at %q)", where)
		}
	case deed == "retire":
		if signIn(before) || signIn(after) || r.State != access.RotationDead {
			t.Errorf("what is retired lets in, or is %s (died at %q)", r.State, where)
		}
	default:
		if after == before || signIn(before) || !signIn(after) || r.State != access.RotationDone {
			t.Errorf("the new one is new: %t, and lets in: %t; the old one lets in: %t; %s (died at %q)", after != before, signIn(after), signIn(before), r.State, where)
		}
	}
	// 5. And what it is worth stands in no file of ours.
	k.Close()
	for _, name := range []string{p.File, p.File + "-wal"} {
		text, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, worth := range []string{before, after} {
			if bytes.Contains(text, []byte(worth)) || bytes.Contains(out, []byte(worth)) {
				t.Errorf("a worth stands in %s or was said", filepath.Base(name))
			}
		}
	}
	return over, where
}
