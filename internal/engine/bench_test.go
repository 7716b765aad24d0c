package engine_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// people is how many employees share the lives of a benchmark.
const people = 500

func crowd(o *enginetest.Options) {
	for i := range people {
		id := fmt.Sprintf("p%03d", i)
		o.Company.People[id] = access.Identity{ID: id, Kind: access.Person, Name: id, Manager: "mia", Accounts: map[string]string{"dir": id}}
	}
}

// BenchmarkLives measures whole lives of a grant, each step durable: asked,
// approved, granted, seen held, over, seen gone, all of it in the signed log.
// commits/life counts transactions; raw_commits/s is what the same disk takes
// of the smallest durable SQLite transactions in the same run; ratio is how many
// of those a life costs.
func BenchmarkLives(b *testing.B) {
	commits, sequenced, events := 0, 0, 0
	var sequencing time.Duration
	dir := benchFolder(b)
	f := enginetest.Open(b, store.SQLite, crowd, func(o *enginetest.Options) {
		o.DSN = "sqlite:" + filepath.Join(dir, "lives.db")
		o.Pace.Recheck, o.Pace.Confirm = 0, 0
		o.Seam = func(step string) {
			if strings.HasSuffix(step, "after commit") {
				commits++
			}
		}
	})
	f.Targets["dir"].Batch = 500
	lane := f.Lane("dir", "bench")
	for b.Loop() {
		for i := range people {
			r := f.Ask(fmt.Sprintf("p%03d", i), engine.Ask{Entitlements: []string{"dir:wiki"}})
			f.Approve("mia", r)
		}
		once := func() {
			if n, err := lane.Once(b.Context()); err != nil || n != people {
				b.Fatalf("%d tasks, %v", n, err)
			}
		}
		once()
		f.Clock.Pass(time.Hour)
		once()
		began := time.Now()
		n, err := f.Engine.Sequence(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		sequencing, events, sequenced = sequencing+time.Since(began), events+n, sequenced+(n+999)/1000
	}
	took := b.Elapsed()
	lives := float64(b.N * people)
	if held := f.Targets["dir"].Held(); len(held) != 0 {
		b.Fatalf("%d are still held", len(held))
	}
	if b.N*people <= 2000 {
		f.CheckQuiet()
	}
	raw := rawCommits(b, dir)
	b.ReportMetric(lives/took.Seconds(), "lives/s")
	b.ReportMetric((float64(commits)+float64(sequenced))/lives, "commits/life")
	b.ReportMetric(raw, "raw_commits/s")
	b.ReportMetric(raw*took.Seconds()/lives, "raw_commits/life")
	b.ReportMetric(float64(events)/sequencing.Seconds(), "events/s")
	b.ReportMetric(float64(events)/lives, "events/life")
	b.ReportMetric(0, "ns/op")
}

// benchFolder is on a real disk, not in memory: LESSOR_BENCH_DIR, or the test's own folder.
func benchFolder(b *testing.B) string {
	parent := os.Getenv("LESSOR_BENCH_DIR")
	if parent == "" {
		return b.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "lives-*")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// rawCommits measures one row a transaction, with the settings the store uses.
func rawCommits(b *testing.B, dir string) float64 {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "raw.db")+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("create table t (id integer primary key, body text)"); err != nil {
		b.Fatal(err)
	}
	body, n, began := strings.Repeat("x", 1000), 0, time.Now()
	for time.Since(began) < time.Second {
		if _, err := db.Exec("insert into t (body) values ($1)", body); err != nil {
			b.Fatal(err)
		}
		n++
	}
	return float64(n) / time.Since(began).Seconds()
}
