package evidence

import (
	"bytes"
	"strings"
	"testing"
)

func TestVerifyTilesNamesTheWrongTile(t *testing.T) {
	t.Parallel()
	const size = 800 // 3 full tiles and one of 32
	flip := func(level int, index int64, at int) func(*memTiles) {
		return func(m *memTiles) { m.rows[place{level, index}][at] ^= 1 }
	}
	for _, tc := range []struct {
		name  string
		spoil func(*memTiles)
		want  string
	}{
		{"an entry", flip(EntryLevel, 1, 3*entrySpan+2), "tile/entries/001: entry 259 is not the one the log committed to"},
		{"an entry of the last, unfinished tile", flip(EntryLevel, 3, 31*entrySpan+33), "tile/entries/003: entry 799 is not the one"},
		{"an entry's length", flip(EntryLevel, 0, 1), "tile/entries/000: entry 0: has length 33"},
		{"a leaf hash", flip(0, 2, 5*32), "tile/0/002: does not hold the hash of entry 517 in tile/entries/002"},
		{"a leaf hash of the last tile", flip(0, 3, 0), "tile/0/003: does not hold the hash of entry 768 in tile/entries/003"},
		{"an upper hash", flip(1, 0, 32), "tile/1/000: does not hold the hash of tile/0/001"},
		{"a lost row", func(m *memTiles) { delete(m.rows, place{0, 1}) }, "tile/0/001: holds 0 of the 256 elements"},
		{"a lost bundle", func(m *memTiles) { delete(m.rows, place{EntryLevel, 1}) }, "tile/entries/001: holds 0 of the 256 elements"},
		{"a row cut short", func(m *memTiles) { m.rows[place{0, 3}] = m.rows[place{0, 3}][:32] }, "tile/0/003: holds 1 of the 32 elements"},
		{"a row too long", func(m *memTiles) { m.rows[place{0, 1}] = append(m.rows[place{0, 1}], make([]byte, 32)...) }, "tile/0/001: 8224 bytes are not a tile"},
		{"one history in place of another", func(m *memTiles) {
			other := newMemTiles()
			if _, _, err := Append(t.Context(), other, 0, entries(1, size+1)); err != nil {
				t.Fatal(err)
			}
			m.rows = other.rows
		}, "but not with what was signed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			whole, root := grown(t, size)
			m := whole.clone()
			tc.spoil(m)
			err := VerifyTiles(t.Context(), m, size, root)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// Any one changed byte in any row is found.
func TestVerifyTilesEveryByte(t *testing.T) {
	t.Parallel()
	const size = 258
	whole, root := grown(t, size)
	if err := VerifyTiles(t.Context(), whole, size, root); err != nil {
		t.Fatal(err)
	}
	for at, row := range whole.rows {
		for i := range row {
			if i > 300 && i%37 != 0 && i < len(row)-70 {
				continue // the middle of a full row: every 37th byte
			}
			row[i] ^= 1
			if VerifyTiles(t.Context(), whole, size, root) == nil {
				t.Errorf("row %v, byte %d: changed unnoticed", at, i)
			}
			row[i] ^= 1
		}
	}
}

// A reader at an older checkpoint is not disturbed by rows that grew meanwhile.
func TestOlderSizesStayVerifiable(t *testing.T) {
	t.Parallel()
	m, _ := grown(t, 700)
	for _, size := range []int64{0, 1, 255, 256, 257, 513, 699} {
		if err := VerifyTiles(t.Context(), m, size, naiveRoot(entries(0, size))); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
	if VerifyTiles(t.Context(), m, 0, naiveRoot(entries(0, 1))) == nil || VerifyTiles(t.Context(), m, -1, emptyRoot) == nil {
		t.Error("an impossible head was accepted")
	}
}

func TestExportFilesIsTheWholeLayout(t *testing.T) {
	t.Parallel()
	m, root := grown(t, 600)
	size := int64(300) // the rows have grown beyond what is exported
	back := newMemTiles()
	var paths []string
	err := ExportFiles(t.Context(), m, size, func(path string, data []byte) error {
		paths = append(paths, path)
		level, index, width, ok := ParseTilePath(path)
		served, err := ReadTile(t.Context(), m, size, level, index, width)
		if !ok || err != nil || !bytes.Equal(served, data) {
			t.Errorf("%s: not what is served: %v", path, err)
		}
		back.rows[place{level, index}] = data
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "tile/entries/000 tile/entries/001.p/44 tile/0/000 tile/0/001.p/44 tile/1/000.p/1"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := VerifyTiles(t.Context(), back, size, naiveRoot(entries(0, size))); err != nil {
		t.Error(err)
	}
	if VerifyTiles(t.Context(), back, 600, root) == nil {
		t.Error("the export held more than its size")
	}
}
