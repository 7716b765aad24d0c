package report

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// Trail is a request's story as the log holds it, every line checked against
// the newest signed head. Who may see it is for the caller to ask.
type Trail struct {
	Lines []Line
	Head  store.Checkpoint
	Fault string // what is wrong with the head itself; then no line is verified
}

// Line is one event of the story, with its evidence.
type Line struct {
	access.Event
	After  json.RawMessage // the noun the event tells of
	Index  int64           // its place in the log; -1: it has none yet
	Leaf   string          // its commitment, in hexadecimal
	Hashes int             // that lead from there to the head
	Fault  string          // why it does not verify
}

// Verified tells whether the log's key signed exactly this record at this place.
func (l Line) Verified() bool { return l.Index >= 0 && l.Fault == "" }

// Verified counts the lines that hold, and those that have no place yet.
func (t Trail) Verified() (holds, waiting int) {
	for _, l := range t.Lines {
		switch {
		case l.Verified():
			holds++
		case l.Index < 0:
			waiting++
		}
	}
	return holds, waiting
}

// Follow reads the trail of a request: its own events, its votes, its grants,
// and what happened to their assignments from the moment of each grant until
// its access was seen gone.
func Follow(ctx context.Context, db *store.DB, vkey, request string) (t Trail, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		events, err := eventsOf(ctx, tx, request)
		if err != nil {
			return err
		}
		if t.Head, err = tx.LastCheckpoint(ctx); err != nil {
			return err
		}
		keys, bad := engine.LogKeys(ctx, tx, vkey)
		var head evidence.Checkpoint
		if bad == nil {
			head, bad = keys.OpenCheckpoint(t.Head.Note)
		}
		if bad != nil && t.Head.Size > 0 {
			t.Fault = bad.Error()
		}
		t.Lines = make([]Line, 0, len(events))
		for _, ev := range events {
			l, err := lineOf(ev)
			if err != nil {
				return err
			}
			if err := l.check(ctx, tx, head, t.Fault, ev); err != nil {
				return err
			}
			t.Lines = append(t.Lines, l)
		}
		return nil
	})
	return t, err
}

func lineOf(ev store.Event) (Line, error) {
	var told event
	if err := json.Unmarshal(ev.Body, &told); err != nil {
		return Line{}, fmt.Errorf("event %s: %w", ev.ID, err)
	}
	leaf := evidence.Commit(ev.Salt, ev.Body)
	return Line{Event: told.Event, After: told.After, Index: ev.Seq, Leaf: hex.EncodeToString(leaf[:])}, nil
}

// check holds one line against the signed head.
func (l *Line) check(ctx context.Context, tx *store.Tx, head evidence.Checkpoint, fault string, ev store.Event) error {
	switch {
	case ev.Seq >= head.Size && fault == "":
		l.Index = -1 // placed, and not signed yet
		return nil
	case ev.Seq < 0:
		return nil
	case fault != "":
		l.Fault = fault
		return nil
	}
	proof, err := evidence.ProveInclusion(ctx, engine.Tiles{Tx: tx}, head.Size, ev.Seq)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		l.Hashes = len(proof)
		err = evidence.CheckInclusion(proof, head.Tree(), ev.Seq, evidence.Commit(ev.Salt, ev.Body))
	}
	if err != nil {
		l.Fault = err.Error()
	}
	return nil
}

// eventsOf gathers the events of a request and its grants, in the order they were made.
func eventsOf(ctx context.Context, tx *store.Tx, request string) ([]store.Event, error) {
	list, err := tx.EventsAbout(ctx, request, "", "")
	if err != nil {
		return nil, err
	}
	grants, err := tx.GrantsFor(ctx, request)
	if err != nil {
		return nil, err
	}
	for _, g := range grants {
		some, err := tx.EventsAbout(ctx, "", "", g.Assignment)
		if err != nil {
			return nil, err
		}
		list = append(list, within(some, g)...)
	}
	slices.SortFunc(list, func(a, b store.Event) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b store.Event) bool { return a.ID == b.ID }), nil
}

// within keeps the events of an assignment that belong to a grant's life, up to
// its access being seen gone after it ended.
func within(events []store.Event, g access.Grant) (list []store.Event) {
	for _, ev := range events {
		if ev.At.Before(g.At) || (ev.Grant != "" && ev.Grant != g.ID) {
			continue
		}
		list = append(list, ev)
		if ev.Kind == "assignment.absent" && g.State == access.Ended && !ev.At.Before(g.EndedAt) {
			break
		}
	}
	return list
}
