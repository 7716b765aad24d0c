package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// The table of moves is the database's: it refuses each move the code has not,
// takes each it has, and an end never moves later.
func TestDatabaseGuardsTheMachines(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		states := map[access.Machine][]string{}
		for _, mv := range access.Machines {
			for _, s := range []string{mv.From, mv.To} {
				if s != "" && !strings.Contains(strings.Join(states[mv.Machine], " ")+" ", s+" ") {
					states[mv.Machine] = append(states[mv.Machine], s)
				}
			}
		}
		run := func(stmts ...string) error { // always rolled back
			undo := errors.New("undo")
			err := write(t, db, func(ctx context.Context, tx *Tx) error {
				for _, s := range stmts {
					if _, err := tx.ExecContext(ctx, s); err != nil {
						return err
					}
				}
				return undo
			})
			if errors.Is(err, undo) {
				return nil
			}
			return err
		}
		moves, refused := 0, 0
		for m, table := range tables {
			where := map[access.Machine]string{access.RequestMachine: "rq-1", access.GrantMachine: "gr-1", access.AssignmentMachine: "as-1", access.RotationMachine: "ro-1", access.HandoverMachine: "ho-1", access.SealMachine: "sl-1"}[m]
			set := func(s string) string { return fmt.Sprintf("update %s set state='%s' where id='%s'", table, s, where) }
			for _, from := range states[m] {
				path, ok := wayTo(m, from)
				if !ok {
					t.Fatalf("no way to %s %s", m, from)
				}
				var stmts []string
				for _, s := range path {
					stmts = append(stmts, set(s))
				}
				for _, to := range append(states[m], "nonsense") {
					err := run(append(stmts, set(to))...)
					legal := from == to || access.CheckMove(m, from, to) == nil
					if legal != (err == nil) {
						t.Errorf("%s %s > %s: %v", m, from, to, err)
					}
					if legal {
						moves++
					} else if refused++; err != nil && !strings.Contains(err.Error(), "no such move") {
						t.Errorf("%s %s > %s is refused for another reason: %v", m, from, to, err)
					}
				}
			}
		}
		t.Logf("%d moves taken, %d refused", moves, refused)
		if err := run("update grants set end_at=end_at+1"); err == nil || !strings.Contains(err.Error(), "no such move") {
			t.Errorf("an end moved later: %v", err)
		}
		if err := run("update grants set end_at=end_at-1"); err != nil {
			t.Errorf("an end may not move earlier: %v", err)
		}
		for _, s := range []func(ctx context.Context, tx *Tx) error{
			func(ctx context.Context, tx *Tx) error {
				r := request("rq-9")
				r.State = access.Approved
				return tx.AddRequest(ctx, r)
			},
			func(ctx context.Context, tx *Tx) error {
				g := grant("gr-9", "rq-1", "as-1")
				g.State = access.Live
				return tx.AddGrant(ctx, g)
			},
			func(ctx context.Context, tx *Tx) error {
				j := job("as-9")
				j.State = access.Held
				return tx.AddAssignment(ctx, j)
			},
			func(ctx context.Context, tx *Tx) error {
				r := rotating("ro-9", "other", 1)
				r.State = access.RotationProving
				return tx.AddRotation(ctx, r)
			},
			func(ctx context.Context, tx *Tx) error {
				h := handover("ho-9", "system x")
				h.State = access.HandoverAccepted
				return tx.AddHandover(ctx, h)
			},
			func(ctx context.Context, tx *Tx) error {
				s := sealed("sl-9", "other")
				s.State = access.SealBroken
				return tx.AddSeal(ctx, s)
			},
		} {
			if err := write(t, db, s); err == nil || !strings.Contains(err.Error(), "no such beginning") {
				t.Errorf("began in the middle: %v", err)
			}
		}
		empty := grant("gr-8", "rq-1", "as-1")
		empty.End = empty.Start
		if err := write(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddGrant(ctx, empty) }); err == nil {
			t.Error("a grant that ends before it begins is stored")
		}
	})
}

// wayTo finds the states to go through from the beginning of a machine, breadth first.
func wayTo(m access.Machine, to string) (path []string, ok bool) {
	type at struct {
		state string
		path  []string
	}
	queue, seen := []at{{"", nil}}, map[string]bool{}
	for len(queue) > 0 {
		now := queue[0]
		queue = queue[1:]
		if now.state == to {
			if len(now.path) == 0 {
				return nil, true
			}
			return now.path[1:], true // the first is where it begins
		}
		for _, mv := range access.Machines {
			if mv.Machine == m && mv.From == now.state && !seen[mv.To] {
				seen[mv.To] = true
				queue = append(queue, at{mv.To, append(append([]string{}, now.path...), mv.To)})
			}
		}
	}
	return nil, false
}
