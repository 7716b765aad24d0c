package evidence

import (
	"errors"
	"testing"
)

func TestTilePaths(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		level int
		index int64
		width int
		path  string
	}{
		{0, 0, 256, "tile/0/000"},
		{0, 0, 1, "tile/0/000.p/1"},
		{1, 1234067, 256, "tile/1/x001/x234/067"},
		{63, 999, 255, "tile/63/999.p/255"},
		{EntryLevel, 273, 112, "tile/entries/273.p/112"},
		{EntryLevel, 1000, 256, "tile/entries/x001/000"},
	} {
		if got := TilePath(tc.level, tc.index, tc.width); got != tc.path {
			t.Errorf("TilePath = %s, want %s", got, tc.path)
		}
		level, index, width, ok := ParseTilePath(tc.path)
		if !ok || level != tc.level || index != tc.index || width != tc.width {
			t.Errorf("ParseTilePath(%s) = %d, %d, %d, %v", tc.path, level, index, width, ok)
		}
	}
	for _, bad := range badPaths {
		if _, _, _, ok := ParseTilePath(bad); ok {
			t.Errorf("ParseTilePath(%q) accepted it", bad)
		}
	}
}

var badPaths = []string{
	"", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile/0/0", "tile/0/0000", "tile/00/000", "tile/64/000",
	"tile/-1/000", "tile/+1/000", "tile/8/0/000", "tile/data/000", "tile/entries", "tile/entries/data/000", "tile/entries/-01",
	"tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/000.p/1/", "tile/0/000.p/-1",
	"tile/0/x000/001", "tile/0/001/002", "tile/0/x001", "tile/0/../000", "tile/0/x001/x234/067.p/8/9", "checkpoint",
	"tile/0/x999/x999/x999/x999/x999/x999/x999/999", "tile/0/x018/x446/x744/x073/x709/x551/616", "tile/entries/%30%30%30",
}

func TestReadTileStaysWithinTheCheckpoint(t *testing.T) {
	t.Parallel()
	m, _ := grown(t, 600)
	for _, tc := range []struct {
		level int
		index int64
		width int
		ok    bool
	}{
		{0, 0, 256, true}, {0, 0, 10, true}, {0, 1, 44, true}, {0, 1, 43, true}, {1, 0, 1, true}, {EntryLevel, 1, 44, true},
		{0, 1, 45, false}, {0, 1, 256, false}, {0, 2, 1, false}, {1, 0, 2, false}, {2, 0, 1, false}, {0, 0, 0, false},
		{0, 0, 257, false}, {-2, 0, 1, false}, {0, -1, 1, false}, {EntryLevel, 1, 45, false}, {63, 1 << 60, 1, false},
	} {
		data, err := ReadTile(t.Context(), m, 300, tc.level, tc.index, tc.width)
		if tc.ok && (err != nil || len(data) != tc.width*span(tc.level)) {
			t.Errorf("%+v: %d bytes, %v", tc, len(data), err)
		}
		if !tc.ok && !errors.Is(err, ErrNoTile) {
			t.Errorf("%+v: got %v, want ErrNoTile", tc, err)
		}
	}
}

func FuzzParseTilePath(f *testing.F) {
	for _, s := range append(badPaths, "tile/0/000", "tile/1/x001/x234/067.p/8", "tile/entries/x001/000") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		level, index, width, ok := ParseTilePath(path)
		if !ok {
			return
		}
		if level < EntryLevel || level > 63 || index < 0 || width < 1 || width > TileWidth {
			t.Errorf("%q is tile %d, %d, %d", path, level, index, width)
		}
		if got := TilePath(level, index, width); got != path {
			t.Errorf("%q is written %q", path, got)
		}
	})
}
