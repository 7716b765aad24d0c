package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// MoveState says where on its way a database is that is moved into another. Nobody
// serves one that has a move.
type MoveState string

const (
	Arriving MoveState = "arriving" // it is being filled, and of no use if that stops
	Arrived  MoveState = "arrived"  // it holds all that the other held; the other has yet to be left
	Left     MoveState = "left"     // it is in another now
)

// Moving is a move under way: the other database, and which move it is.
type Moving struct {
	State MoveState
	Token string
	Other string
	At    time.Time
}

// Moving reads the move of this database; ok is false where there is none.
func (tx *Tx) Moving(ctx context.Context) (m Moving, ok bool, err error) {
	err = tx.QueryRowContext(ctx, `select state, token, other, at from move where one = 1`).Scan(&m.State, &m.Token, &m.Other, at{&m.At})
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	return m, err == nil, err
}

// SetMoving stores a move.
func (tx *Tx) SetMoving(ctx context.Context, m Moving) error {
	return tx.exec(ctx, "note the move", `insert into move (one, state, token, other, at) values (1, $1, $2, $3, $4)
		on conflict (one) do update set state = excluded.state, token = excluded.token, other = excluded.other, at = excluded.at`,
		m.State, m.Token, m.Other, moment(m.At))
}

// EndMoving ends a move: the machines are guarded again, and the database may be served.
func (db *DB) EndMoving(ctx context.Context) error {
	if err := db.guardMoves(ctx); err != nil {
		return fmt.Errorf("guard the machines: %w", err)
	}
	return db.Write(ctx, func(tx *Tx) error { return tx.exec(ctx, "end the move", `delete from move where one = 1`) })
}

// mayServe refuses a database that is on its way into another, or out of it.
func (db *DB) mayServe(ctx context.Context) error {
	if err := db.finished(ctx); err != nil {
		return err
	}
	return db.Read(ctx, func(tx *Tx) error {
		m, ok, err := tx.Moving(ctx)
		switch {
		case err != nil || !ok:
			return err
		case m.State == Left:
			return fmt.Errorf("%w: this database was moved to %s on %s: name that one in lessor.yaml", access.ErrGone, m.Other, m.At.Format(time.RFC3339))
		}
		return fmt.Errorf("%w: this database was to be filled from %s, and that did not come to its end: run lessor migrate with --from and --to anew", access.ErrConflict, m.Other)
	})
}

// OpenToFill opens a database whose rows are to come from another one: with its
// tables, and without what guards the moves of machines, for rows come as they
// stand. [DB.EndMoving], and whoever opens it later to serve it, writes the guards anew.
func OpenToFill(ctx context.Context, dsn string) (*DB, error) {
	db, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := db.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate %s: %w", db.Dialect, worded(err)), db.Close())
	}
	return db, nil
}

func (db *DB) prepare(ctx context.Context) error {
	p, err := db.provider()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	if err := db.migrateJobs(ctx); err != nil {
		return err
	}
	if err := db.unguard(ctx); err != nil {
		return err
	}
	return db.openJobs()
}

func (db *DB) unguard(ctx context.Context) error {
	return db.Write(ctx, func(tx *Tx) error {
		for _, table := range tables {
			for _, trigger := range []string{table + "_moves", table + "_begins"} {
				stmt := "drop trigger if exists " + trigger
				if db.Dialect == Postgres {
					stmt += " on " + table
				}
				if _, err := tx.ExecContext(ctx, stmt); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// OpenToLeave opens a SQLite file alone, as a server would, and changes nothing in it:
// whoever serves it meanwhile is [access.ErrConflict].
func OpenToLeave(ctx context.Context, dsn string) (*DB, error) {
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return nil, fmt.Errorf("%w: what is moved is a SQLite file: sqlite:PATH", access.ErrInvalid)
	}
	db, err := connectSQLite(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := db.openJobs(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Version is the newest step of our own schema that is applied, and the newest there is.
func (db *DB) Version(ctx context.Context) (has, newest int64, err error) {
	p, err := db.provider()
	if err != nil {
		return 0, 0, err
	}
	has, newest, err = p.GetVersions(ctx)
	return has, newest, worded(err)
}

// Alone keeps a second process from the same undertaking at a PostgreSQL database
// until release is called.
func (db *DB) Alone(ctx context.Context) (release func(), err error) {
	if db.Dialect == SQLite {
		return func() {}, nil // its folder is locked
	}
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	got := false
	if err := conn.QueryRowContext(ctx, "select pg_try_advisory_lock(76319)").Scan(&got); err != nil || !got {
		if err == nil {
			err = fmt.Errorf("%w: another lessor is filling this database", access.ErrConflict)
		}
		return nil, errors.Join(err, conn.Close())
	}
	return func() { _ = conn.Close() }, nil // which gives the lock back
}

// Clear empties every table, those that refer to others first.
func (tx *Tx) Clear(ctx context.Context) error {
	for i := len(Tables) - 1; i >= 0; i-- {
		if _, err := tx.ExecContext(ctx, "delete from "+Tables[i].Name); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "delete from river_job")
	return err
}
