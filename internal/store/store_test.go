package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/testserver"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)

// each runs a test on a fresh database of either kind.
func each(t *testing.T, do func(t *testing.T, db *DB)) {
	t.Helper()
	t.Parallel()
	for _, d := range []Dialect{SQLite, Postgres} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			do(t, open(t, d))
		})
	}
}

func open(t testing.TB, d Dialect) *DB {
	t.Helper()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "lessor.db")
	if d == Postgres {
		dsn = testserver.Postgres(t)
	}
	db, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func write(t testing.TB, db *DB, do func(ctx context.Context, tx *Tx) error) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *Tx) error { return do(t.Context(), tx) })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same fails the test unless what is read back is what was written.
func same[T any](t *testing.T, what string, got T, err error, want T) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, %v\nwant %+v", what, got, err, want)
	}
}

func decision() access.Decision {
	return access.Decision{Question: "request", Allow: true, Rules: []access.Rule{{ID: "a", Effect: "permit", Reason: "weil <ö> \"☃\""}}, Why: "so",
		Stages: []access.Stage{{Name: "manager", Count: 1}}, MaxTerm: access.Term(8 * time.Hour), Policy: "p", Facts: "f", At: noon}
}

func request(id string) access.Request {
	return access.Request{ID: id, Revision: 1, Digest: "d-" + id, State: access.Submitted, Requester: "eve", Beneficiary: "bob", Makers: []string{"mia"},
		Items:  []access.Item{{Entitlement: "dir:wiki", Outcome: access.Undecided, Term: access.Term(time.Hour), Decision: decision()}},
		Reason: "a\nb\t'\";--", Ticket: "jira:ACC-41", Start: noon.Add(time.Hour), Term: access.Term(time.Hour), Fixed: true, Extends: "gr-0",
		AnswerBy: noon.Add(48 * time.Hour), Channel: "api", Reference: "ref-" + id, Policy: "p", At: noon}
}

func job(id string) Job {
	return Job{Assignment: access.Assignment{ID: id, System: "dir", Account: "bob", Object: "wiki " + id, Identity: "bob", Entitlement: "dir:wiki", State: access.Absent},
		Work: access.Work{Due: noon, SuspectUntil: noon.Add(time.Second), Since: noon.Add(-time.Second), Fence: 3, Attempts: 2, Told: 1, Confirm: true, Trouble: "t"}}
}

func grant(id, request, assignment string) access.Grant {
	return access.Grant{ID: id, Request: request, Revision: 1, Digest: "d", Identity: "bob", Entitlement: "dir:wiki", Assignment: assignment, State: access.Scheduled,
		Start: noon, End: noon.Add(time.Hour), Term: access.Term(time.Hour), ChainStart: noon, Owner: "owen", Votes: []string{"vo-1"}, Hold: decision(), At: noon}
}

// base stores a request, an assignment, a grant of both and a rotation.
func base(t *testing.T, db *DB) {
	t.Helper()
	must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
		return errors.Join(tx.AddRequest(ctx, request("rq-1")), tx.AddAssignment(ctx, job("as-1")), tx.AddGrant(ctx, grant("gr-1", "rq-1", "as-1")),
			tx.AddRotation(ctx, rotating("ro-1", "pay", 4)), tx.AddHandover(ctx, handover("ho-1", "identity bot")), tx.AddSeal(ctx, sealed("sl-1", "glass")))
	}))
}

// What is written is read back, and a write that presumes a state that is no
// longer so changes nothing.
func TestRequestsAndVotes(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		vote := access.Approval{ID: "vo-1", Request: "rq-1", Revision: 1, Digest: "d", Entitlement: "dir:wiki", Stage: "manager", Voter: "mia.2", Person: "mia",
			Verdict: access.Approve, Term: access.Term(time.Minute), Basis: decision(), Strength: "mfa", Note: "n", Channel: "api", At: noon}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			got, err := tx.Request(ctx, "rq-1")
			same(t, "request", got, err, request("rq-1"))
			got, err = tx.RequestByReference(ctx, "api", "eve", "ref-rq-1")
			same(t, "request by reference", got, err, request("rq-1"))
			if _, err := tx.RequestByReference(ctx, "api", "bob", "ref-rq-1"); !errors.Is(err, access.ErrNotFound) {
				t.Errorf("another's reference: %v", err)
			}
			next := got
			next.State, next.Revision, next.Digest, next.Start, next.Items[0].Outcome = access.Pending, 2, "d2", time.Time{}, access.Granted
			was := request("rq-1")
			must(t, tx.SaveRequest(ctx, was, next))
			if err := tx.SaveRequest(ctx, was, next); !errors.Is(err, access.ErrConflict) {
				t.Errorf("saved over another state: %v", err)
			}
			got, err = tx.Request(ctx, "rq-1")
			same(t, "saved request", got, err, next)
			pending, err := tx.PendingFor(ctx, []string{"zoe", "bob"})
			same(t, "pending", pending, err, []access.Request{next})
			pending, err = tx.PendingFor(ctx, []string{"eve"}) // who asked, not for whom
			same(t, "pending of the requester", pending, err, nil)
			late, err := tx.Unanswered(ctx, next.AnswerBy)
			same(t, "unanswered", late, err, []access.Request{next})
			late, err = tx.Unanswered(ctx, next.AnswerBy.Add(-time.Microsecond))
			same(t, "unanswered before", late, err, nil)
			must(t, tx.AddApproval(ctx, vote))
			votes, err := tx.Approvals(ctx, "rq-1")
			same(t, "votes", votes, err, []access.Approval{vote})
			must(t, tx.WithdrawApproval(ctx, "vo-1", noon))
			if err := tx.WithdrawApproval(ctx, "vo-1", noon); !errors.Is(err, access.ErrConflict) {
				t.Errorf("withdrawn twice: %v", err)
			}
			vote.ID = "vo-2"
			return tx.AddApproval(ctx, vote) // the first is withdrawn
		}))
		vote.ID = "vo-3"
		if err := write(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddApproval(ctx, vote) }); err == nil {
			t.Error("one person has two standing votes on one entitlement")
		}
		twice := request("rq-2")
		twice.Reference = "ref-rq-1"
		if err := write(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddRequest(ctx, twice) }); err == nil {
			t.Error("one reference names two requests")
		}
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			n, err := tx.CountOpen(t.Context(), "eve")
			same(t, "open requests", n, err, 1)
			return nil
		}))
	})
}

func TestListsArePaged(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			for i := 2; i <= 130; i++ { // more than two statements' worth
				id := fmt.Sprintf("%03d", i)
				r, g := request("rq-"+id), grant("gr-"+id, "rq-1", "as-1")
				if i%2 == 0 {
					r.Requester, r.Beneficiary, g.Identity = "zoe", "zoe", "zoe"
				}
				if err := errors.Join(tx.AddRequest(ctx, r), tx.AddAssignment(ctx, job("as-"+id)), tx.AddGrant(ctx, g)); err != nil {
					return err
				}
			}
			return nil
		}))
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			ctx := t.Context()
			seen := 0
			for before := ""; ; {
				page, err := tx.Requests(ctx, access.Submitted, "zoe", before, 10)
				must(t, err)
				if len(page) == 0 {
					break
				}
				for _, r := range page {
					if before != "" && r.ID >= before {
						t.Errorf("%s after %s", r.ID, before)
					}
					before, seen = r.ID, seen+1
				}
			}
			all, err := tx.GrantsOf(ctx, []string{"zoe", "nobody"}, true, "", 1000)
			must(t, err)
			var ids []string
			for _, j := range must2(tx.AssignmentsAfter(ctx, "", 1000))(t) {
				ids = append(ids, j.ID)
			}
			jobs, err := tx.Assignments(ctx, ids)
			must(t, err)
			open, err := tx.OpenGrants(ctx, ids)
			must(t, err)
			if pending, err := tx.PendingFor(ctx, append([]string{"zoe", "bob"}, ids...)); err != nil || len(pending) != 0 {
				t.Errorf("%d pending of those submitted, %v", len(pending), err)
			}
			if seen != 65 || len(all) != 65 || len(ids) != 130 || len(jobs) != 130 || len(open["as-1"]) != 130 || len(open) != 1 {
				t.Errorf("%d requests, %d grants, %d assignments, %d by id, %d open grants of %d", seen, len(all), len(ids), len(jobs), len(open["as-1"]), len(open))
			}
			return nil
		}))
	})
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { t.Helper(); must(t, err); return v }
}

func TestGrantsAndWork(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			g, err := tx.Grant(ctx, "gr-1")
			same(t, "grant", g, err, grant("gr-1", "rq-1", "as-1"))
			live := g
			live.State, live.Seen, live.End = access.Live, noon.Add(time.Second), noon.Add(30*time.Minute)
			must(t, tx.SaveGrant(ctx, access.Scheduled, live))
			if err := tx.SaveGrant(ctx, access.Scheduled, live); !errors.Is(err, access.ErrConflict) {
				t.Errorf("saved over another state: %v", err)
			}
			g, err = tx.Grant(ctx, "gr-1")
			same(t, "saved grant", g, err, live)
			list, err := tx.GrantsFor(ctx, "rq-1")
			same(t, "grants of the request", list, err, []access.Grant{live})

			j, err := tx.Assignment(ctx, "as-1")
			same(t, "assignment", j, err, job("as-1"))
			j, err = tx.AssignmentAt(ctx, "dir", "bob", "wiki as-1")
			same(t, "assignment at", j, err, job("as-1"))
			due, err := tx.Due(ctx, "dir", noon.Add(-time.Microsecond), 10)
			same(t, "due before", due, err, nil)
			due, err = tx.Due(ctx, "dir", noon, 10)
			same(t, "due", due, err, []Job{job("as-1")})
			leased := j
			leased.Work.Holder, leased.Work.LeaseUntil, leased.Work.Fence = "lane", noon.Add(time.Minute), 4
			must(t, tx.SaveJob(ctx, j, leased))
			if err := tx.SaveJob(ctx, j, leased); !errors.Is(err, access.ErrConflict) {
				t.Errorf("saved under an old fence: %v", err)
			}
			due, err = tx.Due(ctx, "dir", noon.Add(time.Second), 10)
			same(t, "due while leased", due, err, nil)
			due, err = tx.Due(ctx, "dir", noon.Add(time.Minute), 10)
			same(t, "due after the lease", due, err, []Job{leased})
			return nil
		}))
		next, ok, err := nextDue(t, db)
		if err != nil || !ok || !next.Equal(noon.Add(time.Minute)) {
			t.Errorf("next due %s, %t, %v", next, ok, err)
		}
	})
}

func nextDue(t *testing.T, db *DB) (next time.Time, ok bool, err error) {
	err = db.Read(t.Context(), func(tx *Tx) (err error) { next, ok, err = tx.NextDue(t.Context(), "dir"); return err })
	return next, ok, err
}

// What may have to be removed is due before what may have to be added.
func TestRemovalsFirst(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		if _, ok, err := nextDue(t, db); ok || err != nil {
			t.Errorf("something is due in an empty database: %v", err)
		}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			for i, state := range []access.AssignmentState{access.Adding, access.Held, access.Removing} {
				was := job(fmt.Sprintf("as-%d", i))
				was.Work.Due = noon.Add(time.Duration(i) * time.Second)
				must(t, tx.AddAssignment(ctx, was))
				j := was
				j.State = state
				must(t, tx.SaveJob(ctx, was, j))
			}
			due, err := tx.Due(ctx, "dir", noon.Add(time.Minute), 2)
			if err != nil || len(due) != 2 || due[0].State != access.Removing || due[1].State != access.Held {
				t.Errorf("due: %+v, %v", due, err)
			}
			n, err := tx.Overdue(ctx, noon)
			same(t, "overdue", n, err, 1)
			return nil
		}))
		if next, ok, err := nextDue(t, db); err != nil || !ok || !next.Equal(noon) {
			t.Errorf("next due %s, %t, %v", next, ok, err)
		}
	})
}

func TestReceiptsFindingsEventsAndTheLog(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			look := access.Receipt{ID: "re-1", Assignment: "as-1", At: noon, Direct: true, Path: "GET", Residual: []string{"g2"}, Answered: "ok", Digest: "x"}
			must(t, tx.AddReceipt(ctx, look))
			looks, err := tx.Receipts(ctx, "as-1")
			same(t, "receipts", looks, err, []access.Receipt{look})

			f := access.Finding{ID: "fi-1", Kind: "drift", Subject: "as-1", Owner: "owen", Text: "t", OpenedAt: noon, DueAt: noon.Add(time.Hour)}
			must(t, tx.AddFinding(ctx, f))
			got, err := tx.OpenFinding(ctx, "drift", "as-1")
			same(t, "finding", got, err, f)
			f.ClosedAt, f.Resolution = noon.Add(time.Minute), "seen held"
			must(t, tx.CloseFinding(ctx, f))
			if err := tx.CloseFinding(ctx, f); !errors.Is(err, access.ErrConflict) {
				t.Errorf("closed twice: %v", err)
			}
			open, err := tx.Findings(ctx, true, 10)
			same(t, "open findings", open, err, nil)
			all, err := tx.Findings(ctx, false, 10)
			same(t, "findings", all, err, []access.Finding{f})

			for i := range 3 {
				must(t, tx.AddEvent(ctx, Event{ID: fmt.Sprintf("ev-%d", i), Kind: "grant.live", Grant: "gr-1", At: noon, Body: []byte(`{"a":"\u0000☃"}`), Salt: []byte{0, 1, 255}, Seq: -1}))
			}
			waiting, err := tx.Unsequenced(ctx, 2)
			if err != nil || len(waiting) != 2 || waiting[0].ID != "ev-0" || waiting[0].Seq != -1 || string(waiting[0].Salt) != "\x00\x01\xff" || string(waiting[0].Body) != `{"a":"\u0000☃"}` {
				t.Errorf("waiting: %+v, %v", waiting, err)
			}
			must(t, tx.PlaceEvent(ctx, "ev-1", 0))
			if err := tx.PlaceEvent(ctx, "ev-1", 1); !errors.Is(err, access.ErrConflict) {
				t.Errorf("placed twice: %v", err)
			}
			placed, err := tx.Events(ctx, 0, 10)
			if err != nil || len(placed) != 1 || placed[0].ID != "ev-1" || placed[0].Seq != 0 {
				t.Errorf("placed: %+v, %v", placed, err)
			}
			about, err := tx.EventsAbout(ctx, "", "gr-1", "")
			if err != nil || len(about) != 3 {
				t.Errorf("about the grant: %d, %v", len(about), err)
			}
			about, err = tx.EventsAbout(ctx, "", "", "")
			if err != nil || len(about) != 0 {
				t.Errorf("about nothing: %d, %v", len(about), err)
			}
			total, open2, err := tx.CountEvents(ctx)
			if err != nil || total != 3 || open2 != 2 {
				t.Errorf("%d events, %d waiting, %v", total, open2, err)
			}
			none, err := tx.Tile(ctx, 0, 7)
			same(t, "no tile", none, err, nil)
			must(t, tx.SetTile(ctx, 0, 7, []byte{1}))
			must(t, tx.SetTile(ctx, 0, 7, []byte{1, 0, 2}))
			tile, err := tx.Tile(ctx, 0, 7)
			same(t, "tile", tile, err, []byte{1, 0, 2})
			c, err := tx.LastCheckpoint(ctx)
			same(t, "no checkpoint", c, err, Checkpoint{})
			for n := range int64(2) {
				must(t, tx.AddCheckpoint(ctx, Checkpoint{Size: n, Root: "r", Note: "n\n", At: noon}))
			}
			c, err = tx.LastCheckpoint(ctx)
			same(t, "checkpoint", c, err, Checkpoint{Size: 1, Root: "r", Note: "n\n", At: noon})
			return nil
		}))
	})
}
