package report_test

import (
	"fmt"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// BenchmarkSequence gives events that wait their place in the log, in the
// store: tiles, places and a signed head for each thousand, on SQLite with
// every transaction flushed to disk.
func BenchmarkSequence(b *testing.B) {
	const events = 10_000
	f := enginetest.Open(b, store.SQLite)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		wait(b, f, fmt.Sprintf("%06d", n), events)
		b.StartTimer()
		if placed, err := f.Engine.Sequence(b.Context()); err != nil || placed != events {
			b.Fatal(placed, err)
		}
	}
	b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkReplay holds a store against its log.
func BenchmarkReplay(b *testing.B) {
	const events = 20_000
	f := enginetest.Open(b, store.SQLite)
	wait(b, f, "x", events)
	if _, err := f.Engine.Sequence(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if rep, err := report.Replay(b.Context(), f.DB, f.Signer.VerifierKey(), nil); err != nil || rep.Events != events {
			b.Fatal(rep, err)
		}
	}
	b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkBundle writes the story of one grant.
func BenchmarkBundle(b *testing.B) {
	p := live(b)
	for b.Loop() {
		p.bundle(b, p.ended.ID)
	}
}

// wait stores events that have no place in the log yet, of the usual size.
func wait(b *testing.B, f *enginetest.Fixture, batch string, n int) {
	b.Helper()
	err := f.DB.Write(b.Context(), func(tx *store.Tx) error {
		for i := range n {
			ev := access.Event{ID: fmt.Sprintf("ev-%s-%06d", batch, i), At: enginetest.Noon, Kind: "request.commented", Actor: f.As("eve"),
				Request: "rq-1", Note: fmt.Sprintf("%0500d", i)}
			body, err := access.Canonical(ev)
			if err != nil {
				return err
			}
			if err := tx.AddEvent(b.Context(), store.Event{ID: ev.ID, At: ev.At, Kind: ev.Kind, Request: ev.Request, Body: body, Salt: body[:16],
				Stamp: f.Signer.Stamp("event", []byte(ev.ID), body[:16], body)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
