package engine_test

import (
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/report"
)

// One replica has the log's key changed. The other one, which has the old key alone,
// signs nothing any more until it has the new one; old heads and old keys verify on.
func TestLogKeyOfTwoReplicas(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		f.Work()
		early := newest(t, f)
		next := enginetest.Signer(t, "the next key of "+t.Name())
		late, err := engine.New(f.Engine.Config) // another replica
		if err != nil {
			t.Fatal(err)
		}
		f.Engine.NextSigner = func() *evidence.Signer { return next }
		admin := access.Actor{Identity: "ada", Scopes: []string{engine.ScopeAdmin}}
		_, err = f.Engine.RotateLogKey(t.Context(), f.As("eve"), next)
		refused(t, "somebody's word", err, access.ErrDenied, "")
		_, err = f.Engine.RotateLogKey(t.Context(), admin, f.Signer)
		refused(t, "the same key", err, access.ErrInvalid, "the key itself")
		k, err := f.Engine.RotateLogKey(t.Context(), admin, next)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := f.Engine.RotateLogKey(t.Context(), admin, next); err != nil || again != k {
			t.Errorf("again: %+v, %v", again, err)
		}
		// 1. The old key signs nothing, wherever it is; the new one does.
		_, err = late.Sequence(t.Context())
		refused(t, "the old key", err, access.ErrConflict, "this process has not got it")
		head := newest(t, f)
		late.NextSigner = f.Engine.NextSigner
		f.Ask("eve", ask("dir:reports"))
		if n, err := late.Sequence(t.Context()); err != nil || n == 0 {
			t.Errorf("the other replica with the new key: %d, %v", n, err)
		}
		// 2. Whoever knows one of the keys verifies all of it.
		file, err := report.Bundle(t.Context(), f.DB, g.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, vkey := range []string{f.Signer.VerifierKey(), next.VerifierKey()} {
			if _, err := report.Replay(t.Context(), f.DB, vkey, nil); err != nil {
				t.Errorf("replay: %v", err)
			}
			for _, note := range []string{early.Note, head.Note} {
				if err := report.Continues(t.Context(), f.DB, vkey, note); err != nil {
					t.Errorf("a head that was kept: %v", err)
				}
			}
			if _, err := evidence.OpenBundle(file, vkey); err != nil {
				t.Errorf("bundle: %v", err)
			}
		}
		if _, err := report.Replay(t.Context(), f.DB, enginetest.Signer(t, "a stranger").VerifierKey(), nil); err == nil {
			t.Error("a stranger's key verifies the log")
		}
	})
}
