package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
)

// jobs inserts background work; it works none. Working is the server's.
type jobs struct{ client *river.Client[*sql.Tx] }

func (db *DB) riverDriver() riverdriver.Driver[*sql.Tx] {
	if db.Dialect == Postgres {
		return riverdatabasesql.NewWithPgxListener(db.write, db.pool)
	}
	return riversqlite.New(db.write)
}

func (db *DB) openJobs() error {
	c, err := river.NewClient(db.riverDriver(), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("open jobs: %w", err)
	}
	db.jobs = jobs{c}
	return nil
}

// Enqueue adds background work to the transaction: it exists exactly if the
// state that made it necessary does.
func (tx *Tx) Enqueue(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) error {
	if _, err := tx.db.jobs.client.InsertTx(ctx, tx.Tx, args, opts); err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}

// Asked tells whether background work of a kind is known to wait or to be under way, of
// which there is one at a time: the newest of its kind is it, or there is none. It is for
// where one writer is waited for; PostgreSQL has many, and no index to read it off.
func (db *DB) Asked(ctx context.Context, kind string) (asked bool, err error) {
	if db.Dialect != SQLite {
		return false, nil
	}
	err = db.Read(ctx, func(tx *Tx) error {
		return tx.QueryRowContext(ctx, `select count(*) > 0 from (select state from river_job where kind = $1 order by id desc limit 1) as newest
			where state in ('available', 'pending', 'retryable', 'running', 'scheduled')`, kind).Scan(&asked)
	})
	return asked, err
}

// NewWorker returns a client that works the jobs cfg names. Start and stop are the caller's.
func (db *DB) NewWorker(cfg *river.Config) (*river.Client[*sql.Tx], error) {
	if db.guest {
		cfg.ReindexerIndexNames = []string{} // only the owner of an index may make it anew
	}
	return river.NewClient(db.riverDriver(), cfg)
}

// Undone is one piece of background work that is not done, as it was asked for.
type Undone struct {
	kind string
	args json.RawMessage
	opts river.InsertOpts
}

// Undone hands out the background work that is not done, in the order it was asked for.
func (tx *Tx) Undone(ctx context.Context, yield func(*Undone) error) error {
	const page = 500
	params := river.NewJobListParams().First(page).States(rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled)
	for {
		list, err := tx.db.jobs.client.JobListTx(ctx, tx.Tx, params)
		if err != nil {
			return fmt.Errorf("read background work: %w", err)
		}
		for _, r := range list.Jobs {
			if err := yield(&Undone{r.Kind, r.EncodedArgs, river.InsertOpts{MaxAttempts: r.MaxAttempts, Priority: r.Priority, Queue: r.Queue, ScheduledAt: r.ScheduledAt, Tags: r.Tags}}); err != nil {
				return err
			}
		}
		if len(list.Jobs) < page {
			return nil
		}
		params = params.After(list.LastCursor)
	}
}

// EnqueueAgain adds background work of another database, to be done as if it had
// just been asked for. What keeps one of a kind from being there twice is not known
// here: it may come to be done twice, which any of it may.
func (tx *Tx) EnqueueAgain(ctx context.Context, u *Undone) error { return tx.Enqueue(ctx, u, &u.opts) }

// Kind implements river.JobArgs.
func (u *Undone) Kind() string { return u.kind }

// MarshalJSON gives the arguments as they were stored.
func (u *Undone) MarshalJSON() ([]byte, error) { return u.args, nil }
