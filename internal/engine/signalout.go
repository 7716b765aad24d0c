package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// SignalJob asks that a receiver be sent what waits for it.
type SignalJob struct {
	Receiver string `json:"receiver" river:"unique"`
}

// Kind implements river.JobArgs.
func (SignalJob) Kind() string { return "signal" }

// InsertOpts keeps one job a receiver, waiting or at work: two would mix up the order.
// What is written while it reads its last batch is sent by the next round.
func (SignalJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: sequenceOnce.ByState}}
}

const (
	signalLate    = "signal_late"    // a receiver has not had a signal for long
	signalRefused = "signal_refused" // a receiver does not take one, or never came for it

	signalLateAfter = 15 * time.Minute
	signalGivenUp   = 7 * 24 * time.Hour  // then nobody waits for it any more
	signalsDoneKept = 30 * 24 * time.Hour // how long it can be seen what was told
)

// signal has every receiver that wants to know told that something happened to an
// account. It is stored in the deed that made it so; signed and sent it is later.
func (d *deed) signal(ctx context.Context, event, system, account string, says map[string]string) error {
	for _, r := range d.e.Signals().Receivers {
		if !slices.Contains(r.Events, event) {
			continue
		}
		for _, rule := range r.Subjects {
			if rule.At != system {
				continue
			}
			mail := ""
			if id, ok := d.world.Directory.ByAccount(system, account); ok {
				i, _ := d.world.Directory.Identity(id)
				mail = i.Mail
			}
			subject, ok := rule.Subject(account, mail)
			if !ok {
				continue
			}
			if err := d.AddSignalOut(ctx, access.SignalOut{ID: d.e.ids.next("si", d.now), Receiver: r.ID, Event: event, Subject: subject, Says: says, At: d.now}); err != nil {
				return err
			}
			if r.Polls {
				continue
			}
			if err := d.Enqueue(ctx, SignalJob{r.ID}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// signalGone tells that access was seen gone: what was signed in with it should not go on.
func (d *deed) signalGone(ctx context.Context, job store.Job) error {
	return d.signal(ctx, access.SignalSessionRevoked, job.System, job.Account,
		map[string]string{"initiating_entity": "policy", "reason_admin": "access of this account was removed, and was seen gone"})
}

// signalLeft tells of each account of somebody who has left that it should be disabled.
func (d *deed) signalLeft(ctx context.Context, person string) error {
	for _, id := range d.world.Directory.IdentitiesOf(person) {
		i, _ := d.world.Directory.Identity(id)
		for _, system := range slices.Sorted(maps.Keys(i.Accounts)) {
			if err := d.signal(ctx, access.SignalDisabled, system, i.Accounts[system], nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// signalRotated tells that a credential is another now, or is no more.
func (d *deed) signalRotated(ctx context.Context, r access.Rotation) error {
	says := map[string]string{"credential_type": r.Kind, "change_type": "update", "initiating_entity": "policy"}
	if r.Kind == "certificate" {
		says["credential_type"] = "x509"
	}
	if r.State == access.RotationDead {
		says["change_type"] = "revoke"
	}
	if r.Cause != access.CauseScheduled {
		says["initiating_entity"] = "admin"
	}
	return d.signal(ctx, access.SignalCredentialChange, r.System, r.Account, says)
}

// SignalsDue lists what a receiver has not had yet, in the order in which it is to have it.
func (e *Engine) SignalsDue(ctx context.Context, receiver string, limit int) (list []access.SignalOut, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list, err = tx.SignalsWaiting(ctx, receiver, limit)
		return err
	})
	return list, err
}

// SignalsHad records what a receiver said of what it was sent, or fetched. What it has is
// not handed out again; if we stop before this, it is: a signal may come twice, never not
// at all. What it does not take people are told of.
func (e *Engine) SignalsHad(ctx context.Context, receiver string, answers []access.SignalAnswer) error {
	if len(answers) == 0 {
		return nil
	}
	return e.do(ctx, "signals had", access.Clock, func(d *deed) error {
		for _, a := range answers {
			a.Error = plain(a.Error)
			was, err := d.SignalHad(ctx, receiver, a, d.now)
			if err != nil {
				return err
			}
			if was && a.Error != "" {
				if err := d.refusedSignal(ctx, receiver, fmt.Sprintf("Receiver %s does not take signal %s: %s. What it should have ended there goes on.", receiver, a.ID, a.Error)); err != nil {
					return err
				}
			}
		}
		if err := d.ForgetSignals(ctx, d.now.Add(-signalsDoneKept)); err != nil {
			return err
		}
		left, err := d.SignalsWaiting(ctx, receiver, 1)
		if err != nil || len(left) > 0 && d.now.Sub(left[0].At) >= signalLateAfter {
			return err
		}
		return d.settleFinding(ctx, signalLate, receiver, "it has had what was late")
	})
}

func (d *deed) refusedSignal(ctx context.Context, receiver, text string) error {
	return d.finding(ctx, access.Finding{Kind: signalRefused, Subject: receiver, Owner: "security", DueAt: d.now.Add(24 * time.Hour), Text: text})
}

// SignalsLate has people told of a receiver that does not come by what waits for it,
// and gives up what it has not had for so long that nobody waits for it any more.
func (e *Engine) SignalsLate(ctx context.Context, receiver, trouble string) error {
	return e.do(ctx, "signals late", access.Clock, func(d *deed) error {
		list, err := d.SignalsWaiting(ctx, receiver, mostHeld)
		if err != nil || len(list) == 0 || d.now.Sub(list[0].At) < signalLateAfter {
			return err
		}
		if err := d.finding(ctx, access.Finding{Kind: signalLate, Subject: receiver, Owner: "security", DueAt: d.now.Add(time.Hour),
			Text: fmt.Sprintf("Receiver %s has not had signals since %s: %s. What should have ended there may go on.", receiver, list[0].At.Format(time.RFC3339), plain(trouble))}); err != nil {
			return err
		}
		given := 0
		for _, o := range list {
			if d.now.Sub(o.At) < signalGivenUp {
				break
			}
			if _, err := d.SignalHad(ctx, receiver, access.SignalAnswer{ID: o.ID, Error: "given up"}, d.now); err != nil {
				return err
			}
			given++
		}
		if given == 0 {
			return nil
		}
		return d.refusedSignal(ctx, receiver, fmt.Sprintf("Receiver %s has not had %d signals for %d days: they are given up.", receiver, given, int(signalGivenUp.Hours()/24)))
	})
}
