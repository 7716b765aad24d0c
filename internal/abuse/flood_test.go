package abuse

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Ten thousand requests in a minute by one identity: most are not even read,
// a hundred wait for an answer, and nobody else is refused anything.
func TestAB16_OneIdentityFloodsTheDoor(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	counts := map[int]int{}
	for i := range 10_000 {
		d.Clock.Pass(6 * time.Millisecond)
		_, err := d.as("eve").Submit(t.Context(), engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: fmt.Sprintf("flood %d", i), Term: hour})
		counts[status(err)]++
	}
	if counts[http.StatusOK] != 100 || counts[http.StatusTooManyRequests] < 8000 || counts[http.StatusForbidden] != 10_000-100-counts[http.StatusTooManyRequests] {
		t.Errorf("answers %v; want 100 that wait, thousands not read, the rest denied", counts)
	}
	if list, err := d.as("mia").Desk(t.Context(), clientPage(500)); err != nil || len(list) != 100 {
		t.Errorf("%d requests wait for mia: %v", len(list), err)
	}
	if r := d.ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}}); r.State != access.Pending {
		t.Errorf("bob: %s", r.State)
	}
	g := d.granted("nora", engine.Ask{Entitlements: []string{"dir:reports"}}, "mia")
	if err := d.as("owen").Revoke(t.Context(), g.ID, "the lane of revocation is open"); err != nil {
		t.Errorf("revoke in the flood: %v", err)
	}
}

// The same at the engine, where a door without a bound of its own would stand.
func TestAB16_OneRequesterFloodsTheApprovers(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		ask := func(who string, i int) error {
			_, err := d.Engine.Submit(t.Context(), d.As(who), engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: fmt.Sprintf("flood %d", i), Term: hour})
			return err
		}
		kept := 0
		for i := range 150 {
			if ask("eve", i) == nil {
				kept++
			}
		}
		if kept != 100 {
			t.Errorf("%d of 150 wait, want 100", kept)
		}
		if err := ask("bob", 0); err != nil {
			t.Errorf("bob is refused for what eve does: %v", err)
		}
		// The same reference again is no other request.
		for range 20 {
			r, err := d.Engine.Submit(t.Context(), d.As("bob"), engine.Ask{Entitlements: []string{"dir:reports"}, Reason: "once", Term: hour, Reference: "r-1"})
			if err != nil || r.State != access.Pending {
				t.Fatal(err)
			}
		}
		if list, err := d.Engine.List(t.Context(), d.As("bob"), "", true, "", 500); err != nil || len(list) != 2 {
			t.Errorf("bob has %d requests: %v", len(list), err)
		}
		// What was answered makes room.
		list, err := d.Engine.Desk(t.Context(), d.As("mia"), "", 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if r.Requester == "eve" {
				if _, err := d.Engine.Vote(t.Context(), d.As("mia"), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Deny}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := ask("eve", 1000); err != nil {
			t.Errorf("with none waiting: %v", err)
		}
	})
}

// A flood of access to be added delays no removal: what is to be removed is
// taken first, and is seen gone at the very moment, flood or not.
func TestAB16_RemovalIsAsFastInAFlood(t *testing.T) {
	t.Parallel()
	const many = 400
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		gone := map[bool]time.Duration{}
		for _, flood := range []bool{false, true} {
			d := open(t, kind)
			d.Targets["dir"].Batch = 10
			d.Change(func(c *enginetest.Company) {
				for i := range many {
					id := fmt.Sprintf("dir:open%d", i)
					e := c.Entitlements["dir:lobby"]
					e.ID, e.Object, e.Name = id, id[4:], id[4:]
					c.Entitlements[id] = e
				}
			})
			g := d.granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
			d.Work()
			end := d.Grant(g.ID).End
			if flood { // all of it due just before the end, and none of it done yet
				for i := 0; i < many; i += 50 {
					var names []string
					for n := range 50 {
						names = append(names, fmt.Sprintf("dir:open%d", i+n))
					}
					d.ask("eve", engine.Ask{Entitlements: names, Start: end.Add(-time.Second), Term: hour, Fixed: true})
				}
			}
			// Each call takes a second from the end on: the order is what counts.
			d.Clock.To(end)
			lane := d.Lane("dir", "flooded")
			for i := range many {
				if _, err := lane.Once(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !d.Targets["dir"].Holds("bob", "wiki") {
					gone[flood] = time.Duration(i) * time.Second
					break
				}
			}
			d.Work()
			d.CheckQuiet()
		}
		if gone[true] != gone[false] {
			t.Errorf("removed after %s in a flood, after %s without", gone[true], gone[false])
		}
	})
}
