package engine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
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
//
// Where many wait, the next are read while those read before are given their places.
func (e *Engine) Sequence(ctx context.Context) (placed int, err error) {
	now := e.readWaiting(ctx, nil)
	for {
		next := make(chan waiting, 1)
		if more := now.err == nil && len(now.events) == sequenceAhead; more {
			go func() { next <- e.readWaiting(ctx, now.events) }()
		} else {
			close(next)
		}
		n, again, err := e.place(ctx, now)
		placed += n
		ahead, more := <-next
		switch {
		case err != nil:
			return placed, err
		case again: // who else gives places got on, and what was read ahead may be among it
			now = e.readWaiting(ctx, nil)
		case !more:
			return placed, nil
		default:
			ahead.size = now.size + int64(n)
			now = ahead
		}
	}
}

// waiting are events that had no place at one moment, in their order. What comes to wait
// later comes after them: nobody whose event waited at that moment could read it.
type waiting struct {
	events  []store.Event
	entries [][]byte // what of each is in the log
	stamped int      // so many, from the first on, have a stamp of the key that was in force
	size    int64    // the log ended there: as long as it does, nobody gave any of them a place
	err     error
}

// readWaiting reads who waits, but for those, and where the log ends. It is read apart,
// for those who write wait for no reader of all that waits.
func (e *Engine) readWaiting(ctx context.Context, but []store.Event) (w waiting) {
	ids := make([]string, len(but))
	for i, ev := range but {
		ids[i] = ev.ID
	}
	w.err = e.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if w.events, err = tx.Unsequenced(ctx, sequenceAhead, ids...); err != nil || len(w.events) == 0 {
			return err
		}
		head, err1 := tx.LastCheckpoint(ctx)
		signer, err2 := e.stamper(ctx, tx)
		w.size = head.Size
		for _, ev := range w.events {
			c := evidence.Commit(ev.Salt, ev.Body)
			if w.entries = append(w.entries, c[:]); err2 == nil && w.stamped == len(w.entries)-1 && stampedBy(signer, ev) {
				w.stamped++
			}
		}
		return errors.Join(err1, err2)
	})
	return w
}

// errPlaced says that others have given places meanwhile.
var errPlaced = errors.New("the log has grown since its end was read")

// place gives them their places, a batch a transaction, each of which the next one's log
// ends with; again says that somebody else did.
func (e *Engine) place(ctx context.Context, w waiting) (placed int, again bool, err error) {
	if w.err != nil {
		return 0, false, w.err
	}
	turn := ctx
	for placed < len(w.events) {
		to := min(placed+sequenceBatch, len(w.events))
		batch := waiting{events: w.events[placed:to], entries: w.entries[placed:to], stamped: min(max(0, w.stamped-placed), to-placed), size: w.size + int64(placed)}
		n, forged, err := e.sequence(turn, batch)
		if errors.Is(err, errPlaced) {
			return placed, true, nil
		}
		placed, turn = placed+n, store.GoingOn(ctx)
		if err == nil && forged != nil {
			err = errors.Join(e.fenceForged(ctx, *forged), fmt.Errorf("%w: %s", access.ErrConflict, forgery(*forged)))
		}
		if err != nil {
			return placed, false, err
		}
	}
	return placed, false, nil
}

// sequence gives a batch its places.
func (e *Engine) sequence(ctx context.Context, batch waiting) (n int, forged *store.Event, err error) {
	err = e.DB.Write(ctx, func(tx *store.Tx) error {
		n, forged = 0, nil
		head, err := tx.LastCheckpoint(ctx)
		if err != nil {
			return err
		}
		if head.Size != batch.size {
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
		more, bad, err := e.ours(ctx, tx, batch.events[batch.stamped:])
		ours := batch.stamped + len(more)
		if forged = bad; err != nil || ours == 0 {
			return err
		}
		// 2. Their places and the tree above them.
		ids := make([]string, ours)
		for i, ev := range batch.events[:ours] {
			ids[i] = ev.ID
		}
		if err := tx.PlaceEvents(ctx, ids, head.Size); err != nil {
			return err
		}
		size, root, err := evidence.Append(ctx, Tiles{tx}, head.Size, batch.entries[:ours])
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
		n = ours
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
