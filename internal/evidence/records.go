package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// RecordsPath names the file of the records behind the entry bundle of that index:
// what was committed to, with its salts. It is nobody's business but the company's
// own and never lies where tiles are published.
func RecordsPath(index int64, width int) string {
	return "records/" + strings.TrimPrefix(TilePath(EntryLevel, index, width), "tile/entries/")
}

// record is one line of such a file. A record that was erased is an empty one.
type record struct {
	Salt []byte          `json:"salt,omitempty"`
	Body json.RawMessage `json:"body,omitempty"`
}

// EncodeRecords writes records as a file has them: one line each, the body as it
// was committed to.
func EncodeRecords(leaves []Leaf) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for i, l := range leaves {
		before := out.Len()
		if err := enc.Encode(record{l.Salt, l.Body}); err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		if len(l.Body) > 0 && !bytes.Contains(out.Bytes()[before:], l.Body) {
			return nil, fmt.Errorf("record %d: its body is not JSON without insignificant space", i)
		}
	}
	return out.Bytes(), nil
}

func decodeRecords(text []byte) ([]Leaf, error) {
	var leaves []Leaf
	for line := range bytes.Lines(text) {
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		var r record
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(leaves)+1, err)
		}
		if !bytes.HasSuffix(line, []byte("}\n")) {
			return nil, fmt.Errorf("line %d: it is cut off", len(leaves)+1)
		}
		leaves = append(leaves, Leaf{Body: r.Body, Salt: r.Salt})
	}
	return leaves, nil
}

// ErrErased says that a record is no longer there, though the log committed to it.
var ErrErased = errors.New("the record was erased")

// Records hands out the records at the places from <= i < to, in order, each only
// once it was held against its entry in the log. They are fetched from where they
// are kept, which need not be where the tiles are. It stops at the first error.
func (c *Copy) Records(ctx context.Context, fetch Fetch, from, to int64, each func(index int64, leaf Leaf) error) error {
	var leaves []Leaf
	have := int64(-1)
	return c.Entries(ctx, from, to, func(index int64, entry [EntrySize]byte) error {
		if at := index / TileWidth; at != have {
			text, path, err := c.recordsFile(ctx, fetch, at)
			if err != nil {
				return err
			}
			if leaves, err = decodeRecords(text); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			have = at
		}
		i := int(index % TileWidth)
		if i >= len(leaves) {
			return fmt.Errorf("%s: it ends before record %d", RecordsPath(have, TileWidth), index)
		}
		switch l := leaves[i]; {
		case len(l.Body) == 0:
			return fmt.Errorf("record %d: %w", index, ErrErased)
		case l.Commitment() != entry:
			return fmt.Errorf("record %d: its content is not the one the log committed to", index)
		default:
			return each(index, l)
		}
	})
}

// recordsFile reads one, as wide as the head has it or full by now.
func (c *Copy) recordsFile(ctx context.Context, fetch Fetch, index int64) (text []byte, path string, err error) {
	for _, width := range []int{WidthAt(c.head.Size, EntryLevel, index), TileWidth} {
		path = RecordsPath(index, width)
		if text, err = fetch(ctx, path); !errors.Is(err, ErrNoTile) {
			return text, path, err
		}
	}
	return nil, path, err
}
