package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

const hour = access.Term(time.Hour)

// small is a file system of that many MiB, of its own.
func small(t *testing.T, mebibytes int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mebibytes)); err != nil {
		t.Skipf("NOT TESTED: a disk of a few MiB cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// crowd fills a disk until no more than that is free.
func crowd(t *testing.T, dir string, left uint64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "crowd"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		free, ok := freeAt(dir)
		if !ok {
			t.Fatal("nobody can tell what is free")
		}
		if free <= left {
			return
		}
		_, err := f.Write(make([]byte, min(free-left, 64<<10)))
		if errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that fills up: grants end before the room does, removals go on in what is
// left, and where there is none at all nothing is sent that is not written down, and
// nothing is stored by half. What was due meanwhile is done as soon as there is room.
func TestAB65_FullDisk(t *testing.T) {
	t.Parallel()
	const keep = 8 << 20
	dir := small(t, 32)
	r := &room{free: func() (uint64, bool) { return freeAt(dir) }, keep: func() uint64 { return keep }, lease: func() time.Duration { return time.Minute }, log: slog.New(slog.DiscardHandler)}
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) {
		o.DSN, o.Halted, r.now = "sqlite:"+filepath.Join(dir, "lessor.db"), r.halted, o.Now
	})
	f.DB.Timed = r.heeding(func(string) func(int, error) { return func(int, error) {} })
	ask := func(entitlement string, term access.Term) engine.Ask {
		return engine.Ask{Entitlements: []string{entitlement}, Term: term, Reason: "to read"}
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, access.ErrHalted) || !strings.Contains(fmt.Sprint(err), "disk: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	expires := f.Granted("eve", ask("dir:wiki", hour), "mia")
	revoked := f.Granted("bob", ask("dir:wiki", 4*hour), "mia")
	late := f.Granted("eve", ask("dir:reports", 4*hour), "mia")
	waits := f.Ask("bob", ask("dir:reports", hour))
	f.Work()
	// 1. There is room.
	if r.look(); len(r.halted()) > 0 {
		t.Fatalf("halted on an empty disk: %v", r.halted())
	}
	// 2. It becomes short: nothing is granted, and who asks is told why.
	crowd(t, dir, keep-1<<20)
	r.look()
	_, err := f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby", hour))
	refused("an ask that needs nobody", err)
	_, err = f.Engine.Vote(t.Context(), f.As("mia"), engine.Ballot{Request: waits.ID, Digest: waits.Digest, Verdict: access.Approve})
	refused("a vote that would grant", err)
	// 3. In what is left, what ends does, by itself and by people.
	if err := f.Engine.Revoke(t.Context(), f.As("owen"), revoked.ID, "at once"); err != nil {
		t.Errorf("a revocation: %v", err)
	}
	f.Work()
	f.Advance(2 * time.Hour)
	for _, who := range []string{"eve", "bob"} {
		if f.Targets["dir"].Holds(who, "wiki") {
			t.Errorf("%s still holds it", who)
		}
	}
	if g := f.Grant(expires.ID); g.State != access.Ended {
		t.Errorf("what expired is %s", g.State)
	}
	f.CheckQuiet()
	// 4. There is none at all: what others write takes that, and the database the rest of its own.
	crowd(t, dir, 0)
	full := false
	for range 5000 {
		if _, err := f.Engine.Halt(t.Context(), access.HaltLog, "written until nothing is"); err != nil {
			full = store.IsFull(err) && strings.Contains(err.Error(), "the disk that the database is on is full")
			if !full {
				t.Fatal(err)
			}
			break
		}
		if err := f.Engine.Resume(t.Context(), access.HaltLog, "and again"); err != nil {
			if full = store.IsFull(err); !full {
				t.Fatal(err)
			}
			break
		}
	}
	if !full {
		t.Fatal("the disk did not fill up")
	}
	if err := f.Engine.Revoke(t.Context(), f.As("owen"), late.ID, "at once"); !store.IsFull(err) || f.Grant(late.ID).State != access.Live {
		t.Errorf("a revocation that cannot be written down: %v; the grant is %s", err, f.Grant(late.ID).State)
	}
	r.short.Store(nil) // as where nobody can tell what is free: the database's own word is enough
	if list := r.halted(); len(list) != 1 || !strings.Contains(list[0].Text, "the database refused a write") {
		t.Errorf("a refused write halts nothing: %v", list)
	}
	// 5. The last grant ends meanwhile. Lanes fail, send nothing, and go on.
	lane, failed, fence := f.Lane("dir", "stubborn"), 0, f.Job(late.Assignment).Work.Fence
	for range 4 * 60 {
		f.Clock.Pass(time.Minute)
		for range 3 {
			n, err := lane.Once(t.Context())
			if err != nil {
				failed++
			}
			if err != nil || n == 0 {
				break
			}
		}
	}
	if failed == 0 {
		t.Error("no batch failed: there was room all the time")
	}
	if intended := f.Job(late.Assignment).Work.Fence > fence; !f.Targets["dir"].Holds("eve", "reports") && !intended {
		t.Error("access was taken, and nothing that is stored says that somebody meant to")
	}
	// 6. There is room again.
	if err := os.Remove(filepath.Join(dir, "crowd")); err != nil {
		t.Fatal(err)
	}
	r.look()
	f.Advance(10 * time.Minute)
	if f.Targets["dir"].Holds("eve", "reports") || f.Grant(late.ID).State != access.Ended {
		t.Errorf("what expired meanwhile is still held; the grant is %s", f.Grant(late.ID).State)
	}
	if err := f.Engine.Resume(t.Context(), access.HaltLog, "there is room"); err != nil {
		t.Error(err)
	}
	if list := r.halted(); len(list) > 0 {
		t.Errorf("there is room, and still %v", list)
	}
	f.Granted("eve", ask("dir:wiki", hour), "mia")
	f.Work()
	if !f.Targets["dir"].Holds("eve", "wiki") {
		t.Error("nothing is granted again")
	}
	f.Advance(2 * time.Hour)
	f.CheckQuiet()
}

// Room that is short by a little is not called enough until there is clearly more,
// and what nobody can see halts nothing.
func TestRoom(t *testing.T) {
	t.Parallel()
	free, ok := uint64(0), false
	now := enginetest.Noon
	r := &room{free: func() (uint64, bool) { return free, ok }, keep: func() uint64 { return 400 << 20 }, now: func() time.Time { return now }, lease: func() time.Duration { return time.Minute }, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for i, c := range []struct {
		free   uint64 // MiB
		ok     bool
		halted bool
	}{{0, false, false}, {400, true, false}, {399, true, true}, {499, true, true}, {500, true, false}, {499, true, false}, {10, true, true}, {0, false, false}} {
		free, ok = c.free<<20, c.ok
		if r.look(); (len(r.halted()) > 0) != c.halted {
			t.Errorf("%d: %d MiB: %v", i, c.free, r.halted())
		}
	}
	if r.heeding(func(string) func(int, error) { return func(int, error) {} })("write")(1, context.Canceled); len(r.halted()) > 0 {
		t.Errorf("halted by another error: %v", r.halted())
	}
}

// The server halts by what its files say, from its start and with each reload.
func TestServerKeepsRoom(t *testing.T) {
	t.Parallel()
	s, l, edit := first(t)
	defer l.Close()
	for _, c := range []struct {
		keep string
		is   bool
	}{{"1MiB", false}, {"1024GiB", true}, {"1MiB", false}} {
		edit("listen:", "keep_free: "+c.keep+"\nlisten:")
		if err := s.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.room.look()
		list, err := s.engine.Halts(t.Context())
		if err != nil || (len(list) == 1 && list[0].Reason == access.HaltDisk) != c.is {
			t.Errorf("%s: %v, %v", c.keep, list, err)
		}
		edit("keep_free: "+c.keep+"\nlisten:", "listen:")
	}
}
