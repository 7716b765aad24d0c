package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/backup"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// logWentBack is the finding that the log does not go on from its head that was kept outside.
const logWentBack = "log_went_back"

// continuesCopy refuses a log that does not go on from its second copy: where the
// head beside the database was put back together with it, only that one tells.
func (s *Server) continuesCopy(ctx context.Context) error {
	dir := s.current.Load().LogCopy
	if dir == "" {
		return nil
	}
	l, err := backup.OpenLog(dir)
	if err != nil {
		return fmt.Errorf("%w: log_copy of lessor.yaml: %w", access.ErrInvalid, err)
	}
	// 1. The head that was signed last.
	kept, err := l.Head()
	if err != nil {
		return fmt.Errorf("%w: log_copy of lessor.yaml: %w", access.ErrInvalid, err)
	}
	if kept != "" {
		if err := s.goesOn(ctx, filepath.Join(dir, backup.HeadFile), kept); err != nil {
			return err
		}
	}
	// 2. Events that were copied before their head was: the same must be in the database.
	last, ok, err := l.End()
	if err != nil || !ok {
		return err
	}
	return s.db.Read(ctx, func(tx *store.Tx) error {
		here, err := tx.Events(ctx, last.Seq, 1)
		if err == nil && (len(here) == 0 || here[0].Seq != last.Seq || string(here[0].Body) != last.Body) {
			err = fmt.Errorf("%w: the copy of the log in %s has event #%d, and the database has not: put back the right database, or begin recovery with lessor restore", access.ErrConflict, dir, last.Seq)
		}
		return err
	})
}

// goesOn holds the log against a head that was kept, and says where it was.
func (s *Server) goesOn(ctx context.Context, name, kept string) error {
	if err := report.Continues(ctx, s.db, s.signer.VerifierKey(), kept); err != nil {
		return fmt.Errorf("the database does not go on from the head of the log in %s; restore the right one (lessor restore puts back a backup and what the log says happened since), or, if this is meant, move that file away: %w", name, err)
	}
	return nil
}

// copyPage is how many events are copied at a time, and mostPages how often before
// others have their turn.
const (
	copyPage  = 1000
	mostPages = 100
)

// keepCopy brings the second copy of the log up to date: events first, then the head
// that counts them. While it cannot, the server goes on, and says so.
func (s *Server) keepCopy(ctx context.Context, head string) error {
	dir := s.current.Load().LogCopy
	if dir == "" || head == "" {
		return nil
	}
	l, err := backup.OpenLog(dir)
	if err != nil {
		return err
	}
	last, ok, err := l.End()
	if err != nil {
		return err
	}
	next := int64(0)
	if ok {
		next = last.Seq + 1
	}
	for range mostPages {
		var page []store.Event
		err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
			page, err = tx.Events(ctx, next, copyPage)
			return err
		})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return l.SetHead(head)
		}
		if err := l.Append(page); errors.Is(err, access.ErrConflict) {
			return nil // another replica writes it, and the head after that
		} else if err != nil {
			return err
		}
		next = page[len(page)-1].Seq + 1
	}
	return nil
}

// tellBack says to people that the log went back while the server was at work, or
// that it goes on again.
func (s *Server) tellBack(ctx context.Context, wrong error) {
	text := ""
	if wrong != nil && errors.Is(wrong, access.ErrConflict) {
		text = "The database no longer goes on from the head of the log that was kept outside of it. It was put back or changed while the server was at work. The head is kept as it was, and the server will not start again on this database. " + wrong.Error()
	}
	if err := s.engine.Find(ctx, logWentBack, "log", "security", text, time.Hour); err != nil {
		s.log.ErrorContext(ctx, "the log went back, and nobody could be told", "error", err.Error())
	}
}
