package reconcile_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

// BenchmarkOutage has 10,000 grants in 200 groups end while their OpenLDAP refuses every
// connection, for an hour of the engine's clock, in which the lane does all it does then.
// Then the server is there again, at a moment the lane does not know: first is how long it
// takes until the first access was seen gone, all until all was, and raw one modify a group
// by somebody who knows every name, on such a server in the same run.
func BenchmarkOutage(b *testing.B) {
	var first, all, raw time.Duration
	for b.Loop() {
		raw += stormRawLDAP(b, stormSlapd(b), lagMembers)
		f, a := outage(b)
		first, all = max(first, f), all+a
	}
	b.ReportMetric(first.Seconds(), "s/first")
	b.ReportMetric(all.Seconds()/float64(b.N), "s/all")
	b.ReportMetric(raw.Seconds()/float64(b.N), "s/raw")
	b.ReportMetric(raw.Seconds()/all.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

func outage(b *testing.B) (first, all time.Duration) {
	b.Helper()
	s := stormSlapd(b)
	way := newGate(b, strings.TrimPrefix(s.URL, "ldaps://"))
	target := stormLDAP(b, s, "ldaps://"+way.addr)
	defer target.Close()
	var passed atomic.Int64 // beyond what passes by itself
	now := func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	f := stormOpen(b, store.SQLite, lagMembers, now, func(now time.Time, _ int) time.Time { return now })
	defer f.Close()
	lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: "outage", Width: stormWidth, Pace: f.Engine.Pace, Backstop: time.Minute, Now: now})
	// 1. An hour passes. Nobody waits for it: whenever nothing is due, it is soon.
	tries := 0
	for over := now().Add(time.Hour); now().Before(over); {
		n, err := lane.Once(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if tries += n; n > 0 {
			continue
		}
		next, ok, err := f.Engine.NextDue(b.Context(), "dir")
		if err != nil || !ok {
			b.Fatalf("nothing is due any more: %v", err)
		}
		passed.Add(int64(max(0, min(next.Sub(now()), over.Sub(now())))))
	}
	b.ReportMetric(float64(tries), "tries/hour")
	// 2. The lane runs by itself, and the server comes back while it does.
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { lane.Run(ctx) })
	<-time.After(1300 * time.Millisecond)
	back := now()
	way.open.Store(true)
	for tick := time.NewTicker(200 * time.Millisecond); ; <-tick.C {
		if stormGone(b, f) == stormGroups*lagMembers {
			tick.Stop()
			break
		}
	}
	stop()
	running.Wait()
	// 3. When each was seen gone stands in the log.
	var earliest, latest int64
	if err := f.DB.Read(b.Context(), func(tx *store.Tx) error {
		return tx.QueryRowContext(b.Context(), "select min(at), max(at) from event where kind = 'assignment.absent'").Scan(&earliest, &latest)
	}); err != nil {
		b.Fatal(err)
	}
	return time.UnixMicro(earliest).Sub(back), time.UnixMicro(latest).Sub(back)
}

// gate is the way to a server, which refuses everybody until it is open.
type gate struct {
	addr string
	open atomic.Bool
}

func newGate(b *testing.B, to string) *gate {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	g := &gate{addr: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go g.lead(in, to)
		}
	}()
	return g
}

func (g *gate) lead(in net.Conn, to string) {
	defer in.Close()
	if !g.open.Load() {
		return
	}
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // whichever end closes ends both
			done <- struct{}{}
		}()
	}
	<-done
}
