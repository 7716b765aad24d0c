package engine_test

import (
	"context"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Between somebody's leaving, said on one replica, and the directory made anew on another,
// the other lets them do nothing: it reads the directory first, and where it cannot,
// nobody does anything.
func TestNobodyPassesBehindALeaving(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		before := f.Engine.World()
		c, reads, asked := f.Engine.Config, true, 0
		c.World = func() engine.World { return before }
		c.Joined = func(context.Context, bool) {
			if asked++; reads {
				before = f.Engine.World()
			}
		}
		other, err := engine.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Submit(t.Context(), f.As("bob"), ask("dir:lobby")); err != nil || asked != 0 {
			t.Errorf("nobody has left: %v, asked %d times", err, asked)
		}
		leave(t, f, "eve")
		events := len(f.Events("", "", ""))
		reads = false
		for _, who := range []string{"eve", "eve.2", "mia"} {
			_, err = other.Submit(t.Context(), f.As(who), ask("dir:lobby"))
			refused(t, who+", while it cannot be read", err, access.ErrConflict, "read anew")
		}
		if err := other.Revoke(t.Context(), f.As("eve"), "gr-1", "it is mine"); err == nil || len(f.Events("", "", "")) != events {
			t.Errorf("something was done: %v", err)
		}
		if asked != 4 {
			t.Errorf("it was read %d times", asked)
		}
		reads = true
		if r, err := other.Submit(t.Context(), f.As("eve"), ask("dir:lobby")); err != nil || r.State != access.Denied {
			t.Errorf("a leaver's request is %s, %v", r.State, err)
		}
		if _, err := other.Submit(t.Context(), f.As("mia"), ask("dir:lobby")); err != nil || asked != 5 {
			t.Errorf("anybody else: %v, asked %d times", err, asked)
		}
	})
}

// So it is with whom a signal suspends.
func TestNobodyPassesBehindASuspension(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		hears(f)
		before := f.Engine.World()
		c := f.Engine.Config
		c.World = func() engine.World { return before }
		c.Joined = func(context.Context, bool) { before = f.Engine.World() }
		other, err := engine.New(c)
		if err != nil {
			t.Fatal(err)
		}
		did(t, f, access.DidSuspend, signal(f, "1", access.SignalDisabled, "eve"))
		if r, err := other.Submit(t.Context(), f.As("eve"), ask("dir:lobby")); err != nil || r.State != access.Denied {
			t.Errorf("the request of whoever is suspended is %s, %v", r.State, err)
		}
	})
}
