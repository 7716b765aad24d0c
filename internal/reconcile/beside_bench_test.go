package reconcile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const (
	crowdSize  = 2000                  // people who ask
	crowdWants = 10                    // what each of them may ask for
	askEvery   = 50 * time.Millisecond // one of them asks, whether or not the last was answered
	idleFor    = 20 * time.Second      // how long they ask before anything else happens
)

// askers adds people who ask and what they ask for, at a system that no lane works on.
func askers(o *enginetest.Options) {
	for i := range crowdSize {
		id := fmt.Sprintf("q%04d", i)
		o.Company.People[id] = access.Identity{ID: id, Kind: access.Person, Name: id, Manager: "mia", Accounts: map[string]string{"git": id}}
	}
	for i := range crowdWants {
		id := fmt.Sprintf("git:want%d", i)
		o.Company.Entitlements[id] = access.Entitlement{ID: id, System: "git", Object: id[4:], Name: id, Class: "standard", Owners: []string{"otto"},
			MaxTerm: access.Term(24 * time.Hour), Powers: []string{"read"}}
	}
}

// asking is people who ask, one after the other, and their manager who approves at once:
// two verbs, and a grant comes of them. Each is timed from when it was to begin.
type asking struct {
	f    *enginetest.Fixture
	n    int
	mu   sync.Mutex
	took []time.Duration
}

// during has them ask for as long as do runs.
func (a *asking) during(b *testing.B, do func()) {
	b.Helper()
	a.took = nil
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var all sync.WaitGroup
		defer all.Wait()
		tick := time.NewTicker(askEvery)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case at := <-tick.C:
				n := a.n
				a.n++
				all.Go(func() { a.one(b, n, at) })
			}
		}
	}()
	do()
	close(over)
	<-ended
}

func (a *asking) one(b *testing.B, n int, from time.Time) {
	r, err := a.f.Engine.Submit(b.Context(), a.f.As(fmt.Sprintf("q%04d", n%crowdSize)), engine.Ask{Reason: "to do my work", Term: access.Term(time.Hour),
		Entitlements: []string{fmt.Sprintf("git:want%d", n/crowdSize%crowdWants)}})
	if err == nil {
		r, err = a.f.Engine.Vote(b.Context(), a.f.As("mia"), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
	}
	took := time.Since(from)
	if err != nil || r.State != access.Approved {
		b.Errorf("request %d is %s: %v", n, r.State, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took = append(a.took, took)
}

// percentiles reports some of a list of times in milliseconds.
func percentiles(b *testing.B, of string, list []time.Duration) {
	b.Helper()
	if len(list) == 0 {
		b.Fatalf("%s: there is nothing to report", of)
	}
	slices.Sort(list)
	for name, at := range map[string]int{"p50": 50, "p95": 95, "p99": 99, "max": 100} {
		b.ReportMetric(float64(list[min(len(list)*at/100, len(list)-1)].Microseconds())/1000, "ms/"+of+name)
	}
}

// resetPeak has the system forget how much memory this process has had at most.
func resetPeak(b *testing.B) {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skipf("the peak of memory cannot be reset here: %v", err)
	}
}

// peak is how much memory this process has had at most since then, in MiB: all of it
// that was resident, the Go heap and the database's pages alike.
func peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(line + " ?")[0])
	if err != nil {
		b.Fatalf("VmHWM: %v", err)
	}
	return float64(kib) / 1024
}

// ownCPU is what this process has used of the processors.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// slapdCPU is what a server has used of them.
func slapdCPU(b *testing.B, s *testserver.SlapdServer) time.Duration {
	b.Helper()
	pid, err := os.ReadFile(filepath.Join(s.Dir, "slapd.pid"))
	if err != nil {
		b.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	ticks := 0
	for _, f := range fields[11:13] { // its own, and the system's for it
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // a tick is a hundredth of a second wherever Linux runs
}
