package engine_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// refuse makes the database refuse events of that kind, until mend.
func refuse(t *testing.T, f *enginetest.Fixture, kind string) (mend func()) {
	t.Helper()
	run := func(stmts ...string) {
		t.Helper()
		if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
			for _, s := range stmts {
				if _, err := tx.ExecContext(t.Context(), s); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if f.DB.Dialect == store.Postgres {
		run("create function refuse() returns trigger language plpgsql as $$ begin if new.kind = '"+kind+"' then raise exception 'refused'; end if; return new; end $$",
			"create trigger refuse before insert on event for each row execute function refuse()")
		return func() { run("drop trigger refuse on event", "drop function refuse") }
	}
	run("create trigger refuse before insert on event when new.kind = '" + kind + "' begin select raise(abort, 'refused'); end")
	return func() { run("drop trigger refuse") }
}

// Whichever event the database refuses, its whole verb is undone: there is no
// move without its event, and what was live stays revocable.
func TestEventRefused(t *testing.T) {
	for _, c := range []struct {
		kind string
		verb func(t *testing.T, f *enginetest.Fixture, g access.Grant) error
	}{
		{"request.submitted", func(t *testing.T, f *enginetest.Fixture, _ access.Grant) error {
			_, err := f.Engine.Submit(t.Context(), f.As("bob"), ask("dir:wiki"))
			return err
		}},
		{"request.decided", func(t *testing.T, f *enginetest.Fixture, _ access.Grant) error {
			_, err := f.Engine.Submit(t.Context(), f.As("bob"), ask("dir:lobby"))
			return err
		}},
		{"assignment.absent", func(t *testing.T, f *enginetest.Fixture, _ access.Grant) error {
			_, err := f.Engine.Submit(t.Context(), f.As("bob"), ask("dir:lobby"))
			return err
		}},
		{"grant.ended", func(t *testing.T, f *enginetest.Fixture, g access.Grant) error {
			return f.Engine.Revoke(t.Context(), f.As("sara"), g.ID, "incident")
		}},
		{"assignment.removing", func(t *testing.T, f *enginetest.Fixture, g access.Grant) error {
			if err := f.Engine.Revoke(t.Context(), f.As("sara"), g.ID, "incident"); err != nil {
				t.Fatal(err)
			}
			_, err := f.Engine.Claim(t.Context(), "lane", "dir", 10)
			return err
		}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			each(t, func(t *testing.T, f *enginetest.Fixture) {
				g := f.Granted("eve", ask("dir:wiki"), "mia")
				f.Work()
				mend := refuse(t, f, c.kind)
				if err := c.verb(t, f, g); err == nil || !strings.Contains(err.Error(), "refused") {
					t.Fatalf("the verb went through: %v", err)
				}
				f.Check()
				mend()
				if f.Grant(g.ID).State != access.Ended {
					if err := f.Engine.Revoke(t.Context(), f.As("sara"), g.ID, "incident"); err != nil {
						t.Fatal(err)
					}
				}
				f.Work()
				if f.Targets["dir"].Holds("eve", "wiki") {
					t.Error("it could not be revoked")
				}
				f.CheckQuiet()
			})
		})
	}
}

// New says all that is missing, and makes no engine that could not work.
func TestNew(t *testing.T) {
	t.Parallel()
	_, err := engine.New(engine.Config{})
	for _, name := range []string{"DB", "World", "Now", "Rand", "Signer", "AnswerWithin", "ProvisionWithin", "Pace.Call", "Pace.Lease", "Pace.Retry"} {
		if !errors.Is(err, access.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is missing, and it says %v", name, err)
		}
	}
	f := enginetest.Open(t, store.SQLite)
	for name, change := range map[string]func(*engine.Config){
		"Pace.Lease": func(c *engine.Config) { c.Pace.Lease = 2 * c.Pace.Call },
		"SlowestOff": func(c *engine.Config) { c.Pace.SlowestOff = c.Pace.Retry - 1 },
	} {
		c := f.Engine.Config
		change(&c)
		if _, err := engine.New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is wrong, and it says %v", name, err)
		}
	}
	c := f.Engine.Config
	c.Rand = io.LimitReader(enginetest.Rand(t), 3)
	dry, err := engine.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("ids were made without randomness")
		}
	}()
	_, _ = dry.Submit(t.Context(), f.As("eve"), ask("dir:wiki"))
}

// The log takes in what waits, once, batch by batch, however often it is asked.
func TestSequence(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for range 90 {
			g := f.Granted("eve", ask("dir:lobby"))
			if err := f.Engine.Return(t.Context(), f.As("eve"), g.ID, ""); err != nil {
				t.Fatal(err)
			}
		}
		f.Clock.Pass(time.Minute)
		f.Work()
		var total int64
		if err := f.DB.Read(t.Context(), func(tx *store.Tx) (err error) { total, _, err = tx.CountEvents(t.Context()); return err }); err != nil {
			t.Fatal(err)
		}
		n, err := f.Engine.Sequence(t.Context())
		if err != nil || int64(n) != total {
			t.Errorf("%d of %d events, %v", n, total, err)
		}
		if n, err := f.Engine.Sequence(t.Context()); err != nil || n != 0 {
			t.Errorf("again %d, %v", n, err)
		}
		if len(f.Jobs(engine.SequenceJob{}.Kind())) != 1 {
			t.Errorf("%d jobs wait to do it", len(f.Jobs(engine.SequenceJob{}.Kind())))
		}
		t.Logf("%d events", total)
	})
}
