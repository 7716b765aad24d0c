package report

import (
	"context"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/store"
)

// Pulse is how everything stands, as far as the database knows: every replica reads
// the same of it. It names systems and feeds, and nobody.
type Pulse struct {
	Systems   []Beat // in the order asked for
	Findings  []store.OpenKind
	Waiting   int64 // events that have no place in the log
	WaitingAt time.Time
	Head      store.Checkpoint
	Requests  int // that wait for an answer
	Unheeded  int // … past the time for it
	Asked     time.Time
	Sessions  int
	Queue     []store.Queued
	Ready     map[string]time.Time // by kind of background work: since when the oldest waits that is ready
	Feeds     map[string]time.Time // by feed: when its last whole reading began
}

// Beat is one system.
type Beat struct {
	store.Underway

	Overdue   int       // being removed and not seen gone, or ended and nothing has taken note of it yet
	OverdueAt time.Time // of the oldest
	Braked    bool      // something is held back, as an open finding says
	Read      time.Time // when its last whole reading began
}

// Brakes are the kinds of findings that hold something back at a system.
var Brakes = []string{"inventory_shrunk", "accounts_shrunk", "credentials_shrunk", "removals_held_back", "accounts_made_anew"}

// Feel reads how everything stands in one snapshot.
func Feel(ctx context.Context, db *store.DB, systems []string, now time.Time) (p Pulse, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		p = Pulse{}
		// 1. The systems, and what is late at them.
		if err := p.systems(ctx, tx, systems, now); err != nil {
			return err
		}
		// 2. What people wait for.
		if p.Requests, p.Unheeded, p.Asked, err = tx.RequestsOpen(ctx, now); err != nil {
			return err
		}
		if p.Findings, err = tx.FindingsOpen(ctx, now); err != nil {
			return err
		}
		if p.Sessions, err = tx.CountSessions(ctx, now); err != nil {
			return err
		}
		// 3. The log, the background work and the feeds.
		if p.Waiting, p.WaitingAt, err = tx.Waiting(ctx); err != nil {
			return err
		}
		if p.Head, err = tx.LastCheckpoint(ctx); err != nil {
			return err
		}
		if p.Queue, err = tx.Queue(ctx); err != nil {
			return err
		}
		if p.Ready, err = tx.OldestJobs(ctx, now); err != nil {
			return err
		}
		p.Feeds, err = tx.ReadUntils(ctx, "feed read/")
		return err
	})
	return p, err
}

func (p *Pulse) systems(ctx context.Context, tx *store.Tx, systems []string, now time.Time) error {
	missed, err := tx.EndsPast(ctx, now)
	if err != nil {
		return err
	}
	past := map[string]store.Missed{}
	for _, m := range missed {
		past[m.System] = m
	}
	held, err := tx.OpenSubjects(ctx, Brakes)
	if err != nil {
		return err
	}
	braked := map[string]bool{}
	for _, subject := range held {
		system, _, _ := strings.Cut(subject, " ")
		braked[system] = true
	}
	read, err := tx.ReadUntils(ctx, "holdings read/")
	if err != nil {
		return err
	}
	under, err := tx.Underways(ctx, systems, now)
	if err != nil {
		return err
	}
	for _, u := range under {
		b := Beat{Underway: u, Braked: braked[u.System], Read: read[u.System], Overdue: u.Removing, OverdueAt: u.OldestSince}
		if m := past[u.System]; m.Ends > 0 {
			if b.Overdue += m.Ends; b.OverdueAt.IsZero() || m.Oldest.Before(b.OverdueAt) {
				b.OverdueAt = m.Oldest
			}
		}
		p.Systems = append(p.Systems, b)
	}
	return nil
}
