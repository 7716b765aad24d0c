package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/published"
	"github.com/lessor-iam/lessor/internal/store"
)

// publish brings the folder of published tiles up to the newest head. Where it cannot,
// the server goes on, and says so. A folder that holds more of this log than there is,
// or another story of it, fences the log.
func (s *Server) publish(ctx context.Context) {
	dir := s.current.Load().LogPublish
	if dir == "" {
		return
	}
	_, err := Publish(ctx, s.db, dir, s.signer.VerifierKey(), s.quorum())
	if errors.Is(err, published.ErrForked) { // another replica may have published meanwhile
		if _, err = Publish(ctx, s.db, dir, s.signer.VerifierKey(), s.quorum()); errors.Is(err, published.ErrForked) {
			err = errors.Join(err, s.engine.Forked(ctx, "the published log in "+dir, err.Error()))
		}
	}
	if err != nil {
		s.log.ErrorContext(ctx, "the log could not be published", "error", err.Error())
	}
}

// Publish brings a folder up to the newest head of a database, as files that other
// tools check (c2sp.org/tlog-tiles).
func Publish(ctx context.Context, db *store.DB, dir, vkey string, q engine.Quorum) (k published.Kept, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		head, err := tx.LastCheckpoint(ctx)
		if err != nil || head.Size == 0 {
			return err
		}
		l := published.Log{Tiles: engine.Tiles{Tx: tx}}
		if l.Keys, err = engine.LogKeys(ctx, tx, vkey); err != nil {
			return fmt.Errorf("the log's keys: %w", err)
		}
		if l.Note, err = cosigned(ctx, tx, q, head); err != nil {
			return err
		}
		k, err = published.Keep(ctx, dir, l)
		return err
	})
	return k, err
}
