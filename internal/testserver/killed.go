package testserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Kill ends slapd as nothing else does, and waits until it is gone. What it had
// written is in the system's cache: that outlives it.
func (s *SlapdServer) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // a second time is no harm
}

// Again starts slapd on what it holds.
func (s *SlapdServer) Again(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command(s.bin, "-f", s.conf, "-h", s.PlainURL+" "+s.URL, "-d", "0") // -d 0 keeps it in the foreground
	Start(t, s.cmd)
}

// Pause has slapd stand still, or go on.
func (s *SlapdServer) Pause(still bool) error {
	if still {
		return s.cmd.Process.Signal(syscall.SIGSTOP)
	}
	return s.cmd.Process.Signal(syscall.SIGCONT)
}

// Kill ends the server as nothing else does, and waits until every process of it is
// gone. Whoever kills one that others share has a process to themselves.
func (s *PGTarget) Kill(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "cluster", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	family := append(children(pid), pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	if s.again != nil {
		_ = s.again.Wait() // as long as nobody asks how it ended its lock counts
	}
	Await(t, "the end of the killed PostgreSQL", time.Minute, func() error {
		for _, p := range family {
			if alive(p) {
				return fmt.Errorf("process %d is still there", p)
			}
		}
		return nil
	})
}

// Again starts a killed server on what it holds, until the test ends.
func (s *PGTarget) Again(t testing.TB) {
	t.Helper()
	as, err := asPostgres(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "cluster"), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", "", "-N", "200",
		"-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "max_wal_size=256MB")
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: as}
	Start(t, cmd)
	s.again = cmd
}

// children are the processes that a process has begun.
func children(pid int) (list []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it is gone
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		of := strings.Fields(rest)
		if len(of) < 2 || of[1] != strconv.Itoa(pid) {
			continue
		}
		if n, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// alive tells whether there is such a process that has not ended.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}
