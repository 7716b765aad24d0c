package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// This file puts a backup into an empty database, and makes sure of what follows:
// what the backup says is old. What the log says happened since is taken in, and where
// it does not say, nothing of the backup is believed longer than it must be. What of
// it may still hold is then looked at, see recovery.go.

// Restoring is what a database is made anew from.
type Restoring struct {
	DSN     string
	Schema  int64                                            // of the backup
	TakenAt time.Time                                        // when it was taken
	Load    func(ctx context.Context, tx *store.Tx) error    // writes its tables
	Tail    func(from int64, yield func(Logged) error) error // the log's events from a place on; nil: nobody has them
	Head    string                                           // the signed head that counts them
	Signed  string                                           // the newest signed head that is known of; empty: none
	Signer  *evidence.Signer                                 // of the log
	Hold    time.Duration                                    // how long what nobody can be sure of is held at most
	Now     func() time.Time
	Rand    io.Reader
}

// Logged is an event as the log has it.
type Logged struct {
	Seq        int64
	Body, Salt []byte
}

// restorer is who ends what a backup cannot show to hold.
var restorer = access.Actor{Identity: "lessor", Channel: "restore"}

// Restore makes a database of a backup and of the log's tail. It is in recovery from
// its first moment on: nothing is granted there until two people say so.
func Restore(ctx context.Context, r Restoring) (rec access.Recovery, err error) {
	if r.Load == nil || r.Now == nil || r.Rand == nil || r.Hold <= 0 || r.Signer == nil {
		return rec, fmt.Errorf("%w: a restore needs Load, Signer, Now, Rand and Hold", access.ErrInvalid)
	}
	none := func() *evidence.Signer { return nil }
	e := &Engine{Config: Config{Now: r.Now, Rand: r.Rand, Signer: r.Signer, NextSigner: none, EarlierSigner: none, Log: slog.New(slog.DiscardHandler)}, ids: &ids{rand: r.Rand}}
	db, err := store.OpenEmpty(ctx, r.DSN, store.Fill{Schema: r.Schema, Load: func(tx *store.Tx) error { return r.Load(ctx, tx) },
		Finish: func(tx *store.Tx) error {
			d := &restoring{deed: &deed{Tx: tx, e: e, now: r.Now().UTC().Truncate(time.Microsecond), by: restorer, due: map[string]time.Time{}}, from: r}
			rec, err = d.finish(ctx)
			return err
		}})
	if err != nil {
		return rec, err
	}
	return rec, db.Close()
}

// restoring is the second half of a restore: what follows from the rows of the backup.
type restoring struct {
	*deed
	from   Restoring
	rec    access.Recovery
	failed error
}

func (d *restoring) finish(ctx context.Context) (rec access.Recovery, err error) {
	head, err := d.LastCheckpoint(ctx)
	if err != nil {
		return rec, err
	}
	d.rec = access.Recovery{ID: d.e.ids.next("rc", d.now), At: d.now, BackupAt: d.from.TakenAt, Size: head.Size, Tail: access.TailNone, HoldUntil: d.now.Add(d.from.Hold).Truncate(time.Second)}
	// 1. What the log says happened since.
	if err := d.takeTail(ctx, head); err != nil {
		return rec, err
	}
	// 2. Where it does not say, whatever waits or is handed on may be otherwise by now.
	if d.rec.Tail == access.TailNone {
		if err := errors.Join(d.closeRequests(ctx), d.closeDelegations(ctx), d.Tx.ClearRoster(ctx)); err != nil {
			return rec, err
		}
	}
	// 3. Each assignment: what may still hold is due to be looked at, and the rest ends.
	if err := d.assignments(ctx); err != nil {
		return rec, err
	}
	// 4. In recovery, and nothing is granted.
	return d.rec, d.begin(ctx)
}

func (d *restoring) begin(ctx context.Context) error {
	head, err := d.LastCheckpoint(ctx)
	if err != nil {
		return err
	}
	d.rec.Head = head.Size
	if old, open, err := d.OpenRecovery(ctx); err != nil {
		return err
	} else if open { // it was in recovery before: from that one nobody leaves any more
		old.LeftAt = d.now
		ev := d.event("recovery.superseded")
		ev.From, ev.To, ev.After = "begun", "superseded", old
		if err := errors.Join(d.Tx.SaveRecovery(ctx, old), d.tell(ctx, ev)); err != nil {
			return err
		}
	}
	if err := d.Tx.AddRecovery(ctx, d.rec); err != nil {
		return err
	}
	ev := d.event("recovery.begun")
	ev.To, ev.After = "begun", d.rec
	ev.Note = fmt.Sprintf("backup of %s with %d events, log known to %d (%s)", stampOf(d.rec.BackupAt), d.rec.Size, d.rec.Head, d.rec.Tail)
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	open, err := d.OpenHalts(ctx)
	if err != nil {
		return err
	}
	for _, h := range open { // of the server that is no more
		if err := d.storeHalt(ctx, h.End(d.now, nil, "the database was put back"), "ended", d.Tx.EndHalt); err != nil {
			return err
		}
	}
	return d.storeHalt(ctx, access.Halt{ID: d.e.ids.next("ha", d.now), Reason: access.HaltRecovery, At: d.now,
		Text: fmt.Sprintf("the database was put back from a backup of %s; it is over when every system was read whole and two people of security approve it (lessor recovery status)", stampOf(d.rec.BackupAt))}, "begun", d.Tx.AddHalt)
}

func (d *restoring) storeHalt(ctx context.Context, h access.Halt, to string, store func(context.Context, access.Halt) error) error {
	ev := d.event("halt." + to)
	ev.To, ev.Note, ev.After = to, h.Text, h
	return errors.Join(store(ctx, h), d.tell(ctx, ev))
}

func stampOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// closeRequests lets whatever waits for answers expire: it may have been denied, taken
// back or granted since.
func (d *restoring) closeRequests(ctx context.Context) error {
	waiting, err := d.Requests(ctx, access.Pending, "", "", 1<<30)
	if err != nil {
		return err
	}
	for _, r := range waiting {
		was := r
		r.Items = dropUndecided(r.Items, "the database was put back: ask anew")
		to := access.Expired
		if some, _ := outcome(r); some == access.Approved {
			to = access.Approved
		}
		if _, err := d.move(ctx, was, r, to, "the database was put back, and nothing says what was answered since: ask anew"); err != nil {
			return err
		}
	}
	return nil
}

// closeDelegations ends whatever lets somebody answer for somebody else.
func (d *restoring) closeDelegations(ctx context.Context) error {
	open, err := d.OpenDelegations(ctx, time.Time{})
	if err != nil {
		return err
	}
	for _, l := range open {
		l.EndedAt, l.EndedBy, l.EndedWhy = d.now, restorer.Identity, "the database was put back, and nothing says whether it was ended since"
		if err := errors.Join(d.Tx.EndDelegation(ctx, l), d.tellDelegation(ctx, l, "ended")); err != nil {
			return err
		}
	}
	return nil
}

const restorePage = 500

func (d *restoring) assignments(ctx context.Context) error {
	for after := ""; ; {
		page, err := d.AssignmentsAfter(ctx, after, restorePage)
		if err != nil || len(page) == 0 {
			return err
		}
		ids := make([]string, len(page))
		for i, job := range page {
			ids[i], after = job.ID, job.ID
		}
		open, err := d.OpenGrants(ctx, ids)
		if err != nil {
			return err
		}
		for _, job := range page {
			if err := d.assign(ctx, job, open[job.ID]); err != nil {
				return err
			}
		}
	}
}

// assign says what becomes of one assignment and its open grants. Only what may have
// been held all along is kept, and only until a look says otherwise; nothing that was
// still to be added is: it may have been taken back, and a restore adds nothing.
func (d *restoring) assign(ctx context.Context, was store.Job, grants []access.Grant) error {
	none := d.rec.Tail == access.TailNone
	var left []access.Grant
	over := false // something ended by itself meanwhile, or went on: nobody can tell
	// 1. Its grants.
	for _, g := range grants {
		begun := !d.now.Before(g.Start)
		switch {
		case none && was.State == access.Held && !d.now.Before(g.End):
			over = true
			if err := d.end(ctx, g, access.EndExpired, ""); err != nil {
				return err
			}
		case was.State == access.Held && g.State == access.Live:
			if none {
				g = d.shorten(ctx, g)
			}
			left = append(left, g)
		case !none && (!begun || was.State == access.Held): // the log says that it is to begin
			left = append(left, g)
		default:
			if err := d.end(ctx, g, access.EndSuperseded, "the database was put back, and nothing shows that it still holds: ask anew"); err != nil {
				return err
			}
		}
	}
	if d.failed != nil {
		return d.failed
	}
	// 2. Its work. No lease of a server that is no more counts, and none of its calls.
	job := was
	job.Work = access.Work{Fence: was.Work.Fence + 1}
	next, more := access.NextAt(left)
	switch {
	case job.State == access.Held && len(left) == 0 && over:
		job.Work.Due = d.rec.HoldUntil
		if err := d.Tx.AddHeldOver(ctx, store.HeldOver{System: job.System, Account: job.Account, Object: job.Object, Entitlement: job.Entitlement, End: d.rec.HoldUntil}); err != nil {
			return err
		}
	case job.State != access.Absent:
		job.Work.Due, job.Work.Since = d.now, d.now
		if job.State == access.Held {
			job.Work.Since = time.Time{}
		}
	case more:
		job.Work.Due = next
	}
	return d.Tx.SaveJob(ctx, was, job)
}

func (d *restoring) end(ctx context.Context, g access.Grant, why access.EndReason, note string) error {
	ended, ev, err := g.Finish(d.now, why, d.by, note)
	if err != nil {
		return err
	}
	d.rec.Ended++
	return errors.Join(d.Tx.SaveGrant(ctx, g.State, ended), d.tell(ctx, ev))
}

// shorten holds a grant to the latest end that nobody needs to be sure of.
func (d *restoring) shorten(ctx context.Context, g access.Grant) access.Grant {
	next, ev, moved := g.Shorten(d.now, d.rec.HoldUntil)
	if moved {
		d.rec.Shortened++
		d.failed = errors.Join(d.failed, d.Tx.SaveGrant(ctx, g.State, next), d.tell(ctx, ev))
	}
	return next
}
