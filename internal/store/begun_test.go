package store

import (
	"context"
	"testing"
	"time"

	"github.com/riverqueue/river"
)

// chore is background work that is under way until it is let go on.
type chore struct{}

func (chore) Kind() string { return "chore" }

type chores struct {
	river.WorkerDefaults[chore]
	begun chan int // which attempt
	goOn  chan struct{}
}

func (c *chores) Work(_ context.Context, job *river.Job[chore]) error {
	c.begun <- job.Attempt
	<-c.goOn
	return nil
}

// What was begun is told with who began it, and when it is given back another begins it;
// what was begun anew since, or has ended, is not given back.
func TestGiveBack(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		begun := func(want ...string) (list []Begun) {
			t.Helper()
			list, err := db.Begun(ctx)
			must(t, err)
			if len(list) != len(want) {
				t.Fatalf("%+v, want %q", list, want)
			}
			for i, b := range list {
				if b.By != want[i] || b.Kind != "chore" || b.At.IsZero() {
					t.Fatalf("%+v, want %q", list, want)
				}
			}
			return list
		}
		begun()
		work := func(name string) *chores {
			c := &chores{begun: make(chan int, 9), goOn: make(chan struct{})}
			workers := river.NewWorkers()
			river.AddWorker(workers, c)
			client, err := db.NewWorker(&river.Config{ID: name, Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1}},
				PollOnly: true, FetchPollInterval: 10 * time.Millisecond, FetchCooldown: 10 * time.Millisecond, JobTimeout: -1})
			must(t, err)
			must(t, client.Start(context.WithoutCancel(ctx)))
			t.Cleanup(func() { close(c.goOn); must(t, client.Stop(context.Background())) })
			return c
		}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error { return tx.Enqueue(ctx, chore{}, nil) }))
		first := work("first")
		if n := <-first.begun; n != 1 {
			t.Fatalf("attempt %d", n)
		}
		old := begun("first")[0]
		second := work("second")
		must(t, db.GiveBack(ctx, old, time.Now(), 0)) // at once
		if n := <-second.begun; n != 2 {
			t.Fatalf("attempt %d", n)
		}
		again := begun("second")[0]
		if old.Left != 0 || again.Left != 1 {
			t.Errorf("left %d times, then %d, want 0 and 1", old.Left, again.Left)
		}
		must(t, db.GiveBack(ctx, old, time.Now(), 0)) // it has been begun anew
		begun("second")
		must(t, db.GiveBack(ctx, again, time.Now(), time.Hour)) // nobody begins it for an hour
		begun()
		must(t, db.GiveBack(ctx, again, time.Now(), 0)) // it is not under way
		select {
		case n := <-first.begun:
			t.Errorf("attempt %d has begun", n)
		case n := <-second.begun:
			t.Errorf("attempt %d has begun", n)
		default:
		}
		second.goOn <- struct{}{}
		begun()
	})
}
