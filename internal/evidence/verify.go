package evidence

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// VerifyTiles recomputes a log of that size from its entry bundles up to the
// root and compares every stored hash on the way. It reads each row once, in
// order, and its error names the first tile that is wrong. Rows that have
// grown beyond size are checked as far as size goes.
func VerifyTiles(ctx context.Context, tiles Tiles, size int64, root tlog.Hash) error {
	if err := checkSize(size); err != nil {
		return fmt.Errorf("verify tiles: %w", err)
	}
	v := &recount{tiles: tiles, size: size, root: root}
	for index := int64(0); WidthAt(size, EntryLevel, index) > 0; index++ {
		if err := v.bundle(ctx, index); err != nil {
			return fmt.Errorf("verify tiles: %w", err)
		}
	}
	if err := v.finish(ctx); err != nil {
		return fmt.Errorf("verify tiles: %w", err)
	}
	return nil
}

// recount holds, for each level, the hashes recomputed for its last row.
type recount struct {
	tiles Tiles
	size  int64
	root  tlog.Hash
	rows  []recountRow // by level
}

type recountRow struct {
	index  int64
	hashes []byte
}

// bundle recomputes one entry bundle's leaf hashes.
func (v *recount) bundle(ctx context.Context, index int64) error {
	entries, err := readRow(ctx, v.tiles, EntryLevel, index, WidthAt(v.size, EntryLevel, index))
	if err != nil {
		return err
	}
	hashes, err := leafHashes(entries, index*TileWidth)
	if err != nil {
		return fmt.Errorf("%s: %w", TilePath(EntryLevel, index, TileWidth), err)
	}
	return v.add(ctx, 0, hashes)
}

// add takes recomputed hashes at a level. A row that is full is compared, and
// its root goes to the level above.
func (v *recount) add(ctx context.Context, level int, hashes []byte) error {
	if level == len(v.rows) {
		v.rows = append(v.rows, recountRow{})
	}
	row := &v.rows[level]
	row.hashes = append(row.hashes, hashes...)
	if len(row.hashes) < TileWidth*tlog.HashSize {
		return nil
	}
	if err := v.compare(ctx, level, *row); err != nil {
		return err
	}
	h := subtree(row.hashes)
	row.index, row.hashes = row.index+1, row.hashes[:0]
	return v.add(ctx, level+1, h[:])
}

// finish compares the unfinished rows and the root.
func (v *recount) finish(ctx context.Context) error {
	var edge [][]byte
	for level, row := range v.rows {
		if len(row.hashes) > 0 {
			if err := v.compare(ctx, level, row); err != nil {
				return err
			}
		}
		edge = append(edge, row.hashes)
	}
	if root := edgeRoot(edge); root != v.root {
		return fmt.Errorf("the tree over all %d entries has root %s, not %s: the entries and hashes agree with each other, but not with what was signed", v.size, root, v.root)
	}
	return nil
}

// compare holds a recomputed row against the stored one.
func (v *recount) compare(ctx context.Context, level int, row recountRow) error {
	stored, err := readRow(ctx, v.tiles, level, row.index, len(row.hashes)/tlog.HashSize)
	if err != nil || bytes.Equal(stored, row.hashes) {
		return err
	}
	at := 0
	for bytes.Equal(stored[at:at+tlog.HashSize], row.hashes[at:at+tlog.HashSize]) {
		at += tlog.HashSize
	}
	below := row.index*TileWidth + int64(at/tlog.HashSize)
	path := TilePath(level, row.index, TileWidth)
	if level > 0 {
		return fmt.Errorf("%s: does not hold the hash of %s", path, TilePath(level-1, below, TileWidth))
	}
	bundle := TilePath(EntryLevel, row.index, TileWidth)
	if v.vouched(ctx, row.index, stored) {
		return fmt.Errorf("%s: entry %d is not the one the log committed to", bundle, below)
	}
	return fmt.Errorf("%s: does not hold the hash of entry %d in %s", path, below, bundle)
}

// vouched tells whether the rest of the tree stands behind a stored row of
// leaf hashes: then it is the entries that are wrong. It serves the error only,
// so a row that cannot be read vouches for nothing.
func (v *recount) vouched(ctx context.Context, index int64, stored []byte) bool {
	if len(stored) < TileWidth*tlog.HashSize {
		root, err := Root(ctx, v.tiles, v.size)
		return err == nil && root == v.root
	}
	at := int(index % TileWidth)
	above, err := readRow(ctx, v.tiles, 1, index/TileWidth, at+1)
	return err == nil && subtree(stored) == tlog.Hash(above[at*tlog.HashSize:])
}
