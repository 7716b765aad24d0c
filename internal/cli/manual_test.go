package cli

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// TestThreeReplicasAsWritten does what docs/operating/replicas.md says, letter by
// letter but for the ports, as an ordinary user: from an empty folder to three
// servers, of which one is killed.
func TestThreeReplicasAsWritten(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/operating/replicas.md")
	if err != nil {
		t.Fatal(err)
	}
	// 1. The commands of the page.
	script := "set -euo pipefail\ntrap 'kill -9 $(jobs -p) 2>/dev/null || :; pg_ctl -D db -m immediate stop >/dev/null 2>&1 || :' EXIT\n"
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(raw), -1) {
		script += block[1]
	}
	for _, port := range []string{"54329", "7317", "7318", "7319"} {
		if !strings.Contains(script, port) {
			t.Fatalf("the page has no port %s any more", port)
		}
		script = strings.ReplaceAll(script, port, strconv.Itoa(testserver.Port(t)))
	}
	// 2. Somebody's home, and this program under its name.
	home, as := testserver.Home(t)
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	copyProgram(t, filepath.Join(home, "bin", "lessor"))
	// 3. As written.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "bash", "-c", script)
	run.Dir, run.Env = home, []string{"HOME=" + home, "PATH=" + filepath.Join(home, "bin") + ":/usr/bin:/bin"}
	run.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGTERM) }
	run.WaitDelay = 10 * time.Second
	said, err := run.CombinedOutput()
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(home, "three", "*.log"))
		for _, name := range logs {
			text, _ := os.ReadFile(name)
			t.Logf("%s:\n%s", filepath.Base(name), text[max(0, len(text)-2000):])
		}
		t.Fatalf("%v\n%s", err, said)
	}
	before, after, _ := strings.Cut(string(said), "ann is in team_ro: true")
	if !strings.Contains(before, " held ") || !strings.Contains(after, "ann is in team_ro: false") || !strings.Contains(after, " absent ") {
		t.Errorf("said:\n%s", said)
	}
}

// copyProgram copies this test's own program, which is the command line where it is
// called so: the folder it lies in is not everybody's to look into.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	into, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(into, from); err != nil {
		t.Fatal(err)
	}
	if err := into.Close(); err != nil {
		t.Fatal(err)
	}
}
