package engine_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// modelled is what the model expects of one request: as little as can be said
// about it without being the engine.
type modelled struct {
	r        access.Request // as last read
	needs    []string       // who has yet to approve
	chains   bool           // it may make a chain of grants too long, and be denied at last
	state    access.RequestState
	answerBy time.Time
}

// model is the reference: which requests wait for whom, and until when each
// account is expected to hold what.
type model struct {
	requests []*modelled
	until    map[string]time.Time // grant -> its end; those returned or revoked are gone
	of       map[string]string    // grant -> account and object
	troubled bool                 // the target does not do as it is told
}

// approvers are the one set of people who can approve each entitlement for anybody managed by mia.
var approvers = map[string][]string{"dir:wiki": {"mia"}, "dir:root": {"mia", "otto"}, "dir:lobby": nil}

// Any order of asking, voting, editing, taking back, extending, giving back, revoking
// and waiting, at a target that fails now and then, ends where the model says, and
// the oracle has nothing to say.
func TestModel(t *testing.T) {
	t.Parallel()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue { // each has a database of its own
		if err := checks.Value.Set("30"); err != nil {
			t.Fatal(err)
		}
	}
	dialects := []store.Dialect{store.SQLite}
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		dialects = append(dialects, store.Postgres)
	}
	for _, d := range dialects {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) { modelOnce(t, rt, d) })
		})
	}
}

func modelOnce(t *testing.T, rt *rapid.T, d store.Dialect) {
	f := enginetest.Open(t, d)
	defer f.Close()
	m := &model{until: map[string]time.Time{}, of: map[string]string{}}
	rt.Repeat(map[string]func(*rapid.T){
		"submit":   func(rt *rapid.T) { m.submit(t, rt, f) },
		"vote":     func(rt *rapid.T) { m.vote(t, rt, f) },
		"withdraw": func(rt *rapid.T) { m.withdraw(t, rt, f) },
		"deny":     func(rt *rapid.T) { m.deny(t, rt, f) },
		"edit":     func(rt *rapid.T) { m.edit(t, rt, f) },
		"extend":   func(rt *rapid.T) { m.extend(t, rt, f) },
		"cancel":   func(rt *rapid.T) { m.cancel(t, rt, f) },
		"end":      func(rt *rapid.T) { m.end(t, rt, f) },
		"trouble":  func(rt *rapid.T) { m.trouble(rt, f) },
		"mend":     func(rt *rapid.T) { m.mend(rt, f) },
		"wait": func(rt *rapid.T) {
			f.Advance(time.Duration(rapid.IntRange(1, 40).Draw(rt, "tenths of an hour")) * 6 * time.Minute)
			m.expire(f)
		},
		"": func(rt *rapid.T) { m.check(rt, f) },
	})
	if m.troubled {
		m.mend(rt, f)
	}
	f.Advance(f.Engine.Pace.Confirm)
	f.CheckQuiet()
	if t.Failed() {
		rt.Fatal("the oracle has something to say")
	}
}

// one picks a request in that state, or skips.
func (m *model) one(rt *rapid.T, state access.RequestState) *modelled {
	var open []*modelled
	for _, r := range m.requests {
		if r.state == state {
			open = append(open, r)
		}
	}
	if len(open) == 0 {
		rt.Skip("none is " + state)
	}
	return rapid.SampledFrom(open).Draw(rt, "request")
}

func draw(rt *rapid.T) engine.Ask {
	return engine.Ask{Entitlements: []string{rapid.SampledFrom([]string{"dir:wiki", "dir:root", "dir:lobby"}).Draw(rt, "entitlement")}, Reason: "work",
		Term: access.Term(rapid.IntRange(1, 4).Draw(rt, "hours")) * hour, AnswerWithin: access.Term(rapid.IntRange(1, 6).Draw(rt, "answer within")) * hour}
}

// took takes over what the engine answered.
func (m *model) took(f *enginetest.Fixture, x *modelled, r access.Request) {
	x.r, x.answerBy, x.state = r, r.AnswerBy, r.State
	if id := r.Items[0].Grant; id != "" {
		f.Work()
		g := f.Grant(id)
		m.until[id], m.of[id] = g.End, g.Identity+" "+g.Entitlement
	}
}

func (m *model) submit(t *testing.T, rt *rapid.T, f *enginetest.Fixture) {
	who, a := rapid.SampledFrom([]string{"eve", "bob"}).Draw(rt, "who"), draw(rt)
	r, err := f.Engine.Submit(t.Context(), f.As(who), a)
	if err != nil {
		rt.Fatal(err)
	}
	x := &modelled{needs: slices.Clone(approvers[a.Entitlements[0]])}
	want := access.Pending
	if len(x.needs) == 0 {
		want = access.Approved
	}
	if x.chains = a.Entitlements[0] == "dir:root"; r.State != want && !(r.State == access.Denied && x.chains) {
		rt.Fatalf("asked for %s, it is %s, not %s: %s", a.Entitlements[0], r.State, want, r.Items[0].Why)
	}
	m.requests = append(m.requests, x)
	m.took(f, x, r)
}

func (m *model) vote(t *testing.T, rt *rapid.T, f *enginetest.Fixture) {
	x := m.one(rt, access.Pending)
	by := rapid.SampledFrom([]string{"mia", "otto", "eve", "bob", "sara"}).Draw(rt, "voter")
	r, err := vote(t, f, by, x.r)
	i := slices.Index(x.needs, by)
	if (i >= 0) != (err == nil) || (err != nil && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrNotFound)) {
		rt.Fatalf("%s votes where %v are needed: %v", by, x.needs, err)
	}
	if err != nil {
		return
	}
	x.needs = slices.Delete(x.needs, i, i+1)
	done := r.State == access.Approved || (r.State == access.Denied && x.chains)
	if done != (len(x.needs) == 0) {
		rt.Fatalf("%v are still needed, and it is %s (%s)", x.needs, r.State, r.Items[0].Why)
	}
	m.took(f, x, r)
}

func (m *model) deny(t *testing.T, rt *rapid.T, f *enginetest.Fixture) {
	x := m.one(rt, access.Pending)
	r, err := vote(t, f, x.needs[0], x.r, func(b *engine.Ballot) { b.Verdict = access.Deny })
	if err != nil || r.State != access.Denied {
		rt.Fatalf("denied, it is %s: %v", r.State, err)
	}
	m.took(f, x, r)
}

func (m *model) edit(t *testing.T, rt *rapid.T, f *enginetest.Fixture) {
	x, a := m.one(rt, access.Pending), draw(rt)
	old := x.r
	if old.Extends != "" { // what it extends stays what it is, and so does what it is for
		a.Entitlements = []string{old.Items[0].Entitlement}
	}
	r, err := f.Engine.Edit(t.Context(), f.As(x.r.Requester), x.r.ID, x.r.Digest, a)
	if old.Extends != "" && f.Grant(old.Extends).State == access.Ended {
		if !errors.Is(err, access.ErrInvalid) {
			rt.Fatalf("edited to extend what has ended: %v", err)
		}
		return
	}
	if err != nil || r.Revision != old.Revision+1 || r.Digest == old.Digest {
		rt.Fatalf("edited: %+v, %v", r, err)
	}
	if _, err := vote(t, f, "mia", old); err == nil {
		rt.Fatal("a vote on the old revision counts")
	}
	x.needs, x.chains = slices.Clone(approvers[a.Entitlements[0]]), a.Entitlements[0] == "dir:root" || old.Extends != ""
	m.took(f, x, r)
}

// withdraw has somebody take back a vote that has led to nothing yet.
func (m *model) withdraw(t *testing.T, rt *rapid.T, f *enginetest.Fixture) {
	x := m.one(rt, access.Pending)
	var votes []access.Approval
	if err := f.DB.Read(t.Context(), func(tx *store.Tx) (err error) { votes, err = tx.Approvals(t.Context(), x.r.ID); return err }); err != nil {
		rt.Fatal(err)
	}
	votes = slices.DeleteFunc(votes, func(v access.Approval) bool { return !v.Counts(x.r) })
	if len(votes) == 0 {
		rt.Skip("nobody has voted")
	}
	v := rapid.SampledFrom(votes).Draw(rt, "vote")
	if err := f.Engine.Withdraw(t.Context(), f.As("sara"), x.r.ID, v.ID); err == nil {
		rt.Fatal("sara takes back another's vote")
	}
	if err := f.Engine.Withdraw(t.Context(), f.As(v.Voter), x.r.ID, v.ID); err != nil {
		rt.Fatal(err)
	}
	x.needs = append(x.needs, v.Voter)
}

// extend asks for more time for what is held.
func (m *model) extend(t *testing.T, rt *rapid.T, f *enginetest.Fixture) {
	g := f.Grant(m.live(rt, f))
	a := draw(rt)
	a.Entitlements, a.Extends = nil, g.ID
	r, err := f.Engine.Submit(t.Context(), f.As(g.Identity), a)
	if err != nil {
		rt.Fatal(err)
	}
	x := &modelled{needs: slices.Clone(approvers[g.Entitlement]), chains: true}
	m.requests = append(m.requests, x)
	m.took(f, x, r)
	if id := r.Items[0].Grant; id != "" && m.until[id].Before(g.End) {
		rt.Fatalf("extended, it ends %s, before %s", m.until[id], g.End)
	}
}

// trouble makes the next calls to the target go wrong.
func (m *model) trouble(rt *rapid.T, f *enginetest.Fixture) {
	m.troubled = true
	faults := []enginetest.Fault{enginetest.Refuse, enginetest.Unreachable, enginetest.Lost, enginetest.LostDone, enginetest.Hang, enginetest.HangDone, enginetest.Late, enginetest.Lie, enginetest.None}
	f.Targets["dir"].Break(rapid.SliceOfN(rapid.SampledFrom(faults), 1, 3).Draw(rt, "writes")...)
	f.Targets["dir"].BreakLook(rapid.SliceOfN(rapid.SampledFrom([]enginetest.Fault{enginetest.Blind, enginetest.Stuck, enginetest.None}), 0, 2).Draw(rt, "looks")...)
}

// mend has the target do as it is told again; what was late is made up for.
func (m *model) mend(rt *rapid.T, f *enginetest.Fixture) {
	if !m.troubled {
		rt.Skip("it does as it is told")
	}
	f.Targets["dir"].Mend()
	f.Advance(2 * f.Engine.Pace.SlowestOff)
	m.troubled = false
	m.expire(f)
}

func (m *model) cancel(t *testing.T, rt *rapid.T, f *enginetest.Fixture) {
	x := m.one(rt, access.Pending)
	if err := f.Engine.Cancel(t.Context(), f.As(x.r.Requester), x.r.ID, ""); err != nil {
		rt.Fatal(err)
	}
	x.state = access.Cancelled
}

// live picks a grant that is a reason now, or skips.
func (m *model) live(rt *rapid.T, f *enginetest.Fixture) string {
	var live []string
	for id, end := range m.until {
		if f.Clock.Now().Before(end) {
			live = append(live, id)
		}
	}
	if slices.Sort(live); len(live) == 0 {
		rt.Skip("nothing is live")
	}
	return rapid.SampledFrom(live).Draw(rt, "grant")
}

func (m *model) end(t *testing.T, rt *rapid.T, f *enginetest.Fixture) {
	id := m.live(rt, f)
	var err error
	if rapid.Bool().Draw(rt, "by its holder") {
		err = f.Engine.Return(t.Context(), f.As(f.Grant(id).Identity), id, "")
	} else {
		err = f.Engine.Revoke(t.Context(), f.As("sara"), id, "incident")
	}
	if err != nil {
		rt.Fatal(err)
	}
	delete(m.until, id)
	f.Work()
}

func (m *model) expire(f *enginetest.Fixture) {
	for _, x := range m.requests {
		if x.state == access.Pending && !f.Clock.Now().Before(x.answerBy) {
			x.state = access.Expired
		}
	}
}

// check compares every request and every holding.
func (m *model) check(rt *rapid.T, f *enginetest.Fixture) {
	if m.troubled { // calls that hung have let time pass
		f.Advance(0)
		m.expire(f)
	}
	for _, x := range m.requests {
		if got := f.Request(x.r.ID); got.State != x.state {
			rt.Fatalf("request %s is %s, not %s", x.r.ID, got.State, x.state)
		}
	}
	for id, was := range m.until { // until it is seen the end may come earlier, never later
		end := f.Grant(id).End
		if end.After(was) {
			rt.Fatalf("the end of %s moved from %s to %s", id, was, end)
		}
		m.until[id] = end
	}
	if m.troubled {
		return
	}
	want := map[string]bool{}
	for id, end := range m.until {
		if f.Clock.Now().Before(end) {
			want[m.of[id]] = true
		}
	}
	got := map[string]bool{}
	for _, ref := range f.Targets["dir"].Held() {
		got[ref.Account+" dir:"+ref.Object] = true
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		rt.Fatalf("at the target: %v; by the model: %v", got, want)
	}
}
