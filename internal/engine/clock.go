package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// stampsAfter is how long after an update events without a stamp are still given their
// place: those that waited when it came, and those of replicas not yet updated.
const stampsAfter = time.Hour

// KeepTime keeps the time as the latest at which anything may have been done, unless a
// later one is kept already, and returns whichever is: nothing is ever done before it,
// by whatever replica. A mark that Lessor did not write is [access.ErrConflict].
func (e *Engine) KeepTime(ctx context.Context, now time.Time) (mark time.Time, err error) {
	err = e.do(ctx, "keep time", access.Clock, func(d *deed) error {
		signer, err := e.signer(ctx, d.Tx)
		if err != nil {
			mark = now // a process that has only an old key keeps nothing, and is told so by its log
			return nil //nolint:nilerr // as said
		}
		k, err := timeKept(ctx, d.Tx, signer)
		if errors.Is(err, access.ErrConflict) && signer != e.Signer { // stamped before the log's key was followed by another
			if k, err = timeKept(ctx, d.Tx, e.Signer); err == nil {
				now = later(now, k.Mark.Add(time.Microsecond))
			}
		}
		switch {
		case errors.Is(err, access.ErrNotFound):
			began, err := stampsBegan(ctx, d.Tx)
			if err != nil {
				return err
			}
			if k.StampedFrom = now; !began && !e.Stamped {
				k.StampedFrom = now.Add(stampsAfter)
			}
		case err != nil:
			return err
		}
		if mark = k.Mark; !now.After(mark) {
			return nil
		}
		mark = now
		return d.setTime(ctx, signer, store.Timekeeping{Mark: now, StampedFrom: k.StampedFrom})
	})
	return mark, err
}

// mostUnkept is how far what was done may be ahead of the mark, which is kept every
// few seconds. An event that says more is no reason to believe that time has come so far.
const mostUnkept = 30 * time.Second

// TimeKept reads the mark, or when the last event was written if that was a little
// later: whoever starts anew does nothing before it, or the log would tell of an end
// before its beginning. It is the zero time where nothing is kept yet.
func TimeKept(ctx context.Context, db *store.DB, signer *evidence.Signer) (mark time.Time, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		k, err := timeKept(ctx, tx, signer)
		if mark = k.Mark; err != nil {
			return err
		}
		last, err := tx.LastEventAt(ctx)
		if last.After(mark) && last.Sub(mark) <= mostUnkept {
			mark = last
		}
		return err
	})
	if errors.Is(err, access.ErrNotFound) {
		err = nil
	}
	return mark, err
}

// timeKept reads what is kept of time, and refuses what nobody with the log's key wrote.
func timeKept(ctx context.Context, tx *store.Tx, signer *evidence.Signer) (store.Timekeeping, error) {
	k, err := tx.Timekeeping(ctx)
	if err == nil && !signer.Stamped(k.Stamp, "clock", moments(k)...) {
		return store.Timekeeping{}, fmt.Errorf("%w: the mark of time in the database was edited: it is not as the log's key stamped it", access.ErrConflict)
	}
	return k, err
}

func (d *deed) setTime(ctx context.Context, signer *evidence.Signer, k store.Timekeeping) error {
	k.Mark, k.StampedFrom = k.Mark.UTC().Truncate(time.Microsecond), k.StampedFrom.UTC().Truncate(time.Microsecond)
	k.Stamp = signer.Stamp("clock", moments(k)...)
	return d.SetTimekeeping(ctx, k)
}

func moments(k store.Timekeeping) [][]byte {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(k.Mark.UnixMicro()))
	binary.BigEndian.PutUint64(raw[8:], uint64(k.StampedFrom.UnixMicro()))
	return [][]byte{raw[:8], raw[8:]}
}

// ClockAgrees ends the halt that this process began because its clock was off: it was
// set right again before anything was done by it. Of a halt that is another's, or over,
// nothing is changed.
func (e *Engine) ClockAgrees(ctx context.Context, halt string) error {
	return e.do(ctx, "clock agrees", access.Clock, func(d *deed) error {
		open, err := d.OpenHalts(ctx)
		if err != nil || !slices.ContainsFunc(open, func(h access.Halt) bool { return h.ID == halt && h.Reason == access.HaltClock }) {
			return err
		}
		_, err = d.endHalt(ctx, access.HaltClock, nil, "the clock was set right again")
		return err
	})
}

// AcceptClock says that the time is what the clocks say now: somebody of security has
// looked. What is due by a jump that was held is due from then on, and grants are given
// again. Time goes back for nobody: a clock that is behind may stay so.
func (e *Engine) AcceptClock(ctx context.Context, by access.Actor, reason string) (h access.Halt, err error) {
	err = e.do(ctx, "accept clock", by, func(d *deed) error {
		// 1. By whom, and why.
		if err := d.scope(ScopeRevoke); err != nil {
			return err
		}
		if err := d.answerable("whoever accepts a clock", by.Identity); err != nil || !d.ofSecurity() {
			return fmt.Errorf("%w: what a clock says is accepted by an active employee of security", access.ErrDenied)
		}
		if why := unsaid(reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		open, err := d.OpenHalts(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(open, func(h access.Halt) bool { return h.Reason == access.HaltClock })
		if i < 0 {
			return fmt.Errorf("%w: no clock is off", access.ErrGone)
		}
		// 2. A mark that somebody edited is written anew: it is what nobody can be sure of.
		signer, err := e.signer(ctx, d.Tx)
		if err != nil {
			return err
		}
		if _, err := timeKept(ctx, d.Tx, signer); errors.Is(err, access.ErrConflict) {
			if err := d.setTime(ctx, signer, store.Timekeeping{Mark: d.now, StampedFrom: d.now}); err != nil {
				return err
			}
		}
		// 3. Over; each process whose clock is off sees it and follows.
		h = open[i].End(d.now, []string{by.Identity}, reason)
		_, err = d.endHalt(ctx, access.HaltClock, h.EndedBy, reason)
		return err
	})
	return h, err
}

// HaltOf reads one halt, begun or over.
func (e *Engine) HaltOf(ctx context.Context, id string) (h access.Halt, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		h, err = tx.Halt(ctx, id)
		return err
	})
	return h, err
}
