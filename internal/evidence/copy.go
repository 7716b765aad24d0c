package evidence

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Fetch reads one file of a log that was published as files, by its path there:
// [CheckpointPath], [KeysPath] and those of [TilePath]. Where there is
// no such file the error wraps [ErrNoTile]. What it returns is believed in nothing.
type Fetch func(ctx context.Context, path string) ([]byte, error)

// Copy is a log that somebody published as files (c2sp.org/tlog-tiles), read with
// nothing but its key: whatever it hands out was held against the signed head.
// It is for one goroutine.
type Copy struct {
	head   Checkpoint
	note   string
	keys   Keys
	files  *files
	hashes tlog.HashReader
}

// OpenCopy reads a copy's head and verifies its signature. Keys that followed those
// trusted are read from the copy, too; they are believed for their signatures alone.
func OpenCopy(ctx context.Context, fetch Fetch, trusted Keys) (*Copy, error) {
	text, err := fetch(ctx, KeysPath)
	switch {
	case err == nil:
		there, err := ParseKeys(string(text))
		if err == nil {
			trusted, err = trusted.With(there.Statements()...)
		}
		if err != nil {
			return nil, fmt.Errorf("open copy: %s: %w", KeysPath, err)
		}
	case !errors.Is(err, ErrNoTile):
		return nil, fmt.Errorf("open copy: %s: %w", KeysPath, err)
	}
	head, err := fetch(ctx, CheckpointPath)
	if err != nil {
		return nil, fmt.Errorf("open copy: %s: %w", CheckpointPath, err)
	}
	c := &Copy{note: string(head), keys: trusted}
	if c.head, err = trusted.OpenCheckpoint(c.note, AllowCosignatures()); err != nil {
		return nil, fmt.Errorf("open copy: %w", err)
	}
	c.files = &files{fetch: fetch, size: c.head.Size, rows: map[tlog.Tile][]byte{}}
	c.hashes = tlog.TileHashReader(c.head.Tree(), readTiles{ctx, c.files})
	return c, nil
}

// Head is how far the copy goes.
func (c *Copy) Head() Checkpoint { return c.head }

// Note is its head as signed, with the cosignatures there are.
func (c *Copy) Note() string { return c.note }

// Keys are those of the log, as far as the copy tells of them.
func (c *Copy) Keys() Keys { return c.keys }

// Tiles are the copy's tiles as they lie there, not verified: for [VerifyTiles].
func (c *Copy) Tiles() Tiles { return c.files }

// Continues tells whether the copy begins with the whole log of an older head.
func (c *Copy) Continues(older Checkpoint) error {
	if older.Size > c.head.Size {
		return fmt.Errorf("the copy of the log ends at %d events, before the head of %d", c.head.Size, older.Size)
	}
	root := emptyRoot
	if older.Size > 0 {
		var err error
		if root, err = tlog.TreeHash(older.Size, c.hashes); err != nil {
			return fmt.Errorf("the copy of the log at %d events: %w", older.Size, err)
		}
	}
	if root != older.Root {
		return fmt.Errorf("the copy of the log tells another story: its first %d events are not those of that head", older.Size)
	}
	return nil
}

// Entries hands out the commitments at the places from <= i < to, in order, each
// only once its tile was held against the head. It stops at the first error.
func (c *Copy) Entries(ctx context.Context, from, to int64, each func(index int64, entry [EntrySize]byte) error) error {
	if from < 0 || to > c.head.Size || from > to {
		return fmt.Errorf("a log of %d events has not the places from %d to %d", c.head.Size, from, to)
	}
	for at := from; at < to; {
		first := at / TileWidth * TileWidth
		row, err := c.bundle(ctx, at/TileWidth)
		if err != nil {
			return err
		}
		for ; at < to && at < first+TileWidth; at++ {
			if err := each(at, [EntrySize]byte(row[int(at-first)*entrySpan+2:])); err != nil {
				return err
			}
		}
	}
	return nil
}

// bundle reads an entry bundle and holds each entry against the head.
func (c *Copy) bundle(ctx context.Context, index int64) ([]byte, error) {
	path := TilePath(EntryLevel, index, TileWidth)
	row, err := ReadTile(ctx, c.files, c.head.Size, EntryLevel, index, WidthAt(c.head.Size, EntryLevel, index))
	if err != nil {
		return nil, err
	}
	leaves, err := leafHashes(row, index*TileWidth)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	places := make([]int64, len(leaves)/tlog.HashSize)
	for i := range places {
		places[i] = tlog.StoredHashIndex(0, index*TileWidth+int64(i))
	}
	stored, err := c.hashes.ReadHashes(places)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", TilePath(0, index, TileWidth), err)
	}
	for i, h := range stored {
		if h != tlog.Hash(leaves[i*tlog.HashSize:]) {
			return nil, fmt.Errorf("%s: entry %d is not the one the log committed to", path, index*TileWidth+int64(i))
		}
	}
	return row, nil
}

// files are a copy's tiles, reached by their paths; see [Tiles].
type files struct {
	fetch Fetch
	size  int64
	rows  map[tlog.Tile][]byte // of hashes, those just read
}

// keptRows bounds them: a path from the leaves to the root needs six at most.
const keptRows = 64

// Tile implements [Tiles]. A tile that is full by now may no longer lie there in part.
func (f *files) Tile(ctx context.Context, level int, index int64) ([]byte, error) {
	width := WidthAt(f.size, level, index)
	if width == 0 {
		return nil, nil
	}
	at := tlog.Tile{L: level, N: index, W: width}
	if row, ok := f.rows[at]; ok {
		return row, nil
	}
	row, err := f.fetch(ctx, TilePath(level, index, width))
	if errors.Is(err, ErrNoTile) && width < TileWidth {
		if row, err = f.fetch(ctx, TilePath(level, index, TileWidth)); err == nil && len(row) > width*span(level) {
			row = row[:width*span(level)]
		}
	}
	if err != nil {
		return nil, err
	}
	if len(f.rows) >= keptRows {
		clear(f.rows)
	}
	if level >= 0 {
		f.rows[at] = row
	}
	return row, nil
}

// SetTile implements [Tiles]: a copy is only read.
func (f *files) SetTile(context.Context, Tile) error {
	return errors.New("a copy of a log is only read")
}

// readTiles lets tlog read the hashes, which it holds against the head itself.
type readTiles struct {
	ctx   context.Context //nolint:containedctx // tlog's port knows no context
	files *files
}

// Height implements [tlog.TileReader].
func (r readTiles) Height() int { return tileHeight }

// ReadTiles implements [tlog.TileReader].
func (r readTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	rows := make([][]byte, len(tiles))
	for i, t := range tiles {
		var err error
		if rows[i], err = ReadTile(r.ctx, r.files, r.files.size, t.L, t.N, t.W); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// SaveTiles implements [tlog.TileReader].
func (r readTiles) SaveTiles([]tlog.Tile, [][]byte) {}
