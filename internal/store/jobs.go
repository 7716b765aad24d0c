package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
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

// NewWorker returns a client that works the jobs cfg names. Start and stop are the caller's.
func (db *DB) NewWorker(cfg *river.Config) (*river.Client[*sql.Tx], error) {
	if db.guest {
		cfg.ReindexerIndexNames = []string{} // only the owner of an index may make it anew
	}
	return river.NewClient(db.riverDriver(), cfg)
}
