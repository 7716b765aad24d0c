package enginetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// Oracle says, from the database and the targets alone, whether the laws were
// kept. It believes no verb's answer and no connector: what is held is read by
// the target's own means.
type Oracle struct {
	DB        *store.DB
	VKey      string                                          // of the log's checkpoints
	Now       func() time.Time                                // the engine's clock
	World     func(at time.Time) engine.World                 // the snapshot in force then; nil: what needs it is not asked
	Systems   []string                                        // whose targets can be read
	Held      func(system string) []connector.Ref             // everything held there
	Foreign   map[string]bool                                 // "system account object": held by nobody's leave from the first, and not ours
	Provision time.Duration                                   // the engine's ProvisionWithin
	Sequence  func(ctx context.Context) (placed int, _ error) // takes waiting events into the log first; nil: they stay waiting
}

// Check fails the test with everything that is not as the laws want it.
func (o Oracle) Check(t testing.TB) {
	t.Helper()
	o.report(t, false)
}

// CheckQuiet asks besides that nothing is under way and that reality is exactly
// what authority says: what no lane will ever look at again must be right.
func (o Oracle) CheckQuiet(t testing.TB) {
	t.Helper()
	o.report(t, true)
}

func (o Oracle) report(t testing.TB, quiet bool) {
	t.Helper()
	problems, err := o.Problems(context.WithoutCancel(t.Context()), quiet)
	if err != nil {
		t.Fatalf("the oracle cannot read: %v", err)
	}
	for _, p := range problems {
		t.Errorf("oracle: %v", p)
	}
}

// ledger is everything the oracle reads, at one moment.
type ledger struct {
	Oracle
	standInsRead
	now       time.Time
	requests  map[string]access.Request
	contents  map[string]access.Request // digest -> the request as it was when that was its digest
	votes     map[string]access.Approval
	grants    []access.Grant
	of        map[string][]access.Grant // assignment -> its grants
	jobs      map[string]store.Job
	receipts  map[string]map[string]access.Receipt // assignment -> id -> look
	findings  map[string]bool                      // subject of an open one
	rotations []store.Rotating
	handovers []access.Handover
	departed  []access.Departure
	halted    bool // nothing begins, and nothing is added: that waits for the end of a halt
	events    []told
	problems  []error
}

func (l *ledger) wrong(law, format string, a ...any) {
	l.problems = append(l.problems, fmt.Errorf(law+": "+format, a...))
}

// Problems lists everything that is not as it should be; err says that the
// question could not be answered.
func (o Oracle) Problems(ctx context.Context, quiet bool) (problems []error, err error) {
	if o.Sequence != nil {
		if _, err := o.Sequence(ctx); err != nil {
			return nil, fmt.Errorf("sequence: %w", err)
		}
	}
	l := &ledger{Oracle: o, now: o.Now()}
	// I5: the log is whole, and says what the tables say.
	if _, err := report.Replay(ctx, o.DB, o.VKey, nil); err != nil {
		l.wrong("I5", "%v", err)
	}
	if err := o.DB.Read(ctx, func(tx *store.Tx) error { return errors.Join(l.read(ctx, tx), l.readStandIns(ctx, tx)) }); err != nil {
		return nil, err
	}
	l.reality(quiet)
	l.ends()
	l.votesOfGrants()
	l.taken()
	l.sealed()
	l.settled()
	l.decisions()
	l.moves()
	l.rotated()
	l.leavings()
	return l.problems, nil
}

func (l *ledger) read(ctx context.Context, tx *store.Tx) error {
	l.requests, l.contents, l.votes = map[string]access.Request{}, map[string]access.Request{}, map[string]access.Approval{}
	l.of, l.jobs, l.findings = map[string][]access.Grant{}, map[string]store.Job{}, map[string]bool{}
	l.receipts = map[string]map[string]access.Receipt{}
	const everything = 1 << 30
	requests, err1 := tx.Requests(ctx, "", "", "", everything)
	for _, r := range requests {
		l.requests[r.ID] = r
		votes, err := tx.Approvals(ctx, r.ID)
		if err != nil {
			return err
		}
		for _, v := range votes {
			l.votes[v.ID] = v
		}
	}
	grants, err2 := tx.GrantsOf(ctx, nil, false, "", everything)
	l.grants = grants
	for _, g := range grants {
		l.of[g.Assignment] = append(l.of[g.Assignment], g)
	}
	jobs, err3 := tx.AssignmentsAfter(ctx, "", everything)
	for _, j := range jobs {
		l.jobs[j.ID] = j
		looks, err := tx.Receipts(ctx, j.ID)
		if err != nil {
			return err
		}
		l.receipts[j.ID] = map[string]access.Receipt{}
		for _, r := range looks {
			l.receipts[j.ID][r.ID] = r
		}
	}
	findings, err4 := tx.Findings(ctx, true, everything)
	for _, f := range findings {
		l.findings[f.Subject] = true
	}
	rotations, err5 := tx.RotationsAfter(ctx, "", everything)
	l.rotations = rotations
	handovers, err6 := tx.HandoversSought(ctx, store.HandoversSought{Limit: everything})
	departed, err7 := tx.Departures(ctx)
	halts, err8 := tx.OpenHalts(ctx)
	l.handovers, l.departed, l.halted = handovers, departed, len(halts) > 0
	return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, l.readEvents(ctx, tx))
}

// reality is I1, and in quiet its converse too.
func (l *ledger) reality(quiet bool) {
	job := map[string]store.Job{}
	for _, j := range l.jobs {
		job[j.System+" "+j.Account+" "+j.Object] = j
	}
	held := map[string]bool{}
	for _, s := range l.Systems {
		for _, ref := range l.Held(s) {
			name := s + " " + ref.Account + " " + ref.Object
			held[name] = true
			j, ours := job[name]
			switch {
			case l.Foreign[name]:
			case !ours && l.strayFound(s, ref.Object):
			case !ours:
				l.wrong("I1", "%s is held at the target, and nobody ever granted it", name)
			case access.Wanted(l.of[j.ID], l.now):
			case quiet:
				l.wrong("I1", "%s is held at the target without a live grant, and nothing is under way (assignment %s is %s)", name, j.ID, j.State)
			case j.Work.Due.IsZero() && !l.findings[j.ID]:
				l.wrong("I1", "%s is held at the target without a live grant, is not due, and no finding says so (assignment %s is %s)", name, j.ID, j.State)
			}
		}
	}
	if !quiet {
		return
	}
	for name, j := range job {
		wanted := access.Wanted(l.of[j.ID], l.now)
		switch {
		case l.halted && wanted && !held[name] && j.State != access.Held:
		case wanted && !held[name]:
			l.wrong("quiet", "%s has a live grant and is not held at the target", name)
		case wanted != (j.State == access.Held) || wanted == (j.State == access.Absent):
			l.wrong("quiet", "%s: wanted is %t and the assignment is %s", name, wanted, j.State)
		case j.Work.Holder != "":
			l.wrong("quiet", "%s is leased by %s", name, j.Work.Holder)
		}
	}
}

// strayFound tells whether an open finding says that somebody holds the object ungranted.
func (l *ledger) strayFound(system, object string) bool {
	if l.World == nil {
		return false
	}
	dir := l.World(l.now).Directory
	for _, id := range dir.Entitlements() {
		if ent, _ := dir.Entitlement(id); ent.System == system && ent.Object == object && l.findings[id] {
			return true
		}
	}
	return false
}

// settled is I6 and I7: absent and held rest on a look that says so, and what
// is under way is due again.
func (l *ledger) settled() {
	for id, j := range l.jobs {
		look, looked := l.receipts[id][j.Receipt]
		switch {
		case j.State == access.Absent && !looked && len(l.receipts[id]) > 0:
			l.wrong("I6", "assignment %s is absent after %d looks, and rests on none", id, len(l.receipts[id]))
		case j.State == access.Absent && looked && look.Held():
			l.wrong("I6", "assignment %s is absent, and its last look saw it held", id)
		case j.State == access.Held && (!looked || !look.Held()):
			l.wrong("I6", "assignment %s is held, and no look it rests on saw that", id)
		}
		underWay := j.State == access.Adding || j.State == access.Removing
		if wanted := access.Wanted(l.of[id], l.now); underWay || wanted != (j.State == access.Held) {
			switch {
			case j.Work.Due.IsZero():
				l.wrong("I7", "assignment %s is %s, wanted is %t, and nothing is due", id, j.State, wanted)
			case !underWay && j.Work.Due.After(l.now) && (!l.halted || !wanted):
				l.wrong("I7", "assignment %s is %s, wanted is %t, and nothing is due before %s", id, j.State, wanted, j.Work.Due)
			}
		}
		if (j.Work.Holder == "") != j.Work.LeaseUntil.IsZero() {
			l.wrong("I7", "assignment %s has half a lease: holder %q until %s", id, j.Work.Holder, j.Work.LeaseUntil)
		}
	}
}
