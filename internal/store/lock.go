package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lessor-iam/lessor/internal/access"
)

// folderLock keeps a second process off a SQLite file: WAL over several
// processes works, but two servers on one folder is always a mistake.
type folderLock struct{ file *os.File }

func lockFolder(dir string) (*folderLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := Lock(filepath.Join(dir, "lessor.lock"))
	if errors.Is(err, access.ErrConflict) {
		return nil, fmt.Errorf("%w: data folder %s is in use by another lessor: stop that one first", access.ErrConflict, dir)
	} else if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return &folderLock{f}, nil
}

func (l *folderLock) release() error {
	if l == nil {
		return nil
	}
	return Unlock(l.file)
}

// Lock makes a file if there is none and locks it until [Unlock], or until the process
// ends. Whoever comes while another has it gets [access.ErrConflict].
func Lock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w: %s is locked", access.ErrConflict, name)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Unlock gives a lock back and closes its file. Closing alone would leave it locked
// for as long as a program that is being started meanwhile has our open files, which
// is from its fork to its exec.
func Unlock(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
