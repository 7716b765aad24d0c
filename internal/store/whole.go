package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
)

// Schema is the number of the newest migration that was applied.
func (tx *Tx) Schema(ctx context.Context) (version int64, err error) {
	err = tx.Tx.QueryRowContext(ctx, "select max(version_id) from goose_db_version where is_applied").Scan(&version)
	return version, err
}

// NewestSchema is the number of the newest migration that this program knows.
func (db *DB) NewestSchema() (version int64, err error) {
	p, err := db.provider()
	if err != nil {
		return 0, err
	}
	for _, s := range p.ListSources() {
		version = max(version, s.Version)
	}
	return version, nil
}

// unfinished is the mark of a database that was filled and not finished.
const unfinished = "restore unfinished"

// Fill is how an empty database is filled.
type Fill struct {
	Schema int64           // the number of the schema that what is loaded was of
	Load   func(*Tx) error // writes the tables, as that schema has them
	Finish func(*Tx) error // writes what follows from that, as the newest schema has it; nil: nothing
}

// OpenEmpty opens a database that has nothing in it, fills it, and brings it up to
// date. If we stop in between it is marked, and nobody opens it to work on it.
//
// What fills it may write any state: the triggers that guard the moves are made
// afterwards, and hold from then on. Nor may it add background work: there is no
// place for it yet.
func OpenEmpty(ctx context.Context, dsn string, fill Fill) (*DB, error) {
	db, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := db.fillEmpty(ctx, fill); err != nil {
		return nil, errors.Join(worded(err), db.Close())
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate %s: %w", db.Dialect, worded(err)), db.Close())
	}
	if err := db.openJobs(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) fillEmpty(ctx context.Context, fill Fill) error {
	// 1. Nothing is there.
	newest, err := db.NewestSchema()
	if err != nil {
		return err
	}
	if fill.Schema < 1 || fill.Schema > newest {
		return fmt.Errorf("%w: its schema is %d, and this program knows those up to %d: take the program it was written with, or a newer one", access.ErrInvalid, fill.Schema, newest)
	}
	err = db.Read(ctx, func(tx *Tx) error {
		filled, err := tx.Filled(ctx)
		if err == nil && filled != "" {
			err = fmt.Errorf("%w: the database is not empty (table %s has rows): name an empty one; nothing was changed", access.ErrConflict, filled)
		}
		return err
	})
	if err != nil {
		return err
	}
	// 2. The tables as they were then, made anew: those of an empty database may be newer, and guarded.
	p, err := db.provider()
	if err != nil {
		return err
	}
	if _, err := p.DownTo(ctx, 0); err != nil {
		return fmt.Errorf("schema %d: %w", fill.Schema, err)
	}
	if _, err := p.UpTo(ctx, fill.Schema); err != nil {
		return fmt.Errorf("schema %d: %w", fill.Schema, err)
	}
	// 3. What is in them; not to be worked on yet.
	err = db.Write(ctx, func(tx *Tx) error {
		if err := fill.Load(tx); err != nil {
			return err
		}
		return tx.exec(ctx, "mark", `insert into reading (name, at) values ($1, 0)`, unfinished)
	})
	if err != nil {
		return err
	}
	// 4. As they are now, and what follows. What is refused here is taken out again: the
	// same database can be filled with something right.
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	err = db.Write(ctx, func(tx *Tx) error {
		if fill.Finish != nil {
			if err := fill.Finish(tx); err != nil {
				return err
			}
		}
		return tx.exec(ctx, "mark", `delete from reading where name = $1`, unfinished)
	})
	if err != nil && ctx.Err() == nil {
		if _, down := p.DownTo(ctx, 0); down != nil {
			err = errors.Join(err, fmt.Errorf("and what was loaded is still there, marked as unfinished: %w", down))
		}
	}
	return err
}

// finished refuses a database whose filling was cut off.
func (db *DB) finished(ctx context.Context) error {
	return db.Read(ctx, func(tx *Tx) error {
		n := 0
		if err := tx.Tx.QueryRowContext(ctx, `select count(*) from reading where name = $1`, unfinished).Scan(&n); err != nil || n == 0 {
			return err
		}
		return fmt.Errorf("%w: a backup was put back into this database, and that was cut off: empty the database and put it back again", access.ErrConflict)
	})
}

// there lists which of our tables there are.
func (tx *Tx) there(ctx context.Context) (map[string]bool, error) {
	query := "select name from sqlite_schema where type = 'table'"
	if tx.db.Dialect == Postgres {
		query = "select table_name from information_schema.tables where table_schema = current_schema()"
	}
	list, err := all(ctx, tx, func(s scanner) (n string, err error) { err = s.Scan(&n); return n, err }, query)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, n := range list {
		names[n] = true
	}
	return names, nil
}

// Filled names a table that has rows, but for those that migrating wrote; "": there is none.
func (tx *Tx) Filled(ctx context.Context) (table string, err error) {
	there, err := tx.there(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range Tables {
		if seeded[t.Name] || !there[t.Name] {
			continue
		}
		n := 0
		switch err := tx.Tx.QueryRowContext(ctx, "select 1 from "+t.Name+" limit 1").Scan(&n); {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return "", fmt.Errorf("read table %s: %w", t.Name, err)
		default:
			return t.Name, nil
		}
	}
	return "", nil
}
