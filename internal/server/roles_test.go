package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/roles"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// A change is in force on this replica before it is answered, and on another one soon.
func TestRolesInForce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, store.Postgres)
	h.edit(func() { h.people["ann"], h.groups["security"] = true, nil })
	if err := h.inForce(t.Context()); err != nil {
		t.Fatal(err)
	}
	var elsewhere atomic.Pointer[engine.World]
	other := &roster{db: h.db, world: &elsewhere}
	if _, err := other.take(t.Context(), h.files); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); other.watch(ctx, slog.New(slog.DiscardHandler)) }()
	defer func() { stop(); <-ended }()
	c, err := roles.New(roles.Config{Roster: h.roster})
	if err != nil {
		t.Fatal(err)
	}
	if lag := c.Capabilities().Lingers; lag != rosterLag {
		t.Errorf("others may lag %s", lag)
	}
	in := func(w *atomic.Pointer[engine.World]) bool {
		return slices.Contains(w.Load().Directory.GroupsOf("ann"), "security")
	}
	for _, want := range []bool{true, false} {
		change := connector.Change{Ref: connector.Ref{Account: "ann", Object: "security"}, Want: want}
		if err := c.Apply(t.Context(), []connector.Change{change})[0].Err; err != nil {
			t.Fatal(err)
		}
		if in(&h.world) != want {
			t.Errorf("answered, and ann in security is %t", !want)
		}
		testserver.Await(t, "the other replica", time.Minute, func() error {
			if in(&elsewhere) != want {
				return fmt.Errorf("ann in security is %t", !want)
			}
			return nil
		})
	}
}

// A replica that cannot read the roster does not know whose role has ended: granted
// roles are in force no more, those by the files are, and all is again when it can.
func TestRolesLapse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, store.Postgres)
	h.edit(func() {
		h.people["ann"], h.people["bob"], h.groups["security"] = true, true, nil
		h.named = map[string][]string{"security": {"bob"}}
	})
	if err := errors.Join(h.inForce(t.Context()), h.Change(t.Context(), []connector.Ref{{Account: "ann", Object: "security"}}, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.take(t.Context(), h.files); err != nil {
		t.Fatal(err)
	}
	says := make(chan slog.Record, 1000)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); h.watch(ctx, slog.New(records(says))) }()
	defer func() { stop(); <-ended }()
	await := func(want ...string) {
		t.Helper()
		testserver.Await(t, "who is in security", time.Minute, func() error {
			if is := h.world.Load().Directory.MembersOf("security"); !slices.Equal(is, want) {
				return fmt.Errorf("%q, want %q", is, want)
			}
			return nil
		})
	}
	await("ann", "bob")
	err := h.db.Write(t.Context(), func(tx *store.Tx) error { // whoever asks for the version waits
		if _, err := tx.ExecContext(t.Context(), "lock table roster_version in access exclusive mode"); err != nil {
			return err
		}
		await("bob")
		if h.lapse() {
			t.Error("it is said again")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	await("ann", "bob")
	stop()
	<-ended
	loud := 0
	for len(says) > 0 {
		if r := <-says; r.Level == slog.LevelError {
			loud++
		}
	}
	if loud == 0 {
		t.Error("nobody is told")
	}
}

// records is a log that hands on what is said.
type records chan slog.Record

func (records) Enabled(context.Context, slog.Level) bool         { return true }
func (r records) Handle(_ context.Context, is slog.Record) error { r <- is; return nil }
func (r records) WithAttrs([]slog.Attr) slog.Handler             { return r }
func (r records) WithGroup(string) slog.Handler                  { return r }

// Whom the files name only people take out; what Lessor gave besides goes, and goes
// on where the files no longer name them.
func TestRolesByTheFiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t, store.SQLite)
	h.edit(func() {
		h.people["ann"], h.groups["security"], h.named = true, nil, map[string][]string{"security": {"ann"}}
	})
	if err := h.inForce(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := roles.New(roles.Config{Roster: h.roster})
	if err != nil {
		t.Fatal(err)
	}
	ref := connector.Ref{Account: "ann", Object: "security"}
	sees := func(held bool, says string) {
		t.Helper()
		s := c.Look(t.Context(), []connector.Ref{ref})[0]
		if s.Err != nil || s.Direct != held || s.Effective != held || !strings.Contains(strings.Join(s.Residual, "; "), says) {
			t.Errorf("%+v, want %t and %q", s, held, says)
		}
	}
	apply := func(want bool) error {
		return c.Apply(t.Context(), []connector.Change{{Ref: ref, Want: want}})[0].Err
	}
	const says = `names "ann" among the members of group "security"`
	sees(true, says)
	if err := apply(true); err != nil {
		t.Error(err)
	}
	if err := apply(false); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "directory.yaml") || !strings.Contains(err.Error(), says) {
		t.Errorf("%v", err)
	}
	sees(true, says)
	if err := apply(true); err != nil {
		t.Error(err)
	}
	h.edit(func() { h.named = nil })
	if err := h.inForce(t.Context()); err != nil {
		t.Fatal(err)
	}
	sees(true, "") // by the roster
	if err := apply(false); err != nil {
		t.Error(err)
	}
	sees(false, "")
	if lag := c.Capabilities().Lingers; lag != 0 {
		t.Errorf("there is one process, and others may lag %s", lag)
	}
}
