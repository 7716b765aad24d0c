package sequence

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// How many events a turn has, and how many goroutines give them to Tessera, which is
// fastest where many wait at once.
const (
	logged     = 50_000
	goroutines = 1_000
)

// BenchmarkSequence has the same events taken into Tessera's POSIX log and into ours, on
// SQLite and on PostgreSQL, all of it flushed, one after the other on the same disk.
// Commitments is what sequencing is in ours: the events are there, in a table, and their
// commitments get a place, tiles and a signed head for each thousand; Tessera gets the
// commitments alone. With bodies, both write the events as well.
func BenchmarkSequence(b *testing.B) {
	pg := testserver.StartPostgres(b, "fsync=on", "full_page_writes=on", "shared_buffers=128MB", "max_wal_size=1GB")
	dir := b.TempDir()
	sqlite := enginetest.Open(b, store.SQLite, func(o *enginetest.Options) { o.DSN, o.Key = "sqlite:"+filepath.Join(dir, "lessor.db"), "log" })
	postgres := enginetest.Open(b, store.Postgres, func(o *enginetest.Options) { o.DSN, o.Key = pg.DSN, "log" })
	for _, bodies := range []bool{false, true} {
		name := "commitments"
		if bodies {
			name = "with_bodies"
		}
		b.Run(name, func(b *testing.B) {
			var took [3]time.Duration
			n := 0
			for b.Loop() {
				events := make([]store.Event, logged)
				for i := range events {
					events[i] = event(b, sqlite, fmt.Sprintf("%s-%03d-%06d", time.Now().UTC().Format("150405.000000000"), n, i))
				}
				n++
				took[0] += theirs(b, filepath.Join(dir, fmt.Sprintf("%s-%d", name, n)), events, bodies)
				took[1] += ours(b, sqlite, events, bodies)
				took[2] += ours(b, postgres, events, bodies)
				if a, z := head(b, sqlite), head(b, postgres); a.Root != z.Root || a.Size != z.Size {
					b.Fatalf("two logs of the same events: %+v, %+v", a, z)
				}
			}
			for i, what := range []string{"tessera", "sqlite", "postgres"} {
				b.ReportMetric(float64(n*logged)/took[i].Seconds(), what+"/s")
				if i > 0 {
					b.ReportMetric(took[0].Seconds()/took[i].Seconds(), what+"_ratio")
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// event is one of the usual size, stamped as the engine does.
func event(b *testing.B, f *enginetest.Fixture, id string) store.Event {
	b.Helper()
	ev := access.Event{ID: "ev-" + id, At: enginetest.Noon, Kind: "request.commented", Actor: f.As("eve"), Request: "rq-1", Note: fmt.Sprintf("%0500d", 1)}
	body, err := access.Canonical(ev)
	if err != nil {
		b.Fatal(err)
	}
	return store.Event{ID: ev.ID, At: ev.At, Kind: ev.Kind, Request: ev.Request, Body: body, Salt: body[:16], Stamp: f.Signer.Stamp("event", []byte(ev.ID), body[:16], body)}
}

// ours writes the events and sequences them, and says how long that took: the
// writing only where bodies count.
func ours(b *testing.B, f *enginetest.Fixture, events []store.Event, bodies bool) time.Duration {
	b.Helper()
	began := time.Now()
	for from := 0; from < len(events); from += 1000 {
		if err := f.DB.Write(b.Context(), func(tx *store.Tx) error {
			for _, ev := range events[from : from+1000] {
				if err := tx.AddEvent(b.Context(), ev); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	if !bodies {
		began = time.Now()
	}
	if placed, err := f.Engine.Sequence(b.Context()); err != nil || placed != len(events) {
		b.Fatal(placed, err)
	}
	return time.Since(began)
}

// theirs has Tessera take them in: each goroutine gives one and waits until it has its
// place. Entries have theirs once they are in files, and the tiles above them too.
func theirs(b *testing.B, dir string, events []store.Event, bodies bool) time.Duration {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		b.Fatal(err)
	}
	key, _, err := note.GenerateKey(rand.Reader, "log.example.com/tessera")
	if err != nil {
		b.Fatal(err)
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		b.Fatal(err)
	}
	appender, shutdown, read, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).
		WithBatching(goroutines, 100*time.Millisecond).WithCheckpointInterval(100*time.Millisecond))
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	var next atomic.Int64
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(events)); i = next.Add(1) - 1 {
				ev := events[i]
				entry := ev.Body
				if !bodies {
					c := evidence.Commit(ev.Salt, ev.Body)
					entry = c[:]
				}
				if _, err := appender.Add(ctx, tessera.NewEntry(entry))(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if size, err := read.IntegratedSize(ctx); err != nil || size != uint64(len(events)) {
		b.Fatal(size, err)
	}
	if err := shutdown(ctx); err != nil {
		b.Fatal(err)
	}
	return took
}

func head(b *testing.B, f *enginetest.Fixture) (c store.Checkpoint) {
	b.Helper()
	if err := f.DB.Read(b.Context(), func(tx *store.Tx) (err error) { c, err = tx.LastCheckpoint(b.Context()); return err }); err != nil {
		b.Fatal(err)
	}
	return c
}
