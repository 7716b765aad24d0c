// Package store keeps the one database: SQLite by default, PostgreSQL where
// one machine is outgrown, with one SQL text for both. It writes and reads
// nouns; it decides nothing, never tells the time, and calls nothing outside.
//
// Every change is one transaction that might have run alone ([DB.Write]). SQLite has a
// single writer connection, so two writers wait for each other, in a line, instead of
// failing; PostgreSQL refuses what it could not serialize, and it is tried again. What
// keeps writers there from colliding for nothing is their [Manner].
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/lessor-iam/lessor/internal/access"
)

// Dialect names the engine behind a DB where it matters: migrations and jobs.
type Dialect string

const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	Dialect Dialect
	write   *sql.DB // SQLite: exactly one connection
	read    *sql.DB
	pool    *pgxpool.Pool // PostgreSQL only
	lock    *folderLock   // SQLite only: one process per file
	jobs    jobs
	guest   bool    // somebody else owns the schema
	writers writers // SQLite only

	connectedWithin time.Duration // PostgreSQL only

	// Timed is called when a transaction begins ("read" or "write"), and what it returns
	// when it has ended: the store tells no time. It is set before the first. nil: nobody measures.
	Timed func(kind string) (ended func(tries int, err error))

	// Ending is called with a transaction that writes, in its manner, when it has done all
	// that it does: tests look there at what it has read and written. An error undoes it.
	// It is set before the first. nil: nobody looks.
	Ending func(ctx context.Context, tx *Tx, m Manner) error

	compiled map[*sql.DB]*statements // SQLite only
}

// oldestSQLite has the fix for the WAL-reset corruption.
var oldestSQLite = [3]int{3, 51, 3}

// Open opens "sqlite:PATH" or a "postgres://" URL and brings its schema up to
// date. A SQLite file is locked against a second process.
func Open(ctx context.Context, dsn string) (*DB, error) {
	db, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate %s: %w", db.Dialect, worded(err)), db.Close())
	}
	if err := db.mayServe(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.openJobs(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Inspect opens a database to be read only: nothing is migrated, no lock is
// taken, and a server may go on working on it. Write fails.
func Inspect(ctx context.Context, dsn string) (*DB, error) {
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return connect(ctx, dsn)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: there is no database %s", access.ErrNotFound, path)
	}
	r, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_query_only=1&_busy_timeout=5000")
	if err != nil {
		return nil, err
	}
	if err := r.PingContext(ctx); err != nil {
		return nil, errors.Join(worded(err), r.Close())
	}
	return &DB{Dialect: SQLite, write: r, read: r, compiled: map[*sql.DB]*statements{r: newStatements(r)}}, nil
}

func connect(ctx context.Context, dsn string) (*DB, error) {
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		return connectSQLite(ctx, strings.TrimPrefix(dsn, "sqlite:"))
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return connectPostgres(ctx, dsn)
	}
	return nil, fmt.Errorf("%w: database must be sqlite:PATH or postgres://…", access.ErrInvalid)
}

func connectSQLite(ctx context.Context, path string) (*DB, error) {
	lock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	opts := url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"5000"}, "_foreign_keys": {"on"},
	}
	file := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + opts.Encode()
	w, err := sql.Open("sqlite", file+"&_txlock=immediate")
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	w.SetMaxOpenConns(1)
	r, err := sql.Open("sqlite", file+"&_query_only=1")
	if err != nil {
		return nil, errors.Join(err, w.Close(), lock.release())
	}
	r.SetMaxOpenConns(8)
	r.SetMaxIdleConns(8) // one that is closed and opened again reads the schema anew, and compiles all anew
	db := &DB{Dialect: SQLite, write: w, read: r, lock: lock, compiled: map[*sql.DB]*statements{w: newStatements(w), r: newStatements(r)}}
	if err := db.gate(ctx); err != nil {
		return nil, errors.Join(worded(err), db.Close())
	}
	return db, nil
}

// gate refuses a SQLite older than the WAL-reset fix.
func (db *DB) gate(ctx context.Context) error {
	var v string
	if err := db.write.QueryRowContext(ctx, "select sqlite_version()").Scan(&v); err != nil {
		return fmt.Errorf("open SQLite: %w", err)
	}
	return tooOld(v)
}

// tooOld says what is wrong with a SQLite of that version, or nothing.
func tooOld(v string) error {
	var have [3]int
	if _, err := fmt.Sscanf(v, "%d.%d.%d", &have[0], &have[1], &have[2]); err != nil {
		return fmt.Errorf("SQLite version %q: %w", v, err)
	}
	for i := range have {
		if have[i] != oldestSQLite[i] {
			if have[i] < oldestSQLite[i] {
				return fmt.Errorf("SQLite %s can corrupt its write-ahead log; 3.51.3 or newer is needed", v)
			}
			break
		}
	}
	return nil
}

func connectPostgres(ctx context.Context, dsn string) (*DB, error) {
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	both := stdlib.OpenDBFromPool(pool)
	if err := both.PingContext(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	return &DB{Dialect: Postgres, write: both, read: both, pool: pool, connectedWithin: connectedWithin}, nil
}

// Close waits for what is under way and closes every connection.
func (db *DB) Close() error {
	for _, s := range db.compiled {
		s.close()
	}
	err := db.write.Close()
	if db.Dialect == SQLite {
		return errors.Join(err, db.read.Close(), db.lock.release())
	}
	db.pool.Close()
	return err
}

// Tx is one transaction, for one goroutine.
type Tx struct {
	*sql.Tx
	db       *DB
	compiled *statements          // of this pool; nil: there are none
	using    map[string]*sql.Stmt // those of this transaction
	wanted   []string             // texts that came so often that they should be
	later    map[string]*later    // by table: rows that are not written yet
	failed   error                // of a statement that could not say so
	manner   Manner
	notes    *notes // whose requests and grants it reads and writes; nil: that is not noted
}

// writeTries bounds how often a transaction that could not be serialized is
// tried again: with so many losses in a row something else is wrong. Where many want
// the same, or much is quick beside who is slow, some lose each time: after aloneAfter
// losses every second try is one beside which nobody else writes.
const (
	writeTries   = 20
	aloneAfter   = 8
	firstPause   = 2 * time.Millisecond // doubles with each loss
	longestPause = 200 * time.Millisecond
)

// takenTries bounds how often it is tried again because somebody else wrote the
// same key: whoever tries again sees their row, unless it is no race at all.
const takenTries = 2

// Write runs do in one serializable transaction: all of it is durable when
// Write returns nil, none of it otherwise. do may run several times and must
// touch nothing but the transaction.
func (db *DB) Write(ctx context.Context, do func(*Tx) error) error {
	return db.WriteIn(ctx, Serial, do)
}

// WriteIn is Write in another manner.
func (db *DB) WriteIn(ctx context.Context, m Manner, do func(*Tx) error) (err error) {
	tries := 0
	isolation := sql.LevelSerializable
	if m == Noted && db.Dialect == Postgres {
		isolation = sql.LevelRepeatableRead
	}
	defer db.timed("write", &tries, &err)()
	taken := 0
	for lost := range writeTries {
		tries++
		if lost > 0 {
			stepAside(ctx, lost)
		}
		err = db.theTurn(ctx, func() error {
			return db.once(ctx, db.write, &sql.TxOptions{Isolation: isolation}, func(tx *Tx) error {
				tx.manner, tx.notes = m, notesFor(db.Dialect, m)
				if err := tx.begun(ctx, lost >= aloneAfter && (lost-aloneAfter)%2 == 0); err != nil {
					return err
				}
				return do(tx)
			})
		})
		if isTaken(err) {
			taken++
		} else if !unserializable(err) {
			return err
		}
		if taken > takenTries {
			return err
		}
	}
	return fmt.Errorf("%w: gave up after %d tries: %w", access.ErrUnavailable, writeTries, err)
}

// stepAside waits some part of a time that doubles with each loss: transactions that
// collided and begin again at once collide again, and with several replicas some of
// them lose every time.
func stepAside(ctx context.Context, lost int) {
	most := min(firstPause<<min(lost, 10), longestPause)
	pause, cancel := context.WithTimeout(ctx, rand.N(most))
	defer cancel()
	<-pause.Done()
}

// Read runs do in one read-only snapshot.
func (db *DB) Read(ctx context.Context, do func(*Tx) error) (err error) {
	tries := 1
	defer db.timed("read", &tries, &err)()
	opts := &sql.TxOptions{ReadOnly: true}
	if db.Dialect == Postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	return db.once(ctx, db.read, opts, do)
}

// timed begins measuring, if anybody does; what it returns ends it.
func (db *DB) timed(kind string, tries *int, err *error) (done func()) {
	if db.Timed == nil {
		return func() {}
	}
	ended := db.Timed(kind)
	return func() { ended(*tries, *err) }
}

func (db *DB) once(ctx context.Context, on *sql.DB, opts *sql.TxOptions, do func(*Tx) error) (err error) {
	unasked := true // nothing can have been done
	defer func() { err = unavailable(ctx, worded(err), unasked) }()
	tx, giveBack, err := db.begin(ctx, on, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer giveBack()
	ours := &Tx{Tx: tx, db: db, compiled: db.compiled[on]}
	defer func() {
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) && err == nil {
			err = rerr
		}
		for _, query := range ours.wanted {
			ours.compiled.make(ctx, query)
		}
	}()
	if err := do(ours); err != nil {
		return err
	}
	if err := ours.end(ctx); err != nil {
		return err
	}
	if db.Ending != nil && !opts.ReadOnly {
		if err := db.Ending(ctx, ours, ours.manner); err != nil {
			return err
		}
	}
	if err := ours.settleNotes(ctx); err != nil {
		return err
	}
	unasked = false // from here on, whoever gets no answer does not know
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// unserializable tells the PostgreSQL answers that mean "again": it collided, with a lock
// held by each for the other or without, or somebody who writes for long let it not be alone.
func unserializable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03")
}

// isTaken tells PostgreSQL's answer to two that write one key at once. Neither saw
// the other's row, so that it may stand for a transaction that could not be
// serialized; the loser has to be told in its verb's words, not in the database's.
func isTaken(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}
