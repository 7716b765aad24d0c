package abuse

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// slippedStamps are stamps that whoever has a shell on the database can write.
var slippedStamps = []struct {
	name  string
	stamp func(real []byte) []byte
}{
	{"none", func([]byte) []byte { return nil }},
	{"made up", func(real []byte) []byte { return make([]byte, len(real)) }},
	{"another event's", func(real []byte) []byte { return real }},
}

// forge edits the votes on a request with statements, and slips in an event that tells
// of the vote that comes of it, as Lessor would have told it.
func (d *door) forge(request string, vote func(access.Approval) bool, stamp func([]byte) []byte, stmts ...string) (event string) {
	d.t.Helper()
	d.sql(stmts...)
	err := d.DB.Write(d.t.Context(), func(tx *store.Tx) error {
		ctx := d.t.Context()
		votes, err := tx.Approvals(ctx, request)
		if err != nil {
			return err
		}
		told, err := tx.EventsOf(ctx, request, "vote.cast")
		if err != nil || len(told) == 0 {
			return errors.Join(err, errors.New("no vote was cast"))
		}
		like := told[len(told)-1]
		for _, v := range votes {
			if !vote(v) {
				continue
			}
			ev := access.Event{ID: like.ID + "x", At: like.At, Kind: like.Kind, Actor: access.Actor{Identity: v.Voter, Channel: v.Channel}, Request: request, To: "cast", After: v}
			body, err := access.Canonical(ev)
			if err != nil {
				return err
			}
			event = ev.ID
			_, err = tx.ExecContext(ctx, `insert into event (id, at, kind, request, grant_id, assignment, finding, body, salt, stamp) values ($1,$2,$3,$4,'','','',$5,$6,$7)`,
				ev.ID, like.At.UnixMicro(), ev.Kind, request, string(body), like.Salt, stamp(like.Stamp))
			return err
		}
		return errors.New("no such vote")
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return event
}

// stopped wants the log to have stopped at an event, by name, and returns the finding.
func (d *door) stopped(event string) (finding string) {
	d.t.Helper()
	for range 2 { // the second time it is fenced
		if _, err := d.Engine.Sequence(d.t.Context()); !errors.Is(err, access.ErrConflict) || !strings.Contains(err.Error(), event) {
			d.t.Errorf("the log takes it in: %v", err)
		}
	}
	if err := d.DB.Read(d.t.Context(), func(tx *store.Tx) error {
		f, err := tx.OpenFinding(d.t.Context(), "log_forged", d.Signer.Origin())
		if finding = f.ID; err != nil {
			return err
		}
		all, err := tx.Unsequenced(d.t.Context(), 100)
		for _, ev := range all {
			if ev.ID == event {
				return err
			}
		}
		return errors.Join(err, errors.New("it has a place in the log"))
	}); err != nil {
		d.t.Fatal(err)
	}
	halts, err := d.Engine.Halts(d.t.Context())
	if err != nil || len(halts) != 1 || halts[0].Reason != access.HaltLog || !strings.Contains(halts[0].Text, event) {
		d.t.Errorf("halts: %+v, %v", halts, err)
	}
	named, err := engine.Forged(d.t.Context(), d.DB, d.Now(), d.Signer)
	if err != nil || !strings.Contains(named, event) {
		d.t.Errorf("verify names %q, %v", named, err)
	}
	if _, err := d.as("anna").Submit(d.t.Context(), filled(engine.Ask{Entitlements: []string{"dir:lobby"}})); err == nil {
		d.t.Error("granted while the log is stopped")
	}
	return finding
}

// A vote is written into the database together with the event that tells of it, which
// waits for its place in the log. It counts nothing, the log does not take it in, nothing
// is granted until people have seen to it, and what ends, ends.
func TestAB62_ForgedVoteWithItsEvent(t *testing.T) {
	t.Parallel()
	forged := "insert into approval select id||'x', request, revision, digest, entitlement, 'owner', 'otto', 'otto', verdict, term, basis, strength, note, channel, at, withdrawn_at, behalf from approval where person='mia' and stage<>'owner' and entitlement='dir:root'"
	for _, c := range slippedStamps {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
				d := open(t, kind)
				d.Change(func(c *enginetest.Company) {
					e := c.Entitlements["dir:root"]
					e.Owners = []string{"otto", "owen", "ada"}
					c.Entitlements["dir:root"] = e
					c.Rules["more.cedar"] = `@id("more") @needs("security") permit (principal, action == Action::"oblige", resource in Class::"privileged");`
				})
				held := d.granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour, Reason: "it is revoked meanwhile"}, "mia")
				d.Work()
				// 1. The owner's vote and its event are made up. Security votes: it is not granted.
				r := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}}))
				event := d.forge(r.ID, func(v access.Approval) bool { return v.Person == "otto" }, c.stamp, forged)
				if r, err := d.vote("sara", r); err != nil || r.State != access.Pending {
					t.Errorf("%s: %v", r.State, err)
				}
				// 2. The log stops, and says at what. What is revoked is gone.
				finding := d.stopped(event)
				if err := d.as("owen").Revoke(t.Context(), held.ID, "at once"); err != nil {
					t.Errorf("a revocation: %v", err)
				}
				d.Work()
				if d.Targets["dir"].Holds("bob", "wiki") || d.Targets["dir"].Holds("eve", "root") {
					t.Errorf("held: %v", d.Held("dir"))
				}
				// 3. Who lets it be without having taken it out has it again.
				let := func() {
					if err := d.Engine.Accept(t.Context(), d.As("sara"), engine.Remedy{Finding: finding, Reason: "the event and its vote are taken out"}); err != nil {
						t.Fatal(err)
					}
				}
				let()
				finding = d.stopped(event)
				d.sql("delete from event where id='"+event+"'", "delete from approval where person='otto'")
				let()
				if _, err := d.Engine.Sequence(t.Context()); err != nil {
					t.Error(err)
				}
				if halts, err := d.Engine.Halts(t.Context()); err != nil || len(halts) != 0 {
					t.Errorf("halts: %+v, %v", halts, err)
				}
				if r, err := d.vote("owen", r); err != nil || r.State != access.Approved {
					t.Errorf("the owner's own vote: %s, %v", r.State, err)
				}
			})
		})
	}
}

// Between the grant and its start its vote is made another's, and an event tells of that.
func TestAB62_ForgedVoteBeforeTheStart(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.tampered = true
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Start: d.Now().Add(time.Hour)}, "mia")
		event := d.forge(g.Request, func(v access.Approval) bool { return v.Note == "as agreed" }, slippedStamps[1].stamp, "update approval set note='as agreed'")
		d.Advance(2 * time.Hour)
		if calls := d.Targets["dir"].Log(); len(calls) != 0 {
			t.Errorf("provisioned on a forged vote: %v", calls)
		}
		if g = d.Grant(g.ID); g.State != access.Ended || g.Ended != access.EndEligibilityLost {
			t.Errorf("the grant is %s (%s)", g.State, g.Ended)
		}
		d.stopped(event)
	})
}
