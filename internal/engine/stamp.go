package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// This file tells what we wrote from what was slipped into the table of events while
// it waits for its place: the log's key says something to every event as it is written
// (its stamp), and only whoever has that key can.

// eventStamp is the use of an event's stamp: by it the sequencer knows what was
// written by us and not slipped into the table to be signed.
const eventStamp = "event"

// logForged says that an event waits which nobody with the log's key wrote. While it is
// open nothing is signed: what is signed cannot be taken back.
const logForged = "log_forged"

// stamps are what waiting events are believed by.
type stamps struct {
	inForce *evidence.Signer
	before  func() ([]*evidence.Signer, error) // with keys that were in force; asked only where inForce does not do
	asked   func() (bool, error)               // whether an event without a stamp is refused; asked only of such
}

// hold tells whether an event is one that we wrote.
func (s stamps) hold(ev store.Event) (bool, error) {
	if len(ev.Stamp) == 0 {
		asked, err := s.asked()
		return !asked, err
	}
	ours := func(by *evidence.Signer) bool { return stampedBy(by, ev) }
	if ours(s.inForce) {
		return true, nil
	}
	others, err := s.before()
	return slices.ContainsFunc(others, ours), err
}

// stampedBy tells whether who has that key has written an event.
func stampedBy(by *evidence.Signer, ev store.Event) bool {
	return by.Stamped(ev.Stamp, eventStamp, []byte(ev.ID), ev.Salt, ev.Body)
}

// forged is the first of the waiting events that we did not write; -1: there is none.
func (s stamps) forged(waiting []store.Event) (int, error) {
	for i, ev := range waiting {
		if ours, err := s.hold(ev); err != nil || !ours {
			return i, err
		}
	}
	return -1, nil
}

// stamps are those of this process: its keys, as far as they are or were the log's.
func (e *Engine) stamps(ctx context.Context, tx *store.Tx) (stamps, error) {
	in, err := e.stamper(ctx, tx)
	return stamps{inForce: in,
		before: func() ([]*evidence.Signer, error) {
			return inChain(ctx, tx, e.Signer, e.next.Load(), e.NextSigner(), e.EarlierSigner())
		},
		asked: func() (bool, error) {
			return stampsAsked(ctx, tx, in, e.Now(), e.Stamped)
		}}, err
}

// stamper is by whose key events are stamped: the one that is in force, or, in a process
// that has not got it, the old one. It signs nothing, but what it must do it must tell.
func (e *Engine) stamper(ctx context.Context, tx *store.Tx) (*evidence.Signer, error) {
	s, err := e.signer(ctx, tx)
	if errors.Is(err, access.ErrConflict) {
		return e.Signer, nil
	}
	return s, err
}

// inChain leaves of some signers those whose key is or was the log's. A key that was
// prepared and never followed says nothing.
func inChain(ctx context.Context, tx *store.Tx, of ...*evidence.Signer) ([]*evidence.Signer, error) {
	rows, err := tx.LogKeys(ctx)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	known := map[string]bool{}
	for _, k := range rows {
		if said, err := evidence.OpenSuccession(k.Says); err == nil {
			known[said.Old], known[said.New] = true, true
		}
	}
	return slices.DeleteFunc(of, func(s *evidence.Signer) bool { return s == nil || !known[s.VerifierKey()] }), nil
}

// stampsAsked tells whether an event without a stamp is refused now. When it was written
// does not count: whoever slips one in writes any time into it. Where nothing is kept of
// time, only a log whose newest event has no stamp is from before there were any, and
// not even that where the process knows better.
func stampsAsked(ctx context.Context, tx *store.Tx, signer *evidence.Signer, now time.Time, stamped bool) (bool, error) {
	k, err := timeKept(ctx, tx, signer)
	switch {
	case err == nil:
		return !now.Before(k.StampedFrom), nil
	case errors.Is(err, access.ErrConflict): // edited
		return true, nil
	case !errors.Is(err, access.ErrNotFound) || stamped:
		return true, ignoring(err, access.ErrNotFound)
	}
	return stampsBegan(ctx, tx)
}

// stampsBegan tells whether the log's newest event has a stamp; of an empty log that it would.
func stampsBegan(ctx context.Context, tx *store.Tx) (bool, error) {
	head, err := tx.LastCheckpoint(ctx)
	if err != nil || head.Size == 0 {
		return true, err
	}
	newest, err := tx.Events(ctx, head.Size-1, 1)
	return err != nil || len(newest) == 0 || len(newest[0].Stamp) > 0, err
}

func ignoring(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// forgery says which event it is; what stands in it somebody else may have written.
func forgery(ev store.Event) string {
	what := "has a stamp that no key of this log made"
	if len(ev.Stamp) == 0 {
		what = "has no stamp"
	}
	return fmt.Sprintf("event %.80q (%.40q about %.80q) waits for its place in the log and %s: it was not written by Lessor",
		ev.ID, ev.Kind, cmp.Or(ev.Request, ev.Grant, ev.Assignment, ev.Finding), what)
}

// ours cuts off what waits behind the first event that we did not write, and names that one.
func (e *Engine) ours(ctx context.Context, tx *store.Tx, waiting []store.Event) ([]store.Event, *store.Event, error) {
	s, err := e.stamps(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	i, err := s.forged(waiting)
	if err != nil || i < 0 {
		return waiting, nil, err
	}
	return waiting[:i], &waiting[i], nil
}

// fenceForged fences the log because of such an event: from now on nothing is signed and
// nothing granted, until security lets the finding be. If we stop before, the next run
// of the sequencer comes upon the same event.
func (e *Engine) fenceForged(ctx context.Context, ev store.Event) error {
	return e.do(ctx, "forged", access.Clock, func(d *deed) error {
		d.e.Log.ErrorContext(ctx, "the log takes in nothing: an event was not written by Lessor", "event", ev.ID, "kind", ev.Kind)
		return d.finding(ctx, access.Finding{Kind: logForged, Subject: e.Signer.Origin(), Owner: "security", DueAt: d.now,
			Text: forgery(ev) + ". Somebody with a shell on the database did. Nothing is signed or granted; what ends, ends. " +
				"Find out who, take out the event and the row it tells of, and then accept this finding."})
	})
}

// Forged names the first event that waits in a database and was not written by whoever
// has these keys of the log, the newest of them first; empty: there is none.
func Forged(ctx context.Context, db *store.DB, now time.Time, keys ...*evidence.Signer) (named string, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		s := stamps{inForce: keys[0],
			before: func() ([]*evidence.Signer, error) { return inChain(ctx, tx, slices.Clone(keys)...) },
			asked:  func() (bool, error) { return stampsAsked(ctx, tx, keys[0], now, false) }}
		_, waiting, err := tx.CountEvents(ctx)
		if err != nil || waiting == 0 {
			return err
		}
		list, err := tx.Unsequenced(ctx, int(waiting))
		if err != nil {
			return err
		}
		i, err := s.forged(list)
		if err == nil && i >= 0 {
			named = forgery(list[i])
		}
		return err
	})
	return named, err
}
