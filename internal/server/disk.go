//go:build unix

package server

import "syscall"

// freeAt is how many bytes whoever is not root may still write into a folder.
func freeAt(dir string) (free uint64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}
