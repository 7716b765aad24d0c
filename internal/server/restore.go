package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/backup"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/secret"
)

// RestoreFrom is what a database is put back from.
type RestoreFrom struct {
	Backup string
	Log    string // a folder that holds a copy of the log; empty: log_copy of lessor.yaml
	NoLog  bool   // nobody has the log of what happened since
	// Published is where the log was published, a folder or an https URL; empty: log_publish.
	Published string
	Hold      time.Duration
}

// Restore makes the folder's database of a backup: it must be empty, and it is in
// recovery from then on. What was kept of the log outside is held against it: where
// the log that is put back ends before a head that its key signed, what was kept is
// set aside, for people, and another log begins.
func Restore(ctx context.Context, dir string, from RestoreFrom) (rec access.Recovery, notes []string, err error) {
	// 1. What there is: the folder, its key, the backup.
	c, err := config.Load(dir)
	if err != nil {
		return rec, nil, err
	}
	signer, err := openKey(c)
	if err != nil {
		return rec, nil, err
	}
	dsn, err := ownerDSN(c)
	if err != nil {
		return rec, nil, err
	}
	b, err := backup.Open(from.Backup)
	if err != nil {
		return rec, nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.Verify(signer.VerifierKey()); err != nil {
		return rec, nil, err
	}
	// 2. What is known of the time since.
	r := engine.Restoring{DSN: dsn, Schema: b.Schema, TakenAt: b.TakenAt, Load: b.Load, Signer: signer, Hold: from.Hold, Now: time.Now, Rand: rand.Reader}
	tail, err := openTail(c, from, &r)
	if err != nil {
		return rec, nil, err
	}
	public, err := publishedHead(ctx, c, from.Published, signer.VerifierKey(), b.Checkpoint, r.Head)
	if err != nil {
		return rec, nil, err
	}
	signed, err := newestHead(c, signer.VerifierKey(), tail, public)
	if err != nil {
		return rec, nil, err
	}
	r.Signed = signed.note
	// 3. The database.
	if rec, err = engine.Restore(ctx, r); err != nil {
		return rec, nil, err
	}
	if c.SchemaRef != "" { // it was made by its owner; servers may use it
		db, _, err := Migrate(ctx, c, "")
		if err != nil {
			return rec, nil, err
		}
		if err := db.Close(); err != nil {
			return rec, nil, err
		}
	}
	// 4. What was kept outside goes on with it, or is set aside.
	notes, err = setAside(c, rec, signed.size)
	return rec, notes, err
}

// ownerDSN is the database as whoever makes its tables.
func ownerDSN(c *config.Config) (string, error) {
	if c.SchemaRef == "" {
		return DSN(c)
	}
	owner, err := secret.Open(c.SchemaRef)
	if err != nil {
		return "", fmt.Errorf("%w: schema_ref: %w", access.ErrInvalid, err)
	}
	return strings.TrimSpace(owner.Reveal()), nil
}

// openTail finds the copy of the log, and insists on being told if there is none.
func openTail(c *config.Config, from RestoreFrom, r *engine.Restoring) (*backup.Log, error) {
	dir := from.Log
	if dir == "" {
		dir = c.LogCopy
	}
	switch {
	case from.NoLog && from.Log != "":
		return nil, fmt.Errorf("%w: with a copy of the log, and without: say one of them", access.ErrInvalid)
	case dir == "" && !from.NoLog:
		return nil, fmt.Errorf("%w: say where a copy of the log is (--log), or that there is none (--no-log): then whatever waits for answers is closed, and every grant ends within %s", access.ErrInvalid, from.Hold)
	case dir == "":
		return nil, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("%w: copy of the log: %w", access.ErrInvalid, err)
	}
	l, err := backup.OpenLog(dir)
	if err != nil || from.NoLog {
		return l, err
	}
	if r.Head, err = l.Head(); err == nil && r.Head == "" {
		err = fmt.Errorf("%w: %s has no head of the log (%s)", access.ErrInvalid, dir, backup.HeadFile)
	}
	r.Tail = func(from int64, yield func(engine.Logged) error) error {
		return backup.Events(os.DirFS(dir), from, func(e backup.Event) error {
			return yield(engine.Logged{Seq: e.Seq, Body: []byte(e.Body), Salt: e.Salt})
		})
	}
	return l, err
}

type head struct {
	note string
	size int64
}

// newestHead is the newest of those that were kept outside the database, and of some more.
func newestHead(c *config.Config, key string, l *backup.Log, notes ...string) (newest head, err error) {
	beside, err := os.ReadFile(filepath.Join(c.State, headFile))
	if err == nil {
		notes = append(notes, string(beside))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return newest, err
	}
	if l != nil {
		note, err := l.Head()
		if err != nil {
			return newest, err
		}
		notes = append(notes, note)
	}
	for _, n := range notes {
		if n == "" {
			continue
		}
		h, err := evidence.OpenCheckpoint(n, key, evidence.AllowCosignatures())
		if err != nil {
			return newest, fmt.Errorf("%w: a head of the log that was kept: %w", access.ErrInvalid, err)
		}
		if h.Size > newest.size {
			newest = head{n, h.Size}
		}
	}
	return newest, nil
}

// setAside moves what was kept of the log out of the way of another one that begins
// here, and cuts off what no head counts.
func setAside(c *config.Config, rec access.Recovery, signed int64) (notes []string, err error) {
	fork := signed > rec.Head
	if name := filepath.Join(c.State, headFile); fork {
		aside := name + "." + rec.ID
		if err := os.Rename(name, aside); err == nil {
			notes = append(notes, aside+" is the head as it was")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return notes, err
		}
		notes = append(notes, fmt.Sprintf("the log that was put back has %d events and its key signed %d: from there on there are two logs. Tell whoever keeps its heads", rec.Head, signed))
		if c.LogPublish != "" {
			notes = append(notes, c.LogPublish+" is the log as it was published: keep it, and name another folder in log_publish, or the one that begins now is fenced")
		}
	}
	if c.LogCopy == "" {
		return notes, nil
	}
	l, err := backup.OpenLog(c.LogCopy)
	if err != nil {
		return notes, err
	}
	if !fork {
		return notes, l.CutBack(rec.Head)
	}
	return append(notes, filepath.Join(c.LogCopy, rec.ID)+" is the copy of the log as it was"), l.SetAside(rec.ID)
}
