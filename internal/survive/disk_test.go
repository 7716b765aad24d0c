package survive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
)

const diskFull = "disk full"

// A life's disk. What servers keep free of it is far more than what a storm's endings take.
const (
	diskMiB  = 256
	keepFree = "32MiB"
)

// small makes a folder a file system of that many MiB of its own, and tells whether that can be done here.
func small(t testing.TB, dir string, mebibytes int, options string) bool {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm%s", mebibytes, options)); err != nil {
		t.Logf("NOT TESTED: a full disk: one of a few MiB cannot be mounted here: %v", err)
		return false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return true
}

// smallDisk is one for a life's folder; empty where there can be none.
func (w *targets) smallDisk(t testing.TB) string {
	t.Helper()
	if dir := t.TempDir(); small(t, dir, diskMiB, "") {
		return dir
	}
	return ""
}

// ballast fills a disk until no more than that is free.
func ballast(dir string, left int64) error {
	f, err := os.OpenFile(filepath.Join(dir, "ballast"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		var s syscall.Statfs_t
		if err := syscall.Statfs(dir, &s); err != nil {
			return err
		}
		more := int64(s.Bavail)*s.Bsize - left
		if more <= 0 {
			return nil
		}
		if _, err := f.Write(make([]byte, min(more, 1<<20))); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// diskFilled fills the disk that the ledger is on: first, where servers see it, to less
// than they keep free, then, of two times once, wholly.
func (l *life) diskFilled(ctx context.Context, rnd *rand.Rand) string {
	what := "disk short"
	fill := func(left int64) {
		if err := ballast(l.disk, left); err != nil {
			l.t.Fatal(err)
		}
		l.line.add("DISK has %d MiB left", left>>20)
	}
	wait(ctx, upTo(rnd, storm/2))
	wholly := rnd.IntN(2) == 0 || l.cluster != nil
	if l.cluster == nil {
		// 1. Short of room a server grants nothing, and ends what is to end.
		fill(16 << 20)
		l.await("a server short of room halts", func() error { return l.saysHalted(l.replicas[0], access.HaltDisk) })
		l.onlyEnds(l.replicas, access.HaltDisk)
		l.tally["disk short, and nothing granted"]++
	}
	if wholly {
		// 2. With no room at all nothing is stored; what was to end ends later.
		what = "disk full"
		fill(0)
		wait(ctx, time.Second+upTo(rnd, 3*time.Second))
		l.tally["disk full"]++
	}
	wait(ctx, time.Minute)
	if err := os.Remove(filepath.Join(l.disk, "ballast")); err != nil {
		l.t.Fatal(err)
	}
	l.line.add("DISK has room")
	return what
}

// saysHalted says what is missing where a server tells of no halt for that reason.
func (l *life) saysHalted(r *replica, reason access.HaltReason) error {
	ctx, cancel := context.WithTimeout(context.Background(), try)
	defer cancel()
	list, err := client.New(r.url, l.tokens[security]).Halts(ctx)
	for _, h := range list {
		if h.Reason == reason {
			return nil
		}
	}
	return errors.Join(err, fmt.Errorf("%s tells of no halt %q", r.name, reason))
}
