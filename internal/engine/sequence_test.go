package engine_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// More wait than are read at once, and two replicas give them their places at the same
// time: each gets one, they follow each other, and the signed head is that of the tree
// above them.
func TestTwoSequenceWhatManyWait(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) { // the oracle is not asked: the events tell of nothing
		f := enginetest.Open(t, d)
		const many = 12_001 // read in three goes
		waitMany(t, f, many)
		other, err := engine.New(f.Engine.Config)
		if err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		var placed [2]int
		for i, e := range []*engine.Engine{f.Engine, other} {
			both.Go(func() {
				var err error
				if placed[i], err = e.Sequence(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if placed[0]+placed[1] != many {
			t.Errorf("%v placed, of %d", placed, many)
		}
		if err := f.DB.Read(t.Context(), func(tx *store.Tx) error {
			list, err := tx.Events(t.Context(), 0, many+1)
			if err != nil || len(list) != many {
				return fmt.Errorf("%d have a place: %w", len(list), err)
			}
			mem, entries := memTiles{}, make([][]byte, many)
			for i, ev := range list {
				if want := fmt.Sprintf("ev-%05d", i); ev.Seq != int64(i) || ev.ID != want {
					t.Fatalf("%s has place %d, where %s belongs", ev.ID, ev.Seq, want)
				}
				c := evidence.Commit(ev.Salt, ev.Body)
				entries[i] = c[:]
			}
			_, root, err := evidence.Append(t.Context(), mem, 0, entries)
			if err != nil {
				return err
			}
			head, err := tx.LastCheckpoint(t.Context())
			if want := base64.StdEncoding.EncodeToString(root[:]); head.Size != many || head.Root != want {
				t.Errorf("the head is %d %s, not %d %s", head.Size, head.Root, many, want)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

// What was read ahead goes by the same rule: at an event that nobody with the log's key
// wrote it ends, however far behind that one waits.
func TestForgedFarBehind(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		waitMany(t, f, 8_000)
		if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.ExecContext(t.Context(), `update event set stamp = $1 where id = 'ev-07003'`, []byte("somebody else's"))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		want := map[store.Dialect]int{store.SQLite: 7_003, store.Postgres: 7_999}[d] // who changes a row there has written it last
		n, err := f.Engine.Sequence(t.Context())
		if n != want || !errors.Is(err, access.ErrConflict) {
			t.Errorf("%d placed, and %v", n, err)
		}
	})
}

// waitMany writes events that wait for their place, in one transaction.
func waitMany(t *testing.T, f *enginetest.Fixture, many int) {
	t.Helper()
	if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
		for i := range many {
			ev := access.Event{ID: fmt.Sprintf("ev-%05d", i), At: f.Now(), Kind: "request.commented", Request: "rq-1"}
			body, err := access.Canonical(ev)
			if err != nil {
				return err
			}
			salt := []byte("0123456789abcdef")
			if err := tx.AddEvent(t.Context(), store.Event{ID: ev.ID, At: ev.At, Kind: ev.Kind, Request: ev.Request, Body: body, Salt: salt,
				Stamp: f.Signer.Stamp("event", []byte(ev.ID), salt, body)}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// memTiles keeps tiles in memory.
type memTiles map[string][]byte

func (m memTiles) Tile(_ context.Context, level int, index int64) ([]byte, error) {
	return m[fmt.Sprint(level, index)], nil
}

func (m memTiles) SetTile(_ context.Context, t evidence.Tile) error {
	m[fmt.Sprint(t.Level, t.Index)] = t.Data
	return nil
}
