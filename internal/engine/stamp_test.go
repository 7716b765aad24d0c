package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// What waits while the log's key is changed was stamped with the key before, and what
// follows with the new one. Both are taken in by whoever has both keys; by who has not
// got the old one any more only the latter.
func TestStampsOfTwoKeys(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		next := enginetest.Signer(t, "the next key of "+t.Name())
		f.Ask("eve", ask("dir:lobby"))
		f.Engine.NextSigner = func() *evidence.Signer { return next }
		f.Ask("bob", ask("dir:lobby"))
		if _, err := f.Engine.RotateLogKey(t.Context(), access.Actor{Identity: "ada", Scopes: []string{engine.ScopeAdmin}}, next); err != nil {
			t.Fatal(err)
		}
		f.Ask("nora", ask("dir:lobby"))
		forged := func(keys ...*evidence.Signer) string {
			named, err := engine.Forged(t.Context(), f.DB, f.Now(), keys...)
			if err != nil {
				t.Fatal(err)
			}
			return named
		}
		if named := forged(next, f.Signer); named != "" {
			t.Errorf("with both keys: %s", named)
		}
		if forged(next) == "" || forged(f.Signer) == "" {
			t.Error("one key is taken for the other")
		}
		// A process that began after the change, and has the old key beside the new one.
		c := f.Engine.Config
		c.Signer, c.NextSigner, c.EarlierSigner = next, nil, func() *evidence.Signer { return f.Signer }
		later, err := engine.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := later.Sequence(t.Context()); err != nil || n == 0 {
			t.Errorf("%d, %v", n, err)
		}
		f.Ask("eve", ask("dir:reports"))
		if named := forged(next); named != "" {
			t.Errorf("with the new key alone: %s", named)
		}
	})
}

// An event without a stamp is taken in for an hour after an update, and never where the
// log had stamps before, whatever became of the row that says since when.
func TestStampsAreAskedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row     bool // time is kept when it is written
		log     string
		stamped bool // the process knows of stamps
		after   time.Duration
		taken   bool
	}{
		"from before there were any":                {log: "update event set stamp=null", taken: true},
		"from before, within the hour":              {row: true, log: "update event set stamp=null", after: 59 * time.Minute, taken: true},
		"from before, after the hour":               {row: true, log: "update event set stamp=null", after: time.Hour},
		"the log has stamps":                        {log: "delete from clock"},
		"time is kept":                              {row: true, log: "delete from clock"},
		"the stamps are taken out, it knows better": {log: "update event set stamp=null", stamped: true},
		"nothing is in the log":                     {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enginetest.Each(t, func(t *testing.T, d store.Dialect) { // the oracle is not asked: the case itself edits the database
				f := enginetest.Open(t, d)
				f.Engine.Stamped = c.stamped
				f.Ask("eve", ask("dir:lobby"))
				sql := func(stmt string) {
					if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
						_, err := tx.ExecContext(t.Context(), stmt)
						return err
					}); err != nil {
						t.Fatal(err)
					}
				}
				if c.log != "" {
					if _, err := f.Engine.Sequence(t.Context()); err != nil {
						t.Fatal(err)
					}
					sql(c.log)
				}
				if c.row {
					if _, err := f.Engine.KeepTime(t.Context(), f.Now()); err != nil {
						t.Fatal(err)
					}
				}
				f.Ask("bob", ask("dir:lobby"))
				sql("update event set stamp=null where seq is null")
				f.Clock.Pass(c.after)
				_, err := f.Engine.Sequence(t.Context())
				if c.taken != (err == nil) {
					t.Fatalf("taken in: %v", err)
				}
				if !c.taken {
					refused(t, "an event without a stamp", err, access.ErrConflict, "has no stamp: it was not written by Lessor")
				}
			})
		})
	}
}
