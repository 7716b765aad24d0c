package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// A server's role reads and writes rows. What guards the rows, and what has
// happened, it cannot take away, whatever whoever holds its password tries.
func TestAServersRoleAltersNothing(t *testing.T) {
	t.Parallel()
	owner, runs := testserver.PostgresRoles(t)
	// 1. It makes nothing by itself.
	if _, err := OpenAs(t.Context(), runs); !errors.Is(err, access.ErrConflict) || !strings.Contains(err.Error(), "lessor migrate") {
		t.Fatalf("an empty database: %v", err)
	}
	// 2. Its owner makes it, and lets it be used; twice, as with each update.
	own, err := Open(t.Context(), owner)
	must(t, err)
	defer func() { must(t, own.Close()) }()
	role, err := Role(runs)
	must(t, err)
	for range 2 {
		must(t, own.LetUse(t.Context(), role))
	}
	if why, err := own.Mighty(t.Context()); err != nil || why == "" {
		t.Errorf("the owner is mighty: %q, %v", why, err)
	}
	db, err := OpenAs(t.Context(), runs)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	if why, err := db.Mighty(t.Context()); err != nil || why != "" {
		t.Errorf("the server's role: %q, %v", why, err)
	}
	// 3. It writes what has happened, and gives it its place.
	must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
		return errors.Join(tx.AddEvent(ctx, Event{ID: "ev-1", Kind: "x", At: noon, Body: []byte("{}"), Salt: []byte("s")}), tx.PlaceEvent(ctx, "ev-1", 0))
	}))
	// 4. And nothing else.
	for _, stmt := range []string{
		"delete from event", "truncate event", "update event set at = 0", "update checkpoint set note = ''", "delete from grants", "delete from approval", "truncate grants",
		"alter table grants disable trigger all", "drop trigger grants_moves on grants", "drop table event", "create table mine (x int)",
		"create or replace function grants_moves() returns trigger language plpgsql as $$ begin return new; end $$", "drop function grants_moves() cascade",
		"update goose_db_version set version_id = 1", "set session_replication_role = replica", "alter role current_user superuser", "create index on event (at)",
	} {
		_, err := db.write.ExecContext(t.Context(), stmt)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v", stmt, err)
		}
	}
}

// A schema that is not what the program knows how to work on is refused, and so is
// one whose guards somebody has switched off.
func TestOpenAsRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, stmt, want string }{
		{"older", "delete from goose_db_version where version_id = (select max(version_id) from goose_db_version)", "older than this program"},
		{"jobs older", "delete from river_migration where version = (select max(version) from river_migration)", "background work are older"},
		{"switched off", "alter table grants disable trigger grants_moves", "grants is not guarded"},
		{"taken away", "drop trigger request_begins on request", "request is not guarded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			owner, runs := testserver.PostgresRoles(t)
			own, err := Open(t.Context(), owner)
			must(t, err)
			defer func() { must(t, own.Close()) }()
			role, err := Role(runs)
			must(t, err)
			must(t, own.LetUse(t.Context(), role))
			if _, err := own.write.ExecContext(t.Context(), c.stmt); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenAs(t.Context(), runs); !errors.Is(err, access.ErrConflict) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

var (
	deletes = regexp.MustCompile(`(?i)delete from ([a-z_]+)`)
	updates = regexp.MustCompile(`(?i)update ([a-z_]+) set ([a-z_]+)`)
)

// What a server's role may not do, no statement of ours does.
func TestRightsAreEnough(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(os.DirFS("."), "*.go")
	must(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || name == "move.go" { // which is for the owner alone
			continue
		}
		raw, err := os.ReadFile(name)
		must(t, err)
		for _, m := range deletes.FindAllStringSubmatch(string(raw), -1) {
			if !strings.Contains(rights(m[1]), "delete") {
				t.Errorf("%s deletes from %s; its rights are %s", name, m[1], rights(m[1]))
			}
		}
		for _, m := range updates.FindAllStringSubmatch(string(raw), -1) {
			if r := rights(m[1]); !strings.HasSuffix(r, "update") && !strings.Contains(r, "update,") && !strings.Contains(r, "("+m[2]+")") {
				t.Errorf("%s changes %s of %s; its rights are %s", name, m[2], m[1], r)
			}
		}
	}
	for _, name := range kept {
		if !slices.ContainsFunc(Tables, func(t Table) bool { return t.Name == name }) {
			t.Errorf("there is no table %s to be kept", name)
		}
	}
}
