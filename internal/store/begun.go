package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// Begun is one piece of background work that was begun and is not ended.
type Begun struct {
	Kind string
	By   string // the worker that began it, as it named itself to [DB.NewWorker]
	At   time.Time
	Left int // how often in a row it was given back before, see [DB.GiveBack]

	job *rivertype.JobRow
}

// left is what is written to a piece of work whose worker is gone.
const left = "its worker is gone"

// everything is later than anything was begun by any clock.
var everything = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// mostBegun bounds how much is read at once: a replica begins nine things at a time.
const mostBegun = 1000

// Begun lists the background work that was begun and is not ended.
func (db *DB) Begun(ctx context.Context) (list []Begun, err error) {
	rows, err := db.riverDriver().GetExecutor().JobGetStuck(ctx, &riverdriver.JobGetStuckParams{Max: mostBegun, StuckHorizon: everything})
	if err != nil {
		return nil, fmt.Errorf("read background work: %w", worded(err))
	}
	for _, r := range rows {
		if r.AttemptedAt == nil || len(r.AttemptedBy) == 0 {
			continue
		}
		b := Begun{Kind: r.Kind, By: r.AttemptedBy[len(r.AttemptedBy)-1], At: *r.AttemptedAt, job: r}
		for n := len(r.Errors); n > 0 && r.Errors[n-1].Error == left; n-- {
			b.Left++
		}
		list = append(list, b)
	}
	return list, nil
}

// GiveBack lets any worker begin anew what another left undone: at once, or after a while.
// It does nothing if that has ended since it was read, or was begun anew: what is compared
// is when it was begun, and no two begin the same within a millisecond.
func (db *DB) GiveBack(ctx context.Context, b Begun, now time.Time, wait time.Duration) error {
	from := b.job.ScheduledAt // long past, by the clock that counts
	if wait > 0 {
		from = now.Add(wait)
	}
	text, err := json.Marshal(rivertype.AttemptError{At: now.UTC(), Attempt: max(b.job.Attempt, 0), Error: left})
	if err != nil {
		return err
	}
	if _, err := db.riverDriver().GetExecutor().JobRescueMany(ctx, &riverdriver.JobRescueManyParams{ID: []int64{b.job.ID}, Error: [][]byte{text}, FinalizedAt: []*time.Time{nil},
		ScheduledAt: []time.Time{from}, State: []string{string(rivertype.JobStateAvailable)}, StuckHorizon: b.At.Add(time.Millisecond)}); err != nil {
		return fmt.Errorf("give background work back: %w", worded(err))
	}
	return nil
}
