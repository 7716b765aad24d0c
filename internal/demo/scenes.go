package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

// ticketed: a ticket is read and becomes a request; the desk moving it approves nothing.
func (t *tale) ticketed(ctx context.Context) error {
	i, err := t.queue.raise("ann", "month end", payrollGroup, "4 seconds", "mia", "nora")
	if err != nil {
		return err
	}
	t.ticket = i.ID
	t.say("ann opens ticket %s in the queue: payroll-admin, for 4 seconds: %q", i.Key, "month end")
	text, err := t.says(ctx, i.ID, "waits for approval by")
	if err != nil {
		return err
	}
	t.quote(i.Key, text)
	if err := t.queue.As(t.queue.accounts["tess"]).Transition(i.ID, "Set active"); err != nil {
		return err
	}
	t.say("tess, who works the queue, moves the ticket to Active by a hole in its workflow")
	return t.putBack(ctx, i.ID)
}

// asks: a privileged entitlement, two stages; a self-approval and a stranger's
// refused; an approval in the ticket is a vote like any other.
func (t *tale) asks(ctx context.Context) error {
	r, err := t.ofTicket(ctx)
	if err != nil {
		return err
	}
	vote := func(who string) error {
		_, err := t.as(who).Vote(ctx, engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
		return err
	}
	if err := t.refused("ann approving her own request", vote("ann")); err != nil {
		return err
	}
	if err := vote("leo"); !errors.Is(err, access.ErrNotFound) { // a colleague may not even know of it
		return fmt.Errorf("a colleague without authority was not turned away: %w", err)
	}
	t.say("  leo, a colleague without authority, does not even find it")
	if err := t.queue.As(t.queue.accounts["mia"]).Approve(t.ticket); err != nil {
		return err
	}
	text, err := t.says(ctx, t.ticket, "mia said approve")
	if err != nil {
		return err
	}
	t.say("  mia approves in the ticket; Jira is content with that, and policy is not: the owner has not voted")
	t.quote("ticket", text)
	s, err := t.approve(ctx, "nora", r)
	if err != nil {
		return err
	}
	ids, err := t.granted(s, 1)
	if err != nil {
		return err
	}
	return t.seen(ctx, "ann", ids[0], payrollGroup)
}

// overlaps: the same access again, for another reason and longer.
func (t *tale) overlaps(ctx context.Context) error {
	r, err := t.ask(ctx, "ann", engine.Ask{Entitlements: []string{payroll}, Term: longTerm, Reason: "bonus run", Reference: "demo-2"})
	if err != nil {
		return err
	}
	if _, err := t.approve(ctx, "mia", r); err != nil {
		return err
	}
	s, err := t.approve(ctx, "nora", r)
	if err != nil {
		return err
	}
	ids, err := t.granted(s, 1)
	if err != nil {
		return err
	}
	return t.seen(ctx, "ann", ids[0], payrollGroup)
}

// refusals: a term too long, a duty conflict, a contractor asking for privilege.
func (t *tale) refusals(ctx context.Context) error {
	for _, no := range []struct {
		who, what string
		ask       engine.Ask
	}{
		{"tess", "a day of database administration", engine.Ask{Entitlements: []string{"workspace:db-admin"}, Term: access.LongestTerm / 366, Reason: "migration"}},
		{"leo", "creating and approving payments", engine.Ask{Entitlements: []string{"workspace:payments-create", "workspace:payments-approve"}, Term: longTerm, Reason: "holiday cover"}},
		{"carl", "cluster administration for a contractor", engine.Ask{Entitlements: []string{"workspace:cluster-admin"}, Term: longTerm, Reason: "tuning"}},
	} {
		r, err := t.ask(ctx, no.who, no.ask)
		if err != nil {
			return err
		}
		if r.State != access.Denied {
			return fmt.Errorf("%s was not denied: request %s is %s", no.what, r.ID, r.State)
		}
	}
	return nil
}

// others: standard access of a contractor, and a workload's, asked for by its owner.
func (t *tale) others(ctx context.Context) error {
	for _, o := range []struct {
		by, group string
		ask       engine.Ask
		votes     []string
		back      bool
	}{
		{"carl", "wiki", engine.Ask{Entitlements: []string{"workspace:wiki"}, Term: shortTerm, Reason: "hand-over notes"}, []string{"mia", "olga"}, false},
		{"ann", "metrics", engine.Ask{Beneficiary: "report-bot", Entitlements: []string{"workspace:metrics"}, Term: access.Term(3600) * second, Reason: "nightly figures"}, []string{"otto"}, true},
	} {
		r, err := t.ask(ctx, o.by, o.ask)
		if err != nil {
			return err
		}
		var s engine.Story
		for _, who := range o.votes {
			if s, err = t.approve(ctx, who, r); err != nil {
				return err
			}
		}
		ids, err := t.granted(s, 1)
		if err != nil {
			return err
		}
		if err := t.seen(ctx, o.by, ids[0], o.group); err != nil {
			return err
		}
		if !o.back {
			continue
		}
		if err := t.as(o.by).Return(ctx, ids[0], "done early"); err != nil {
			return err
		}
		if err := t.gone(ctx, o.by, ids[0], o.group); err != nil {
			return err
		}
	}
	return nil
}

// ends: reasons are counted.
func (t *tale) ends(ctx context.Context) error {
	first, last, carl := t.grants[0], t.grants[1], t.grants[2]
	s, err := t.await(ctx, "ann", first, "ended", func(s api.Sight) bool { return s.Grant.State == access.Ended })
	if err != nil {
		return err
	}
	if s.Assignment.State != access.Held {
		return fmt.Errorf("access did not stay with the second grant: it is %s", s.Assignment.State)
	}
	t.say("  the first grant ended at %s (%s); access is still held: the second grant is a reason too", clock(s.Grant.EndedAt), s.Grant.Ended)
	if err := t.gone(ctx, "carl", carl, "wiki"); err != nil {
		return err
	}
	return t.gone(ctx, "ann", last, payrollGroup)
}

// ofTicket waits until the ticket's request is there, and tells what policy decided of it.
func (t *tale) ofTicket(ctx context.Context) (r access.Request, err error) {
	err = t.until(ctx, "the ticket's request", func() (bool, error) {
		list, err := t.as("ann").Requests(ctx, access.Pending, true, client.Page{})
		for _, one := range list {
			if one.Ticket == "jira:queue:"+t.ticket {
				r = one
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		return r, err
	}
	t.told(r)
	return r, nil
}

// putBack waits until the ticket is where its request is, and nothing came of the move.
func (t *tale) putBack(ctx context.Context, issue string) error {
	err := t.until(ctx, "the ticket put back", func() (bool, error) {
		i, _ := t.queue.Ticket(issue)
		return i.Status == "Waiting for approval", nil
	})
	if err != nil {
		return err
	}
	if members := t.target.Members(payrollGroup); len(members) > 0 {
		return fmt.Errorf("a move of the ticket gave %v access", members)
	}
	t.say("  nobody got access by that; the ticket is back where its request is: Waiting for approval")
	return nil
}

// closes: the ticket says what became of it.
func (t *tale) closes(ctx context.Context) error {
	t.say("\n== What the ticket says in the end")
	text, err := t.says(ctx, t.ticket, "The whole life of")
	if err != nil {
		return err
	}
	i, _ := t.queue.Ticket(t.ticket)
	t.quote(i.Key, text)
	return t.until(ctx, "the ticket closed", func() (bool, error) {
		i, _ := t.queue.Ticket(t.ticket)
		return i.Status == "Removed", nil
	})
}
