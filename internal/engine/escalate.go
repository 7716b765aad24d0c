package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
)

// EscalateJob asks that the stages of a request be looked at that may have waited too long.
type EscalateJob struct {
	Request string    `json:"request"`
	Due     time.Time `json:"due"`
}

// Kind implements river.JobArgs.
func (EscalateJob) Kind() string { return "escalate" }

// escalateLater asks for a look at each moment at which a stage of the request will have
// waited too long, in the transaction that lets it wait.
func (d *deed) escalateLater(ctx context.Context, r access.Request) error {
	asked := map[time.Time]bool{}
	for _, it := range r.Items {
		due, ok := d.escalationOf(it)
		if !ok || asked[due] || !due.Before(r.AnswerBy) {
			continue
		}
		asked[due] = true
		if err := d.Enqueue(ctx, EscalateJob{r.ID, due}, &river.InsertOpts{ScheduledAt: due}); err != nil {
			return err
		}
	}
	return nil
}

// escalationOf is when the stages of an item will have waited too long, from the moment
// it was decided that they are needed; ok is false where they never will.
func (d *deed) escalationOf(it access.Item) (due time.Time, ok bool) {
	class := it.Decision.Reach.Class
	if class == "" {
		ent, _ := d.world.Directory.Entitlement(it.Entitlement)
		class = ent.Class
	}
	after := d.e.StandingIn().after(class)
	return it.Decision.At.Add(after), it.Outcome == access.Undecided && len(it.Decision.Stages) > 0 && after > 0
}

// Escalate adds, to each stage of a pending request that has waited too long, the managers
// of those who could answer it and have not. They may answer besides, each in place of one
// of those; nobody is replaced and no stage is skipped. It may run twice, or late.
func (e *Engine) Escalate(ctx context.Context, request string) (added int, err error) {
	err = e.do(ctx, "escalate", access.Clock, func(d *deed) error {
		added = 0
		was, err := d.Request(ctx, request)
		if err != nil || was.State != access.Pending || !d.now.Before(was.AnswerBy) {
			return err
		}
		// 1. Which stages have waited too long, and who is above those who did not answer.
		r := was
		r.Items = slices.Clone(r.Items)
		var said, told []string
		for i := range r.Items {
			stages, managers, err := d.waitedTooLong(ctx, r, i)
			if err != nil {
				return err
			}
			if len(stages) == 0 {
				continue
			}
			r.Items[i].Escalated = slices.Concat(r.Items[i].Escalated, stages)
			said = append(said, fmt.Sprintf("%s: %s", r.Items[i].Entitlement, strings.Join(stages, " and ")))
			told = append(told, managers...)
			added += len(stages)
		}
		if added == 0 {
			return nil
		}
		// 2. Stored with the request, told in the log and to whoever may answer now.
		slices.Sort(told)
		told = slices.Compact(told)
		note := "has waited too long for " + strings.Join(said, "; ")
		if len(told) == 0 {
			note += "; nobody is above those who could answer"
		} else {
			note += "; may answer besides: " + strings.Join(told, ", ")
		}
		if err := d.keep(ctx, was, r, "request.escalated", note); err != nil || len(told) == 0 {
			return err
		}
		return d.notice(ctx, Notice{To: told, Subject: "request " + r.ID + " has waited too long", Loud: 1,
			Text: fmt.Sprintf("Request %s of %s for %s %s.", r.ID, r.Requester, r.Beneficiary, note)})
	})
	return added, err
}

// waitedTooLong lists the stages of an item that have waited too long and are not escalated,
// and the managers who could answer them then.
func (d *deed) waitedTooLong(ctx context.Context, r access.Request, i int) (stages, managers []string, err error) {
	it := r.Items[i]
	due, ok := d.escalationOf(it)
	if !ok || d.now.Before(due) {
		return nil, nil, nil
	}
	votes, err := d.standing(ctx, r, it.Entitlement)
	if err != nil {
		return nil, nil, err
	}
	for _, st := range it.Decision.Stages {
		if filled(st, votes) || slices.Contains(it.Escalated, st.Name) {
			continue
		}
		f, err := d.facts(ctx, r, i, votes)
		if err != nil {
			return nil, nil, err
		}
		f.Item.Escalated = append(slices.Clone(f.Item.Escalated), st.Name)
		stages = append(stages, st.Name)
		for _, o := range d.world.Policy.WhoCanStandIn(f, st.Name) {
			if o.Behalf.How == access.ByEscalation {
				managers = append(managers, o.Who)
			}
		}
	}
	return stages, managers, nil
}
