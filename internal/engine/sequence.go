package engine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// sequenceBatch is how many events one transaction gives their place: large
// enough to sign rarely, small enough not to keep the single writer long.
const sequenceBatch = 1000

// sequenceAhead is how many waiting events are read at once, for PostgreSQL looks at all
// that wait to find the order of the first.
const sequenceAhead = 5 * sequenceBatch

// Sequence gives every waiting event its place in the log and signs the new
// head, batch by batch. If it stops anywhere, the next run goes on from there:
// place, tiles and signature of a batch are one transaction. At an event that we did
// not write it ends, and fences the log: what waits behind that one waits on.
func (e *Engine) Sequence(ctx context.Context) (placed int, err error) {
	for {
		n, more, err := e.sequenceSome(ctx)
		if placed += n; err != nil || !more {
			return placed, err
		}
	}
}

// errPlaced says that others have given places meanwhile.
var errPlaced = errors.New("the log has grown since its end was read")

// sequenceSome gives their places to what waits at one moment, up to as many as are read
// at once. What comes to wait meanwhile comes after it: nobody whose event waited at that
// moment could read it.
func (e *Engine) sequenceSome(ctx context.Context) (placed int, more bool, err error) {
	// 1. Who waits, and where the log ends. It is read apart, for those who write wait for
	// no reader of all that waits; as long as the log ends there, nobody gave any a place.
	var all []store.Event
	var from store.Checkpoint
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		if all, err = tx.Unsequenced(ctx, sequenceAhead); err != nil || len(all) == 0 {
			return err
		}
		from, err = tx.LastCheckpoint(ctx)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	// 2. Their places, a batch a transaction, each of which the next one's log ends with.
	turn := ctx
	for some := range slices.Chunk(all, sequenceBatch) {
		n, forged, err := e.sequence(turn, some, from.Size+int64(placed))
		if errors.Is(err, errPlaced) {
			return placed, true, nil // who else gives places got on
		}
		placed, turn = placed+n, store.GoingOn(ctx)
		if err == nil && forged != nil {
			err = errors.Join(e.fenceForged(ctx, *forged), fmt.Errorf("%w: %s", access.ErrConflict, forgery(*forged)))
		}
		if err != nil {
			return placed, false, err
		}
	}
	return placed, len(all) == sequenceAhead, nil
}

// sequence gives a batch its places, in a log that ends at that size.
func (e *Engine) sequence(ctx context.Context, batch []store.Event, from int64) (n int, forged *store.Event, err error) {
	err = e.DB.Write(ctx, func(tx *store.Tx) error {
		n, forged = 0, nil
		head, err := tx.LastCheckpoint(ctx)
		if err != nil {
			return err
		}
		if head.Size != from {
			return errPlaced
		}
		if err := e.maySign(ctx, tx); err != nil {
			return err
		}
		signer, err := e.signer(ctx, tx)
		if err != nil {
			return err
		}
		// 1. What we did not write gets no place, and nothing after it.
		waiting, bad, err := e.ours(ctx, tx, batch)
		if forged = bad; err != nil || len(waiting) == 0 {
			return err
		}
		// 2. Their places and the tree above them.
		entries, ids := make([][]byte, len(waiting)), make([]string, len(waiting))
		for i, ev := range waiting {
			c := evidence.Commit(ev.Salt, ev.Body)
			entries[i], ids[i] = c[:], ev.ID
		}
		if err := tx.PlaceEvents(ctx, ids, head.Size); err != nil {
			return err
		}
		size, root, err := evidence.Append(ctx, Tiles{tx}, head.Size, entries)
		if err != nil {
			return err
		}
		// 3. The signed head, last.
		note, err := signer.Sign(size, root)
		if err != nil {
			return err
		}
		if err := tx.AddCheckpoint(ctx, store.Checkpoint{Size: size, Root: base64.StdEncoding.EncodeToString(root[:]), Note: note,
			At: e.Now().UTC().Truncate(time.Microsecond)}); err != nil {
			return err
		}
		n = len(waiting)
		return e.wakeWitnesses(ctx, tx)
	})
	return n, forged, err
}

// Tiles lets evidence read and write the log's tiles in a transaction.
type Tiles struct{ Tx *store.Tx }

// Tile implements [evidence.Tiles].
func (t Tiles) Tile(ctx context.Context, level int, index int64) ([]byte, error) {
	return t.Tx.Tile(ctx, level, index)
}

// SetTile implements [evidence.Tiles].
func (t Tiles) SetTile(ctx context.Context, tile evidence.Tile) error {
	return t.Tx.SetTile(ctx, tile.Level, tile.Index, tile.Data)
}
