package server

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// What may be a moment old is read from a copy that follows by streaming, while that
// keeps up; it can be neither written to, nor anything but a copy.
func TestReadFromACopy(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	primary := testserver.StartPostgres(t)
	db, err := store.Open(ctx, primary.DSN)
	if err != nil {
		t.Fatal(err)
	}
	replica := primary.Replica(t)
	ref := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(ref, []byte(replica.DSN), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{db: db, log: slog.New(slog.DiscardHandler)}
	s.current.Store(&config.Config{ReadRef: "file:" + ref})
	t.Cleanup(func() {
		if err := errors.Join(s.mirror.close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	n := 0
	happens := func() string {
		t.Helper()
		n++
		id := fmt.Sprintf("ev-%03d", n)
		if err := db.Write(ctx, func(tx *store.Tx) error {
			return tx.AddEvent(ctx, store.Event{ID: id, Kind: "grant.live", At: time.Unix(1, 0), Body: []byte("{}"), Salt: []byte{1}})
		}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	read := func() (newest string, copied bool) {
		t.Helper()
		if err := s.readAfar(ctx, func(of *store.DB) (err error) {
			copied = of != db
			newest, err = lastEvent(ctx, of)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return newest, copied
	}
	shows := func(id string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) {
			if newest, copied := read(); newest == id && copied {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the copy does not show %s within a minute", id)
			}
		}
	}
	// 1. It follows, and cannot be written to.
	shows(happens())
	if err := s.mirror.db.Write(ctx, func(tx *store.Tx) error { return tx.SetTile(ctx, 0, 0, []byte{1}) }); err == nil {
		t.Error("the copy was written to")
	}
	// 2. One that stands still is read for a minute, and then no more.
	on, err := sql.Open("pgx", replica.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	if _, err := on.ExecContext(ctx, "select pg_wal_replay_pause()"); err != nil {
		t.Fatal(err)
	}
	happens()
	now := time.Now()
	if copied, err := s.mirrored(ctx, now); copied == nil || err != nil {
		t.Errorf("a moment behind it is not read: %v", err)
	}
	happens()
	if copied, err := s.mirrored(ctx, now.Add(mostBehind+time.Second)); copied != nil || err == nil {
		t.Error("a minute behind it is read")
	}
	if _, err := on.ExecContext(ctx, "select pg_wal_replay_resume()"); err != nil {
		t.Fatal(err)
	}
	shows(happens())
	// 3. Where it is away, the database is read.
	replica.Stop()
	if newest, copied := read(); copied || newest != fmt.Sprintf("ev-%03d", n) {
		t.Errorf("without the copy: %s, of the copy: %t", newest, copied)
	}
	// 4. What follows nothing is no copy.
	if _, err := store.Follow(ctx, primary.DSN); !errors.Is(err, access.ErrConflict) {
		t.Errorf("the database as its own copy: %v", err)
	}
}
