package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Transactions are all or nothing, serializable, and tried again where they collide.
func TestTransactions(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		bad := errors.New("bad")
		if err := write(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddRequest(ctx, request("rq-2")), bad)
		}); !errors.Is(err, bad) {
			t.Errorf("the error is %v", err)
		}
		tries, want := 0, 40
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range want { // each reads how many there are, and adds one that says so: a lost update would repeat a number
			all.Go(func() {
				err := write(t, db, func(ctx context.Context, tx *Tx) error {
					mu.Lock()
					tries++
					mu.Unlock()
					n := 0
					if err := tx.QueryRowContext(ctx, "select count(*) from finding").Scan(&n); err != nil {
						return err
					}
					return tx.AddFinding(ctx, access.Finding{ID: fmt.Sprintf("fi-%d", i), Kind: "count", Subject: fmt.Sprint(n), Owner: "o", OpenedAt: noon, DueAt: noon})
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			n := 0
			err := tx.QueryRowContext(t.Context(), "select count(distinct subject) from finding").Scan(&n)
			same(t, "numbers", n, err, want)
			if _, err := tx.Request(t.Context(), "rq-2"); !errors.Is(err, access.ErrNotFound) {
				t.Errorf("half a transaction is stored: %v", err)
			}
			return nil
		}))
		if err := db.Read(t.Context(), func(tx *Tx) error { _, err := tx.ExecContext(t.Context(), "delete from finding"); return err }); err == nil {
			t.Error("a read deletes")
		}
		t.Logf("%d tries for %d transactions", tries, want)
	})
}

// One INSERT that the database refuses leaves nothing of its transaction, and
// the grant that was there before is still there to be ended.
func TestRefusedInsertLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		must(t, refuseEvents(t, db, "grant.ended"))
		g := grant("gr-1", "rq-1", "as-1")
		end := func(ctx context.Context, tx *Tx) error {
			ended := g
			ended.State, ended.EndedAt, ended.Ended = access.Ended, noon, access.EndRevoked
			return errors.Join(tx.SaveGrant(ctx, access.Scheduled, ended), tx.AddEvent(ctx, Event{ID: "ev-1", Kind: "grant.ended", At: noon, Body: []byte("{}"), Salt: []byte{1}}))
		}
		if err := write(t, db, end); err == nil {
			t.Fatal("the refused event did not stop its transaction")
		}
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			got, err := tx.Grant(t.Context(), "gr-1")
			same(t, "grant", got, err, g)
			return nil
		}))
	})
}

// refuseEvents makes the database refuse events of that kind.
func refuseEvents(t *testing.T, db *DB, kind string) error {
	return write(t, db, func(ctx context.Context, tx *Tx) error {
		stmts := []string{"create trigger refuse before insert on event when new.kind = '" + kind + "' begin select raise(abort, 'refused'); end"}
		if db.Dialect == Postgres {
			stmts = []string{"create function refuse() returns trigger language plpgsql as $$ begin if new.kind = '" + kind + "' then raise exception 'refused'; end if; return new; end $$",
				"create trigger refuse before insert on event for each row execute function refuse()"}
		}
		for _, s := range stmts {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestMigrations(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		p, err := db.provider()
		must(t, err)
		_, err = p.DownTo(t.Context(), 0)
		must(t, err)
		if err := db.Read(t.Context(), func(tx *Tx) error { _, err := tx.Request(t.Context(), "rq-1"); return err }); err == nil || errors.Is(err, access.ErrNotFound) {
			t.Errorf("after all the way down, the tables are still there: %v", err)
		}
		must(t, db.migrate(t.Context()))
		must(t, db.migrate(t.Context())) // again is nothing
		base(t, db)
		lines, err := db.MigrationStatus(t.Context())
		must(t, err)
		for _, l := range lines {
			if !strings.HasSuffix(l, "applied") {
				t.Errorf("%s", l)
			}
		}
	})
}

// Several replicas may start at once on one PostgreSQL database.
func TestReplicasMigrateAtOnce(t *testing.T) {
	t.Parallel()
	dsn := testserver.Postgres(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			db, err := Open(t.Context(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Open(t.Context(), "sqlite:"+filepath.Join(dir, "a name with ? and # and %.db"))
	must(t, err)
	if _, err := Open(t.Context(), "sqlite:"+filepath.Join(dir, "other.db")); err == nil || !errors.Is(err, access.ErrConflict) || !strings.Contains(err.Error(), "in use by another lessor") {
		t.Errorf("a second process on the folder: %v", err)
	}
	must(t, first.Close())
	if _, err := os.Stat(filepath.Join(dir, "a name with ? and # and %.db")); err != nil {
		t.Error(err)
	}
	again, err := Open(t.Context(), "sqlite:"+filepath.Join(dir, "other.db"))
	must(t, err)
	must(t, again.Close())
	for _, dsn := range []string{"", "mysql://x", "lessor.db"} {
		if _, err := Open(t.Context(), dsn); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%q: %v", dsn, err)
		}
	}
	if _, err := Open(t.Context(), fmt.Sprintf("postgres://postgres@127.0.0.1:%d/x?sslmode=disable", testserver.Port(t))); err == nil {
		t.Error("a server that is not there was opened")
	}
	if err := os.WriteFile(filepath.Join(dir, "garbage.db"), []byte(strings.Repeat("no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), "sqlite:"+filepath.Join(dir, "garbage.db")); err == nil {
		t.Error("a file that is no database was opened")
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	for v, ok := range map[string]bool{"3.51.3": true, "3.51.4": true, "3.52.0": true, "4.0.0": true, "3.51.2": false, "3.50.9": false, "2.99.99": false, "x": false, "": false} {
		if err := tooOld(v); (err == nil) != ok {
			t.Errorf("%q: %v", v, err)
		}
	}
}

// Two that write one key at the same moment do not know of each other: the one who
// comes second is asked again, sees the other's, and says so in words of its own.
func TestTwoWriteOneKeyAtOnce(t *testing.T) {
	t.Parallel()
	db := open(t, Postgres)
	ctx := t.Context()
	errKnown := errors.New("it is there already")
	looked, first := make(chan struct{}), make(chan error, 1)
	tries := 0
	err := db.Write(ctx, func(tx *Tx) error {
		tries++
		tile, err := tx.Tile(ctx, 0, 1)
		if err != nil || tile != nil {
			return errors.Join(err, errKnown)
		}
		if tries == 1 {
			go func() {
				first <- db.Write(ctx, func(tx *Tx) error {
					_, err := tx.ExecContext(ctx, "insert into tile (level, idx, body) values (0, 1, $1)", []byte{1})
					return err
				})
				close(looked)
			}()
			<-looked
		}
		_, err = tx.ExecContext(ctx, "insert into tile (level, idx, body) values (0, 1, $1)", []byte{2})
		return err
	})
	if ferr := <-first; ferr != nil || !errors.Is(err, errKnown) || tries != 2 {
		t.Errorf("first: %v; second, after %d tries: %v", ferr, tries, err)
	}
	// Where it is no race, it is what it is.
	tries = 0
	err = db.Write(ctx, func(tx *Tx) error {
		tries++
		_, err := tx.ExecContext(ctx, "insert into tile (level, idx, body) values (0, 1, $1)", []byte{2})
		return err
	})
	if !isTaken(err) || tries != 1+takenTries {
		t.Errorf("after %d tries: %v", tries, err)
	}
}
