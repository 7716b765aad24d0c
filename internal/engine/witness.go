package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// Quorum is which witnesses see the log's heads, and how many of them must have seen
// that a grant was decided before anything is brought about by it.
type Quorum struct {
	Witnesses []string      // their public keys
	Need      int           // 0: they are asked, and nothing waits for them
	Within    time.Duration // after which nothing is granted any more, if that many have not seen a head
}

// WitnessJob asks that the newest head be shown to the witnesses.
type WitnessJob struct{}

// Kind implements river.JobArgs.
func (WitnessJob) Kind() string { return "witness" }

// logForked says that somebody outside was shown another log than this one. While it is
// open nothing is signed: whichever of the two is right, this one adds nothing to the wrong one.
const logForked = "log_forked"

// witnessLook is after how long a grant that waits for witnesses is looked at again.
const witnessLook = time.Second

// Cosigned keeps what a witness signed of the head of a size, once that verifies.
// Nothing is told: what witnesses say is about the log, and stands beside it.
func (e *Engine) Cosigned(ctx context.Context, witness string, size int64, line string) error {
	return e.do(ctx, "cosigned", access.Clock, func(d *deed) error {
		key, err := evidence.NewWitness(witness)
		if err != nil {
			return fmt.Errorf("%w: witness: %w", access.ErrInvalid, err)
		}
		head, err := d.CheckpointAt(ctx, size)
		if err != nil {
			return err
		}
		if line, _, err = key.Cosigned(head.Note, line); err != nil {
			return fmt.Errorf("%w: %w", access.ErrInvalid, err)
		}
		if err := d.KeepCosignature(ctx, store.Cosignature{Witness: witness, Size: size, Line: line, At: d.now}); err != nil {
			return err
		}
		// What is older is of no use, but for the last head that enough of them signed.
		below := size
		if q := e.Quorum(); q.Need > 1 {
			together, err := d.signedTogether(ctx, q)
			if err != nil {
				return err
			}
			below = min(size, together)
		}
		return d.ForgetCosignatures(ctx, witness, below)
	})
}

// signedTogether is the size of the newest head that enough witnesses signed, each that
// very head; 0 if there is none.
func (d *deed) signedTogether(ctx context.Context, q Quorum) (int64, error) {
	sizes := map[int64]int{}
	for _, w := range q.Witnesses {
		list, err := d.Cosignatures(ctx, w)
		if err != nil {
			return 0, err
		}
		for _, c := range list {
			sizes[c.Size]++
		}
	}
	together := int64(0)
	for size, n := range sizes {
		if n >= q.Need {
			together = max(together, size)
		}
	}
	return together, nil
}

// signedBy is the newest head that a witness signed. A row is believed only for the
// signature in it: whoever writes the table makes no witness.
func signedBy(ctx context.Context, tx *store.Tx, witness string) (int64, error) {
	key, err := evidence.NewWitness(witness)
	if err != nil {
		return 0, err
	}
	c, err := tx.LastCosignature(ctx, witness)
	if err != nil || c.Line == "" {
		return 0, err
	}
	head, err := tx.CheckpointAt(ctx, c.Size)
	if errors.Is(err, access.ErrNotFound) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	if _, _, bad := key.Cosigned(head.Note, c.Line); bad == nil {
		return c.Size, nil
	}
	return 0, nil
}

// witnessed is up to where the quorum has seen the log.
func witnessed(ctx context.Context, tx *store.Tx, q Quorum) (int64, error) {
	var sizes []int64
	for _, w := range q.Witnesses {
		size, err := signedBy(ctx, tx, w)
		if err != nil {
			return 0, err
		}
		sizes = append(sizes, size)
	}
	if q.Need > len(sizes) || q.Need < 1 {
		return 0, nil
	}
	slices.Sort(sizes)
	return sizes[len(sizes)-q.Need], nil
}

// unwitnessed tells whether too few witnesses have seen that a grant was decided.
func (d *deed) unwitnessed(ctx context.Context, g access.Grant) (bool, error) {
	q := d.e.Quorum()
	if q.Need < 1 {
		return false, nil
	}
	if d.seenTo == nil {
		size, err := witnessed(ctx, d.Tx, q)
		if err != nil {
			return false, err
		}
		d.seenTo = &size
	}
	place, err := d.PlaceOfGrant(ctx, g.ID)
	return place < 0 || place >= *d.seenTo, err
}

// keepForWitnesses notes that a grant does not begin before they have seen it.
func (d *deed) keepForWitnesses(g access.Grant) {
	d.keepBack(g, d.now.Add(witnessLook))
	if d.awaited == nil {
		d.awaited = map[string]bool{}
	}
	d.awaited[g.Assignment] = true
}

// Witnessing is how far the witnesses have followed the log.
type Witnessing struct {
	Head    store.Checkpoint // the newest
	Seen    int64            // up to where the quorum has seen it
	Behind  time.Duration    // since when there is a head it has not seen; 0: it has seen all
	Last    map[string]int64 // by a witness' key: the size it signed last
	Missing []string         // the keys of those that have not signed the newest head
	Halted  bool             // nothing is granted because of it
}

// Witnessing says how far the witnesses have followed the log.
func (e *Engine) Witnessing(ctx context.Context) (w Witnessing, err error) {
	q := e.Quorum()
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		w = Witnessing{Last: map[string]int64{}}
		if w.Head, err = tx.LastCheckpoint(ctx); err != nil {
			return err
		}
		if w.Seen, err = witnessed(ctx, tx, q); err != nil {
			return err
		}
		for _, key := range q.Witnesses {
			size, err := signedBy(ctx, tx, key)
			if err != nil {
				return err
			}
			if w.Last[key] = size; size < w.Head.Size {
				w.Missing = append(w.Missing, key)
			}
		}
		open, err := tx.OpenHalts(ctx)
		if err != nil {
			return err
		}
		w.Halted = slices.ContainsFunc(open, func(h access.Halt) bool { return h.Reason == access.HaltWitness })
		first, err := tx.CheckpointAfter(ctx, w.Seen)
		if first.Size > 0 && q.Need > 0 {
			w.Behind = max(e.Now().Sub(first.At), time.Nanosecond)
		}
		return err
	})
	return w, err
}

// Witnessed begins a halt once the quorum has not seen a head for too long, and ends
// it once it has. It is asked after each round of the witnesses.
func (e *Engine) Witnessed(ctx context.Context) error {
	q := e.Quorum()
	w, err := e.Witnessing(ctx)
	if late := q.Need > 0 && w.Behind > q.Within; err != nil || late == w.Halted {
		return err
	}
	return e.do(ctx, "witnessed", access.Clock, func(d *deed) error {
		if q.Need > 0 && w.Behind > q.Within {
			_, err := d.beginHalt(ctx, access.HaltWitness, fmt.Sprintf("fewer than %d of %d witnesses have signed the log beyond %d events for %s; it ends when they have",
				q.Need, len(q.Witnesses), w.Seen, w.Behind.Round(time.Second)))
			return err
		}
		// A head of the last moments may still be on its way; what had been missed is seen.
		_, err := d.endHalt(ctx, access.HaltWitness, nil, fmt.Sprintf("the witnesses have signed the log up to %d events", w.Seen))
		return err
	})
}

// Forked fences the log, because somebody outside was shown another one: from now on
// nothing is signed and nothing granted, until security lets the finding be.
func (e *Engine) Forked(ctx context.Context, who, text string) error {
	return e.do(ctx, "forked", access.Clock, func(d *deed) error {
		d.e.Log.ErrorContext(ctx, "the log has forked, or was put back", "who", who, "text", text)
		return d.finding(ctx, access.Finding{Kind: logForked, Subject: e.Signer.Origin(), Owner: "security", DueAt: d.now,
			Text: fmt.Sprintf("%s: %s. Another copy of the database signs with the same key, or this one was put back. Nothing is signed or granted here; what ends, ends. "+
				"Stop the other copy, hold both against the published log, and then accept this finding on the one that stays.", who, strings.TrimRight(text, "."))})
	})
}

// fences are the findings while which nothing is signed, and what each says of the log.
var fences = []struct{ kind, says string }{{logForked, "the log has forked"}, {logForged, "an event waits that was not written by Lessor"}}

// fenced are the halts of a log that has forked, or of one that would take in what we did not write.
func fenced(ctx context.Context, tx *store.Tx, origin string) (list []access.Halt, err error) {
	for _, of := range fences {
		f, err := tx.OpenFinding(ctx, of.kind, origin)
		if errors.Is(err, access.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		list = append(list, access.Halt{ID: f.ID, Reason: access.HaltLog, Text: of.says + ": " + f.Text, At: f.OpenedAt})
	}
	return list, nil
}

// maySign refuses to sign a log that is fenced.
func (e *Engine) maySign(ctx context.Context, tx *store.Tx) error {
	list, err := fenced(ctx, tx, e.Signer.Origin())
	if err != nil || len(list) == 0 {
		return err
	}
	return fmt.Errorf("%w: nothing is signed since %s (finding %s is to be settled first): %s", access.ErrConflict, list[0].At.Format(time.RFC3339), list[0].ID, list[0].Text)
}

// wakeWitnesses asks that a new head be shown, in the transaction that signs it.
func (e *Engine) wakeWitnesses(ctx context.Context, tx *store.Tx) error {
	if len(e.Quorum().Witnesses) == 0 {
		return nil
	}
	return tx.Enqueue(ctx, WitnessJob{}, &river.InsertOpts{UniqueOpts: sequenceOnce})
}
