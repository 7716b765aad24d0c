package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// change does what is asked, file by file: whatever becomes of one, the others
// are written. A line and the certificates that die with it are two deeds; the
// line comes first, for without it no certificate opens anything.
func (h *Host) change(ctx context.Context, q Request) (Answer, error) {
	// 1. One at a time.
	unlock, err := h.lock(ctx)
	if err != nil {
		return Answer{}, err
	}
	defer unlock()
	people, err := h.people()
	if err != nil {
		return Answer{}, err
	}
	root, err := h.principals()
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = root.Close() }()
	if err := sweep(root); err != nil {
		return Answer{}, err
	}
	// 2. File by file.
	results := make([]error, len(q.Changes))
	byObject := map[string][]int{}
	for i, c := range q.Changes {
		byObject[c.Object] = append(byObject[c.Object], i)
	}
	for object, changes := range byObject {
		edit(root, people, object, q.Changes, changes, results)
	}
	// 3. The certificates.
	if err := h.revoke(ctx, q.Changes); err != nil {
		for i, c := range q.Changes {
			if !c.Want && c.Last > 0 && results[i] == nil {
				results[i] = refuse(Unsure, "the line is gone, but certificates could not be revoked: %v", err)
			}
		}
	}
	a := Answer{Results: make([]*Failure, len(results))}
	for i, err := range results {
		a.Results[i] = failure(err)
	}
	return a, nil
}

// edit makes the changes of one file.
func edit(root *os.Root, people map[string]bool, object string, all []Change, mine []int, results []error) {
	was, there, err := load(root, object)
	file := was
	for _, i := range mine {
		switch c := all[i]; {
		case err != nil:
			results[i] = err
		case !there && c.Want:
			results[i] = refuse(NoObject, "there is no file %s; the host's owner makes it", filepath.Join(root.Name(), strings.ToValidUTF8(object, "?")))
		case !there:
		case !lettered(c.Principal):
			results[i] = refuse(Refused, "%q is no principal of ours", c.Principal)
		case c.Want && !people[c.Principal]:
			results[i] = refuse(NoObject, "%q is not in the host's list of people", c.Principal)
		default:
			file = with(file, c.Principal, c.Want)
		}
	}
	if err != nil || bytes.Equal(file, was) {
		return
	}
	if err := replace(root, object, file); err != nil {
		for _, i := range mine {
			if results[i] == nil {
				results[i] = refuse(Unsure, "%v", err)
			}
		}
	}
}

// replace writes a file whole, or not at all: sshd reads the old one or the new.
// If we stop before the rename the old one stands, and [sweep] removes the rest.
func replace(root *os.Root, name string, file []byte) error {
	info, err := root.Stat(name)
	if err != nil {
		return err
	}
	tmp := onItsWay + name
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(file)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		err = errors.Join(err, f.Chown(int(owner.Uid), int(owner.Gid)))
	}
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

const onItsWay = ".lessor-"

// sweep removes what a call left that was killed; nobody else writes meanwhile.
func sweep(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), onItsWay) {
			err = errors.Join(err, root.Remove(e.Name()))
		}
	}
	return err
}

// lock keeps others of us out until unlock, or until the process ends.
func (h *Host) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(h.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("another change is under way: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
