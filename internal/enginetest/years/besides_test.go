package years

import (
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// besides is what comes up now and then beside requests: a manager is away, something
// burns at night, a workload begins, is changed and goes.
func (c *company) besides() {
	c.t.Helper()
	if c.chance(100) {
		c.lend()
	}
	if c.chance(100) {
		c.glass()
	}
	c.look()
	if c.chance(100) {
		c.begins()
	}
	if len(c.bots) > 0 && c.chance(200) {
		c.workload(c.bots[c.rand.IntN(len(c.bots))])
	}
}

// deputy answers for managers who are away, by their word.
const deputy = "sven"

// lend has a manager's place be the deputy's for up to three weeks; some are back sooner.
func (c *company) lend() {
	from := managers[fmt.Sprint(1+c.rand.IntN(len(managers)))]
	l, err := c.Engine.Delegate(c.t.Context(), c.As(from), engine.Delegating{To: deputy, End: c.Now().Add(time.Duration(1+c.rand.IntN(20)) * day), Reason: "away"})
	if c.told("delegate", err) && c.chance(250) {
		c.Advance(day / 2)
		c.told("end delegation", c.Engine.EndDelegation(c.t.Context(), c.As(from), l.ID, "back"))
	}
}

// glass has one of those on call take what they need, with nobody asked.
func (c *company) glass() {
	c.incidents++
	by := []string{"eve", "bob"}[c.rand.IntN(2)]
	m, err := c.Engine.BreakGlass(c.t.Context(), c.As(by), engine.Breaking{Entitlement: []string{"dir:root", "dir:pay", "dir:audit"}[c.rand.IntN(3)],
		Reason: "it burns", Incident: fmt.Sprintf("INC-%d", c.incidents)})
	if c.told("break glass", err) {
		c.unseen = append(c.unseen, m.ID)
	}
	c.Advance(time.Duration(c.rand.IntN(90)) * time.Minute)
}

// look has security look at what was taken so, mostly in time.
func (c *company) look() {
	c.unseen = slices.DeleteFunc(c.unseen, func(id string) bool {
		if c.chance(300) {
			return false
		}
		v := engine.EmergencyReview{Emergency: id, Verdict: access.Justified, Text: "the log shows it"}
		if c.chance(200) {
			v.Verdict = access.Unjustified
		}
		_, err := c.Engine.ReviewEmergency(c.t.Context(), c.As("sara"), v)
		return c.told("review emergency", err)
	})
}

// begins has a workload written down by whoever answers for the system, for an owner who accepts it.
func (c *company) begins() {
	id := fmt.Sprintf("bot%d", c.met["register workload ok"]+1)
	r, err := c.Engine.RegisterWorkload(c.t.Context(), c.As("owen"), engine.NewWorkload{ID: id, Name: id, Owner: "eve", Accounts: map[string]string{"dir": id, "git": id}, Contract: contract("dir"), Reason: "we run it"})
	if !c.told("register workload", err) {
		return
	}
	if _, err = c.Engine.AcceptWorkload(c.t.Context(), c.As("eve"), r.ID); c.told("accept workload", err) {
		c.bots = append(c.bots, id)
	}
}

// contract leaves nothing open.
func contract(systems ...string) access.Contract {
	return access.Contract{Purpose: "moves what is on the shelves", Environment: "test", Systems: systems, RotateEvery: 90 * 24 * hour, ReviewEvery: 90 * 24 * hour, RetiresWhen: "the shelves are gone"}
}

// workload is what becomes of one: it asks, within its contract or beyond; that is reviewed, or changed; it goes.
func (c *company) workload(id string) {
	switch n := c.rand.IntN(20); {
	case n < 10:
		k := c.rand.IntN(20)
		r, err := c.Engine.Submit(c.t.Context(), c.As(id), engine.Ask{Entitlements: []string{fmt.Sprintf("%s:shelf-%d", []string{"dir", "git"}[k%2], k)}, Reason: "to do its work", Term: access.Term(1+c.rand.IntN(60)) * 24 * hour})
		if c.told("workload asks", err) {
			c.met["workload "+string(c.vote(r, access.Approve).State)]++
		}
	case n < 13:
		c.told("review workload", c.Engine.ReviewWorkload(c.t.Context(), c.As("eve"), id, "still needed"))
	case n < 18:
		c.told("change contract", c.Engine.ChangeContract(c.t.Context(), c.As("eve"), id, contract([][]string{{"dir"}, {"git"}, {"dir", "git"}}[n%3]...), "it does other work"))
	default:
		_, err := c.Engine.RetireWorkload(c.t.Context(), c.As("eve"), id, "it is gone")
		if c.told("retire workload", err) {
			c.bots = slices.DeleteFunc(c.bots, func(b string) bool { return b == id })
		}
	}
	c.remember()
}

// standIns is that nobody answers for another beyond what was said.
func (c *company) standIns(month int) {
	c.t.Helper()
	c.read(func(tx *store.Tx) error {
		over, err := tx.DelegationsOver(c.t.Context(), c.Now(), 10)
		for _, l := range over {
			c.t.Errorf("month %d: delegation %s was to end at %s, and nobody ended it", month, l.ID, l.End)
		}
		return err
	})
}
