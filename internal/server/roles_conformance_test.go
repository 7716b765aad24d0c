package server

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/connector/roles"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Roles of Lessor itself keep every promise of a connector, on the roster as a server
// has it and on both databases.
func TestRolesConform(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.Dialect{store.SQLite, store.Postgres} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, kind)
			connectortest.Run(t, func(t *testing.T) connectortest.Target { return h.target(t) })
		})
	}
}

// house is a directory that is edited, and the roster beside it.
type house struct {
	*roster
	world atomic.Pointer[engine.World]

	mu     sync.Mutex
	people map[string]bool
	groups map[string][]string // and what lies within each
	named  map[string][]string // in a group, by the files
	edited bool                // and not yet in force
}

func newHouse(t *testing.T, kind store.Dialect) *house {
	t.Helper()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "lessor.db")
	if kind == store.Postgres {
		dsn = testserver.Postgres(t)
	}
	db, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h := &house{people: map[string]bool{}, groups: map[string][]string{}, edited: true}
	h.roster = &roster{db: db, world: &h.world}
	if err := h.inForce(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// inForce reads the files anew if they were edited, as a reload does.
func (h *house) inForce(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.edited {
		return nil
	}
	var ids []access.Identity
	var groups []access.GroupMembers
	for id := range h.people {
		ids = append(ids, access.Identity{ID: id, Kind: access.Person})
	}
	for id, inner := range h.groups {
		groups = append(groups, access.GroupMembers{ID: id, Members: h.named[id], Groups: inner})
	}
	own := []access.System{{ID: "own", Connector: access.RolesConnector}}
	_, err := h.take(ctx, engine.World{Directory: access.NewDirectory(ids, groups, own, nil, nil)})
	h.edited = err != nil
	return err
}

func (h *house) edit(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
	h.edited = true
}

// wire is the way from the connector to the roster, which can break.
type wire struct {
	*house
	mu    sync.Mutex
	fault connectortest.Fault
	late  []func() error
}

func (w *wire) broken() connectortest.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}

func (w *wire) Read(ctx context.Context) (roles.Sight, error) {
	if w.broken() == connectortest.Down {
		return roles.Sight{}, errors.New("no database")
	}
	if err := w.inForce(ctx); err != nil {
		return roles.Sight{}, err
	}
	return w.house.Read(ctx)
}

func (w *wire) Change(ctx context.Context, put, take []connector.Ref) error {
	switch w.broken() {
	case connectortest.LostAnswer:
		return errors.Join(w.house.Change(ctx, put, take), errors.New("the connection broke"))
	case connectortest.Lie:
		return nil
	case connectortest.Refuse:
		return connector.ErrRefused
	case connectortest.Late:
		w.mu.Lock()
		w.late = append(w.late, func() error { return w.house.Change(context.WithoutCancel(ctx), put, take) })
		w.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	return w.house.Change(ctx, put, take)
}

func (h *house) target(t *testing.T) connectortest.Target {
	t.Helper()
	w := &wire{house: h}
	c, err := roles.New(roles.Config{Roster: w})
	if err != nil {
		t.Fatal(err)
	}
	must := func(t testing.TB, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return connectortest.Target{
		Connector: c,
		Account:   func(_ testing.TB, name string) string { h.edit(func() { h.people[name] = true }); return name },
		DropAccount: func(t testing.TB, account string) {
			h.edit(func() { delete(h.people, account) })
			must(t, h.inForce(context.WithoutCancel(t.Context())))
		},
		Object: func(_ testing.TB, name string) string { h.edit(func() { h.groups[name] = nil }); return name },
		DropObject: func(t testing.TB, object string) {
			h.edit(func() { delete(h.groups, object) })
			must(t, h.inForce(context.WithoutCancel(t.Context())))
		},
		Put: func(t testing.TB, object string, accounts ...string) {
			must(t, h.inForce(t.Context()))
			var put []store.Member
			for _, a := range accounts {
				put = append(put, store.Member{Group: object, Identity: a})
			}
			must(t, h.db.ChangeRoster(t.Context(), put, nil))
		},
		Members: func(t testing.TB, object string) (list []string) {
			all, _, err := h.db.Roster(t.Context())
			must(t, err)
			for _, m := range all {
				if m.Group == object {
					list = append(list, m.Identity)
				}
			}
			slices.Sort(list)
			return list
		},
		Nest: func(_ testing.TB, outer, inner string) {
			h.edit(func() { h.groups[outer] = append(h.groups[outer], inner) })
		},
		Break: func(t testing.TB, f connectortest.Fault) func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.fault = f
			return func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.fault = ""
				for _, lands := range w.late {
					must(t, lands())
				}
				w.late = nil
			}
		},
		Rings: true, Large: 600, Patience: time.Minute,
	}
}
