package evidence

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the batches, the rows and the root are those of one batch, the
// root is RFC 6962's, and the whole verifies.
func TestAppendInAnyBatches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		batches := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 40), rapid.SampledFrom([]int64{1, 255, 256, 257, 600})), 0, 12).Draw(rt, "batches")
		m, size, root := newMemTiles(), int64(0), emptyRoot
		for _, n := range batches {
			before, err := Root(t.Context(), m, size)
			if err != nil || before != root {
				rt.Fatalf("Root(%d) = %s, %v; want %s", size, before, err, root)
			}
			if size, root, err = Append(t.Context(), m, size, entries(size, size+n)); err != nil {
				rt.Fatal(err)
			}
		}
		once, want := grown(t, size)
		if root != want || root != naiveRoot(entries(0, size)) {
			rt.Fatalf("size %d: root differs", size)
		}
		if !maps.EqualFunc(m.rows, once.rows, bytes.Equal) {
			rt.Fatalf("size %d: rows differ", size)
		}
		if err := VerifyTiles(t.Context(), m, size, root); err != nil {
			rt.Fatal(err)
		}
	})
}

// Three levels, and the row counts c2sp.org/tlog-tiles gives for 70,000.
func TestAppendThreeLevels(t *testing.T) {
	t.Parallel()
	m, root := grown(t, 70_000)
	for level, want := range map[int]struct{ full, last int }{EntryLevel: {273, 112}, 0: {273, 112}, 1: {1, 17}, 2: {0, 1}} {
		if got := len(m.rows[place{level, int64(want.full)}]) / span(level); got != want.last {
			t.Errorf("level %d: last row holds %d, want %d", level, got, want.last)
		}
		if got := WidthAt(70_000, level, int64(want.full)); got != want.last {
			t.Errorf("WidthAt level %d = %d, want %d", level, got, want.last)
		}
	}
	if want := 274 + 274 + 2 + 1; len(m.rows) != want {
		t.Errorf("%d rows, want %d", len(m.rows), want)
	}
	if root != naiveRoot(entries(0, 70_000)) {
		t.Error("root differs from RFC 6962")
	}
	if err := VerifyTiles(t.Context(), m, 70_000, root); err != nil {
		t.Error(err)
	}
}

func TestAppendWritesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	m, _ := grown(t, 300)
	for _, tc := range []struct{ from, to, writes int64 }{
		{300, 300, 0}, // nothing
		{300, 301, 2}, // entries/001, 0/001
		{301, 512, 3}, // and 1/000
		{512, 513, 2}, // entries/002, 0/002
	} {
		m.writes = 0
		if _, _, err := Append(t.Context(), m, tc.from, entries(tc.from, tc.to)); err != nil {
			t.Fatal(err)
		}
		if int64(m.writes) != tc.writes {
			t.Errorf("%d to %d: %d writes, want %d", tc.from, tc.to, m.writes, tc.writes)
		}
	}
}

// A refused Append leaves every row as it was.
func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, tc := range []struct {
		name    string
		size    int64
		entries [][]byte
		spoil   func(*memTiles)
		want    string
	}{
		{"a size that is behind", 299, entries(0, 1), nil, "holds 44 elements, a log of size 299 has 43"},
		{"a size that is behind, at a tile's edge", 256, entries(0, 1), nil, "tile/entries/001: holds 44 elements, a log of size 256 has 0"},
		{"a size that is ahead", 301, entries(0, 1), nil, "holds 44 elements, a log of size 301 has 45"},
		{"a level that lags", 300, entries(0, 1), func(m *memTiles) { delete(m.rows, place{1, 0}) }, "tile/1/000: holds 0 elements"},
		{"a torn row", 300, entries(0, 1), func(m *memTiles) { m.rows[place{0, 1}] = m.rows[place{0, 1}][1:] }, "tile/0/001: 1407 bytes are not a tile"},
		{"an entry that is not a commitment", 300, [][]byte{entry(1), []byte("a name")}, nil, "new entry 1 has 6 bytes"},
		{"a negative size", -1, nil, nil, "log size -1"},
		{"a log beyond all bounds", MaxSize, entries(0, 1), nil, "log size"},
		{"rows that cannot be read", 300, entries(0, 1), func(m *memTiles) { m.failGet = down }, "read tile/entries/001: down"},
		{"rows that cannot be written", 300, entries(0, 1), func(m *memTiles) { m.failSet = down }, "write tile/entries/001: down"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m, _ := grown(t, 300)
			m.writes = 0
			if tc.spoil != nil {
				tc.spoil(m)
			}
			_, _, err := Append(t.Context(), m, tc.size, tc.entries)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if m.writes != 0 {
				t.Errorf("%d rows were written", m.writes)
			}
		})
	}
}

func TestRootOfOlderSizes(t *testing.T) {
	t.Parallel()
	m, _ := grown(t, 600)
	for _, size := range []int64{0, 1, 2, 255, 256, 257, 511, 512, 513, 599, 600} {
		if got, err := Root(t.Context(), m, size); err != nil || got != naiveRoot(entries(0, size)) {
			t.Errorf("Root(%d) = %s, %v", size, got, err)
		}
	}
	for _, size := range []int64{-1, 601, MaxSize + 1} {
		if _, err := Root(t.Context(), m, size); err == nil {
			t.Errorf("Root(%d) gave a root", size)
		}
	}
}
