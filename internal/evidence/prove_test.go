package evidence

import (
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// Every place in every size up to just over one tile, and the next edge.
func TestInclusionEverywhere(t *testing.T) {
	t.Parallel()
	m, _ := grown(t, 514)
	sizes := []int64{511, 512, 513, 514}
	for size := int64(1); size <= 300; size++ {
		sizes = append(sizes, size)
	}
	for _, size := range sizes {
		tree := treeAt(t, m, size)
		var all []int64
		for index := range size {
			all = append(all, index)
		}
		together, err := ProveInclusions(t.Context(), m, size, all)
		if err != nil {
			t.Fatal(err)
		}
		for index := range size {
			proof, err := ProveInclusion(t.Context(), m, size, index)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(together[index], proof) {
				t.Fatalf("size %d, index %d: proven with all others it is another proof", size, index)
			}
			c := [EntrySize]byte(entry(index))
			if err := CheckInclusion(proof, tree, index, c); err != nil {
				t.Fatalf("size %d, index %d: %v", size, index, err)
			}
			if other := (index + 1) % size; other != index && CheckInclusion(proof, tree, other, c) == nil {
				t.Fatalf("size %d: entry %d was proven at place %d", size, index, other)
			}
			if CheckInclusion(proof, tree, index, [EntrySize]byte(entry(size+1))) == nil {
				t.Fatalf("size %d, index %d: a foreign entry was proven", size, index)
			}
		}
	}
}

func TestConsistencyEverywhere(t *testing.T) {
	t.Parallel()
	m, _ := grown(t, 300)
	trees := make([]tlog.Tree, 301)
	for size := range trees {
		trees[size] = treeAt(t, m, int64(size))
	}
	for _, newer := range trees {
		for _, older := range trees[:newer.N+1] {
			proof, err := ProveConsistency(t.Context(), m, older.N, newer.N)
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckConsistency(proof, older, newer); err != nil {
				t.Fatalf("%d to %d: %v", older.N, newer.N, err)
			}
			forged := older
			forged.Hash[0] ^= 1
			if CheckConsistency(proof, forged, newer) == nil {
				t.Fatalf("%d to %d: a forged older root was accepted", older.N, newer.N)
			}
		}
	}
}

func TestProofsRefuse(t *testing.T) {
	t.Parallel()
	m, _ := grown(t, 300)
	for _, p := range [][2]int64{{300, 300}, {300, -1}, {0, 0}, {-1, 0}, {301, 300}, {MaxSize + 1, 0}} {
		if _, err := ProveInclusion(t.Context(), m, p[0], p[1]); err == nil {
			t.Errorf("ProveInclusion(%d, %d) gave a proof", p[0], p[1])
		}
	}
	for _, p := range [][2]int64{{-1, 300}, {2, 1}, {300, 301}, {0, MaxSize + 1}} {
		if _, err := ProveConsistency(t.Context(), m, p[0], p[1]); err == nil {
			t.Errorf("ProveConsistency(%d, %d) gave a proof", p[0], p[1])
		}
	}
	tree := treeAt(t, m, 300)
	proof, err := ProveInclusion(t.Context(), m, 300, 7)
	if err != nil {
		t.Fatal(err)
	}
	c := [EntrySize]byte(entry(7))
	for name, p := range map[string][]tlog.Hash{
		"short": proof[1:], "long": append(slices.Clone(proof), proof[0]), "none": nil, "swapped": append([]tlog.Hash{proof[1], proof[0]}, proof[2:]...),
	} {
		if CheckInclusion(p, tree, 7, c) == nil {
			t.Errorf("a %s proof was accepted", name)
		}
	}
	for _, n := range []int64{-1, 0, 7, 1 << 62, 1<<63 - 1} {
		if CheckInclusion(proof, tlog.Tree{N: n, Hash: tree.Hash}, 7, c) == nil {
			t.Errorf("size %d was accepted", n)
		}
	}
	empty := tlog.Tree{Hash: emptyRoot}
	if CheckConsistency(nil, tree, empty) == nil || CheckConsistency(proof, empty, tree) == nil || CheckConsistency(nil, tlog.Tree{}, tree) == nil || CheckConsistency(nil, empty, tlog.Tree{}) == nil {
		t.Error("an impossible succession was accepted")
	}
}

func treeAt(t testing.TB, m Tiles, size int64) tlog.Tree {
	t.Helper()
	root, err := Root(t.Context(), m, size)
	if err != nil {
		t.Fatal(err)
	}
	return tlog.Tree{N: size, Hash: root}
}
