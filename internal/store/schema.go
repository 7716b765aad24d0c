package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/lessor-iam/lessor/internal/access"
)

// A PostgreSQL can be used by two roles: one that owns the schema and brings it up
// to date, seldom and by hand, and one as which servers run. The second reads and
// writes rows. It cannot take away the triggers that guard the machines, nor a
// table, nor a row of what has happened.

// kept are tables of whose rows none is ever deleted: what was asked, answered,
// granted and seen, and the log.
var kept = []string{"request", "approval", "grants", "assignment", "receipt", "event", "tile", "checkpoint", "emergency", "departure", "handover", "rotation", "seal"}

// written are those whose rows are never changed either, but for these columns.
var written = map[string]string{"event": "seq", "checkpoint": "", "receipt": ""}

// read are tables of which a server only needs to know what they say.
var read = []string{"goose_db_version", "river_migration", "move"}

// OpenAs opens a PostgreSQL whose schema somebody else brings up to date. It alters
// nothing, and refuses a schema that this program does not know how to work on.
func OpenAs(ctx context.Context, dsn string) (*DB, error) {
	db, err := connectPostgres(ctx, dsn)
	if err != nil {
		return nil, err
	}
	db.guest = true
	if err := db.fits(ctx); err != nil {
		return nil, errors.Join(worded(err), db.Close())
	}
	if err := db.mayServe(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.openJobs(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// fits says why the schema cannot be worked on as it is.
func (db *DB) fits(ctx context.Context) error {
	// 1. Our tables. Where there are none goose would make its own.
	var there bool
	if err := db.read.QueryRowContext(ctx, "select to_regclass('goose_db_version') is not null").Scan(&there); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("%w: the database has no schema yet: run lessor migrate with a role that owns it", access.ErrConflict)
	}
	p, err := db.provider()
	if err != nil {
		return err
	}
	if behind, err := p.HasPending(ctx); err != nil {
		return err
	} else if behind {
		return fmt.Errorf("%w: the schema is older than this program: run lessor migrate with a role that owns it", access.ErrConflict)
	}
	// 2. The triggers that guard the machines: there, and not switched off.
	for _, table := range tables {
		var guards int
		if err := db.read.QueryRowContext(ctx, `select count(*) from pg_trigger where tgrelid = to_regclass($1) and tgname in ($2, $3) and tgenabled <> 'D'`,
			table, table+"_moves", table+"_begins").Scan(&guards); err != nil {
			return err
		}
		if guards != 2 {
			return fmt.Errorf("%w: table %s is not guarded: a trigger is missing or switched off; run lessor migrate with a role that owns it, and find out who did that", access.ErrConflict, table)
		}
	}
	// 3. The jobs'.
	m, err := rivermigrate.New(db.riverDriver(), nil)
	if err != nil {
		return err
	}
	if v, err := m.Validate(ctx, nil); err != nil {
		return err
	} else if !v.OK {
		return fmt.Errorf("%w: the tables of background work are older than this program: run lessor migrate with a role that owns them: %s", access.ErrConflict, strings.Join(v.Messages, "; "))
	}
	return nil
}

// Role is whom a PostgreSQL URL connects as.
func Role(dsn string) (string, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "", fmt.Errorf("%w: not a postgres:// URL", access.ErrInvalid) // what was written carries a password
	}
	return c.User, nil
}

// LetUse gives a role what a server needs, and takes from it what it has besides.
func (db *DB) LetUse(ctx context.Context, role string) error {
	if db.Dialect != Postgres {
		return fmt.Errorf("%w: only PostgreSQL has roles", access.ErrInvalid)
	}
	return db.Write(ctx, func(tx *Tx) error {
		to := pgx.Identifier{role}.Sanitize()
		names, err := all(ctx, tx, func(r scanner) (name string, err error) { return name, r.Scan(&name) },
			`select tablename from pg_tables where schemaname = current_schema() order by tablename`)
		if err != nil {
			return err
		}
		var schema string
		if err := tx.QueryRowContext(ctx, "select current_schema()").Scan(&schema); err != nil {
			return err
		}
		schema = pgx.Identifier{schema}.Sanitize()
		do := []string{
			fmt.Sprintf("grant usage on schema %s to %s", schema, to),
			fmt.Sprintf("grant usage, select on all sequences in schema %s to %s", schema, to),
		}
		for _, name := range names {
			table := pgx.Identifier{name}.Sanitize()
			do = append(do, fmt.Sprintf("revoke all on %s from %s", table, to), fmt.Sprintf("grant %s on %s to %s", rights(name), table, to))
		}
		for _, stmt := range do {
			if _, err := tx.ExecContext(ctx, stmt); err != nil {
				return fmt.Errorf("%s: %w", stmt, err)
			}
		}
		return nil
	})
}

// rights are what a server needs on a table.
func rights(table string) string {
	columns, only := written[table]
	switch {
	case slices.Contains(read, table):
		return "select"
	case only && columns == "":
		return "select, insert"
	case only:
		return "select, insert, update (" + columns + ")"
	case slices.Contains(kept, table):
		return "select, insert, update"
	}
	return "select, insert, update, delete"
}

// Mighty says what the role that is connected as may do that no server needs;
// nothing where it may do no such thing.
func (db *DB) Mighty(ctx context.Context) (why string, err error) {
	err = db.read.QueryRowContext(ctx, `select case
		when (select rolsuper from pg_roles where rolname = current_user) then 'it is a superuser'
		when exists (select from pg_tables where schemaname = current_schema() and pg_has_role(current_user, tableowner, 'member')) then 'it owns tables'
		when has_schema_privilege(current_user, current_schema(), 'create') then 'it may create in the schema'
		when has_table_privilege(current_user, 'event', 'delete, truncate, trigger') then 'it may delete from the log'
		else '' end`).Scan(&why)
	return why, err
}
