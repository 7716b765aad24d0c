package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// suspend has it in force that an identity is suspended: from that moment nothing is
// granted to it, its grants end, its sign-ins end and what it asked for is cancelled.
// What of its grants one transaction does not take, a job that this one inserts does.
func (d *deed) suspend(ctx context.Context, t access.Transmitter, s access.Signal, w whom, note string, allowed bool) (string, error) {
	id := w.identity
	// 1. Not yet said, not said back since, and not too much at once.
	by, err := d.suspended(ctx, id)
	if err != nil || slices.Contains(by, t.ID) {
		return access.DidNothing, err
	}
	if back, err := d.LastHeard(ctx, t.ID, id, access.DidUnsuspend); err != nil || back.After(s.At) {
		return access.DidNothing, err // it came late: the account was enabled after it
	}
	whose := []string{id}
	if d.world.Directory.PersonOf(id) == id {
		whose = d.leavingWith(id)
		if !slices.Contains(whose, id) {
			whose = append(whose, id)
		}
	}
	if !allowed {
		if d.leavesNobody(whose) {
			return access.DidHold, d.held(ctx, t, fmt.Sprintf("%s, of %s: with it suspended nobody would be left who may say who has left or is back. That is held.", note, id))
		}
		if held, err := d.braked(ctx, t, hourly(t), access.DidSuspend, access.DidKill); held || err != nil {
			return access.DidHold, err
		}
	}
	// 2. It is in force.
	if err := d.handTo(ctx, access.Hand{Subject: "suspended " + id, Owner: strings.Join(append(by, t.ID), " ")}, note); err != nil {
		return "", err
	}
	// 3. What it has ends.
	if _, err := d.EndSignIns(ctx, whose); err != nil {
		return "", err
	}
	if _, err := d.closeRequests(ctx, "", whose, note, &Left{}); err != nil {
		return "", err
	}
	list, err := d.GrantsOf(ctx, whose, true, "", sweepBatch)
	if err != nil {
		return "", err
	}
	for _, g := range list {
		if err := d.sweep(ctx, g, &Swept{}); err != nil {
			return "", err
		}
	}
	d.toSweep = append(d.toSweep, whose...)
	// 4. Whoever answers is told.
	return access.DidSuspend, d.tellSuspended(ctx, id, note)
}

func (d *deed) tellSuspended(ctx context.Context, id, note string) error {
	text := fmt.Sprintf("%s is suspended: %s. Nothing is granted to it and what it had is being removed; nothing of it comes back by itself.", id, note)
	if err := d.finding(ctx, access.Finding{Kind: signalSuspended, Subject: id, Owner: "security", DueAt: d.now.Add(24 * time.Hour), Text: text}); err != nil {
		return err
	}
	i, _ := d.world.Directory.Identity(id)
	to := slices.Compact(slices.Sorted(slices.Values([]string{i.Manager, i.Owner, i.Sponsor})))
	if to = slices.DeleteFunc(to, func(s string) bool { return s == "" }); len(to) == 0 {
		return nil
	}
	return d.notice(ctx, Notice{To: to, Subject: signalSuspended + ": " + id, Text: text})
}

// leavesNobody tells whether without these nobody active would be left who may say who
// has left or is back: nobody could take such a word back.
func (d *deed) leavesNobody(whose []string) bool {
	among := false
	for _, g := range d.world.Lifecycle.Said().Leavers {
		for _, m := range d.world.Directory.MembersOf(g) {
			if slices.Contains(whose, m) {
				among = true
			} else if d.active(m) {
				return false
			}
		}
	}
	return among
}

// unsuspend takes back a transmitter's own word, and nothing else: what ended has ended,
// and another's word stays.
func (d *deed) unsuspend(ctx context.Context, t access.Transmitter, s access.Signal, w whom, note string) (string, error) {
	by, err := d.suspended(ctx, w.identity)
	if err != nil {
		return "", err
	}
	if last, err := d.LastHeard(ctx, t.ID, w.identity, access.DidSuspend); err != nil || s.At.Before(last) {
		return access.DidNothing, err // it came late: the account was disabled after it
	}
	n := slices.Index(by, t.ID)
	if n < 0 {
		return access.DidNothing, d.unhold(ctx, t, s, w)
	}
	return access.DidUnsuspend, d.takeBack(ctx, w.identity, slices.Delete(by, n, n+1), note)
}

// takeBack has those who still say that an identity is suspended stand alone.
func (d *deed) takeBack(ctx context.Context, id string, by []string, note string) error {
	if err := d.handTo(ctx, access.Hand{Subject: "suspended " + id, Owner: strings.Join(by, " ")}, note); err != nil || len(by) > 0 {
		return err
	}
	return d.settleFinding(ctx, signalSuspended, id, note)
}

// unhold drops what is held of an identity and was taken back before anybody decided.
func (d *deed) unhold(ctx context.Context, t access.Transmitter, s access.Signal, w whom) error {
	list, err := d.HeardAs(ctx, t.ID, access.DidHold, mostHeld)
	if err != nil {
		return err
	}
	for _, h := range list {
		if h.Identity != w.identity || h.At.After(s.At) || (h.Event != access.SignalDisabled && h.Event != access.SignalPurged) {
			continue
		}
		h.Did, h.Heard = access.DidNothing, d.now
		if err := d.SetHeard(ctx, h, access.DidHold); err != nil {
			return err
		}
	}
	return nil
}

// rejoin takes back every transmitter's word of an identity, by a person's.
func (d *deed) rejoin(ctx context.Context, id, note string) error {
	by, err := d.suspended(ctx, id)
	if err != nil || len(by) == 0 {
		return err
	}
	return d.takeBack(ctx, id, nil, note)
}

// HeedHeld decides what is held of a transmitter: it is heeded, all of it, or dropped.
// Whoever may say that somebody has left may. It returns how many there were.
func (e *Engine) HeedHeld(ctx context.Context, by access.Actor, transmitter string, heed bool, reason string) (n int, err error) {
	err = e.do(ctx, "heed held", by, func(d *deed) error {
		n = 0
		kept := 0
		if err := d.maySayLeft(ctx); err != nil {
			return err
		}
		if why := unsaid(reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		t, ok := e.Signals().Transmitter(transmitter)
		if !ok && heed {
			return fmt.Errorf("%w: transmitter %.80q", access.ErrNotFound, transmitter)
		}
		list, err := d.HeardAs(ctx, transmitter, access.DidHold, mostHeld)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("%w: nothing of transmitter %.80q is held", access.ErrNotFound, transmitter)
		}
		own := d.world.Directory.IdentitiesOf(by.Identity)
		for _, h := range list {
			if !heed && slices.Contains(own, h.Identity) {
				kept++ // nobody lets themselves off
				continue
			}
			h.Did, h.Heard = access.DidNothing, d.now
			if heed {
				w := d.whom(t, h.Subject)
				if h.Did, err = d.signalled(ctx, t, h.Signal, w, true); err != nil {
					return err
				}
				h.Identity = w.identity
				if err := d.tellHeard(ctx, h, w); err != nil {
					return err
				}
			}
			if err := d.SetHeard(ctx, h, access.DidHold); err != nil {
				return err
			}
			n++
		}
		if kept > 0 || len(list) == mostHeld {
			return nil // there are more, or may be
		}
		return d.settleFinding(ctx, signalHeld, transmitter, "decided by "+by.Identity+": "+reason)
	})
	return n, err
}

// HeldSignals is what waits of one transmitter for somebody's word.
type HeldSignals struct {
	Transmitter string         `json:"transmitter"`
	Signals     []access.Heard `json:"signals"`        // the first of them
	More        bool           `json:"more,omitempty"` // there are more than are listed
}

// SignalsHeld lists what is held of each transmitter that has ended too much at once, to
// whoever may decide it, security and auditors. Of one that the files no longer have it
// can only be dropped.
func (e *Engine) SignalsHeld(ctx context.Context, by access.Actor) (list []HeldSignals, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		groups := d.world.Directory.GroupsOf(by.Identity)
		if err := d.mayLeave(ctx); err != nil && !slices.Contains(groups, "security") && !slices.Contains(groups, "auditors") {
			return err
		}
		open, err := d.OpenFindings(ctx, signalHeld)
		if err != nil {
			return err
		}
		for _, f := range open {
			held, err := d.HeardAs(ctx, f.Subject, access.DidHold, mostHeld)
			if err != nil {
				return err
			}
			list = append(list, HeldSignals{f.Subject, held[:min(len(held), mostHeldShown)], len(held) > mostHeldShown})
		}
		return nil
	})
	return list, err
}

// mostHeldShown is how many of one transmitter's are listed.
const mostHeldShown = 50
