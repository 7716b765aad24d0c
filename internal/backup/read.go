package backup

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// Backup is one that is there, with a manifest that can be read.
type Backup struct {
	Manifest
	files fs.FS
	close func() error
}

// Open opens a backup: its folder, or its file. Close gives it back.
func Open(path string) (*Backup, error) {
	b := &Backup{close: func() error { return nil }}
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", access.ErrNotFound, err)
	case st.IsDir():
		b.files = os.DirFS(path)
	default:
		z, err := zip.OpenReader(path)
		if err != nil {
			return nil, fmt.Errorf("%w: backup %s: %w", access.ErrInvalid, path, err)
		}
		b.files, b.close = z, z.Close
	}
	if err := b.readManifest(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: backup %s: %w", access.ErrInvalid, path, err), b.close())
	}
	return b, nil
}

// Close gives it back.
func (b *Backup) Close() error { return b.close() }

func (b *Backup) readManifest() error {
	raw, err := fs.ReadFile(b.files, ManifestFile)
	if err != nil {
		return err
	}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&b.Manifest); err != nil {
		return fmt.Errorf("%s: %w", ManifestFile, err)
	}
	if b.Format != Format {
		return fmt.Errorf("it is written in format %d, and this program reads format %d", b.Format, Format)
	}
	order := map[string]int{}
	for i, t := range store.Tables {
		order[t.Name] = i
		if t.Door {
			order[t.Name] = -1
		}
	}
	last := -1
	for _, p := range b.Tables {
		at, known := order[p.Table]
		if !known || at <= last {
			return fmt.Errorf("%s: table %q is none that a backup holds, or stands in the wrong place", ManifestFile, p.Table)
		}
		last = at
		for _, c := range p.Columns {
			if !plainName(c.Name) {
				return fmt.Errorf("%s: table %s: %q is no name of a column", ManifestFile, p.Table, c.Name)
			}
		}
	}
	return nil
}

// plainName tells whether a name can be written into a statement as it is.
func plainName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return s != ""
}

// Verify reads all of it: that every file is what the manifest says, that there is no
// other, and that the log's head was signed by that key and is the one of the tree.
// Whether the tables are as the log tells, only a database says that is made of it.
func (b *Backup) Verify(vkey string) (err error) {
	var errs []error
	// 1. The files.
	names := []string{ManifestFile}
	for _, p := range b.Tables {
		names = append(names, p.file())
		errs = append(errs, b.each(p, func([]any) error { return nil }))
	}
	there, err := fs.ReadDir(b.files, ".")
	errs = append(errs, err)
	for _, f := range there {
		if !slices.Contains(names, f.Name()) {
			errs = append(errs, fmt.Errorf("%w: file %s is not in the manifest", access.ErrInvalid, f.Name()))
		}
	}
	// 2. The head of the log, and its tree.
	if b.Checkpoint == "" {
		return errors.Join(errs...)
	}
	head, err := evidence.OpenCheckpoint(b.Checkpoint, vkey, evidence.AllowCosignatures())
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("%w: the log's head: %w", access.ErrInvalid, err))
	case head.Size != b.Events:
		errs = append(errs, fmt.Errorf("%w: the manifest counts %d events, and the signed head %d", access.ErrInvalid, b.Events, head.Size))
	default:
		tree, err := b.tree()
		if err == nil {
			err = evidence.VerifyTiles(context.Background(), tree, head.Size, head.Root)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: the log's tree: %w", access.ErrInvalid, err))
		}
	}
	return errors.Join(errs...)
}

// Load writes every row into the tables of an empty database, as its schema was then.
func (b *Backup) Load(ctx context.Context, tx *store.Tx) error {
	for _, p := range b.Tables {
		into, err := tx.IntoTable(ctx, p.Table, p.Columns)
		if err != nil {
			return err
		}
		if err := b.each(p, func(row []any) error { return into.Add(ctx, row) }); err != nil {
			return err
		}
		if err := into.Flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// each hands out the rows of a table, and fails at the end if they are not those of the manifest.
func (b *Backup) each(p Part, yield func([]any) error) error {
	f, err := b.files.Open(p.file())
	if err != nil {
		return fmt.Errorf("%w: %w", access.ErrInvalid, err)
	}
	defer f.Close()
	sum := &counted{hash: sha256.New()}
	rows := int64(0)
	for in := bufio.NewReaderSize(io.TeeReader(f, sum), 1<<16); ; rows++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		} else if err != nil {
			return fmt.Errorf("%w: %s, line %d: %w", access.ErrInvalid, p.file(), rows+1, err)
		}
		row, err := readRow(line, p.Columns)
		if err != nil {
			return fmt.Errorf("%w: %s, line %d: %w", access.ErrInvalid, p.file(), rows+1, err)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	if got := hex.EncodeToString(sum.hash.Sum(nil)); got != p.SHA256 || rows != p.Rows || sum.n != p.Bytes {
		return fmt.Errorf("%w: %s is not what the manifest says: %d rows, %d bytes, SHA-256 %s; it should be %d, %d, %s",
			access.ErrInvalid, p.file(), rows, sum.n, got, p.Rows, p.Bytes, p.SHA256)
	}
	return nil
}

func readRow(line []byte, columns []store.Column) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return nil, err
	}
	if len(raw) != len(columns) {
		return nil, fmt.Errorf("%d values for %d columns", len(raw), len(columns))
	}
	row := make([]any, len(raw))
	for i, v := range raw {
		if string(v) == "null" {
			continue
		}
		var err error
		switch columns[i].Type {
		case store.Whole:
			row[i], err = as[int64](v)
		case store.Truth:
			row[i], err = as[bool](v)
		case store.Words:
			row[i], err = as[string](v)
		case store.Bytes:
			var text string
			if text, err = as[string](v); err == nil {
				row[i], err = base64.StdEncoding.DecodeString(text)
			}
		default:
			err = fmt.Errorf("%q is no type of a column", columns[i].Type)
		}
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", columns[i].Name, err)
		}
	}
	return row, nil
}

func as[T any](raw json.RawMessage) (v T, err error) {
	err = json.Unmarshal(raw, &v)
	return v, err
}

// tree is the log's tree of the backup, in memory: 1 to 1.2 KB for every 16 events.
func (b *Backup) tree() (evidence.Tiles, error) {
	t := tiles{}
	for _, p := range b.Tables {
		if p.Table != "tile" {
			continue
		}
		at := map[string]int{}
		for i, c := range p.Columns {
			at[c.Name] = i
		}
		return t, b.each(p, func(row []any) error {
			level, _ := row[at["level"]].(int64)
			index, _ := row[at["idx"]].(int64)
			body, _ := row[at["body"]].([]byte)
			t[[2]int64{level, index}] = body
			return nil
		})
	}
	return t, nil
}

type tiles map[[2]int64][]byte

// Tile implements [evidence.Tiles].
func (t tiles) Tile(_ context.Context, level int, index int64) ([]byte, error) {
	return t[[2]int64{int64(level), index}], nil
}

// SetTile implements [evidence.Tiles]; nobody writes into a backup.
func (t tiles) SetTile(context.Context, evidence.Tile) error {
	return errors.New("a backup is only read")
}
