package move_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/move"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const hour = access.Term(time.Hour)

// house is a company at work on SQLite, that is to move.
type house struct {
	*enginetest.Fixture
	from, to string
	waiting  access.Request // not yet answered
	short    access.Grant   // ends within the hour
	long     access.Grant   // ends after four hours
	stuck    access.Grant   // was revoked, and is not seen gone
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{from: enginetest.DSN(t, store.SQLite), to: testserver.Postgres(t)}
	h.Fixture = enginetest.Open(t, store.SQLite, func(o *enginetest.Options) { o.DSN, o.Key = h.from, "log" })
	h.short = h.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
	h.long = h.Granted("bob", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 4 * hour}, "mia")
	h.stuck = h.Granted("bob", engine.Ask{Entitlements: []string{"git:deploy"}, Term: 4 * hour}, "otto", "sara")
	h.Granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Start: h.Clock.Now().Add(2 * time.Hour)})
	h.waiting = h.Ask("bob", engine.Ask{Entitlements: []string{"dir:root"}, Term: 2 * hour, Reason: "weil <ö> \"☃\""})
	h.Work()
	if _, err := h.Engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Targets["git"].Always(enginetest.Unreachable, enginetest.Blind)
	if err := h.Engine.Revoke(t.Context(), h.As("sara"), h.stuck.ID, "incident"); err != nil {
		t.Fatal(err)
	}
	h.Work()
	return h
}

func (h *house) config(seam func(step string)) move.Config {
	return move.Config{From: h.from, To: h.to, Now: h.Now, Wait: time.Minute, Say: func(string, ...any) {}, Seam: seam}
}

// moved opens what was moved, where it is now, with the targets as they are.
func (h *house) moved(t *testing.T) *enginetest.Fixture {
	t.Helper()
	f := enginetest.Open(t, store.Postgres, func(o *enginetest.Options) { o.DSN, o.Key = h.to, "log" })
	f.Clock.To(h.Clock.Now())
	for system, target := range h.Targets {
		for _, ref := range target.Held() {
			f.Targets[system].Put(ref.Account, ref.Object)
		}
	}
	return f
}

// mayServe tells whether a server would open the database.
func mayServe(t *testing.T, dsn string) bool {
	t.Helper()
	db, err := store.Open(t.Context(), dsn)
	switch {
	case errors.Is(err, access.ErrConflict), errors.Is(err, access.ErrGone):
		return false
	case err != nil:
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return true
}

// A company moves while it works: what was decided meanwhile comes along, every grant
// ends when it was to end, what could not be removed is removed, and the log goes on.
func TestMoveWithLiveGrants(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	// 1. Between copying and handing over the server goes on: a vote, a grant, an end, looks.
	var late access.Grant
	moved, err := move.Run(t.Context(), h.config(func(step string) {
		switch step {
		case "begun":
			h.waiting = h.Approve("mia", h.waiting)
		case "copied ahead":
			late = h.Granted("nora", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour}, "mia")
			h.Approve("otto", h.waiting)
			h.Advance(30 * time.Minute)
			if err := h.Engine.Return(t.Context(), h.As("bob"), h.long.ID, "done"); err != nil {
				t.Error(err)
			}
			if _, err := h.Engine.Sequence(t.Context()); err != nil {
				t.Error(err)
			}
			h.Close() // the server stops
		case "compared":
			h.Clock.Pass(40 * time.Minute) // and the first grant ends meanwhile
		}
	}))
	if err != nil || moved.Carried == 0 || moved.Ahead == 0 || moved.Events == 0 || moved.Jobs == 0 {
		t.Fatalf("%+v, %v", moved, err)
	}
	if mayServe(t, h.from) {
		t.Error("the database that was left may be served still")
	}
	// 2. It goes on where it is now: the end that came in between is made up for at once.
	f := h.moved(t)
	if !f.Targets["dir"].Holds("eve", "wiki") || !f.Targets["git"].Holds("bob", "deploy") {
		t.Fatal("the targets are not as they were left")
	}
	f.Work()
	if f.Targets["dir"].Holds("eve", "wiki") || f.Grant(h.short.ID).Ended != access.EndExpired || f.Targets["dir"].Holds("bob", "reports") {
		t.Error("what ended during the move is still held")
	}
	if !f.Targets["dir"].Holds("nora", "wiki") || !f.Targets["dir"].Holds("bob", "root") {
		t.Error("what was granted during the move is not held")
	}
	f.Advance(6 * time.Minute)
	if f.Targets["git"].Holds("bob", "deploy") {
		t.Error("what could not be removed before was not removed afterwards")
	}
	f.Advance(8 * time.Hour)
	if held := append(f.Held("dir"), f.Held("git")...); len(held) > 0 || f.Grant(late.ID).State != access.Ended {
		t.Errorf("held after all ends: %v", held)
	}
	f.CheckQuiet()
	// 3. Work that was asked for is still asked for.
	if n := len(f.Jobs(engine.ExpireJob{}.Kind())); n == 0 {
		t.Error("nothing will expire requests")
	}
	if _, err := report.Replay(t.Context(), f.DB, f.Signer.VerifierKey(), nil); err != nil {
		t.Error(err)
	}
}

// Stopped anywhere, at most one of the two can be served, and the same command again
// brings it to its end.
func TestMoveStoppedAnywhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Close()
	var steps []string
	for _, stop := range []string{"begun", "copied ahead", "carried over", "compared", "arrived", "left"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := move.Run(ctx, h.config(func(step string) {
			if steps = append(steps, step); step == stop {
				cancel()
			}
		}))
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at %q: %v", stop, err)
		}
		if mayServe(t, h.to) {
			t.Errorf("stopped at %q: what arrived half may be served", stop)
		}
		if serves := mayServe(t, h.from); serves != (stop != "left") {
			t.Errorf("stopped at %q: the source may be served: %t", stop, serves)
		}
	}
	if !slices.Contains(steps, "left") {
		t.Fatalf("steps: %v", steps)
	}
	if moved, err := move.Run(t.Context(), h.config(nil)); err != nil || moved.Ahead != 0 {
		t.Fatalf("the last step: %+v, %v", moved, err)
	}
	if !mayServe(t, h.to) || mayServe(t, h.from) {
		t.Error("after the end of the move not the target alone may be served")
	}
	if _, err := move.Run(t.Context(), h.config(nil)); !errors.Is(err, access.ErrGone) {
		t.Errorf("moved twice: %v", err)
	}
	f := h.moved(t)
	f.Advance(8 * time.Hour)
	f.CheckQuiet()
}

// What a move refuses, and says.
func TestMoveRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	filled := enginetest.Open(t, store.Postgres, func(o *enginetest.Options) { o.DSN = testserver.Postgres(t); h.to = o.DSN })
	filled.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	refused := func(what string, c move.Config, kind error, says string) {
		t.Helper()
		if _, err := move.Run(t.Context(), c); !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("%s: %v; want %v, saying %q", what, err, kind, says)
		}
	}
	refused("a target in use", h.config(nil), access.ErrConflict, "the target is not empty: its table request has rows")
	if !mayServe(t, h.to) {
		t.Error("a refused target may not be served any more")
	}
	h.to = testserver.Postgres(t)
	c := h.config(nil)
	c.Wait = 0
	refused("a source that is served", c, access.ErrConflict, "did not stop within 0s; nothing was changed there")
	c.From = h.to
	refused("the wrong way round", c, access.ErrInvalid, "from sqlite:PATH to a postgres:// URL")
	c.From = h.from + ".none"
	refused("no source", c, access.ErrNotFound, "there is no database")
	refused("the other one, at once", h.config(func(step string) {
		if step == "begun" {
			refused("one at once", h.config(nil), access.ErrConflict, "another lessor is filling this database")
			h.Close()
		}
	}), nil, "<nil>")
}
