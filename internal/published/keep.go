package published

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lessor-iam/lessor/internal/evidence"
)

// Log is what is to be published: its newest head, and where the rest is read.
type Log struct {
	Keys  evidence.Keys
	Note  string // the newest signed head, with the cosignatures there are
	Tiles evidence.Tiles
	// Records reads n records from a place on; nil: none are kept.
	Records func(ctx context.Context, from int64, n int) ([]evidence.Leaf, error)
}

// Folders is where it is kept. Tiles may be public; Records must not be, and is
// another folder. Either may be empty: then that part is not kept.
type Folders struct{ Tiles, Records string }

// ErrForked says that a folder has a head which the log does not continue.
var ErrForked = errors.New("the log does not continue the one that was published")

// Kept says what a call of [Keep] wrote.
type Kept struct {
	From, Size int64 // the log grew from the one to the other
	Files      int
}

// Keep brings both folders up to the newest head.
func Keep(ctx context.Context, to Folders, l Log) (k Kept, err error) {
	// 1. What is to be written, and that its key signed it.
	head, err := l.Keys.OpenCheckpoint(l.Note, evidence.AllowCosignatures())
	if err != nil {
		return k, fmt.Errorf("publish: %w", err)
	}
	k.Size = head.Size
	// 2. Records first: who finds a head finds what is behind it.
	if to.Records != "" && l.Records != nil {
		if err := keep(ctx, to.Records, 0o600, l, head, &k, func(from int64) error { return records(ctx, to.Records, l, from, head.Size, &k) }); err != nil {
			return k, fmt.Errorf("publish records in %s: %w", to.Records, err)
		}
	}
	// 3. Tiles.
	if to.Tiles != "" {
		if err := keep(ctx, to.Tiles, 0o644, l, head, &k, func(from int64) error { return tiles(ctx, to.Tiles, l, from, head.Size, &k) }); err != nil {
			return k, fmt.Errorf("publish in %s: %w", to.Tiles, err)
		}
	}
	return k, nil
}

// keep brings one folder from the head that lies there to the new one, and writes
// that last. If we stop before, the old head stays and the next call begins there.
func keep(ctx context.Context, dir string, mode fs.FileMode, l Log, head evidence.Checkpoint, k *Kept, fill func(from int64) error) error {
	from, err := published(ctx, dir, l, head)
	if err != nil {
		return err
	}
	if k.From = from; from < head.Size || from == 0 {
		if err := fill(from); err != nil {
			return err
		}
	}
	if err := write(dir, evidence.KeysPath, []byte(l.Keys.Text()), mode); err != nil {
		return err
	}
	return write(dir, evidence.CheckpointPath, []byte(l.Note), mode)
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
		return 0, fmt.Errorf("%w: the head there: %w", ErrForked, err)
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
func tiles(ctx context.Context, dir string, l Log, from, size int64, k *Kept) error {
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
			if err := file(dir, func(width int) string { return evidence.TilePath(level, index, width) }, width, body, 0o644, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// records writes the files of records in the same way.
func records(ctx context.Context, dir string, l Log, from, size int64, k *Kept) error {
	for index := from / evidence.TileWidth; evidence.WidthAt(size, evidence.EntryLevel, index) > 0; index++ {
		width := evidence.WidthAt(size, evidence.EntryLevel, index)
		if width == evidence.WidthAt(from, evidence.EntryLevel, index) {
			continue
		}
		leaves, err := l.Records(ctx, index*evidence.TileWidth, width)
		if err != nil {
			return err
		}
		if len(leaves) != width {
			return fmt.Errorf("%d of %d records from %d on", len(leaves), width, index*evidence.TileWidth)
		}
		text, err := evidence.EncodeRecords(leaves)
		if err != nil {
			return err
		}
		if err := file(dir, func(width int) string { return evidence.RecordsPath(index, width) }, width, text, 0o600, k); err != nil {
			return err
		}
	}
	return nil
}

// file writes one; once it is full, what was there of it in part is of no use any more.
func file(dir string, path func(width int) string, width int, body []byte, mode fs.FileMode, k *Kept) error {
	if err := write(dir, path(width), body, mode); err != nil {
		return err
	}
	k.Files++
	if width < evidence.TileWidth {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, filepath.FromSlash(path(width))+".p"))
}

// write writes a file whole or not at all, and durably.
func write(dir, path string, body []byte, mode fs.FileMode) (err error) {
	name := filepath.Join(dir, filepath.FromSlash(path))
	folder := fs.FileMode(0o755)
	if mode&0o077 == 0 {
		folder = 0o700
	}
	if err := os.MkdirAll(filepath.Dir(name), folder); err != nil {
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
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
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
