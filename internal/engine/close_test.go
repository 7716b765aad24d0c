package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// An edit makes a new revision under another digest, and the votes are void (AB-06).
func TestAB06_EditVoidsVotes(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Approve("mia", f.Ask("eve", ask("dir:root")))
		_, err := f.Engine.Edit(t.Context(), f.As("bob"), r.ID, r.Digest, ask("dir:root"))
		refused(t, "by somebody else", err, access.ErrNotFound, r.ID)
		_, err = f.Engine.Edit(t.Context(), f.As("otto"), r.ID, r.Digest, ask("dir:root"))
		refused(t, "by an approver", err, access.ErrDenied, "not yours")
		_, err = f.Engine.Edit(t.Context(), f.As("eve"), r.ID, "sha256:00", ask("dir:root"))
		refused(t, "of another revision", err, access.ErrConflict, "revision 1")
		_, err = f.Engine.Edit(t.Context(), f.As("eve"), r.ID, r.Digest, ask())
		refused(t, "to nothing", err, access.ErrInvalid, "nothing is asked")

		longer := ask("dir:root")
		longer.Term = 4 * hour
		next, err := f.Engine.Edit(t.Context(), f.As("eve.2"), r.ID, r.Digest, longer)
		if err != nil {
			t.Fatal(err)
		}
		if next.ID != r.ID || next.Revision != 2 || next.Digest == r.Digest || next.Requester != "eve" || next.Beneficiary != "eve" || next.Term != 4*hour {
			t.Errorf("edited: %+v", next)
		}
		isOutcome(t, next, access.Pending, access.Undecided)
		_, err = vote(t, f, "otto", r)
		refused(t, "a vote on the old revision", err, access.ErrConflict, "revision 2")
		isOutcome(t, f.Approve("otto", next), access.Pending, access.Undecided) // mia's vote is gone
		next = f.Approve("mia", f.Request(r.ID))
		isOutcome(t, next, access.Approved, access.Granted)
		_, err = f.Engine.Edit(t.Context(), f.As("eve"), r.ID, next.Digest, ask("dir:root"))
		refused(t, "what is decided", err, access.ErrGone, "approved")
		if g := f.Grant(next.Items[0].Grant); g.Revision != 2 || g.Digest != next.Digest {
			t.Errorf("the grant is of revision %d", g.Revision)
		}
		part := f.Ask("bob", ask("dir:lobby", "dir:wiki"))
		_, err = f.Engine.Edit(t.Context(), f.As("bob"), part.ID, part.Digest, ask("dir:wiki"))
		refused(t, "what is granted in part", err, access.ErrGone, "granted already")
	})
}

// A beneficiary may take back what was asked for them, and not rewrite it.
func TestOnlyWhoAskedMayEdit(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		onBehalf := func(who string) engine.Ask { a := ask("dir:root"); a.Beneficiary = who; return a }
		r := f.Ask("mia", onBehalf("eve"))
		if r.State == access.Denied { // its manager asked: somebody else has to answer for her
			f.Change(func(c *enginetest.Company) {
				i := c.People["eve"]
				i.Manager = "ada"
				i.Sponsor = "mia"
				c.People["eve"] = i
			})
			r = f.Ask("mia", onBehalf("eve"))
		}
		isOutcome(t, r, access.Pending, access.Undecided)
		_, err := f.Engine.Edit(t.Context(), f.As("eve"), r.ID, r.Digest, onBehalf("bob"))
		refused(t, "by the beneficiary", err, access.ErrDenied, "made by mia")
		if err := f.Engine.Cancel(t.Context(), f.As("eve"), r.ID, "not needed"); err != nil {
			t.Error(err)
		}
	})
}

func TestCancelAndComment(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Ask("eve", ask("dir:lobby", "dir:wiki"))
		refused(t, "an unclean note", f.Engine.Cancel(t.Context(), f.As("eve"), r.ID, "a\u202eb"), access.ErrInvalid, "note")
		refused(t, "by an approver", f.Engine.Cancel(t.Context(), f.As("mia"), r.ID, ""), access.ErrDenied, "not yours")
		refused(t, "by somebody else", f.Engine.Cancel(t.Context(), f.As("bob"), r.ID, ""), access.ErrNotFound, r.ID)
		refused(t, "an empty comment", f.Engine.Comment(t.Context(), f.As("eve"), r.ID, " "), access.ErrInvalid, "comment is empty; say")
		refused(t, "a comment that is none", f.Engine.Comment(t.Context(), f.As("eve"), r.ID, "a\x1b[31mb"), access.ErrInvalid, "comment has the control character")
		refused(t, "a comment by somebody else", f.Engine.Comment(t.Context(), f.As("bob"), r.ID, "let me in"), access.ErrNotFound, r.ID)
		if err := f.Engine.Comment(t.Context(), f.As("anna"), r.ID, "why both?"); err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.Cancel(t.Context(), f.As("eve"), r.ID, "never mind"); err != nil {
			t.Fatal(err)
		}
		isOutcome(t, f.Request(r.ID), access.Approved, access.Granted, access.ItemDropped) // what was granted stays until it is given back
		refused(t, "twice", f.Engine.Cancel(t.Context(), f.As("eve"), r.ID, ""), access.ErrGone, "already")
		r = f.Ask("eve", ask("dir:wiki"))
		if err := f.Engine.Cancel(t.Context(), f.As("eve.2"), r.ID, ""); err != nil {
			t.Fatal(err)
		}
		isOutcome(t, f.Request(r.ID), access.Cancelled, access.ItemDropped)
		_, err := vote(t, f, "mia", r)
		refused(t, "a vote after it was taken back", err, access.ErrGone, "no more votes")
	})
}

func TestReturnAndRevoke(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		f.Work()
		for _, by := range []string{"bob", "otto", "anna", "robot", "mallory"} {
			refused(t, "return by "+by, f.Engine.Return(t.Context(), f.As(by), g.ID, ""), access.ErrNotFound, g.ID)
			refused(t, "revoke by "+by, f.Engine.Revoke(t.Context(), f.As(by), g.ID, "spite"), access.ErrNotFound, g.ID)
		}
		refused(t, "revoke by the holder", f.Engine.Revoke(t.Context(), f.As("eve"), g.ID, "x"), access.ErrNotFound, g.ID)
		refused(t, "without a reason", f.Engine.Revoke(t.Context(), f.As("owen"), g.ID, ""), access.ErrInvalid, "reason")
		refused(t, "with an unclean note", f.Engine.Return(t.Context(), f.As("eve"), g.ID, "\x07"), access.ErrInvalid, "note")
		refused(t, "of nothing", f.Engine.Revoke(t.Context(), f.As("owen"), "gr-none", "x"), access.ErrNotFound, "gr-none")
		for _, c := range []struct {
			by  string
			how func(e *engine.Engine, by access.Actor, id string) error
			why access.EndReason
		}{
			{"eve", func(e *engine.Engine, by access.Actor, id string) error { return e.Return(t.Context(), by, id, "done") }, access.EndReturned},
			{"eve.2", func(e *engine.Engine, by access.Actor, id string) error { return e.Return(t.Context(), by, id, "") }, access.EndReturned},
			{"owen", func(e *engine.Engine, by access.Actor, id string) error {
				return e.Revoke(t.Context(), by, id, "misuse")
			}, access.EndRevoked},
			{"sara", func(e *engine.Engine, by access.Actor, id string) error {
				return e.Revoke(t.Context(), by, id, "incident")
			}, access.EndRevoked},
			{"mia", func(e *engine.Engine, by access.Actor, id string) error {
				return e.Revoke(t.Context(), by, id, "moved on")
			}, access.EndRevoked},
		} {
			if g.State == access.Ended {
				g = f.Granted("eve", ask("dir:wiki"), "mia")
				f.Work()
			}
			if !f.Targets["dir"].Holds("eve", "wiki") {
				t.Fatal("not held")
			}
			if err := c.how(f.Engine, f.As(c.by), g.ID); err != nil {
				t.Fatalf("by %s: %v", c.by, err)
			}
			f.Check()
			f.Work()
			if g = f.Grant(g.ID); g.Ended != c.why || f.Targets["dir"].Holds("eve", "wiki") {
				t.Errorf("by %s: %s (%s), held: %t", c.by, g.State, g.Ended, f.Targets["dir"].Holds("eve", "wiki"))
			}
			refused(t, "twice by "+c.by, c.how(f.Engine, f.As(c.by), g.ID), access.ErrGone, "already ended")
			f.Advance(2 * time.Minute)
			f.CheckQuiet()
		}
	})
}

// Silence denies: what nobody answered expires, also after an edit, and a vote that comes late is none.
func TestExpire(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		a := ask("dir:lobby", "dir:wiki")
		a.AnswerWithin = 2 * hour
		part, quick := f.Ask("eve", a), ask("dir:wiki")
		quick.AnswerWithin = hour
		r := f.Ask("bob", quick)
		edited, err := f.Engine.Edit(t.Context(), f.As("bob"), r.ID, r.Digest, engine.Ask{Entitlements: []string{"dir:reports"}, Reason: "x", Term: hour, AnswerWithin: 3 * hour})
		if err != nil {
			t.Fatal(err)
		}
		f.Clock.Pass(3*time.Hour - time.Second)
		_, err = vote(t, f, "mia", f.Request(part.ID))
		refused(t, "a vote after its time", err, access.ErrGone, "no more votes")
		if n, err := f.Engine.ExpireRequests(t.Context()); err != nil || n != 1 {
			t.Errorf("%d expired, %v", n, err)
		}
		isOutcome(t, f.Request(part.ID), access.Approved, access.Granted, access.ItemDropped)
		isOutcome(t, f.Request(r.ID), access.Pending, access.Undecided)
		f.Clock.Pass(time.Second)
		if n, err := f.Engine.ExpireRequests(t.Context()); err != nil || n != 1 {
			t.Errorf("%d expired, %v", n, err)
		}
		isOutcome(t, f.Request(edited.ID), access.Expired, access.ItemDropped)
		if n := len(f.Jobs(engine.ExpireJob{}.Kind())); n != 3 { // one for each time to answer
			t.Errorf("%d jobs to expire requests", n)
		}
	})
}

// An extension is its own decision, goes on from the old end, and its chain is limited.
func TestExtend(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		extend := func(g access.Grant, term access.Term) engine.Ask {
			return engine.Ask{Extends: g.ID, Reason: "not done yet", Term: term}
		}
		a := ask("dir:root")
		a.Term = 4 * hour
		first := f.Granted("eve", a, "mia", "otto")
		f.Work()
		first = f.Grant(first.ID)
		_, err := f.Engine.Submit(t.Context(), f.As("bob"), extend(first, hour))
		refused(t, "another's grant", err, access.ErrInvalid, "no grant")
		more := extend(first, hour)
		more.Entitlements = []string{"dir:wiki"}
		_, err = f.Engine.Submit(t.Context(), f.As("eve"), more)
		refused(t, "for something else", err, access.ErrInvalid, "nothing else")

		f.Advance(3 * time.Hour)
		r := f.Ask("eve", extend(first, 3*hour))
		isOutcome(t, r, access.Pending, access.Undecided) // nothing is prolonged by asking
		if now := f.Grant(first.ID); !now.End.Equal(first.End) {
			t.Error("asking moved the end")
		}
		r = f.Approve("otto", f.Approve("mia", r))
		second := f.Grant(r.Items[0].Grant)
		if want := f.Clock.Now().Add(4 * time.Hour); !second.End.Equal(first.End.Add(3*time.Hour)) && !second.End.Equal(want) || second.End.After(want) {
			t.Errorf("the extension ends %s; the old end was %s", second.End, first.End)
		}
		if !second.ChainStart.Equal(first.ChainStart) {
			t.Error("the extension began a new chain")
		}
		f.Work()
		if r = f.Ask("eve", extend(second, 4*hour)); r.State != access.Denied || !strings.Contains(r.Items[0].Why, "chain") { // 7 h + 4 h of 8 h
			t.Errorf("beyond the longest chain: %s (%s)", r.State, r.Items[0].Why)
		}
		f.Advance(90 * time.Minute)
		if !f.Targets["dir"].Holds("eve", "root") || f.Grant(first.ID).State != access.Ended {
			t.Error("it is not held past the old end")
		}
		f.CheckQuiet()
		// What security ends is not prolonged by a vote that comes later.
		r = f.Approve("mia", f.Ask("eve", extend(second, hour)))
		if err := f.Engine.Revoke(t.Context(), f.As("sara"), second.ID, "incident"); err != nil {
			t.Fatal(err)
		}
		r = f.Approve("otto", r)
		if r.State != access.Denied || !strings.Contains(r.Items[0].Why, "ended meanwhile") {
			t.Errorf("the extension of what was revoked is %s (%s)", r.State, r.Items[0].Why)
		}
		_, err = f.Engine.Submit(t.Context(), f.As("eve"), extend(second, hour))
		refused(t, "of what has ended", err, access.ErrInvalid, "has ended")
		f.Work()
		if f.Targets["dir"].Holds("eve", "root") {
			t.Error("held after it was revoked")
		}
	})
}

// Who may see a request sees its story; to anybody else it is not there (I10).
func TestWhoSees(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("robot", ask("dir:wiki"), "owen")
		r := f.Request(g.Request)
		sees := func(by string) bool {
			_, err := f.Engine.Show(t.Context(), f.As(by), r.ID)
			_, _, err2 := f.Engine.Grant(t.Context(), f.As(by), g.ID)
			list, err3 := f.Engine.List(t.Context(), f.As(by), "", false, "", 10)
			if err3 != nil || (err == nil) != (err2 == nil) || (err == nil) != (len(list) == 1) {
				t.Errorf("%s: %v, %v, %d in the list", by, err, err2, len(list))
			}
			if err != nil {
				refused(t, by, err, access.ErrNotFound, r.ID)
			}
			return err == nil
		}
		for by, want := range map[string]bool{"robot": true, "eve": true, "eve.2": true, "owen": true, "sara": true, "anna": true,
			"bob": false, "mia": false, "pilot": false, "xena": false, "zoe": false, "mallory": false, "": false} {
			if got := sees(by); got != want {
				t.Errorf("%q sees it: %t, want %t", by, got, want)
			}
		}
		if list, err := f.Engine.Holdings(t.Context(), f.As("eve"), "", true, "", 10); err != nil || len(list) != 1 || list[0].Grant.ID != g.ID {
			t.Errorf("the owner's holdings: %+v, %v", list, err)
		}
		if list, err := f.Engine.Holdings(t.Context(), f.As("bob"), "robot", true, "", 10); err != nil || len(list) != 0 {
			t.Errorf("somebody else sees %+v, %v", list, err)
		}
	})
}
