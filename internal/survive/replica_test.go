package survive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/cli"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// plan is what a replica's process is told.
type plan struct {
	Dir, Listen string
	Seam        string // where it dies; empty: nowhere
	Nth         int    // the how-manieth time it comes there
	Stops       bool   // it does not die there but stops, as if it had been frozen
	Clock       string // the file that says by how much its machine's clock is wrong; empty: it has this machine's
	Metrics     string // where it tells its figures; empty: nowhere
}

const (
	planKey = "LESSOR_SURVIVE_PLAN"
	dsnKey  = "LESSOR_SURVIVE_DATABASE" // as the folder's database_ref names it
)

// TestMain is `lessor serve` in a process that was started as a replica.
func TestMain(m *testing.M) {
	var p plan
	if err := json.Unmarshal([]byte(os.Getenv(planKey)), &p); err != nil {
		os.Exit(m.Run())
	}
	if p.Seam == "" && p.Clock == "" {
		as := []string{"serve", "--dir", p.Dir, "--listen", p.Listen}
		if p.Metrics != "" {
			as = append(as, "--metrics", p.Metrics)
		}
		os.Exit(cli.Main(context.Background(), as, os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	if err := p.serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve is what the command does, with a seam at which the process dies, and a clock
// that can be set.
func (p plan) serve() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var mu sync.Mutex
	came := 0
	s, err := server.New(ctx, p.Dir, slog.New(slog.NewJSONHandler(os.Stderr, nil)), server.MachineClock(p.machine()), server.Seam(func(step string) {
		mu.Lock()
		defer mu.Unlock()
		if step != p.Seam {
			return
		}
		switch came++; {
		case came != p.Nth:
		case p.Stops:
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		default:
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	l, err := s.Listen(p.Listen)
	if err != nil {
		return err
	}
	return s.Run(ctx, l)
}

// replica is one server and the process it is at the moment.
type replica struct {
	name string
	url  string
	plan plan
	exe  string // the program; empty: this one
	dsn  string // empty: the folder names the database
	said string // the file its lives have written to

	cmd    *exec.Cmd     // nil: it does not run
	ended  chan struct{} // closed when the process is gone
	frozen bool
	exit   error // how the process ended, once it has
}

func newReplica(t testing.TB, name, dir, dsn string) *replica {
	t.Helper()
	listen := fmt.Sprintf("127.0.0.1:%d", testserver.Port(t))
	r := &replica{name: name, url: "http://" + listen, plan: plan{Dir: dir, Listen: listen}, dsn: dsn, said: filepath.Join(t.TempDir(), name+".log")}
	t.Cleanup(r.kill)
	return r
}

// start begins a process; it is ready when it answers.
func (r *replica) start(t testing.TB, seam string, nth int) {
	t.Helper()
	r.plan.Seam, r.plan.Nth = seam, nth
	told, err := json.Marshal(r.plan)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(r.said, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), planKey+"="+string(told), dsnKey+"="+r.dsn)
	if r.exe != "" {
		cmd = exec.Command(r.exe, "serve", "--dir", r.plan.Dir, "--listen", r.plan.Listen)
		cmd.Env = append(os.Environ(), dsnKey+"="+r.dsn)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	r.cmd, r.ended, r.frozen = cmd, ended, false
	go func() { r.exit = cmd.Wait(); close(ended) }()
}

// alive tells whether there is a process.
func (r *replica) alive() bool {
	if r.cmd == nil {
		return false
	}
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as nothing else does.
func (r *replica) kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	<-r.ended
	r.cmd, r.frozen = nil, false
}

// stop tells it to end in good order, and waits until it has.
func (r *replica) stop(t testing.TB) {
	t.Helper()
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not end\n%s", r.name, r.tail())
	}
	if r.exit != nil {
		t.Errorf("%s ended with %v\n%s", r.name, r.exit, r.tail())
	}
	r.cmd = nil
}

func (r *replica) freeze() {
	if r.alive() {
		_ = r.cmd.Process.Signal(syscall.SIGSTOP)
		r.frozen = true
	}
}

func (r *replica) thaw() {
	if r.frozen {
		_ = r.cmd.Process.Signal(syscall.SIGCONT)
		r.frozen = false
	}
}

// stopped tells whether the process stands still.
func (r *replica) stopped() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(rest, "T")
}

// answers asks it whether it is well.
func (r *replica) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", res.Status)
	}
	return nil
}

// ready waits until it answers. A process that ended by itself is begun anew: whoever
// starts while the database is away ends, as under any supervisor.
func (r *replica) ready(t testing.TB) {
	t.Helper()
	starts := 0
	testserver.Await(t, r.name+"; see "+r.said, 2*time.Minute, func() error {
		if !r.alive() {
			if starts++; starts > 20 {
				t.Fatalf("%s ends by itself: %v\n%s", r.name, r.exit, r.tail())
			}
			r.start(t, "", 0)
		}
		return r.answers(t.Context())
	})
}

// tail is the last of what it said.
func (r *replica) tail() string {
	text, _ := os.ReadFile(r.said)
	return string(text[max(0, len(text)-4000):])
}
