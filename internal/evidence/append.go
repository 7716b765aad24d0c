package evidence

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Append adds entries, each one commitment, to a log of that size and returns
// its new size and root. It reads the unfinished row of each level, writes
// each changed row once, and writes nothing unless every row it read is
// exactly what a log of that size has: a stale size is an error, never a
// second history. On an error the caller rolls back; otherwise it stores the
// size in the same transaction and signs the root before anyone can see it.
//
// The rows are not proven to be those that were signed before. A caller that
// signs compares [Root] with its last checkpoint first, under the same lock.
func Append(ctx context.Context, tiles Tiles, size int64, entries [][]byte) (newSize int64, root tlog.Hash, err error) {
	// 1. Refuse what cannot be appended.
	newSize = size + int64(len(entries))
	if err := checkSize(size); err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("append: %w", err)
	}
	if err := checkSize(newSize); err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("append: %w", err)
	}
	bundle, leaves, err := encodeEntries(entries)
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("append: %w", err)
	}

	// 2. Grow every level in memory: finished tiles feed the level above.
	changed, _, err := grow(ctx, tiles, size, EntryLevel, bundle)
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("append: %w", err)
	}
	var edge [][]byte
	fresh := leaves
	for level := 0; newSize>>(tileHeight*level) > 0; level++ {
		rows, rest, err := grow(ctx, tiles, size, level, fresh)
		if err != nil {
			return 0, tlog.Hash{}, fmt.Errorf("append: %w", err)
		}
		changed, edge, fresh = append(changed, rows...), append(edge, rest), finished(rows)
	}

	// 3. Write what changed.
	for _, t := range changed {
		if err := tiles.SetTile(ctx, t); err != nil {
			return 0, tlog.Hash{}, fmt.Errorf("append: write %s: %w", TilePath(t.Level, t.Index, TileWidth), err)
		}
	}
	return newSize, edgeRoot(edge), nil
}

// Root computes the root of a log of that size from its stored hashes: one
// row for each level.
func Root(ctx context.Context, tiles Tiles, size int64) (tlog.Hash, error) {
	if err := checkSize(size); err != nil {
		return tlog.Hash{}, fmt.Errorf("root: %w", err)
	}
	var edge [][]byte
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		index := size >> (tileHeight * (level + 1))
		var rest []byte
		if w := WidthAt(size, level, index); w > 0 {
			row, err := readRow(ctx, tiles, level, index, w)
			if err != nil {
				return tlog.Hash{}, fmt.Errorf("root: %w", err)
			}
			rest = row
		}
		edge = append(edge, rest)
	}
	return edgeRoot(edge), nil
}

// encodeEntries returns the entries as an entry bundle holds them, and their
// leaf hashes.
func encodeEntries(entries [][]byte) (bundle, leaves []byte, err error) {
	bundle = make([]byte, 0, len(entries)*entrySpan)
	leaves = make([]byte, 0, len(entries)*tlog.HashSize)
	for i, e := range entries {
		if len(e) != EntrySize {
			return nil, nil, fmt.Errorf("new entry %d has %d bytes, a commitment has %d", i, len(e), EntrySize)
		}
		bundle = append(append(bundle, EntrySize>>8, EntrySize&0xff), e...)
		h := leafHash(e)
		leaves = append(leaves, h[:]...)
	}
	return bundle, leaves, nil
}

// grow puts fresh elements behind those a level has in a log of that size. It
// returns the rows that changed and what the level's last, unfinished row then
// holds.
func grow(ctx context.Context, tiles Tiles, size int64, level int, fresh []byte) (changed []Tile, rest []byte, err error) {
	index := size >> (tileHeight * (max(level, 0) + 1))
	row, err := wholeRow(ctx, tiles, level, index)
	if err != nil {
		return nil, nil, err
	}
	if have, want := len(row)/span(level), WidthAt(size, level, index); have != want {
		return nil, nil, fmt.Errorf("%s: holds %d elements, a log of size %d has %d there", TilePath(level, index, TileWidth), have, size, want)
	}
	if len(fresh) == 0 {
		return nil, row, nil
	}
	rest = append(row[:len(row):len(row)], fresh...) // a copy: the port's row stays as it is
	for full := TileWidth * span(level); len(rest) >= full; index++ {
		changed = append(changed, Tile{level, index, rest[:full:full]})
		rest = rest[full:]
	}
	if len(rest) > 0 {
		changed = append(changed, Tile{level, index, rest[:len(rest):len(rest)]})
	}
	return changed, rest, nil
}

// finished returns the roots of the full tiles among rows: the level above
// holds one hash for each.
func finished(rows []Tile) []byte {
	var roots []byte
	for _, t := range rows {
		if len(t.Data) == TileWidth*tlog.HashSize {
			h := subtree(t.Data)
			roots = append(roots, h[:]...)
		}
	}
	return roots
}
