package server

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// proof is what the doors hand out of the log.
type proof struct{ s *Server }

// Bundle implements [api.Proof]. What has happened up to now is given its place first.
func (p proof) Bundle(ctx context.Context, grant string) ([]byte, error) {
	if _, err := p.s.engine.Sequence(ctx); err != nil {
		return nil, err
	}
	return report.Bundle(ctx, p.s.db, grant)
}

// Checkpoint implements [api.Proof].
func (p proof) Checkpoint(ctx context.Context) (note string, err error) {
	err = p.s.db.Read(ctx, func(tx *store.Tx) error {
		head, err := tx.LastCheckpoint(ctx)
		if err == nil {
			note, err = cosigned(ctx, tx, p.s.quorum(), head)
		}
		return err
	})
	return note, err
}

// Tile implements [api.Proof].
func (p proof) Tile(ctx context.Context, path string) (body []byte, err error) {
	level, index, width, ok := evidence.ParseTilePath(path)
	if !ok {
		return nil, fmt.Errorf("%w: %.80q names no tile", access.ErrNotFound, path)
	}
	err = p.s.db.Read(ctx, func(tx *store.Tx) error {
		head, err := tx.LastCheckpoint(ctx)
		if err != nil {
			return err
		}
		if have := evidence.WidthAt(head.Size, level, index); have < width {
			return fmt.Errorf("%w: tile %s", access.ErrNotFound, path)
		}
		body, err = evidence.ReadTile(ctx, engine.Tiles{Tx: tx}, head.Size, level, index, width)
		return err
	})
	return body, err
}

// status gathers the figures of [api.Status].
func (s *Server) status(ctx context.Context) (st api.Status, err error) {
	st = api.Status{Now: s.now(), Key: s.signer.VerifierKey(), Policy: s.world.Load().Policy.Digest(), Systems: []api.SystemLine{}, Files: s.files(), Replicas: s.replicas()}
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		if st.Overdue, err = tx.Overdue(ctx, st.Now); err != nil {
			return err
		}
		if st.Events, st.Unsequenced, err = tx.CountEvents(ctx); err != nil {
			return err
		}
		head, err := tx.LastCheckpoint(ctx)
		st.Checkpoint = head.Note
		if err != nil {
			return err
		}
		for _, id := range s.world.Load().Directory.Systems() {
			next, _, err := tx.NextDue(ctx, id)
			if err != nil {
				return err
			}
			st.Systems = append(st.Systems, api.SystemLine{System: id, Next: next})
		}
		return nil
	})
	return st, err
}

// Verify gives what has happened its place in the log and holds the whole store against it.
func (s *Server) Verify(ctx context.Context) (report.Replayed, error) {
	if _, err := s.engine.Sequence(ctx); err != nil {
		return report.Replayed{}, err
	}
	return report.Replay(ctx, s.db, s.signer.VerifierKey(), nil)
}
