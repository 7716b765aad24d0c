package testserver

import (
	"cmp"
	"os"
	"sync"
	"syscall"
	"testing"
)

// Memory is a new folder, removed when the test ends, that no disk is behind where the
// machine lends enough memory for it: what is written there a process may be killed over,
// and no test cuts the power, so that to wait for a disk at each commit shows nothing.
func Memory(t testing.TB) (dir string) {
	t.Helper()
	if memory() == "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory(), "lessor-memory-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// memory is where files lie in memory; nothing where there is less of it than several
// packages' databases may want at once, as in a container that was given the usual 64 MB.
var memory = sync.OnceValue(func() string {
	const place, enough = "/dev/shm", 4 << 30
	var fs syscall.Statfs_t
	if syscall.Statfs(place, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < enough {
		return ""
	}
	dir, err := os.MkdirTemp(place, "lessor-may-write-*")
	if err != nil || os.Remove(dir) != nil {
		return ""
	}
	return place
})

// clusterHome is where the PostgreSQL of this process lies: hundreds of databases of a
// thousand small files each are made in it and dropped.
func clusterHome() string { return cmp.Or(memory(), clusterParent()) }
