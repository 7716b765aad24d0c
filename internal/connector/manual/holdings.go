package manual

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"
)

// reading is the file of holdings, by object.
type reading map[string]looked

// looked is one object as one person saw it at one moment.
type looked struct {
	at      time.Time
	by      string
	holders map[string]bool
}

func (r reading) objects() []string { return slices.Sorted(maps.Keys(r)) }
func (l looked) accounts() []string { return slices.Sorted(maps.Keys(l.holders)) }

var header = []string{"account", "object", "seen_at", "by"}

// read reads the whole file or nothing: whatever is wrong with one line, a list
// that lacks it looks as if somebody had lost access.
func (c *Connector) read() (reading, error) {
	name := filepath.Base(c.Holdings)
	f, err := os.Open(c.Holdings)
	if err != nil {
		return nil, fmt.Errorf("nobody has looked: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(raw) > maxFile:
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxFile)
	case !utf8.Valid(raw):
		return nil, fmt.Errorf("%s is not UTF-8", name)
	case !bytes.HasSuffix(raw, []byte("\n")):
		return nil, fmt.Errorf("%s ends in the middle of a line; it must be put there whole", name)
	}
	rows := csv.NewReader(bytes.NewReader(raw))
	rows.FieldsPerRecord = len(header)
	if first, err := rows.Read(); err != nil || !slices.Equal(first, header) {
		return nil, fmt.Errorf("%s:1: the first line must be account,object,seen_at,by, not %q", name, first)
	}
	read := reading{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := read.add(row, c.Now()); err != nil {
			line, _ := rows.FieldPos(0)
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
	}
}

// add takes one row. One without an account says that the object was looked at;
// all rows of an object are one reading.
func (r reading) add(row []string, now time.Time) error {
	account, object, by := row[0], row[1], row[3]
	at, err := time.Parse(time.RFC3339, row[2])
	switch {
	case err != nil:
		return fmt.Errorf("seen_at %q is not a time such as 2026-11-25T09:00:00Z", row[2])
	case at.After(now):
		return fmt.Errorf("seen_at %s is yet to come", row[2])
	case object == "" || by == "":
		return errors.New("object and by must not be empty")
	}
	of, ok := r[object]
	switch {
	case !ok:
		of = looked{at: at, by: by, holders: map[string]bool{}}
	case !of.at.Equal(at) || of.by != by:
		return fmt.Errorf("%q was seen at %s by %s in another line; all lines of an object are of one reading", object, of.at.Format(time.RFC3339), of.by)
	}
	if account != "" {
		of.holders[account] = true
	}
	r[object] = of
	return nil
}
