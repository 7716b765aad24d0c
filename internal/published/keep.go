package published

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lessor-iam/lessor/internal/evidence"
)

// Log is what is to be published: its newest head, and where the rest is read.
type Log struct {
	Keys  evidence.Keys
	Note  string // the newest signed head, with the cosignatures there are
	Tiles evidence.Tiles
}

// ErrForked says that a folder has a head which the log does not continue.
var ErrForked = errors.New("the log does not continue the one that was published")

// Kept says what a call of [Keep] wrote.
type Kept struct {
	From, Size int64 // the log grew from the one to the other
	Files      int
}

// Keep brings a folder from the head that lies there to the newest one, which it
// writes last. If we stop before, the old head stays and the next call begins there.
func Keep(ctx context.Context, dir string, l Log) (k Kept, err error) {
	// 1. What is to be written, and that its key signed it.
	head, err := l.Keys.OpenCheckpoint(l.Note, evidence.AllowCosignatures())
	if err != nil {
		return k, fmt.Errorf("publish: %w", err)
	}
	k.Size = head.Size
	// 2. That it continues what lies there.
	if k.From, err = published(ctx, dir, l, head); err != nil {
		return k, fmt.Errorf("publish in %s: %w", dir, err)
	}
	// 3. What it has grown by; the head last: who finds one finds what is behind it.
	err = tiles(ctx, dir, l, &k)
	if err == nil {
		err = write(dir, evidence.KeysPath, []byte(l.Keys.Text()))
	}
	if err == nil {
		err = write(dir, evidence.CheckpointPath, []byte(l.Note))
	}
	if err != nil {
		return k, fmt.Errorf("publish in %s: %w", dir, err)
	}
	return k, nil
}

// published is the size of the log in a folder, which the new head must continue.
func published(ctx context.Context, dir string, l Log, head evidence.Checkpoint) (int64, error) {
	text, err := Folder(dir)(ctx, evidence.CheckpointPath)
	if errors.Is(err, evidence.ErrNoTile) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	old, err := l.Keys.OpenCheckpoint(string(text), evidence.AllowCosignatures())
	if err != nil {
		return 0, fmt.Errorf("the head there is of another log, or signed by a key that is none of this one's: %w", err)
	}
	if old.Size > head.Size {
		return 0, fmt.Errorf("%w: there it has %d events, and here %d", ErrForked, old.Size, head.Size)
	}
	root, err := evidence.Root(ctx, l.Tiles, old.Size)
	if err != nil {
		return 0, err
	}
	if root != old.Root {
		return 0, fmt.Errorf("%w: its first %d events are others", ErrForked, old.Size)
	}
	return old.Size, nil
}

// tiles writes every tile that a log has grown by, and takes away the parts of
// those that are full now.
func tiles(ctx context.Context, dir string, l Log, k *Kept) error {
	from, size := k.From, k.Size
	for level := evidence.EntryLevel; evidence.WidthAt(size, level, 0) > 0; level++ {
		for index := from >> (8 * (max(level, 0) + 1)); evidence.WidthAt(size, level, index) > 0; index++ {
			width := evidence.WidthAt(size, level, index)
			if width == evidence.WidthAt(from, level, index) {
				continue
			}
			body, err := evidence.ReadTile(ctx, l.Tiles, size, level, index, width)
			if err != nil {
				return err
			}
			if err := file(dir, func(width int) string { return evidence.TilePath(level, index, width) }, width, body, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// file writes one; once it is full, what was there of it in part is of no use any more.
func file(dir string, path func(width int) string, width int, body []byte, k *Kept) error {
	if err := write(dir, path(width), body); err != nil {
		return err
	}
	k.Files++
	if width < evidence.TileWidth {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, filepath.FromSlash(path(width))+".p"))
}

// write writes a file whole or not at all, and durably.
func write(dir, path string, body []byte) (err error) {
	name := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return sync(filepath.Dir(name))
}

// sync makes a rename durable: without it the head could outlive its tiles in a power cut.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
