// Package deploy is what Lessor is packed in: here are only its tests, which make
// and install it as far as one machine can.
package deploy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// build makes a program of ours, as quickly as it goes: with what the tests' own
// build has left.
func build(t *testing.T, into string) {
	t.Helper()
	run(t, nil, "go", "build", "-ldflags", "-s -w", "-o", into+"/", "../cmd/lessor", "../cmd/lessor-openssh-host")
}

func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &out, &said)
	}
	return out.String()
}

func digest(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(raw)
}

// The package is made, twice the same, and installed into a root of its own: what
// it makes is there, its server's account may read the configuration and not change
// it, and what Lessor knows outlives the package.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("NOT TESTED: there is no dpkg-deb")
	}
	// 1. Made.
	bin, opt := t.TempDir(), []string{"DPKG_DEB_OPTIONS=-Zgzip -z1", "SOURCE_DATE_EPOCH=1780000000"}
	build(t, bin)
	deb := strings.TrimSpace(run(t, opt, "../scripts/build-deb", bin, t.TempDir()))
	if again := strings.TrimSpace(run(t, opt, "../scripts/build-deb", bin, t.TempDir())); digest(t, deb) != digest(t, again) {
		t.Error("the same programs make two packages")
	}
	held := run(t, nil, "dpkg", "-c", deb)
	for _, want := range []string{
		"-rwxr-xr-x root/root", "./usr/bin/lessor\n", "./usr/lib/systemd/system/lessor.service\n", "./usr/share/doc/lessor/sbom.json\n",
		"./usr/share/doc/lessor/operating/replicas.md\n", "-rw------- root/root",
	} {
		if !strings.Contains(held, want) {
			t.Errorf("the package lacks %q:\n%s", want, held)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED without root: installing the package")
	}
	for _, program := range []string{"systemd-sysusers", "systemd-tmpfiles"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT TESTED without %s: installing the package", program)
		}
	}
	// 2. Installed.
	root, err := os.MkdirTemp("/tmp", "lessor-root-*") // which another account can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dpkg := func(args ...string) {
		t.Helper()
		run(t, nil, "dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--force-depends"}, args...)...)
	}
	dpkg("-i", deb)
	uid, gid := account(t, root)
	folder, err := os.Stat(filepath.Join(root, "etc/lessor"))
	if err != nil {
		t.Fatal(err)
	}
	if st := folder.Sys().(*syscall.Stat_t); folder.Mode().Perm() != 0o750 || st.Uid != 0 || st.Gid != gid || uid == 0 {
		t.Errorf("/etc/lessor: %v of %d:%d, want 0750 of root:%d", folder.Mode(), st.Uid, st.Gid, gid)
	}
	setUp(t, root, uid, gid)
	// 3. Removed, and purged.
	kept := filepath.Join(root, "etc/lessor/log.key")
	dpkg("-r", "lessor")
	dpkg("-P", "lessor")
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the log's key went with the package: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "usr/bin/lessor")); err == nil {
		t.Error("the program outlives its package")
	}
}

// setUp does what the manual's page says after the package is installed, and holds
// that the server's account can then read the folder, change nothing in it, and not
// see the tokens.
func setUp(t *testing.T, root string, uid, gid uint32) {
	t.Helper()
	page, err := os.ReadFile("../docs/operating/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```\nlessor init ")
	script, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("the page does not say how to begin")
	}
	folder := filepath.Join(root, "etc/lessor")
	script = "set -eu\numask 077\nlessor init " + strings.NewReplacer("/etc/lessor", folder, "/var/lib/lessor", filepath.Join(root, "var/lib/lessor"),
		"chgrp -R lessor", "chgrp -R "+strconv.Itoa(int(gid)), "systemctl enable --now lessor", ":").Replace(script)
	run(t, []string{"PATH=" + filepath.Join(root, "usr/bin") + ":/usr/bin:/bin", "EDITOR=true"}, "sh", "-c", script)
	as := func(name string, args ...string) error {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return err
	}
	if err := as(filepath.Join(root, "usr/bin/lessor"), "check", "--dir", folder); err != nil {
		t.Error(err)
	}
	for _, try := range [][]string{{"touch", filepath.Join(folder, "x")}, {"sh", "-c", "echo >> " + folder + "/policy/rules.cedar"}, {"sh", "-c", "echo >> " + folder + "/lessor.yaml"},
		{"cat", filepath.Join(folder, "tokens/olga")}, {"mv", filepath.Join(folder, "log.key"), filepath.Join(folder, "log.old")}} {
		if as(try[0], try[1:]...) == nil {
			t.Errorf("the server's account may: %s", strings.Join(try, " "))
		}
	}
}

// account is the server's, as the package made it.
func account(t *testing.T, root string) (uid, gid uint32) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 7 && f[0] == "lessor" {
			if !strings.HasSuffix(f[6], "nologin") {
				t.Errorf("the account can log in: %s", line)
			}
			u, _ := strconv.ParseUint(f[2], 10, 32)
			g, _ := strconv.ParseUint(f[3], 10, 32)
			return uint32(u), uint32(g)
		}
	}
	t.Fatalf("no account lessor in %s", text)
	return 0, 0
}

// The unit shuts the server in. What systemd calls its exposure may go down.
func TestUnitIsSandboxed(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("NOT TESTED: there is no systemd-analyze")
	}
	run(t, nil, "systemd-analyze", "security", "--offline=yes", "--threshold=13", "debian/lessor.service")
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "debian/lessor.service").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "is not executable") { // it is not installed here
			t.Errorf("%v: %s", err, line)
		}
	}
}

// TestBuildIsReproducible builds the same source in two folders, as make does, and
// compares the bytes: the small program, and in the long run all.
func TestBuildIsReproducible(t *testing.T) {
	t.Parallel()
	programs := []string{"bin/lessor-openssh-host"}
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		programs = append(programs, "bin/lessor")
	}
	var dirs []string
	for _, name := range []string{"here", "somewhere/else"} {
		dir := filepath.Join(t.TempDir(), name)
		copySource(t, dir)
		run(t, []string{"GOFLAGS="}, "make", append([]string{"-s", "-C", dir}, programs...)...)
		dirs = append(dirs, dir)
	}
	for _, p := range programs {
		if digest(t, filepath.Join(dirs[0], p)) != digest(t, filepath.Join(dirs[1], p)) {
			t.Errorf("%s: other bytes in another folder", p)
		}
	}
	said := run(t, nil, "go", "version", "-m", filepath.Join(dirs[0], programs[0]))
	for _, want := range []string{"-trimpath=true", "CGO_ENABLED=0"} {
		if !strings.Contains(said, want) {
			t.Errorf("not built with %s:\n%s", want, said)
		}
	}
}

// copySource copies what a build reads.
func copySource(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel("..", name)
		top, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		switch {
		case err != nil || relErr != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(top, ".") && rel != "." || top == "bin" || top == "dist" || top == "docs" || top == "bench"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), raw, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
