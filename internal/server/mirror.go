package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/store"
)

// How far a copy may be behind the database before it is read no more, and how long
// one that cannot be opened is left alone.
const (
	mostBehind  = time.Minute
	mirrorAgain = 30 * time.Second
	mirrorOpens = 3 * time.Second
)

// mirror is a copy of the database that follows it. Figures, and lists of the whole
// house, are read from it while it keeps up; the database itself is, where it does not,
// is away, or says something unexpected. Nothing is decided by what it says.
type mirror struct {
	mu     sync.Mutex
	db     *store.DB
	next   time.Time // when it is tried again to open it
	past   string    // the newest event the database had …
	pastAt time.Time // … at that moment, which the copy has yet to show
	said   string    // why it is not read, as the log last said
}

// readAfar reads the copy, or the database if there is none that will do.
func (s *Server) readAfar(ctx context.Context, do func(*store.DB) error) error {
	db, err := s.mirrored(ctx, time.Now())
	if db != nil && err == nil {
		switch err = do(db); {
		case err == nil:
			s.tellMirror(ctx, nil)
			return nil
		case ctx.Err() != nil, errors.Is(err, access.ErrDenied), errors.Is(err, access.ErrInvalid):
			return err
		}
	}
	s.tellMirror(ctx, err)
	return do(s.db)
}

// mirrored gives the copy if there is one that keeps up; why it is not read is an error.
func (s *Server) mirrored(ctx context.Context, now time.Time) (*store.DB, error) {
	ref := s.current.Load().ReadRef
	if ref == "" {
		return nil, nil
	}
	m := &s.mirror
	m.mu.Lock()
	defer m.mu.Unlock()
	// 1. Open it, if it is not.
	if m.db == nil {
		if now.Before(m.next) {
			return nil, fmt.Errorf("it could not be opened: %s", m.said)
		}
		m.next = now.Add(mirrorAgain)
		v, err := secret.Open(ref)
		if err != nil {
			return nil, err
		}
		open, cancel := context.WithTimeout(ctx, mirrorOpens)
		defer cancel()
		if m.db, err = store.Follow(open, strings.TrimSpace(v.Reveal())); err != nil {
			return nil, err
		}
	}
	// 2. Whether it keeps up: what the database had a while ago it must have by now.
	newest, err := lastEvent(ctx, s.db)
	if err != nil {
		return nil, err
	}
	has, err := lastEvent(ctx, m.db)
	if err != nil {
		return nil, err
	}
	if m.past == "" || has >= m.past {
		m.past, m.pastAt = newest, now
	}
	if has < m.past && now.Sub(m.pastAt) > mostBehind {
		return nil, fmt.Errorf("it is behind: it lacks an event that was there %s ago", now.Sub(m.pastAt).Round(time.Second))
	}
	return m.db, nil
}

func lastEvent(ctx context.Context, db *store.DB) (id string, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error { id, err = tx.LastEvent(ctx); return err })
	return id, err
}

// tellMirror says once why the copy is not read, and once that it is again.
func (s *Server) tellMirror(ctx context.Context, err error) {
	m := &s.mirror
	m.mu.Lock()
	defer m.mu.Unlock()
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why != "" && m.said == "" {
		s.log.WarnContext(ctx, "the copy of the database (database_read_ref) is not read", "error", why)
	}
	m.said = why
}

func (m *mirror) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.db == nil {
		return nil
	}
	return m.db.Close()
}
