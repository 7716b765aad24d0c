package evidence

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// EntryLevel is the level of the entry bundles, below the hashes.
	EntryLevel = -1
	// TileWidth is how many hashes, or entries, a full tile holds.
	TileWidth = 1 << tileHeight
	// MaxSize is the largest log that is appended to, signed or believed. It
	// keeps the arithmetic on a size read from a file far from overflow.
	MaxSize = 1 << 48
)

const (
	tileHeight = 8
	entrySpan  = 2 + EntrySize // uint16 length, then the commitment
)

// ErrNoTile says that a log of the given size has no such tile, or none so wide.
var ErrNoTile = errors.New("no such tile in a log of this size")

// Tile is one stored row. Level 0 and above hold 32-byte hashes, [EntryLevel]
// holds entries, each behind its length as a big-endian uint16. A tile that
// is not full yet is the beginning of the full one.
type Tile struct {
	Level int
	Index int64
	Data  []byte
}

// Tiles is where the rows are kept. The store implements it inside the
// caller's transaction, so that state, entries and checkpoint are one commit.
type Tiles interface {
	// Tile returns the whole row, or nil without an error where there is none.
	// It sees what SetTile wrote before in the same transaction. The caller
	// does not change the bytes. It may be called concurrently by readers, on
	// rows that are growing meanwhile: any beginning of a row once seen stays.
	Tile(ctx context.Context, level int, index int64) ([]byte, error)

	// SetTile inserts the row or replaces it whole. The new data always begins
	// with the old. It is durable once the caller's transaction commits, and
	// not before; it is idempotent; it is called by one writer at a time. It
	// may keep the data, which is not changed afterwards. Nobody retries: on
	// an error the transaction must be rolled back.
	SetTile(ctx context.Context, tile Tile) error
}

// WidthAt returns how many hashes or entries the tile holds in a log of that
// size: TileWidth for a full tile, 0 for one that does not exist.
func WidthAt(size int64, level int, index int64) int {
	if size < 0 || level < EntryLevel || index < 0 {
		return 0
	}
	n := size >> (tileHeight * max(level, 0)) // hashes at that level
	switch last := n / TileWidth; {
	case index < last:
		return TileWidth
	case index == last:
		return int(n % TileWidth)
	}
	return 0
}

// ReadTile returns the first width hashes or entries of a tile, as they are
// served. It wraps [ErrNoTile] where a log of that size does not have them,
// even if the row, written for a later checkpoint, does.
func ReadTile(ctx context.Context, tiles Tiles, size int64, level int, index int64, width int) ([]byte, error) {
	if width < 1 || width > WidthAt(size, level, index) {
		return nil, fmt.Errorf("level %d, tile %d, width %d, size %d: %w", level, index, width, size, ErrNoTile)
	}
	return readRow(ctx, tiles, level, index, width)
}

// readRow returns the first width elements of a row that holds at least so
// many; more are a later checkpoint's business.
func readRow(ctx context.Context, tiles Tiles, level int, index int64, width int) ([]byte, error) {
	row, err := wholeRow(ctx, tiles, level, index)
	if err != nil {
		return nil, err
	}
	n := width * span(level)
	if len(row) < n {
		return nil, fmt.Errorf("%s: holds %d of the %d elements it must", TilePath(level, index, TileWidth), len(row)/span(level), width)
	}
	return row[:n:n], nil
}

// wholeRow reads a row and refuses one that no log of any size can hold.
func wholeRow(ctx context.Context, tiles Tiles, level int, index int64) ([]byte, error) {
	row, err := tiles.Tile(ctx, level, index)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", TilePath(level, index, TileWidth), err)
	}
	if len(row)%span(level) != 0 || len(row) > TileWidth*span(level) {
		return nil, fmt.Errorf("%s: %d bytes are not a tile: elements have %d bytes, and there are at most %d", TilePath(level, index, TileWidth), len(row), span(level), TileWidth)
	}
	return row, nil
}

// span is the length of one element of a row.
func span(level int) int {
	if level == EntryLevel {
		return entrySpan
	}
	return tlog.HashSize
}

func checkSize(size int64) error {
	if size < 0 || size > MaxSize {
		return fmt.Errorf("log size %d is not between 0 and %d", size, int64(MaxSize))
	}
	return nil
}
