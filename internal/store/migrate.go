package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/lessor-iam/lessor/internal/access"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings our schema, the triggers that guard the machines, and the job
// tables up to date. Several processes may start at once: PostgreSQL takes an
// advisory lock; a SQLite file has one process.
func (db *DB) migrate(ctx context.Context) error {
	p, err := db.provider()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	// A program that is older than the schema goes on, because one that does not
	// start removes nothing; but the newer one's table of moves stays: written anew
	// from ours, it would refuse the newer one's moves, and what those remove.
	newer, err := newerThan(ctx, p)
	if err != nil {
		return err
	}
	if newer {
		return nil
	}
	if err := db.guardMoves(ctx); err != nil {
		return fmt.Errorf("guard the machines: %w", err)
	}
	if err := db.keyRequests(ctx); err != nil {
		return err
	}
	return db.migrateJobs(ctx)
}

// newerThan tells whether a newer program has brought the schema further than this one knows.
func newerThan(ctx context.Context, p *goose.Provider) (bool, error) {
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return false, err
	}
	known := p.ListSources()
	return len(known) > 0 && has > known[len(known)-1].Version, nil
}

func (db *DB) provider() (*goose.Provider, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	dialect, opts := goose.DialectSQLite3, []goose.ProviderOption{}
	if db.Dialect == Postgres {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		dialect, opts = goose.DialectPostgres, append(opts, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(dialect, db.write, sub, opts...)
}

// MigrationStatus is one line per step of our own schema: its version, file and whether it is applied.
func (db *DB) MigrationStatus(ctx context.Context) ([]string, error) {
	p, err := db.provider()
	if err != nil {
		return nil, err
	}
	all, err := p.Status(ctx)
	if err != nil {
		return nil, worded(err)
	}
	var lines []string
	for _, s := range all {
		lines = append(lines, fmt.Sprintf("%05d %s %s", s.Source.Version, s.Source.Path, s.State))
	}
	return lines, nil
}

// tables gives each machine's table; the column is always "state".
var tables = map[access.Machine]string{
	access.RequestMachine: "request", access.GrantMachine: "grants", access.AssignmentMachine: "assignment",
	access.RotationMachine: "rotation",
	access.HandoverMachine: "handover",
	access.SealMachine:     "seal",
}

// guardMoves writes the table of allowed moves into triggers, anew at each
// start, so that the database refuses any move that the code's table has not.
// A grant's end, moreover, only ever moves earlier.
func (db *DB) guardMoves(ctx context.Context) error {
	return db.Write(ctx, func(tx *Tx) error {
		if db.Dialect == Postgres { // replicas starting together write the same triggers
			if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(76317)"); err != nil {
				return err
			}
		}
		for m, table := range tables {
			first, moves := moveSQL(m)
			for _, stmt := range db.guard(table, first, moves) {
				if _, err := tx.ExecContext(ctx, stmt); err != nil {
					return fmt.Errorf("%w in %q", err, stmt)
				}
			}
		}
		return nil
	})
}

func moveSQL(m access.Machine) (first, moves string) {
	var begin, allowed []string
	for _, mv := range access.Machines {
		switch {
		case mv.Machine != m:
		case mv.From == "":
			begin = append(begin, "'"+mv.To+"'")
		default:
			allowed = append(allowed, "'"+mv.From+">"+mv.To+"'")
		}
	}
	return strings.Join(begin, ", "), strings.Join(allowed, ", ")
}

func (db *DB) guard(table, first, moves string) []string {
	bad := fmt.Sprintf("old.state <> new.state and (old.state || '>' || new.state) not in (%s)", moves)
	if table == "grants" {
		bad = "(" + bad + ") or new.end_at > old.end_at"
	}
	begin := fmt.Sprintf("new.state not in (%s)", first)
	if db.Dialect == SQLite {
		return []string{
			"drop trigger if exists " + table + "_moves",
			fmt.Sprintf("create trigger %s_moves before update on %s when %s begin select raise(abort, 'no such move of %s'); end", table, table, bad, table),
			"drop trigger if exists " + table + "_begins",
			fmt.Sprintf("create trigger %s_begins before insert on %s when %s begin select raise(abort, 'no such beginning of %s'); end", table, table, begin, table),
		}
	}
	fn := func(name, cond, text string) string {
		return fmt.Sprintf("create or replace function %s() returns trigger language plpgsql as $$ begin if %s then raise exception '%s'; end if; return new; end $$", name, cond, text)
	}
	return []string{
		fn(table+"_moves", bad, "no such move of "+table),
		fn(table+"_begins", begin, "no such beginning of "+table),
		fmt.Sprintf("create or replace trigger %s_moves before update on %s for each row execute function %s_moves()", table, table, table),
		fmt.Sprintf("create or replace trigger %s_begins before insert on %s for each row execute function %s_begins()", table, table, table),
	}
}

// migrateJobs brings River's tables up to date. On SQLite it must run in one
// transaction (there is one connection); on PostgreSQL it cannot (new enum
// values), so replicas take turns by an advisory lock.
func (db *DB) migrateJobs(ctx context.Context) error {
	m, err := rivermigrate.New(db.riverDriver(), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if db.Dialect == SQLite {
		return db.Write(ctx, func(tx *Tx) error {
			_, err := m.MigrateTx(ctx, tx.Tx, rivermigrate.DirectionUp, nil) //nolint:staticcheck // Migrate would wait for a second connection, and there is one
			return err
		})
	}
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "select pg_advisory_lock(76318)"); err != nil {
		return err
	}
	defer unlock(ctx, conn)
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func unlock(ctx context.Context, conn *sql.Conn) {
	// Closing the connection would give the lock back as well; the error says nothing more.
	_, _ = conn.ExecContext(context.WithoutCancel(ctx), "select pg_advisory_unlock(76318)")
}
