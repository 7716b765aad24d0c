package evidence

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// ProveInclusion returns the hashes that lead from the entry at index to the
// root of a log of that size. They come from the tiles as stored; whether they
// prove anything, [CheckInclusion] tells.
func ProveInclusion(ctx context.Context, tiles Tiles, size, index int64) ([]tlog.Hash, error) {
	proofs, err := ProveInclusions(ctx, tiles, size, []int64{index})
	if err != nil {
		return nil, err
	}
	return proofs[0], nil
}

// ProveInclusions is [ProveInclusion] for each of these entries. What lies near
// each other in the tree shares most of its proof, which is read and hashed once.
func ProveInclusions(ctx context.Context, tiles Tiles, size int64, indexes []int64) ([][]tlog.Hash, error) {
	if err := checkSize(size); err != nil {
		return nil, fmt.Errorf("prove inclusion: %w", err)
	}
	proofs, stored := make([][]tlog.Hash, len(indexes)), storedHashes(ctx, tiles, size)
	for i, index := range indexes {
		if index < 0 || index >= size {
			return nil, fmt.Errorf("prove inclusion: a log of size %d has no entry %d", size, index)
		}
		p, err := tlog.ProveRecord(size, index, stored)
		if err != nil {
			return nil, fmt.Errorf("prove inclusion of entry %d: %w", index, err)
		}
		proofs[i] = p
	}
	return proofs, nil
}

// CheckInclusion verifies that tree holds commitment at index.
func CheckInclusion(proof []tlog.Hash, tree tlog.Tree, index int64, commitment [EntrySize]byte) error {
	if err := checkSize(tree.N); err != nil {
		return err
	}
	if index < 0 || index >= tree.N {
		return fmt.Errorf("the log of size %d has no entry %d", tree.N, index)
	}
	if want := proofLength(tree.N, index); len(proof) != want {
		return fmt.Errorf("its proof has %d hashes, this place in a log of size %d needs %d", len(proof), tree.N, want)
	}
	if tlog.CheckRecord(proof, tree.N, tree.Hash, index, leafHash(commitment[:])) != nil {
		return errors.New("its content is not the one the log committed to, or its place or proof was altered")
	}
	return nil
}

// ProveConsistency returns the hashes that show a log of size newSize to begin
// with the whole log of size oldSize.
func ProveConsistency(ctx context.Context, tiles Tiles, oldSize, newSize int64) ([]tlog.Hash, error) {
	if err := checkSize(newSize); err != nil {
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	if oldSize < 0 || oldSize > newSize {
		return nil, fmt.Errorf("prove consistency: a log of size %d does not begin with one of size %d", newSize, oldSize)
	}
	if oldSize == 0 { // every log begins with the empty one
		return nil, nil
	}
	p, err := tlog.ProveTree(newSize, oldSize, storedHashes(ctx, tiles, newSize))
	if err != nil {
		return nil, fmt.Errorf("prove consistency of %d with %d: %w", newSize, oldSize, err)
	}
	return p, nil
}

// CheckConsistency verifies that the newer tree begins with the whole older one:
// nothing in it was changed, removed or put in between.
func CheckConsistency(proof []tlog.Hash, older, newer tlog.Tree) error {
	if err := errors.Join(checkSize(older.N), checkSize(newer.N)); err != nil {
		return err
	}
	if older.N > newer.N {
		return fmt.Errorf("a log of size %d cannot follow one of size %d: logs only grow", newer.N, older.N)
	}
	if older.N == 0 {
		if older.Hash != emptyRoot || len(proof) != 0 || (newer.N == 0 && newer.Hash != emptyRoot) {
			return errors.New("an empty log has one root and needs no proof, and this is another")
		}
		return nil
	}
	if tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash) != nil {
		return fmt.Errorf("the log of size %d does not continue the log of size %d, or the proof was altered", newer.N, older.N)
	}
	return nil
}

// proofLength is how many hashes an inclusion proof has: one for each level up
// to where the paths of this leaf and of the last one meet, then one for each
// complete subtree to the left.
func proofLength(size, index int64) int {
	meet := bits.Len64(uint64(index ^ (size - 1)))
	return meet + bits.OnesCount64(uint64(index)>>meet)
}

// storedHashes reads single hashes out of rows, each row once. A hash above those
// that a row holds is made from them, each once.
func storedHashes(ctx context.Context, tiles Tiles, size int64) tlog.HashReaderFunc {
	type place struct {
		level int
		index int64
	}
	rows, known := map[place][]byte{}, map[int64]tlog.Hash{}
	return func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			if h, ok := known[x]; ok {
				hashes[i] = h
				continue
			}
			t := tlog.TileForIndex(tileHeight, x)
			t.W = WidthAt(size, t.L, t.N)
			row, ok := rows[place{t.L, t.N}]
			if !ok {
				var err error
				if row, err = ReadTile(ctx, tiles, size, t.L, t.N, t.W); err != nil {
					return nil, err
				}
				rows[place{t.L, t.N}] = row
			}
			h, err := tlog.HashFromTile(t, row, x)
			if err != nil {
				return nil, err
			}
			hashes[i], known[x] = h, h
		}
		return hashes, nil
	}
}
