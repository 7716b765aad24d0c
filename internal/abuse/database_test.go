package abuse

import (
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// sql runs statements as somebody with a shell on the database would.
func (d *door) sql(stmts ...string) {
	d.t.Helper()
	if err := d.DB.Write(d.t.Context(), func(tx *store.Tx) error {
		for _, s := range stmts {
			if _, err := tx.ExecContext(d.t.Context(), s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
}

// refusing gives statements that make a database refuse, and no longer refuse, inserts into a table.
func refusing(kind store.Dialect, table string) (on, off []string) {
	if kind == store.SQLite {
		return []string{"create trigger full_" + table + " before insert on " + table + " begin select raise(abort, 'disk full'); end"}, []string{"drop trigger full_" + table}
	}
	return []string{"create function full_" + table + "() returns trigger language plpgsql as $$ begin raise exception 'disk full'; end $$",
			"create trigger full_" + table + " before insert on " + table + " for each row execute function full_" + table + "()"},
		[]string{"drop trigger full_" + table + " on " + table, "drop function full_" + table + "()"}
}

// The database takes no more rows of a kind. Nothing new is granted, half of
// nothing is stored, what is live stays revocable, and as soon as rows are
// taken again everything that was due is done.
func TestAB65_DatabaseTakesNoMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		table   string
		asks    bool // a request can still be stored meanwhile
		revokes bool // a revocation can
	}{
		{"event", false, false}, // one commit: what cannot be told is not done
		{"request", false, true},
		{"approval", true, true},
		{"grants", true, true},
		{"assignment", true, true},
		{"receipt", true, true},
		{"river_job", false, true}, // what is decided from what is stored needs none
		{"tile", true, true},
		{"checkpoint", true, true},
	} {
		t.Run(c.table, func(t *testing.T) {
			t.Parallel()
			enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
				d := open(t, kind)
				on, off := refusing(kind, c.table)
				short := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour, Reason: "it expires meanwhile"}, "mia")
				long := d.granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour, Reason: "it is revoked meanwhile"}, "mia")
				waits := d.ask("nora", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "it is voted on meanwhile"})
				d.Work()
				d.sql(on...)
				before := d.stored()
				// 1. Nothing new, and nothing by half.
				_, err := d.as("eve").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"dir:reports"}}))
				if (err == nil) != c.asks {
					t.Errorf("an ask: %v", err)
				}
				if r, err := d.vote("mia", waits); err == nil && c.table != "receipt" && c.table != "tile" && c.table != "checkpoint" && c.table != "request" && c.table != "river_job" {
					t.Errorf("granted while %s takes nothing: %s", c.table, r.State)
				}
				revoked := d.as("owen").Revoke(t.Context(), long.ID, "at once")
				if (revoked == nil) != c.revokes {
					t.Errorf("a revocation: %v", revoked)
				}
				if after := d.stored(); c.table == "event" && fmt.Sprint(after) != fmt.Sprint(before) {
					t.Errorf("stored %v, before %v", after, before)
				}
				// 2. Time goes on; lanes fail and go on.
				lane := d.Lane("dir", "stubborn")
				for range 4 * 60 {
					d.Clock.Pass(time.Minute)
					for range 3 {
						if n, err := lane.Once(t.Context()); err != nil || n == 0 {
							break
						}
					}
				}
				// 3. Rows are taken again.
				d.sql(off...)
				d.Advance(10 * time.Minute)
				if d.Targets["dir"].Holds("eve", "wiki") || d.Grant(short.ID).State != access.Ended {
					t.Errorf("what expired meanwhile is still held; the grant is %s", d.Grant(short.ID).State)
				}
				if revoked != nil {
					if err := d.as("owen").Revoke(t.Context(), long.ID, "again"); err != nil && status(err) != 410 {
						t.Errorf("revoke again: %v", err)
					}
					d.Work()
				}
				if d.Targets["dir"].Holds("bob", "wiki") || d.Grant(long.ID).State != access.Ended {
					t.Errorf("what was revoked is still held; the grant is %s", d.Grant(long.ID).State)
				}
				d.Advance(2 * time.Hour)
				d.CheckQuiet()
			})
		})
	}
}

// The database itself refuses a move that the table of moves has not, and a
// later end, whoever asks it.
func TestAB62_DatabaseRefusesWhatNoVerbDoes(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
		d.Work()
		d.Advance(2 * time.Hour)
		for _, stmt := range []string{
			"update grants set state='live' where id='" + g.ID + "'",
			"update grants set end_at=end_at+1 where id='" + g.ID + "'",
			"update request set state='pending' where id='" + g.Request + "'",
			"update assignment set state='nothing' where id='" + g.Assignment + "'",
			"update grants set state='scheduled'",
		} {
			err := d.DB.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.ExecContext(t.Context(), stmt)
				return err
			})
			if err == nil {
				t.Errorf("%s: done", stmt)
			}
		}
		d.CheckQuiet()
	})
}
