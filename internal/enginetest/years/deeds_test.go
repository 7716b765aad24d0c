package years

import (
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// week is one: who works here, what comes round, and its deeds at any moment.
func (c *company) week() {
	c.t.Helper()
	end := c.Now().Add(week)
	c.people()
	c.round()
	c.besides()
	for n := int(c.perWeek*(0.5+c.rand.Float64()) + c.rand.Float64()); n > 0; n-- {
		c.Advance(time.Duration(c.rand.Int64N(int64(max(end.Sub(c.Now()), 0))/int64(n) + 1)))
		c.trouble()
		c.deed()
		c.jobs()
	}
	for _, s := range enginetest.Systems {
		c.Targets[s].Mend()
	}
	if left := end.Sub(c.Now()); left > 0 {
		c.Advance(left)
	}
	c.jobs()
}

func (c *company) deed() {
	c.t.Helper()
	c.ask(engine.Ask{}, "ask")
	switch g, ok := c.open(); {
	case !ok || c.chance(500):
	case c.chance(300):
		c.ask(engine.Ask{Beneficiary: g.Identity, Extends: g.ID}, "extend")
	case c.chance(500):
		c.told("return", c.Engine.Return(c.t.Context(), c.As(g.Identity), g.ID, "done"))
	default:
		c.told("revoke", c.Engine.Revoke(c.t.Context(), c.As("sara"), g.ID, "incident"))
	}
}

// told counts how a deed was answered; what is no answer of the engine's fails the test.
func (c *company) told(what string, err error) bool {
	c.t.Helper()
	how := "ok"
	for name, kind := range map[string]error{"invalid": access.ErrInvalid, "not found": access.ErrNotFound, "denied": access.ErrDenied, "conflict": access.ErrConflict, "gone": access.ErrGone} {
		if errors.Is(err, kind) {
			how = name
		}
	}
	if err != nil && how == "ok" {
		c.t.Fatalf("%s: %v", what, err)
	}
	c.met[what+" "+how]++
	return err == nil
}

// draw is what may be asked for, and for how long at most.
func (c *company) draw() (entitlement string, longest int) {
	switch n := c.rand.IntN(20); {
	case n < 4:
		return "dir:lobby", 12
	case n < 7:
		return []string{"dir:wiki", "dir:reports"}[n%2], 24
	case n < 8:
		return []string{"dir:pay", "dir:audit"}[c.rand.IntN(2)], 24
	case n < 9:
		return "dir:root", 4
	case n < 11:
		return "git:deploy", 24
	}
	i := c.rand.IntN(20)
	return fmt.Sprintf("%s:shelf-%d", enginetest.Systems[i%2], i), 90 * 24
}

// ask is one request and what becomes of it: most are approved, some denied, changed,
// taken back, or not answered at all.
func (c *company) ask(a engine.Ask, what string) {
	c.t.Helper()
	who := c.staff[len(managers)+c.rand.IntN(len(c.staff)-len(managers))].User
	entitlement, longest := c.draw()
	if a.Extends == "" {
		a.Entitlements = []string{entitlement}
	} else {
		who, longest = a.Beneficiary, 24
	}
	a.Reason, a.Term = "to do my work", access.Term(1+c.rand.IntN(longest))*hour
	if a.Extends == "" && c.chance(50) {
		a.Start = c.Now().Add(time.Duration(1+c.rand.IntN(72)) * time.Hour)
	}
	r, err := c.Engine.Submit(c.t.Context(), c.As(who), a)
	if !c.told("submit", err) {
		return
	}
	defer func() { c.met[what+" "+string(r.State)]++ }()
	if r.State != access.Pending {
		return
	}
	verdict := access.Approve
	switch n := c.rand.IntN(100); {
	case n < 8:
		return // nobody answers; escalated, and over after two days
	case n < 12:
		c.told("cancel", c.Engine.Cancel(c.t.Context(), c.As(who), r.ID, ""))
		return
	case n < 16:
		a.Term = max(hour, a.Term/2)
		if next, err := c.Engine.Edit(c.t.Context(), c.As(who), r.ID, r.Digest, a); c.told("edit", err) {
			r = next
		}
	case n < 26:
		verdict = access.Deny
	case n < 40:
		c.Advance(time.Duration(c.rand.IntN(30)) * time.Hour)
	}
	r = c.vote(r, verdict)
}

// vote has those who could have a say try.
func (c *company) vote(r access.Request, verdict access.Verdict) access.Request {
	c.t.Helper()
	i, _ := c.WorldAt(c.Now()).Directory.Identity(r.Beneficiary)
	for _, by := range []string{deputy, i.Manager, "otto", "owen", "sara"} {
		if r.State != access.Pending {
			break
		}
		if by == deputy && c.chance(500) {
			continue
		}
		next, err := c.Engine.Vote(c.t.Context(), c.As(by), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: verdict, Note: "so"})
		what := "vote"
		if by == deputy {
			what = "vote of the deputy"
		}
		if c.told(what, err) {
			r = next
		}
	}
	return r
}

// open is one of the latest grants that are not over, if there is any.
func (c *company) open() (g access.Grant, ok bool) {
	c.t.Helper()
	var list []access.Grant
	c.read(func(tx *store.Tx) (err error) {
		list, err = tx.GrantsOf(c.t.Context(), nil, true, "", 200)
		return err
	})
	if len(list) == 0 {
		return g, false
	}
	return list[c.rand.IntN(len(list))], true
}

// trouble is what targets do: fail for hours, or at some calls, in every way; or somebody
// there takes away what was given.
func (c *company) trouble() {
	c.t.Helper()
	target := c.Targets[enginetest.Systems[c.rand.IntN(2)]]
	pick := func(list ...enginetest.Fault) enginetest.Fault { return list[c.rand.IntN(len(list))] }
	often := int(1000 / max(c.perWeek, 2)) // about one a week
	if c.chance(often / 3) {
		c.met["outage"]++
		target.Always(pick(enginetest.Unreachable, enginetest.Lost, enginetest.Refuse, enginetest.LostDone, enginetest.Lie), pick(enginetest.Blind, enginetest.None))
		c.Advance(time.Duration(1+c.rand.IntN(12)) * time.Hour)
		target.Mend()
	}
	if c.chance(often) {
		c.met["fault"]++
		target.Break(pick(enginetest.Hang, enginetest.HangDone, enginetest.Late, enginetest.Lie, enginetest.LostDone), pick(enginetest.None, enginetest.Throttle, enginetest.Lost))
		target.BreakLook(pick(enginetest.None, enginetest.Blind, enginetest.Stuck))
		c.keys.Break("issue", pick(enginetest.LostDone, enginetest.Lost, enginetest.None))
	}
	if held := target.Held(); c.chance(often/2) && len(held) > 0 {
		c.met["taken away"]++
		ref := held[c.rand.IntN(len(held))]
		target.Take(ref.Account, ref.Object)
	}
}
