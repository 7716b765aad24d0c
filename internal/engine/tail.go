package engine

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// takeTail takes in what the log says happened since the backup: each event at its
// place, the tree above them up to the head that was signed, and each noun as it was
// told last. An event that its key's head does not count is not believed. Where the key
// is known to have signed more, what that told is as unknown as if there were no tail.
func (d *restoring) takeTail(ctx context.Context, head store.Checkpoint) error {
	// 1. Up to where it is signed.
	d.rec.Signed = d.from.Signed
	if d.from.Tail == nil || d.from.Head == "" {
		return nil
	}
	signed, err := evidence.OpenCheckpoint(d.from.Head, d.from.Signer.VerifierKey(), evidence.AllowCosignatures())
	if err != nil {
		return fmt.Errorf("%w: the head of the log's copy: %w", access.ErrInvalid, err)
	}
	if signed.Size < head.Size {
		return fmt.Errorf("%w: the copy of the log ends at %d events, before the backup with %d: it says nothing of what happened since; leave it out, or name the right one", access.ErrInvalid, signed.Size, head.Size)
	}
	// 2. Which events the backup has already, without a place.
	unplaced, err := d.Unsequenced(ctx, 1<<30)
	if err != nil {
		return err
	}
	waiting := map[string]string{}
	for _, ev := range unplaced {
		waiting[ev.ID] = string(ev.Body)
	}
	// 3. Each event, and the tree.
	next, root := head.Size, ""
	var entries [][]byte
	flush := func() error {
		_, r, err := evidence.Append(ctx, Tiles{d.Tx}, next-int64(len(entries)), entries)
		entries, root = entries[:0], base64.StdEncoding.EncodeToString(r[:])
		return err
	}
	err = d.from.Tail(head.Size, func(l Logged) error {
		if l.Seq >= signed.Size {
			return nil
		}
		if l.Seq != next {
			return fmt.Errorf("%w: the copy of the log has event #%d where #%d must follow", access.ErrInvalid, l.Seq, next)
		}
		if err := d.takeLogged(ctx, l, waiting); err != nil {
			return fmt.Errorf("event #%d of the log's copy: %w", l.Seq, err)
		}
		c := evidence.Commit(l.Salt, l.Body)
		entries, next = append(entries, c[:]), next+1
		if len(entries) >= sequenceBatch {
			return flush()
		}
		return nil
	})
	if err == nil && len(entries) > 0 {
		err = flush()
	}
	if err != nil {
		return err
	}
	// 4. Is it what was signed?
	if next != signed.Size {
		return fmt.Errorf("%w: the copy of the log ends before event #%d, and its head counts %d", access.ErrInvalid, next, signed.Size)
	}
	if root == "" {
		r, err := evidence.Root(ctx, Tiles{d.Tx}, next)
		if err != nil {
			return err
		}
		root = base64.StdEncoding.EncodeToString(r[:])
	}
	if want := base64.StdEncoding.EncodeToString(signed.Root[:]); root != want {
		return fmt.Errorf("%w: the copy of the log is not the one that was signed: with the backup's events it gives root %s, and the head of %d events says %s", access.ErrInvalid, root, signed.Size, want)
	}
	more, err := d.signedBeyond(signed.Size)
	if err != nil {
		return err
	}
	if d.rec.Tail = access.TailEvents; more {
		d.rec.Tail = access.TailNone
	}
	if signed.Size == head.Size {
		return nil
	}
	return errors.Join(d.Tx.AddCheckpoint(ctx, store.Checkpoint{Size: signed.Size, Root: root, Note: d.from.Head, At: d.now}), d.Tx.SetSaidPowers(ctx, d.rec.ID))
}

// signedBeyond tells whether the log's key is known to have signed more than so many events.
func (d *restoring) signedBeyond(size int64) (bool, error) {
	if d.from.Signed == "" {
		return false, nil
	}
	newest, err := evidence.OpenCheckpoint(d.from.Signed, d.from.Signer.VerifierKey(), evidence.AllowCosignatures())
	if err != nil {
		return false, fmt.Errorf("%w: the newest head that is known of: %w", access.ErrInvalid, err)
	}
	return newest.Size > size, nil
}

// logged is an event with the noun as it stood then, unread.
type logged struct {
	access.Event
	After json.RawMessage `json:"after"`
}

// takeLogged stores an event with its place, and what it tells.
func (d *restoring) takeLogged(ctx context.Context, l Logged, waiting map[string]string) error {
	var ev logged
	if err := json.Unmarshal(l.Body, &ev); err != nil {
		return fmt.Errorf("%w: %w", access.ErrInvalid, err)
	}
	if body, had := waiting[ev.ID]; had { // what it tells is in the backup's tables already
		if body != string(l.Body) {
			return fmt.Errorf("%w: the backup has %s with another content", access.ErrInvalid, ev.ID)
		}
		return d.Tx.PlaceEvent(ctx, ev.ID, l.Seq)
	}
	err := d.Tx.AddEvent(ctx, store.Event{ID: ev.ID, At: ev.At, Kind: ev.Kind, Request: ev.Request, Grant: ev.Grant,
		Assignment: ev.Assignment, Finding: ev.Finding, Body: l.Body, Salt: l.Salt})
	if err != nil {
		return err
	}
	if err := d.Tx.PlaceEvent(ctx, ev.ID, l.Seq); err != nil || len(ev.After) == 0 {
		return err
	}
	room, _, _ := strings.Cut(ev.Kind, ".")
	if ev.Kind == "assignment.seen" {
		room = ev.Kind
	}
	take, known := taken[room]
	if !known {
		return fmt.Errorf("%w: it tells of a noun that this program cannot put back: %s", access.ErrInvalid, ev.Kind)
	}
	return take(ctx, d, ev)
}

// taken says how each noun is put back as an event tells it.
var taken = map[string]func(context.Context, *restoring, logged) error{
	"request": noun(func(ctx context.Context, d *restoring, _ logged, v access.Request) error {
		was, err := d.Request(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddRequest(ctx, v) }, func() error { return d.Tx.SaveRequest(ctx, was, v) })
	}),
	"vote": noun(func(ctx context.Context, d *restoring, _ logged, v access.Approval) error {
		if !v.WithdrawnAt.IsZero() {
			return d.Tx.WithdrawApproval(ctx, v.ID, v.WithdrawnAt)
		}
		return d.Tx.AddApproval(ctx, v)
	}),
	"grant": noun(func(ctx context.Context, d *restoring, _ logged, v access.Grant) error {
		was, err := d.Grant(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddGrant(ctx, v) }, func() error { return d.Tx.SaveGrant(ctx, was.State, v) })
	}),
	"assignment.seen": noun(func(ctx context.Context, d *restoring, _ logged, v access.Receipt) error {
		return d.Tx.AddReceipt(ctx, v)
	}),
	"assignment": noun(func(ctx context.Context, d *restoring, _ logged, v access.Assignment) error {
		was, err := d.Assignment(ctx, v.ID)
		is := store.Job{Assignment: v, Work: access.Work{Fence: was.Work.Fence}}
		return either(err, func() error { return d.Tx.AddAssignment(ctx, is) }, func() error { return d.Tx.SaveJob(ctx, was, is) })
	}),
	"finding": noun(func(ctx context.Context, d *restoring, ev logged, v access.Finding) error {
		switch {
		case ev.Kind == "finding.opened":
			return d.Tx.AddFinding(ctx, v)
		case v.ClosedAt.IsZero():
			return d.Tx.SaveFinding(ctx, v)
		}
		return d.Tx.CloseFinding(ctx, v)
	}),
	"ticket": noun(func(ctx context.Context, d *restoring, _ logged, v access.Ticket) error {
		_, err := d.Ticket(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddTicket(ctx, v) }, func() error { return d.Tx.SaveTicket(ctx, v) })
	}),
	"credential": noun(func(ctx context.Context, d *restoring, ev logged, v access.Credential) error {
		_, err := d.Credential(ctx, v.ID)
		v.Seen = ev.At // what readings bring up to date without an event
		return either(err, func() error { return d.Tx.AddCredential(ctx, v) }, func() error { return d.Tx.SaveCredential(ctx, v) })
	}),
	"identity": noun(func(ctx context.Context, d *restoring, _ logged, v store.Registered) error {
		return d.Tx.SaveIdentity(ctx, v)
	}),
	"hand": noun(func(ctx context.Context, d *restoring, _ logged, v access.Hand) error { return d.Tx.SaveHand(ctx, v) }),
	"departure": noun(func(ctx context.Context, d *restoring, _ logged, v access.Departure) error {
		return d.Tx.SaveDeparture(ctx, v)
	}),
	"object": noun(func(ctx context.Context, d *restoring, _ logged, v access.SaidObject) error {
		return d.Tx.SetSaid(ctx, v)
	}),
	"record": noun(func(ctx context.Context, d *restoring, _ logged, v access.Record) error {
		was, err := d.Record(ctx, v.Feed, v.Key)
		if errors.Is(err, access.ErrNotFound) {
			was, err = access.Record{}, nil
		}
		return errors.Join(err, d.Tx.SaveRecord(ctx, was, v))
	}),
	"handover": noun(func(ctx context.Context, d *restoring, _ logged, v access.Handover) error {
		was, err := d.Handover(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddHandover(ctx, v) }, func() error { return d.Tx.SaveHandover(ctx, was.State, v) })
	}),
	"registration": noun(func(ctx context.Context, d *restoring, _ logged, v access.Registration) error {
		_, err := d.Registration(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddRegistration(ctx, v) }, func() error { return d.Tx.DecideRegistration(ctx, v) })
	}),
	"rotation": noun(func(ctx context.Context, d *restoring, _ logged, v access.Rotation) error {
		was, err := d.Rotation(ctx, v.ID)
		is := store.Rotating{Rotation: v, Work: access.Work{Fence: was.Work.Fence}}
		if v.State != access.RotationDone && v.State != access.RotationDead && v.State != access.RotationDropped {
			is.Work.Due, is.Work.Since = d.now, d.now
		}
		return either(err, func() error { return d.Tx.AddRotation(ctx, is) }, func() error { return d.Tx.SaveRotation(ctx, was, is) })
	}),
	"delegation": noun(func(ctx context.Context, d *restoring, _ logged, v access.Delegation) error {
		_, err := d.Delegation(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddDelegation(ctx, v) }, func() error { return d.Tx.EndDelegation(ctx, v) })
	}),
	"absence": noun(func(ctx context.Context, d *restoring, _ logged, v access.Absence) error {
		_, err := d.Absence(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddAbsence(ctx, v) }, func() error { return d.Tx.EndAbsence(ctx, v) })
	}),
	"emergency": noun(func(ctx context.Context, d *restoring, _ logged, v access.Emergency) error {
		_, err := d.Emergency(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddEmergency(ctx, v) }, func() error { return d.Tx.ReviewEmergency(ctx, v) })
	}),
	"seal": noun(func(ctx context.Context, d *restoring, _ logged, v access.Seal) error {
		was, err := d.TheSeal(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddSeal(ctx, v) }, func() error { return d.Tx.SaveSeal(ctx, v, was.State) })
	}),
	"halt": noun(func(ctx context.Context, d *restoring, _ logged, v access.Halt) error {
		if v.EndedAt.IsZero() {
			return d.Tx.AddHalt(ctx, v)
		}
		return d.Tx.EndHalt(ctx, v)
	}),
	"files": noun(func(ctx context.Context, d *restoring, _ logged, v access.Files) error {
		_, err := d.FilesOf(ctx, v.ID)
		return either(err, func() error { return d.Tx.AddFiles(ctx, v) }, func() error { return d.Tx.SaveFiles(ctx, v) })
	}),
	"logkey": noun(func(ctx context.Context, d *restoring, _ logged, v access.LogKey) error {
		return d.Tx.AddLogKey(ctx, v)
	}),
	"recovery": noun(func(ctx context.Context, d *restoring, ev logged, v access.Recovery) error {
		if ev.Kind == "recovery.begun" {
			return d.Tx.AddRecovery(ctx, v)
		}
		return d.Tx.SaveRecovery(ctx, v)
	}),
}

func noun[T any](take func(context.Context, *restoring, logged, T) error) func(context.Context, *restoring, logged) error {
	return func(ctx context.Context, d *restoring, ev logged) error {
		var v T
		if err := json.Unmarshal(ev.After, &v); err != nil {
			return fmt.Errorf("%w: %w", access.ErrInvalid, err)
		}
		return take(ctx, d, ev, v)
	}
}

// either adds what is not there and saves what is.
func either(err error, add, save func() error) error {
	switch {
	case errors.Is(err, access.ErrNotFound):
		return add()
	case err != nil:
		return err
	}
	return save()
}
