// Package report reads and never writes: evidence bundles, what they prove in
// plain words, and the comparison of the log with the tables.
package report

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// Bundle writes the whole story of a grant, as the newest signed head of the
// log commits to it: its request and votes, its own life, and every other
// reason and every look of the same assignment. Events still without a place
// in the log make it [access.ErrConflict]: sequence first.
func Bundle(ctx context.Context, db *store.DB, grant string) (file []byte, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		g, err := tx.Grant(ctx, grant)
		if err != nil {
			return err
		}
		head, err := tx.LastCheckpoint(ctx)
		if err != nil {
			return err
		}
		events, err := tx.EventsAbout(ctx, g.Request, g.ID, g.Assignment)
		if err != nil {
			return err
		}
		b := evidence.Bundle{Format: evidence.BundleFormat, Subject: g.ID, Checkpoint: head.Note}
		keys, err := tx.LogKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range keys {
			b.Keys = append(b.Keys, k.Says)
		}
		var places []int64
		for _, ev := range sortedBySeq(events) {
			if ev.Seq < 0 || ev.Seq >= head.Size {
				return fmt.Errorf("%w: event %s has no place in the signed log yet", access.ErrConflict, ev.ID)
			}
			places = append(places, ev.Seq)
			b.Records = append(b.Records, evidence.Record{Index: ev.Seq, Body: ev.Body, Salt: ev.Salt})
		}
		proofs, err := evidence.ProveInclusions(ctx, engine.Tiles{Tx: tx}, head.Size, places)
		if err != nil {
			return err
		}
		for i := range b.Records {
			b.Records[i].Proof = proofs[i]
		}
		file, err = evidence.Encode(b)
		return err
	})
	return file, err
}
