package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
)

// StandInsJob asks that delegations and absences whose end has come be told as over.
type StandInsJob struct {
	Of string `json:"of,omitempty"` // the one whose end has come; empty: a round over all
}

// Kind implements river.JobArgs.
func (StandInsJob) Kind() string { return "stand_ins_over" }

// mostOver is how many of each are told as over in one transaction.
const mostOver = 200

// overWhy is why what runs out by itself has ended.
const overWhy = "its end has come"

// overAt asks for a look at a moment, in the transaction that sets it.
func (d *deed) overAt(ctx context.Context, id string, at time.Time) error {
	return d.Enqueue(ctx, StandInsJob{id}, &river.InsertOpts{ScheduledAt: at})
}

// StandInsOver tells of every delegation and absence whose end has come, once, in the log
// and to those it was between. Nothing waits for it: whether somebody stands in for
// somebody is asked of the time itself.
func (e *Engine) StandInsOver(ctx context.Context) (over int, err error) {
	for {
		n := 0
		err := e.do(ctx, "stand-ins over", access.Clock, func(d *deed) error {
			n = 0
			delegations, err := d.DelegationsOver(ctx, d.now, mostOver)
			if err != nil {
				return err
			}
			for _, l := range delegations {
				n++
				if err := d.delegationOver(ctx, l); err != nil {
					return err
				}
			}
			absences, err := d.AbsencesOver(ctx, d.now, mostOver)
			if err != nil {
				return err
			}
			for _, a := range absences {
				n++
				if err := d.absenceOver(ctx, a); err != nil {
					return err
				}
			}
			return nil
		})
		if over += n; err != nil || n < mostOver {
			return over, err
		}
	}
}

func (d *deed) delegationOver(ctx context.Context, l access.Delegation) error {
	l.EndedAt, l.EndedBy, l.EndedWhy = d.now, access.Clock.Identity, overWhy
	if err := d.Tx.EndDelegation(ctx, l); err != nil {
		return err
	}
	if err := d.tellDelegation(ctx, l, "over"); err != nil {
		return err
	}
	return d.notice(ctx, Notice{To: []string{l.From, l.To}, Subject: "delegation " + l.ID + " is over",
		Text: fmt.Sprintf("Its end came at %s: %s may no longer answer in place of %s. Votes that rest on it and have led to no grant count no longer.", l.End.Format(time.RFC3339), l.To, l.From)})
}

func (d *deed) absenceOver(ctx context.Context, a access.Absence) error {
	a.EndedAt, a.EndedBy, a.EndedWhy = d.now, access.Clock.Identity, overWhy
	if err := d.EndAbsence(ctx, a); err != nil {
		return err
	}
	if err := d.tellAbsence(ctx, a, "over"); err != nil {
		return err
	}
	person, _ := d.world.Directory.Identity(a.Person)
	to := []string{a.Person}
	if person.Deputy != "" {
		to = append(to, person.Deputy)
	} else if person.Manager != "" {
		to = append(to, person.Manager)
	}
	return d.notice(ctx, Notice{To: to, Subject: "the absence of " + a.Person + " is over",
		Text: fmt.Sprintf("Its end came at %s: nobody answers in place of %s because of it any more. If they are still away, say so anew.", a.Until.Format(time.RFC3339), a.Person)})
}
