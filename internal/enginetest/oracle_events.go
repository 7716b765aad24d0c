package enginetest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// told is an event read back, its noun still as JSON.
type told struct {
	access.Event
	After json.RawMessage `json:"after"`
	seq   int64
}

// readEvents reads the whole log in its order, then what waits for a place.
func (l *ledger) readEvents(ctx context.Context, tx *store.Tx) error {
	placed, err := tx.Events(ctx, 0, 1<<30)
	if err != nil {
		return err
	}
	waiting, err := tx.Unsequenced(ctx, 1<<30)
	if err != nil {
		return err
	}
	for _, row := range append(placed, waiting...) {
		ev := told{seq: row.Seq}
		if err := json.Unmarshal(row.Body, &ev); err != nil {
			return fmt.Errorf("event %s: %w", row.ID, err)
		}
		l.events = append(l.events, ev)
		if room, _, _ := strings.Cut(ev.Kind, "."); room != "request" || len(ev.After) == 0 {
			continue
		}
		var r access.Request
		if err := json.Unmarshal(ev.After, &r); err != nil {
			return fmt.Errorf("event %s: %w", row.ID, err)
		}
		if access.Digest(r.Content()) != r.Digest {
			l.wrong("I11", "event %s: the content of request %s does not give its digest", ev.ID, r.ID)
		}
		l.contents[r.Digest] = r
	}
	return nil
}

// moves is the other half of I5 and I11: the events of each noun are a walk
// through its machine that ends where its row stands, and no end moves later.
func (l *ledger) moves() {
	at := map[string]string{}
	ends := map[string]time.Time{}
	for _, ev := range l.events {
		room, _, _ := strings.Cut(ev.Kind, ".")
		machine, id := access.Machine(room), cmp.Or(ev.Grant, ev.Request)
		switch {
		case machine == access.AssignmentMachine:
			id = ev.Assignment
		case machine == access.RequestMachine:
			id = ev.Request
		case machine == access.RotationMachine:
			id = ev.Rotation
		case machine == access.HandoverMachine:
			var h access.Handover
			if err := json.Unmarshal(ev.After, &h); err != nil {
				l.wrong("I5", "event %s: %v", ev.ID, err)
			}
			id = h.ID
		case machine == access.SealMachine:
			var s access.Seal
			if err := json.Unmarshal(ev.After, &s); err != nil {
				l.wrong("I5", "event %s: %v", ev.ID, err)
			}
			id = s.ID
		case machine != access.GrantMachine:
			continue
		}
		if ev.Kind == "assignment.seen" || ev.Kind == "request.commented" {
			continue
		}
		key := room + " " + id
		if machine == access.GrantMachine {
			var g access.Grant
			if err := json.Unmarshal(ev.After, &g); err != nil {
				l.wrong("I5", "event %s: %v", ev.ID, err)
			}
			if was, ok := ends[key]; ok && g.End.After(was) {
				l.wrong("I11", "event %s moves the end of %s later", ev.ID, key)
			}
			ends[key] = g.End
		}
		if ev.From != at[key] {
			l.wrong("I5", "event %s (%s) moves %s from %q, where it was not (%q)", ev.ID, ev.Kind, key, ev.From, at[key])
		}
		if ev.From != ev.To {
			if err := access.CheckMove(machine, ev.From, ev.To); err != nil {
				l.wrong("I5", "event %s (%s): %v", ev.ID, ev.Kind, err)
			}
		}
		at[key] = ev.To
	}
	l.whereTheyStand(at)
}

func (l *ledger) whereTheyStand(at map[string]string) {
	stand := func(key, state string) {
		if at[key] != state {
			l.wrong("I5", "%s is %s, and its events end at %q", key, state, at[key])
		}
		delete(at, key)
	}
	for id, r := range l.requests {
		stand("request "+id, string(r.State))
	}
	for _, g := range l.grants {
		stand("grant "+g.ID, string(g.State))
	}
	for id, j := range l.jobs {
		stand("assignment "+id, string(j.State))
	}
	for _, r := range l.rotations {
		stand("rotation "+r.ID, string(r.State))
	}
	for _, h := range l.handovers {
		stand("handover "+h.ID, string(h.State))
	}
	for _, s := range l.seals {
		stand("seal "+s.ID, string(s.State))
	}
	var left []string
	for key := range at {
		left = append(left, key)
	}
	slices.Sort(left)
	for _, key := range left {
		l.wrong("I5", "events tell of %s, and no row has it", key)
	}
}
