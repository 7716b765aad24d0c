package backup

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Format is the number of the way in which backups are written.
const Format = 1

// ManifestFile is what a backup says of itself.
const ManifestFile = "manifest.json"

// Manifest says what a backup must hold.
type Manifest struct {
	Format     int       `json:"format"`
	Version    string    `json:"version"` // of the program that wrote it
	TakenAt    time.Time `json:"taken_at"`
	From       string    `json:"from"`       // the kind of database
	Schema     int64     `json:"schema"`     // the newest migration
	Events     int64     `json:"events"`     // in the log, by its signed head
	Waiting    int64     `json:"waiting"`    // events that had no place in it yet
	Checkpoint string    `json:"checkpoint"` // the signed head; empty: nothing was signed yet
	Tables     []Part    `json:"tables"`
}

// Part is one table of a backup: a file of JSON lines, a row each.
type Part struct {
	Table   string         `json:"table"`
	Columns []store.Column `json:"columns"`
	Rows    int64          `json:"rows"`
	Bytes   int64          `json:"bytes"`
	SHA256  string         `json:"sha256"`
}

func (p Part) file() string { return p.Table + ".jsonl" }

// Write writes a backup of everything but what lets somebody in, as one snapshot has
// it, while others go on working. To is a new folder, or a new file if its name ends
// in .zip. It is there whole or not at all.
func Write(ctx context.Context, db *store.DB, to, version string, now time.Time) (m Manifest, err error) {
	if _, err := os.Stat(to); err == nil {
		return m, fmt.Errorf("%w: %s is there already: name a new folder, or a new file that ends in .zip", access.ErrConflict, to)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	out, err := newSink(to)
	if err != nil {
		return m, err
	}
	m = Manifest{Format: Format, Version: version, TakenAt: now.UTC().Truncate(time.Microsecond), From: string(db.Dialect)}
	err = db.Read(ctx, func(tx *store.Tx) error {
		// 1. Of what it is.
		if m.Schema, err = tx.Schema(ctx); err != nil {
			return err
		}
		head, err := tx.LastCheckpoint(ctx)
		if err != nil {
			return err
		}
		m.Events, m.Checkpoint = head.Size, head.Note
		if _, m.Waiting, err = tx.CountEvents(ctx); err != nil {
			return err
		}
		// 2. Every table, from the same snapshot.
		for _, t := range store.Tables {
			if t.Door {
				continue
			}
			p, err := writePart(ctx, tx, out, t.Name)
			if err != nil {
				return err
			}
			m.Tables = append(m.Tables, p)
		}
		return nil
	})
	// 3. What it must hold, last.
	if err == nil {
		err = writeManifest(out, m)
	}
	return m, out.end(err)
}

func writeManifest(out sink, m Manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	f, err := out.create(ManifestFile)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}

func writePart(ctx context.Context, tx *store.Tx, out sink, table string) (p Part, err error) {
	p.Table = table
	f, err := out.create(p.file())
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := &counted{hash: sha256.New()}
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<16)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	err = tx.EachRow(ctx, table, func(c []store.Column) error { p.Columns = c; return nil }, func(row []any) error {
		for i, v := range row {
			if s, is := v.(string); is && !utf8.ValidString(s) {
				return fmt.Errorf("%w: table %s, column %s: a text is not UTF-8", access.ErrInvalid, table, p.Columns[i].Name)
			}
		}
		p.Rows++
		return lines.Encode(row)
	})
	if err == nil {
		err = w.Flush()
	}
	p.Bytes, p.SHA256 = sum.n, hex.EncodeToString(sum.hash.Sum(nil))
	return p, err
}

// counted digests and counts what is written to it.
type counted struct {
	hash hash.Hash
	n    int64
}

func (c *counted) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return c.hash.Write(b)
}

// sink is where the files of a backup go; end makes all of them be there, or, with
// an error, none.
type sink interface {
	create(name string) (io.WriteCloser, error)
	end(err error) error
}

func newSink(to string) (sink, error) {
	parent := filepath.Dir(to)
	if strings.HasSuffix(to, ".zip") {
		f, err := os.CreateTemp(parent, filepath.Base(to)+".*.new")
		if err != nil {
			return nil, err
		}
		return &zipped{to: to, file: f, zip: zip.NewWriter(f)}, nil
	}
	dir, err := os.MkdirTemp(parent, filepath.Base(to)+".*.new")
	if err != nil {
		return nil, err
	}
	return &folder{to: to, dir: dir}, nil
}

type folder struct{ to, dir string }

// durable is a file that is on the disk once it is closed.
type durable struct{ *os.File }

func (d durable) Close() error { return errors.Join(d.Sync(), d.File.Close()) }

func (f *folder) create(name string) (io.WriteCloser, error) {
	file, err := os.OpenFile(filepath.Join(f.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return durable{file}, nil
}

func (f *folder) end(err error) error {
	if err == nil {
		err = errors.Join(sync(f.dir), os.Rename(f.dir, f.to))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(f.dir))
	}
	return sync(filepath.Dir(f.to))
}

type zipped struct {
	to   string
	file *os.File
	zip  *zip.Writer
}

type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil } // the archive ends an entry where the next begins

func (z *zipped) create(name string) (io.WriteCloser, error) {
	w, err := z.zip.Create(name)
	return unclosed{w}, err
}

func (z *zipped) end(err error) error {
	err = errors.Join(err, z.zip.Close(), z.file.Sync(), z.file.Close())
	if err == nil {
		err = os.Rename(z.file.Name(), z.to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(z.file.Name()))
	}
	return sync(filepath.Dir(z.to))
}

// sync makes the names in a folder durable.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
