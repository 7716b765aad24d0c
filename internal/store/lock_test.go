package store

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// A lock that is given back is free, although a program that is just being started
// still has the file open, as a fork has until its exec.
func TestLock(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	f, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(name); !errors.Is(err, access.ErrConflict) {
		t.Errorf("locked twice: %v", err)
	}
	forked, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(forked)
	if err := Unlock(f); err != nil {
		t.Fatal(err)
	}
	if f, err = Lock(name); err != nil {
		t.Fatalf("given back, and not free: %v", err)
	}
	if err := Unlock(f); err != nil {
		t.Error(err)
	}
}
