package report_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// ledger writes a history by hand, row by row, so that its figures are known.
type ledger struct {
	*enginetest.Fixture
	t   *testing.T
	now time.Time
	n   int
}

func hand(t *testing.T, d store.Dialect) *ledger {
	t.Helper()
	return &ledger{Fixture: enginetest.Open(t, d), t: t, now: enginetest.Noon.Add(40 * 24 * time.Hour)}
}

func (l *ledger) write(do func(ctx context.Context, tx *store.Tx) error) {
	l.t.Helper()
	if err := l.DB.Write(l.t.Context(), func(tx *store.Tx) error { return do(l.t.Context(), tx) }); err != nil {
		l.t.Fatal(err)
	}
}

func (l *ledger) id(prefix string) string { l.n++; return fmt.Sprintf("%s-%06d", prefix, l.n) }

// request stores one that was asked then.
func (l *ledger) request(who, entitlement string, at time.Time, term access.Term, implied ...string) access.Request {
	l.t.Helper()
	r := access.Request{ID: l.id("rq"), Revision: 1, Digest: "sha256:x", State: access.Submitted, Requester: who, Beneficiary: who, Reason: "by hand", Term: term, AnswerBy: at.Add(time.Hour), Channel: "test", At: at,
		Items: []access.Item{{Entitlement: entitlement, Term: term, Outcome: access.Undecided, Decision: access.Decision{Reach: access.Reach{Implied: implied}}}}}
	l.write(func(ctx context.Context, tx *store.Tx) error { return tx.AddRequest(ctx, r) })
	return r
}

// assignment stores one that went through these states.
func (l *ledger) assignment(who, entitlement string, since time.Time, states ...access.AssignmentState) string {
	l.t.Helper()
	system, object, _ := strings.Cut(entitlement, ":")
	j := store.Job{Assignment: access.Assignment{ID: l.id("as"), System: system, Account: who + fmt.Sprint(l.n), Object: object, Identity: who, Entitlement: entitlement, State: access.Absent}}
	l.write(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddAssignment(ctx, j); err != nil {
			return err
		}
		for _, s := range states {
			was := j
			j.State = s
			j.Work.Since, j.Work.Attempts, j.Work.Trouble = since, 7, "the target <b>is</b> away"
			if err := tx.SaveJob(ctx, was, j); err != nil {
				return err
			}
		}
		return nil
	})
	return j.ID
}

// grant stores one that began, was seen where seen is set, and ended where a reason is given.
func (l *ledger) grant(r access.Request, assignment string, start, end, seen, ended time.Time, why access.EndReason) access.Grant {
	l.t.Helper()
	g := access.Grant{ID: l.id("gr"), Request: r.ID, Revision: 1, Digest: r.Digest, Identity: r.Beneficiary, Entitlement: r.Items[0].Entitlement, Assignment: assignment, State: access.Scheduled,
		Start: start, End: end, ChainStart: start, Owner: "owen", At: start}
	l.write(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddGrant(ctx, g); err != nil {
			return err
		}
		g.State, g.Seen = access.Live, seen
		if err := tx.SaveGrant(ctx, access.Scheduled, g); err != nil || why == "" {
			return err
		}
		g.State, g.EndedAt, g.Ended = access.Ended, ended, why
		return tx.SaveGrant(ctx, access.Live, g)
	})
	return g
}

func (l *ledger) look(assignment string, at time.Time, held bool) {
	l.t.Helper()
	l.write(func(ctx context.Context, tx *store.Tx) error {
		return tx.AddReceipt(ctx, access.Receipt{ID: l.id("re"), Assignment: assignment, At: at, Direct: held, Effective: held, Path: "by hand"})
	})
}

func (l *ledger) count() report.Numbers {
	l.t.Helper()
	n, err := report.Count(l.t.Context(), l.DB, l.WorldAt(l.Now()).Directory, l.now.Add(-7*24*time.Hour), l.now)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// Every end is in the figures: late ones, those still open at their age now, those
// from before the window that are still open, and those nobody has taken note of.
func TestRevocationLag(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		l := hand(t, d)
		begin, never := l.now.Add(-3*24*time.Hour), time.Time{}
		gone := []access.AssignmentState{access.Adding, access.Held, access.Removing, access.Absent}
		still := gone[:3]
		one := func(who string, end time.Time, ended time.Time, why access.EndReason, states []access.AssignmentState, seenGone ...time.Time) (access.Request, string) {
			r := l.request(who, "dir:wiki", end.Add(-time.Hour), hour)
			a := l.assignment(who, "dir:wiki", end, states...)
			l.grant(r, a, end.Add(-time.Hour), end, end.Add(-time.Hour), ended, why)
			l.look(a, end.Add(-time.Hour), true)
			for _, at := range seenGone {
				l.look(a, at, false)
			}
			return r, a
		}
		// Seen gone after 10 s; and once more, which changes nothing.
		one("ann", begin, begin, access.EndExpired, gone, begin.Add(10*time.Second), begin.Add(time.Hour))
		// Taken note of five minutes late: late counts from the end, not from the note.
		one("ben", begin, begin.Add(5*time.Minute), access.EndExpired, gone, begin.Add(320*time.Second))
		// Revoked half an hour before its end, gone 40 s later.
		one("cat", begin.Add(30*time.Minute), begin, access.EndRevoked, gone, begin.Add(40*time.Second))
		// Ended two hours ago and still there; twenty days ago, too; three minutes ago, unnoted.
		one("dan", l.now.Add(-2*time.Hour), l.now.Add(-2*time.Hour), access.EndExpired, still)
		one("eli", l.now.Add(-20*24*time.Hour), l.now.Add(-20*24*time.Hour), access.EndReturned, still)
		one("fay", l.now.Add(-3*time.Minute), never, "", still[:2])
		// A second reason outlives the first: one end, of the second; then two that end at once.
		r, a := one("gil", begin, begin, access.EndExpired, gone, begin.Add(time.Hour+time.Second))
		l.grant(r, a, begin.Add(-time.Minute), begin.Add(time.Hour), begin, begin.Add(time.Hour), access.EndExpired)
		l.grant(r, a, begin.Add(-time.Minute), begin.Add(time.Hour), begin, begin.Add(time.Hour), access.EndExpired)
		// Granted anew half an hour later, without having been seen gone.
		r, a = one("hal", begin, begin, access.EndExpired, still[:2])
		l.grant(r, a, begin.Add(30*time.Minute), l.now.Add(time.Hour), begin.Add(30*time.Minute), never, "")
		// Ended before anything was there.
		r = l.request("ida", "dir:wiki", begin, hour)
		l.grant(r, l.assignment("ida", "dir:wiki", begin), begin, begin.Add(time.Hour), never, begin.Add(time.Minute), access.EndReturned)
		// Before the window, and seen gone.
		one("jan", l.now.Add(-10*24*time.Hour), l.now.Add(-10*24*time.Hour), access.EndExpired, gone, l.now.Add(-9*24*time.Hour))
		// Being removed although nobody ever granted it.
		l.assignment("kim", "git:deploy", begin, access.Removing)

		n := l.count()
		all := n.Lag.Rows[len(n.Lag.Rows)-1]
		want := report.LagRow{Name: "all", Ends: 8, Late: 6, Open: 3, P50: 3 * time.Minute, P95: 20 * 24 * time.Hour, P99: 20 * 24 * time.Hour, Max: 20 * 24 * time.Hour}
		if all != want {
			t.Errorf("all: %+v\nwant %+v", all, want)
		}
		if due := n.Lag.Rows[0]; due != (report.LagRow{Name: "due", Ends: 6, Late: 4, Open: 2, P50: 3 * time.Minute, P95: 2 * time.Hour, P99: 2 * time.Hour, Max: 2 * time.Hour}) {
			t.Errorf("due: %+v", due)
		}
		if len(n.Lag.Rows) != 4 || n.Lag.Rows[1].Name != "returned" || n.Lag.Rows[2] != (report.LagRow{Name: "revoked", Ends: 1, Late: 1, P50: 40 * time.Second, P95: 40 * time.Second, P99: 40 * time.Second, Max: 40 * time.Second}) {
			t.Errorf("rows: %+v", n.Lag.Rows)
		}
		if n.Lag.Again != 1 || n.Lag.Nothing != 1 || n.Lag.SeenBack != 1 || n.Lag.AllOpen != 3 {
			t.Errorf("again %d, nothing %d, back %d, open %d", n.Lag.Again, n.Lag.Nothing, n.Lag.SeenBack, n.Lag.AllOpen)
		}
		if o := n.Lag.Open; o[0].Identity != "eli" || o[0].Age != 20*24*time.Hour || o[0].Tries != 7 || o[1].Identity != "dan" || o[2].Identity != "fay" || o[2].Age != 3*time.Minute {
			t.Errorf("open: %+v", o)
		}
		sum := 0
		for _, b := range n.Lag.Buckets {
			sum += b.Due + b.Event + b.Open
		}
		if sum != all.Ends {
			t.Errorf("%d of %d ends are in the drawing", sum, all.Ends)
		}
		if last := n.Evidence[len(n.Evidence)-1]; last.Open != 3 {
			t.Errorf("removals: %+v", last)
		}
	})
}

// Hours stand by chains, not by single grants; what nobody granted has no end at all.
func TestStandingPrivilege(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		l := hand(t, d)
		day := 24 * time.Hour
		r := l.request("ann", "dir:root", l.now.Add(-day), hour)
		// One hour within the window and a day: not standing. Ten hours of it lie before the window.
		l.grant(r, l.assignment("ann", "dir:root", l.now), l.now.Add(-7*day-10*time.Hour), l.now.Add(-7*day+14*time.Hour), time.Time{}, l.now.Add(-7*day+14*time.Hour), access.EndExpired)
		// Open, of a chain of 31 days: all seven days stand.
		g := access.Grant{ID: l.id("gr"), Request: r.ID, Revision: 1, Digest: "x", Identity: "ben", Entitlement: "dir:root", Assignment: l.assignment("ben", "dir:root", l.now), State: access.Scheduled,
			Start: l.now.Add(-8 * day), End: l.now.Add(day), ChainStart: l.now.Add(-30 * day), Owner: "owen", At: l.now.Add(-8 * day)}
		l.write(func(ctx context.Context, tx *store.Tx) error {
			if err := tx.SetInventoryObject(ctx, store.InventoryObject{System: "dir", Object: "root", Since: l.now, Already: []string{}, Stray: []string{"x", "y"}}); err != nil {
				return err
			}
			if err := tx.SetInventoryObject(ctx, store.InventoryObject{System: "dir", Object: "wiki", Since: l.now, Already: []string{}, Stray: nil}); err != nil {
				return err
			}
			return tx.AddGrant(ctx, g)
		})
		n := l.count()
		if len(n.Standing) != 1 || n.Standing[0] != (report.Standing{Class: "privileged", Granted: 14*time.Hour + 7*day, Standing: 7 * day, Open: 1, Stands: 1, Strays: 2}) {
			t.Errorf("%+v", n.Standing)
		}
	})
}

// How approvers answered, by votes written by hand.
func TestApproverAccountability(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		l := hand(t, d)
		at := l.now.Add(-time.Hour)
		vote := func(voter, asker string, when time.Time, looked time.Duration, verdict access.Verdict, term access.Term) access.Request {
			r := l.request(asker, "dir:wiki", when.Add(-time.Hour), hour)
			l.write(func(ctx context.Context, tx *store.Tx) error {
				if looked > 0 {
					if err := tx.AddOpened(ctx, r.ID, 1, voter, when.Add(-looked)); err != nil {
						return err
					}
				}
				return tx.AddApproval(ctx, access.Approval{ID: l.id("vo"), Request: r.ID, Revision: 1, Digest: r.Digest, Entitlement: "dir:wiki", Stage: "manager", Voter: voter, Person: voter, Verdict: verdict, Term: term, Channel: "test", At: when})
			})
			return r
		}
		// Mia: looked 2 s, 4 s and 60 s, once not known; two of them within ten seconds of one another.
		r := vote("mia", "eve", at, 2*time.Second, access.Approve, 0)
		vote("mia", "bob", at.Add(9*time.Second), 4*time.Second, access.Approve, hour/2)
		vote("mia", "ada", at.Add(10*time.Minute), time.Minute, access.Deny, 0)
		vote("mia", "bob", at.Add(20*time.Minute), 0, access.Approve, 0)
		l.grant(r, l.assignment("eve", "dir:wiki", at), at, at.Add(time.Hour), at, at.Add(time.Minute), access.EndRevoked)
		// Eve and bob approve for Mia; one of eve's is a no.
		vote("eve", "mia", at, 0, access.Approve, 0)
		vote("eve", "mia", at.Add(time.Minute), 0, access.Deny, 0)
		n := l.count()
		if len(n.Approvers) != 2 || n.Approvers[0] != (report.Approver{Person: "mia", Votes: 4, Approved: 3, Narrowed: 1, Known: 3, Dwell: 4 * time.Second, Dwell10: 2 * time.Second, Hasty: 2, Bulk: 2, Overturned: 1}) {
			t.Errorf("%+v", n.Approvers)
		}
		if len(n.Pairs) != 1 || n.Pairs[0] != (report.Pair{A: "eve", B: "mia", AtoB: 1, BtoA: 1, Smallest: 1}) {
			t.Errorf("%+v", n.Pairs)
		}
	})
}

// Speed and scope are two figures, and what was not seen yet counts at its age.
func TestSpeedAndScope(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		l := hand(t, d)
		at := l.now.Add(-10 * time.Hour)
		give := func(ent string, took time.Duration, implied ...string) {
			r := l.request("eve", ent, at, 4*hour, implied...)
			seen := time.Time{}
			if took > 0 {
				seen = at.Add(took)
			}
			l.grant(r, l.assignment("eve", ent, at), at.Add(time.Second), at.Add(2*time.Hour), seen, time.Time{}, "")
		}
		give("dir:wiki", time.Minute)
		give("dir:wiki", 3*time.Minute)
		give("dir:wiki", 0) // waits for ten hours
		give("dir:root", 2*time.Hour, "dir:a", "dir:b")
		n := l.count()
		if len(n.Speed) != 2 || n.Speed[1] != (report.Speed{Class: "standard", Grants: 3, Seen: 2, Waiting: 1, ToSeen: 3 * time.Minute, Scope: 1, Widest: 1, Term: 2*hour.D() - time.Second, Narrowed: 3}) ||
			n.Speed[0] != (report.Speed{Class: "privileged", Grants: 1, Seen: 1, ToSeen: 2 * time.Hour, Scope: 3, Widest: 3, Term: 2*hour.D() - time.Second, Narrowed: 1}) {
			t.Errorf("%+v", n.Speed)
		}
		if len(n.Dots) != 3 {
			t.Errorf("%+v", n.Dots)
		}
	})
}

// A history made by the engine itself has every record; one that is taken away is missed.
func TestEvidenceCompleteness(t *testing.T) {
	t.Parallel()
	p := live(t)
	count := func() report.Numbers {
		t.Helper()
		n, err := report.Count(t.Context(), p.DB, p.WorldAt(p.Now()).Directory, p.Now().Add(-30*24*time.Hour), p.Now())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := count()
	for _, s := range n.Evidence {
		if s.Due == 0 || s.Missing != 0 || s.Waiting != 0 {
			t.Errorf("whole: %+v", s)
		}
	}
	if n.Use.Known != 0 || n.Use.Grants != 2 {
		t.Errorf("use: %+v", n.Use)
	}
	for _, d := range n.Drift {
		if d.Opened == 0 {
			t.Errorf("drift: %+v", n.Drift)
		}
	}
	// What has just happened waits for its place.
	r := p.Ask("eve", engine.Ask{Entitlements: []string{"dir:lobby"}})
	if s := count().Evidence; s[0].Waiting != 1 || s[3].Waiting != 1 || s[0].Missing != 0 {
		t.Errorf("%s waits: %+v", r.ID, s)
	}
	spoil(t, p.DB, "delete from event where kind in ('vote.cast', 'grant.ended') and (request='"+p.ended.Request+"' or grant_id='"+p.ended.ID+"')")
	if s := count().Evidence; s[2].Missing != 2 || s[5].Missing != 1 || s[5].Grant != p.ended.ID || s[0].Missing+s[1].Missing+s[3].Missing+s[4].Missing+s[6].Missing != 0 {
		t.Errorf("spoiled: %+v", s)
	}
}

// The page says what the docs say.
func TestDefinitionsAreTheDocs(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(doc)), " ")
	for _, d := range report.Definitions {
		if d.Name == "" || d.Text == "" || !strings.Contains(flat, "## "+d.Name+" "+d.Text) {
			t.Errorf("docs/metrics.md does not say under %q: %s", d.Name, d.Text)
		}
	}
}
