package reconcile_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

// odd is a target of which some objects are not as the others.
type odd struct {
	*enginetest.Target
	trouble map[string]error // of looks, by object
	looks   map[string]int
}

func (o *odd) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	list := o.Target.Look(ctx, refs)
	for i, s := range list {
		o.looks[s.Object]++
		if err := o.trouble[s.Object]; err != nil {
			list[i] = connector.Seen{Ref: s.Ref, Err: err}
		}
	}
	return list
}

// One object of which no look is answered does not make its system sick beside others that
// are as they should be, and makes none of these wait longer than until the next try; what a
// system refuses makes nobody wait.
func TestOneOddObjectHoldsUpNobody(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		for err, most := range map[error]time.Duration{connector.ErrRefused: 0, connector.ErrNoObject: 0, connector.ErrUnreachable: access.ProbeEvery} {
			f := enginetest.Open(t, d)
			target := &odd{f.Targets["dir"], map[string]error{}, map[string]int{}}
			lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: "odd", Pace: f.Engine.Pace, Backstop: time.Minute, Now: f.Now})
			until := func(end time.Time) {
				t.Helper()
				for !f.Now().After(end) {
					n, err := lane.Once(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if next, ok, err := f.Engine.NextDue(t.Context(), "dir"); err != nil {
						t.Fatal(err)
					} else if n == 0 && (!ok || next.After(f.Now())) {
						if !ok || next.After(end) {
							next = end.Add(time.Microsecond)
						}
						f.Clock.To(next)
					}
				}
			}
			f.Granted("eve", wiki(hour), "mia")
			f.Granted("bob", wiki(hour), "mia")
			reports := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 70 * access.Term(time.Minute)}, "mia")
			lobby := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: hour})
			until(f.Now().Add(time.Minute))
			target.trouble["wiki"] = err
			for _, g := range []access.Grant{lobby, reports} { // the first beside it, the second while only it is tried
				until(f.Grant(g.ID).End.Add(most + time.Millisecond))
				if j := f.Job(g.Assignment); j.State != access.Absent {
					t.Errorf("%v: %s after its end %s is %s: %+v", err, most, g.Entitlement, j.State, j.Work)
				}
			}
			sick := false
			if err := f.DB.Read(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Sick(t.Context(), "dir")
				if sick = err == nil; errors.Is(err, access.ErrNotFound) {
					return nil
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if sick && most == 0 {
				t.Errorf("%v: of one object makes the system sick", err)
			}
			delete(target.trouble, "wiki")
			until(f.Now().Add(f.Engine.Pace.SlowestOff))
			until(f.Now().Add(2 * time.Minute))
			f.CheckQuiet()
		}
	})
}
