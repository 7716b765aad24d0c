package age

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
)

// Put has the reference's file hold the generation. If we stop in between, consumers
// have the old file or the new one, and the next Put finishes either way.
func (s *Store) Put(ctx context.Context, ref string, generation int64, worth connector.Worth) error {
	// 1. What is to be written, before anything is touched.
	if err := deliver.Fit(generation, worth); err != nil {
		return err
	}
	raw, err := s.seal(generation, worth)
	if err != nil {
		return err
	}
	root, err := s.enter(ctx, ref)
	if err != nil {
		return err
	}
	defer leave(root)
	// 2. Alone.
	unlock, err := s.lock(ctx, root)
	if err != nil {
		return err
	}
	defer unlock()
	// 3. What is there.
	was, before, err := s.inForce(root, ref)
	switch {
	case err != nil:
		return err
	case was > generation:
		return fmt.Errorf("%w: %d is put, %d is in force", deliver.ErrOlder, generation, was)
	}
	if err := s.folder(root, path.Dir(ref)); err != nil {
		return fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	// 4. The one before it, to be read back until it is forgotten.
	if was > 0 && was < generation {
		s.at("keep")
		if err := s.write(root, earlier(ref, was), before); err != nil {
			return fmt.Errorf("%w: %w", connector.ErrRefused, err) // consumers have what they had
		}
	}
	// 5. The new one in its place.
	s.at("put")
	if err := s.write(root, current(ref), raw); err != nil {
		return fmt.Errorf("%w: %w", connector.ErrUnanswered, err) // renamed, perhaps, and not yet safe
	}
	s.at("done")
	return nil
}

// inForce reads the file that consumers read; 0 where there is none.
func (s *Store) inForce(root *os.Root, ref string) (generation int64, raw []byte, err error) {
	raw, err = read(root, current(ref))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil, nil
	case err != nil:
		return 0, nil, err
	}
	generation, _, err = s.unseal(current(ref), raw)
	return generation, raw, err
}

// Get reads a generation back.
func (s *Store) Get(ctx context.Context, ref string, generation int64) (connector.Worth, error) {
	root, err := s.enter(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer leave(root)
	// A Put between the two reads moves a generation from the one to the other: the
	// other way round it would be seen at neither.
	for _, name := range []string{current(ref), earlier(ref, generation)} {
		raw, err := read(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		has, worth, err := s.unseal(name, raw)
		if err != nil {
			return nil, err
		}
		if has == generation {
			return worth, nil
		}
	}
	return nil, fmt.Errorf("%w: %d of %s", deliver.ErrNotFound, generation, ref)
}

// Current reads which generation consumers get.
func (s *Store) Current(ctx context.Context, ref string) (int64, error) {
	root, err := s.enter(ctx, ref)
	if err != nil {
		return 0, err
	}
	defer leave(root)
	generation, _, err := s.inForce(root, ref)
	return generation, err
}

// Forget deletes an earlier generation's file.
func (s *Store) Forget(ctx context.Context, ref string, generation int64) error {
	root, err := s.enter(ctx, ref)
	if err != nil {
		return err
	}
	defer leave(root)
	unlock, err := s.lock(ctx, root)
	if err != nil {
		return err
	}
	defer unlock()
	is, _, err := s.inForce(root, ref)
	switch {
	case err != nil:
		return err
	case is == generation:
		return fmt.Errorf("%w: %d of %s", deliver.ErrCurrent, generation, ref)
	}
	switch err := root.Remove(earlier(ref, generation)); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	if err := syncFolder(root, path.Dir(ref)); err != nil {
		return fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
	}
	return nil
}

// lockFile is held by whoever writes, in whatever process; it is let go of when that ends.
const lockFile = ".lessor.lock"

// lock waits until nobody else writes into the folder, no longer than ctx.
func (s *Store) lock(ctx context.Context, root *os.Root) (unlock func(), err error) {
	busy := func() error {
		return fmt.Errorf("%w: others were writing all the time: %w", connector.ErrUnreachable, ctx.Err())
	}
	f, err := root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil // and with it the lock
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return nil, errors.Join(fmt.Errorf("%w: lock %s: %w", connector.ErrUnreachable, lockFile, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(busy(), f.Close())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// read gives a file's bytes. It is no error of the port's where there is none.
func read(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) // a pipe would block for ever
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no regular file", connector.ErrRefused, name)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	case len(raw) > maxFile:
		return nil, fmt.Errorf("%w: %s is over %d bytes", connector.ErrRefused, name, maxFile)
	}
	return raw, nil
}

const maxFile = 1 << 20 // the longest worth, to some thousand recipients

// folder makes the folders on the way to a file, and has them stay.
func (s *Store) folder(root *os.Root, dir string) error {
	if dir == "." {
		return nil
	}
	if _, err := root.Stat(dir); err == nil {
		return nil
	}
	if err := s.folder(root, path.Dir(dir)); err != nil {
		return err
	}
	mode := fs.FileMode(0o700)
	if s.Group {
		mode = 0o750
	}
	if err := root.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(root.Chmod(dir, mode), syncFolder(root, path.Dir(dir)))
}

// write replaces a file whole: under another name, safe on the disk, renamed, and the
// name safe too. The lock is held, so the other name is nobody else's.
func (s *Store) write(root *os.Root, name string, raw []byte) error {
	mode := fs.FileMode(0o600)
	if s.Group {
		mode = 0o640
	}
	other := path.Join(path.Dir(name), ".new-"+path.Base(name))
	if err := root.Remove(other); err != nil && !errors.Is(err, fs.ErrNotExist) { // left behind by one that was killed
		return err
	}
	f, err := root.OpenFile(other, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	half := len(raw) / 2
	_, err = f.Write(raw[:half])
	s.at("half of " + name)
	if err == nil {
		_, err = f.Write(raw[half:])
	}
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, root.Remove(other))
	}
	s.at("rename " + name)
	if err := root.Rename(other, name); err != nil {
		return errors.Join(err, root.Remove(other))
	}
	s.at("renamed " + name)
	return syncFolder(root, path.Dir(name))
}

func syncFolder(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
