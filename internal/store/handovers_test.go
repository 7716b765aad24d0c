package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func handover(id, subject string) access.Handover {
	return access.Handover{ID: id, Subject: subject, From: "eve", State: access.HandoverOpen, Proposed: "mia", Why: "w", At: noon, Due: noon.Add(time.Hour), Next: noon.Add(time.Hour)}
}

func TestHandoversAreStored(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			h := handover("ho-1", "identity bot")
			got, err := tx.UndecidedAbout(ctx, "identity bot")
			same(t, "undecided", got, err, h)
			due, err := tx.HandoversDue(ctx, h.Next, 5)
			same(t, "due", due, err, []access.Handover{h})
			due, err = tx.HandoversDue(ctx, h.Next.Add(-1000), 5)
			same(t, "due before", due, err, nil)
			mine, err := tx.HandoversSought(ctx, HandoversSought{For: []string{"bob", "mia"}, Undecided: true, Limit: 5})
			same(t, "proposed to mia", mine, err, []access.Handover{h})
			h.State, h.Offered, h.Refused, h.Loud, h.Note = access.HandoverOffered, "bob", []string{"mia"}, 2, "n"
			must(t, tx.SaveHandover(ctx, access.HandoverOpen, h))
			if err := tx.SaveHandover(ctx, access.HandoverOpen, h); !errors.Is(err, access.ErrConflict) {
				t.Errorf("saved over another state: %v", err)
			}
			mine, err = tx.HandoversSought(ctx, HandoversSought{For: []string{"mia"}, Limit: 5})
			same(t, "offered to another", mine, err, nil)
			mine, err = tx.HandoversSought(ctx, HandoversSought{For: []string{"bob"}, Limit: 5})
			same(t, "offered to bob", mine, err, []access.Handover{h})
			h.State, h.Decided, h.By, h.Next = access.HandoverAccepted, noon, "bob", time.Time{}
			must(t, tx.SaveHandover(ctx, access.HandoverOffered, h))
			from, err := tx.HandoversFrom(ctx, "eve")
			same(t, "from eve", from, err, []access.Handover{h})
			return tx.AddHandover(ctx, handover("ho-2", "identity bot"))
		}))
		if err := write(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddHandover(ctx, handover("ho-3", "identity bot")) }); err == nil {
			t.Error("one thing is to be decided twice")
		}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			dep := access.Departure{Person: "eve", At: noon, By: "sara", Reason: "r"}
			must(t, tx.SaveDeparture(ctx, dep))
			dep.Done, dep.Back = noon.Add(time.Second), noon.Add(time.Hour)
			must(t, tx.SaveDeparture(ctx, dep))
			got, err := tx.Departure(ctx, "eve")
			same(t, "departure", got, err, dep)
			open, err := tx.OpenFor(ctx, []string{"eve", "bob"}, 10)
			if err != nil || len(open) != 1 || open[0].ID != "rq-1" {
				t.Errorf("open: %+v, %v", open, err)
			}
			jobs, err := tx.NotAbsent(ctx, []string{"bob", "eve"})
			same(t, "not absent", jobs, err, nil)
			n, err := tx.SignIns(ctx, []string{"eve"})
			same(t, "sign-ins", n, err, 0)
			return nil
		}))
	})
}
