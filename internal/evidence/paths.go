package evidence

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// CheckpointPath is where the checkpoint lies beside the tiles.
const CheckpointPath = "checkpoint"

// TilePath names a tile as c2sp.org/tlog-tiles does, without a leading slash:
// tile/<level>/<index> or tile/entries/<index>, with .p/<width> behind it
// where the tile is not full. Index 1234067 is written x001/x234/067.
func TilePath(level int, index int64, width int) string {
	rest := strings.TrimPrefix(tlog.Tile{H: tileHeight, L: level, N: index, W: width}.Path(), "tile/8/")
	if level == EntryLevel {
		rest = "entries/" + strings.TrimPrefix(rest, "data/")
	}
	return "tile/" + rest
}

// ParseTilePath is the inverse of [TilePath]: ok only for the one way a tile is
// written. Whether a log has that tile, [ReadTile] tells.
func ParseTilePath(path string) (level int, index int64, width int, ok bool) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok || strings.HasPrefix(rest, "data/") {
		return 0, 0, 0, false
	}
	if bundle, isBundle := strings.CutPrefix(rest, "entries/"); isBundle {
		rest = "data/" + bundle
	}
	t, err := tlog.ParseTilePath("tile/8/" + rest)
	if err != nil || t.L > 63 {
		return 0, 0, 0, false
	}
	return t.L, t.N, t.W, true
}

// ExportFiles hands every tile of a log of that size to write, under the path
// c2sp.org/tlog-tiles gives it: entry bundles first, then the hashes level by
// level. The checkpoint is the caller's, at [CheckpointPath] and last, so that
// no reader of the copy finds a head without its tiles.
func ExportFiles(ctx context.Context, tiles Tiles, size int64, write func(path string, data []byte) error) error {
	if err := checkSize(size); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for level := EntryLevel; WidthAt(size, level, 0) > 0; level++ {
		for index := int64(0); WidthAt(size, level, index) > 0; index++ {
			width := WidthAt(size, level, index)
			data, err := readRow(ctx, tiles, level, index, width)
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			if err := write(TilePath(level, index, width), data); err != nil {
				return fmt.Errorf("export %s: %w", TilePath(level, index, width), err)
			}
		}
	}
	return nil
}
