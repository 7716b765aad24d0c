package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// watched is an engine beside the fixture's own, with witnesses.
func watched(t *testing.T, f *enginetest.Fixture, need int, names ...string) (list []*enginetest.Cosigner) {
	t.Helper()
	var keys []string
	for _, n := range names {
		c := enginetest.NewCosigner(n)
		list, keys = append(list, c), append(keys, c.Key)
	}
	f.Engine.Quorum = func() engine.Quorum { return engine.Quorum{Witnesses: keys, Need: need, Within: time.Minute} }
	return list
}

// newest is the newest head, after everything has its place.
func newest(t *testing.T, f *enginetest.Fixture) (head store.Checkpoint) {
	t.Helper()
	if _, err := f.Engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.DB.Read(t.Context(), func(tx *store.Tx) (err error) { head, err = tx.LastCheckpoint(t.Context()); return err }); err != nil {
		t.Fatal(err)
	}
	return head
}

func cosign(t *testing.T, f *enginetest.Fixture, head store.Checkpoint, by ...*enginetest.Cosigner) {
	t.Helper()
	for _, c := range by {
		if err := f.Engine.Cosigned(t.Context(), c.Key, head.Size, c.Sign(head.Note, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// Nothing is brought about before enough witnesses have seen that it was decided. What
// ends waits for none of them.
func TestGrantWaitsForWitnesses(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		before := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "it is revoked", Term: 4 * hour}, "mia")
		f.Work()
		w := watched(t, f, 2, "w/one", "w/two", "w/three")
		early := newest(t, f)
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		holds := func() bool { return f.Targets["dir"].Holds("eve", "wiki") }
		waits := func(when string) {
			t.Helper()
			f.Advance(5 * time.Second)
			if holds() || f.Grant(g.ID).State != access.Scheduled {
				t.Errorf("provisioned %s", when)
			}
		}
		waits("before it has a place in the log")
		// 1. One is not enough, nor are two of a head from before it, nor rows that somebody wrote.
		head := newest(t, f)
		waits("before any witness has seen it")
		cosign(t, f, early, w[1], w[2])
		cosign(t, f, head, w[0])
		waits("after one witness of two")
		calls := len(f.Targets["dir"].Log())
		waits("after one witness of two")
		if n := len(f.Targets["dir"].Log()); n != calls {
			t.Errorf("the target was called %d times while it waited", n-calls)
		}
		if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
			return tx.KeepCosignature(context.WithoutCancel(t.Context()), store.Cosignature{Witness: w[1].Key, Size: head.Size, Line: w[0].Sign(head.Note, 1), At: f.Now()})
		}); err != nil {
			t.Fatal(err)
		}
		waits("on a row that no witness signed")
		if err := f.Engine.Cosigned(t.Context(), w[1].Key, head.Size, w[2].Sign(head.Note, 1)); err == nil {
			t.Error("another's line was kept")
		}
		// 2. A revocation waits for nobody.
		if err := f.Engine.Revoke(t.Context(), f.As("owen"), before.ID, "no longer"); err != nil {
			t.Fatal(err)
		}
		f.Work()
		if f.Targets["dir"].Holds("bob", "wiki") {
			t.Error("a revocation waited")
		}
		// 3. Two of three.
		cosign(t, f, head, w[2])
		f.Advance(2 * time.Second)
		if !holds() || f.Grant(g.ID).State != access.Live {
			t.Errorf("not provisioned though two have seen it: %s", f.Grant(g.ID).State)
		}
		// 4. It ends though no witness answers any more.
		f.Advance(3 * time.Hour)
		if holds() {
			t.Error("it did not end")
		}
		newest(t, f)
		at, err := f.Engine.Witnessing(t.Context())
		if err != nil || at.Seen != head.Size || at.Last[w[0].Key] != head.Size || at.Last[w[1].Key] != 0 || at.Behind == 0 {
			t.Errorf("%+v, %v", at, err)
		}
	})
}

// Witnesses that do not answer for too long are a halt; it ends by itself.
func TestWitnessesThatDoNotAnswer(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		w := watched(t, f, 1, "w/one")
		f.Ask("eve", ask("dir:wiki"))
		newest(t, f)
		halts := func() []access.Halt {
			t.Helper()
			if err := f.Engine.Witnessed(t.Context()); err != nil {
				t.Fatal(err)
			}
			list, err := f.Engine.Halts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		if list := halts(); len(list) != 0 {
			t.Errorf("at once: %v", list)
		}
		f.Advance(2 * time.Minute)
		for range 2 {
			if list := halts(); len(list) != 1 || list[0].Reason != access.HaltWitness {
				t.Fatalf("after two minutes: %v", list)
			}
		}
		_, err := f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby"))
		refused(t, "an ask that needs nobody", err, access.ErrHalted, "0 events")
		cosign(t, f, newest(t, f), w...)
		if list := halts(); len(list) != 0 {
			t.Errorf("once it has signed: %v", list)
		}
	})
}

// AB-64: a log that somebody outside was shown another story of signs nothing and
// grants nothing, and what ends, ends, until security lets it be.
func TestAB64_ForkedLogIsFenced(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		held := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "it is revoked", Term: 4 * hour}, "mia")
		f.Work()
		before := newest(t, f)
		for range 2 {
			if err := f.Engine.Forked(t.Context(), "witness one", "it signed another log"); err != nil {
				t.Fatal(err)
			}
		}
		_, err := f.Engine.Sequence(t.Context())
		refused(t, "signing", err, access.ErrConflict, "the log has forked")
		_, err = f.Engine.RotateLogKey(t.Context(), access.Actor{Identity: "adam", Scopes: []string{engine.ScopeAdmin}}, enginetest.Signer(t, "next"))
		refused(t, "another key", err, access.ErrConflict, "the log has forked")
		_, err = f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby"))
		refused(t, "an ask that needs nobody", err, access.ErrHalted, "witness one: it signed another log")
		if err := f.Engine.Revoke(t.Context(), f.As("owen"), held.ID, "no longer"); err != nil {
			t.Fatal(err)
		}
		f.Work()
		if f.Targets["dir"].Holds("bob", "wiki") {
			t.Error("a revocation waited")
		}
		var fork access.Finding
		if err := f.DB.Read(t.Context(), func(tx *store.Tx) (err error) {
			fork, err = tx.OpenFinding(t.Context(), "log_forked", f.Signer.Origin())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		refused(t, "somebody's word", f.Engine.Accept(t.Context(), f.As("bob"), engine.Remedy{Finding: fork.ID, Reason: "it is fine"}), access.ErrNotFound, "")
		if err := f.Engine.Accept(t.Context(), f.As("sara"), engine.Remedy{Finding: fork.ID, Reason: "the other copy is stopped, this one is right"}); err != nil {
			t.Fatal(err)
		}
		if after := newest(t, f); after.Size <= before.Size {
			t.Errorf("signed %d events, before %d", after.Size, before.Size)
		}
		f.Ask("eve", ask("dir:lobby"))
	})
}
