package server

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// At the door of another replica somebody is gone from the moment in which that is
// stored; what may wait is not waited for there.
func TestTheDoorIsUpToDate(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.Dialect{store.SQLite, store.Postgres} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, kind)
			h.edit(func() { h.people["ann"] = true })
			if err := h.inForce(t.Context()); err != nil {
				t.Fatal(err)
			}
			write := func(do func(ctx context.Context, tx *store.Tx) error) {
				t.Helper()
				if err := h.db.Write(t.Context(), func(tx *store.Tx) error { return do(t.Context(), tx) }); err != nil {
					t.Fatal(err)
				}
			}
			active := func() bool {
				t.Helper()
				if err := h.upToDate(); err != nil {
					t.Fatal(err)
				}
				i, _ := h.world.Load().Directory.Identity("ann")
				return i.ActiveAt(time.Now())
			}
			write(func(ctx context.Context, tx *store.Tx) error {
				return tx.SaveIdentity(ctx, store.Registered{Identity: access.Identity{ID: "bob", Kind: access.Person, Name: "Bob"}, Source: "hr"})
			})
			if !active() || h.world.Load().Directory.HasIdentity("bob") {
				t.Error("ann is gone, or the door has waited for somebody new")
			}
			write(func(ctx context.Context, tx *store.Tx) error {
				if err := tx.SaveHand(ctx, access.Hand{Subject: "left ann", Owner: "sara"}); err != nil {
					return err
				}
				return tx.Hasten(ctx)
			})
			if active() || !h.world.Load().Directory.HasIdentity("bob") {
				t.Error("ann is let in, or not all was read")
			}
			if w, was := h.world.Load(), h.version; w.Version != was {
				t.Errorf("in force is version %d, and %d was read", w.Version, was)
			}
			_ = h.db.Close()
			if err := h.upToDate(); err == nil {
				t.Error("without a database somebody is let in")
			}
		})
	}
}

// What may wait is read once for all that is said meanwhile, and once more for what is
// said after that; at the end nobody waits for anything.
func TestWhatMayWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r roster
		var read atomic.Int32
		say := func(times int) {
			for range times {
				r.later(func() { read.Add(1) })
			}
		}
		is := func(want int32) {
			t.Helper()
			synctest.Wait()
			if got := read.Load(); got != want {
				t.Errorf("it was read %d times, want %d", got, want)
			}
		}
		say(100)
		is(0)
		time.Sleep(joinEvery)
		is(1)
		say(3)
		time.Sleep(joinEvery / 2)
		say(3)
		is(1)
		time.Sleep(joinEvery / 2)
		is(2)
		say(1)
		r.rest() // it is not read any more: the database is about to be closed
		say(1)
		time.Sleep(2 * joinEvery)
		is(2)
	})
}

// Whoever has to see what was stored waits for one reading, together with others.
func TestSees(t *testing.T) {
	t.Parallel()
	h := newHouse(t, store.SQLite)
	if err := h.db.Write(t.Context(), func(tx *store.Tx) error {
		return tx.SaveIdentity(t.Context(), store.Registered{Identity: access.Identity{ID: "bob", Kind: access.Person, Name: "Bob"}, Source: "hr"})
	}); err != nil {
		t.Fatal(err)
	}
	seen := make(chan bool)
	for range 8 {
		go func() {
			err := h.sees(t.Context())
			seen <- err == nil && h.world.Load().Directory.HasIdentity("bob")
		}()
	}
	for range 8 {
		if !<-seen {
			t.Error("somebody did not see it")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.sees(ctx); err == nil {
		t.Error("whoever has gone away is told that they see it")
	}
}
