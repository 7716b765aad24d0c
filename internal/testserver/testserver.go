// Package testserver starts the real servers that tests run against, each on a
// loopback port and in a folder of its own, ended with the test. It is imported
// by tests only.
//
// What must be installed, scripts/test-deps installs. Where something is missing
// a test is skipped with the reason, unless LESSOR_TEST_ALL is set: then, as in
// `make test`, it fails, so that nothing is skipped silently.
package testserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Missing skips the test, or fails it where everything must run.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("LESSOR_TEST_ALL") != "" {
		t.Fatalf("%s is missing; scripts/test-deps installs it", what)
	}
	t.Skipf("%s is missing; scripts/test-deps installs it", what)
}

// Ports below those that the kernel gives to whoever connects, or asks for any: between
// Port and the server's own start nobody is given one of them by chance.
const (
	lowestPort = 15_000
	manyPorts  = 17_000
)

// Port returns a loopback port nobody listens on.
func Port(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowestPort+rand.IntN(manyPorts))); err == nil {
			defer func() { _ = l.Close() }() // it was only to find a port
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal(err)
	return 0
}

// Start runs a server until the test ends. Its output goes to the log if the test fails.
func Start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "server-*.log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			out, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", cmd.Path, out)
		}
		_ = log.Close()
	})
}

// Await polls until ready says nil.
func Await(t testing.TB, what string, within time.Duration, ready func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); {
		if err = ready(); err == nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("%s is not ready after %s: %v", what, within, err)
}
