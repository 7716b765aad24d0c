package years

import (
	"encoding/json"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// round is what a server does at intervals.
func (c *company) round() {
	c.t.Helper()
	ctx := c.t.Context()
	_, err := c.Engine.Sweep(ctx)
	c.must(err)
	_, err = c.Engine.EndHeldOver(ctx)
	c.must(err)
	_, err = c.Engine.JudgeWorkloads(ctx)
	c.must(err)
	_, err = c.Engine.DutiesTogether(ctx)
	c.must(err)
	_, err = c.Engine.PlanRotations(ctx)
	c.must(err)
	c.rotate()
	c.reviews()
	c.jobs()
}

// rotate goes on with what is to be made anew, each step at its moment.
func (c *company) rotate() {
	c.t.Helper()
	for range 200 {
		n, err := c.rotator.Once(c.t.Context())
		c.must(err)
		if n > 0 {
			c.met["rotated"]++
			continue
		}
		due, ok, err := c.Engine.NextRotation(c.t.Context(), "git")
		c.must(err)
		if !ok || due.After(c.Now().Add(day)) {
			return
		}
		c.Advance(max(due.Sub(c.Now()), time.Millisecond))
	}
	c.t.Fatal("a rotation does not come to its end")
}

// reviews has new managers answer for most of what those who moved brought along; of the
// rest silence is the answer.
func (c *company) reviews() {
	c.t.Helper()
	for _, f := range c.Findings(true) {
		switch {
		case f.Kind != "mover_review":
		case c.chance(500):
			if c.told("review", c.Engine.Accept(c.t.Context(), c.As(f.Owner), engine.Remedy{Finding: f.ID, Reason: "still needed"})) {
				c.met["review kept"]++
			}
		case c.chance(500):
			c.told("review revoked", c.Engine.Revoke(c.t.Context(), c.As(f.Owner), f.Subject, "not here"))
		}
	}
}

// asked is one piece of background work as it is stored.
type asked struct {
	id   int64
	kind string
	args []byte
}

// due lists what background work could be done now. What is asked for at once has the
// machine's time, and what is asked for later the fixture's.
func (c *company) due() (list []asked) {
	c.t.Helper()
	args, at := "args", "scheduled_at"
	if c.DB.Dialect == store.SQLite {
		args, at = "json(args)", "strftime('%Y-%m-%dT%H:%M:%fZ', scheduled_at)"
	}
	c.read(func(tx *store.Tx) error {
		list = nil
		rows, err := tx.QueryContext(c.t.Context(), "select id, kind, "+args+", "+at+" from river_job order by id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var job asked
			var when any
			if err := rows.Scan(&job.id, &job.kind, &job.args, &when); err != nil {
				return err
			}
			at, ok := when.(time.Time)
			if text, is := when.(string); is {
				if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
					return err
				}
			} else if !ok {
				c.t.Fatalf("a job's time is a %T", when)
			}
			switch job.kind {
			case engine.ExpireJob{}.Kind(), engine.EscalateJob{}.Kind(), engine.HandoverJob{}.Kind(), engine.StandInsJob{}.Kind():
				if at.After(c.Now()) {
					continue
				}
			}
			list = append(list, job)
		}
		return rows.Err()
	})
	return list
}

// jobs does the background work that can be done now, until there is none.
func (c *company) jobs() {
	c.t.Helper()
	for range 100 {
		list := c.due()
		if len(list) == 0 {
			return
		}
		for _, job := range list {
			c.must(c.work(job))
			c.met["job "+job.kind]++
		}
		c.must(c.DB.Write(c.t.Context(), func(tx *store.Tx) error {
			for _, job := range list {
				if _, err := tx.ExecContext(c.t.Context(), "delete from river_job where id = $1", job.id); err != nil {
					return err
				}
			}
			return nil
		}))
		c.remember()
		c.Work()
	}
	c.t.Fatalf("background work makes background work for ever: %+v", c.due())
}

// work is one, as a server does it.
func (c *company) work(job asked) (err error) {
	c.t.Helper()
	ctx := c.t.Context()
	switch job.kind {
	case engine.Notice{}.Kind(), engine.LineageJob{}.Kind(), engine.InventoryJob{}.Kind(): // told; nothing is traced at these targets, nor are they read whole
	case engine.SequenceJob{}.Kind():
		_, err = c.Engine.Sequence(ctx)
	case engine.ExpireJob{}.Kind():
		_, err = c.Engine.ExpireRequests(ctx)
	case engine.StandInsJob{}.Kind():
		_, err = c.Engine.StandInsOver(ctx)
	case engine.JudgeJob{}.Kind():
		_, err = c.Engine.JudgeWorkloads(ctx)
	case engine.PlanRotationsJob{}.Kind():
		_, err = c.Engine.PlanRotations(ctx)
	case engine.HandoverJob{}.Kind():
		_, err = c.Engine.OverdueHandovers(ctx)
	case engine.EscalateJob{}.Kind():
		var args engine.EscalateJob
		c.must(json.Unmarshal(job.args, &args))
		_, err = c.Engine.Escalate(ctx, args.Request)
	case engine.LeaveJob{}.Kind():
		var args engine.LeaveJob
		c.must(json.Unmarshal(job.args, &args))
		_, err = c.Engine.LeaveOn(ctx, args.Person)
	case engine.SweepJob{}.Kind():
		var args engine.SweepJob
		c.must(json.Unmarshal(job.args, &args))
		if len(args.Identities) == 0 {
			_, err = c.Engine.Sweep(ctx)
			break
		}
		_, err = c.Engine.SweepOf(ctx, args.Identities)
	default:
		c.t.Fatalf("nobody here does the work %s", job.kind)
	}
	return err
}

// settle lets what went wrong be made good: no trouble, and the longest wait there is.
func (c *company) settle() {
	c.t.Helper()
	for _, s := range enginetest.Systems {
		c.Targets[s].Mend()
	}
	c.Advance(pace.Recheck + 2*pace.SlowestOff)
	c.round()
	c.Advance(pace.Confirm)
	c.jobs()
}

// wholly tells whether the oracle reads everything at a month's end: in the long run each
// month until there are many grants and then each year, in the ordinary run each half year.
func (c *company) wholly(month int) bool {
	return month%12 == 0 || c.long && c.count("grants") <= 1500 || !c.long && month%6 == 0
}

// monthEnds asks whether anything is wrong, and whether anything was left undone.
func (c *company) monthEnds(month int) {
	c.t.Helper()
	ctx, now := c.t.Context(), c.Now()
	_, err := c.Engine.Sequence(ctx)
	c.must(err)
	// 1. No lane is behind: nothing is due any more.
	if due, ok := c.NextDue(); ok && !due.After(now) {
		c.t.Errorf("month %d: something was due at %s, and it is %s", month, due, now)
	}
	// 2. No background work is, and every event has its place.
	if list := c.due(); len(list) > 0 {
		c.t.Errorf("month %d: %d pieces of background work are not done, the first a %s", month, len(list), list[0].kind)
	}
	var open []access.Grant
	var late []access.Request
	var waiting []store.Event
	c.read(func(tx *store.Tx) (err error) {
		if waiting, err = tx.Unsequenced(ctx, 10); err != nil {
			return err
		}
		if late, err = tx.Requests(ctx, access.Pending, "", "", 1<<30); err != nil {
			return err
		}
		open, err = tx.GrantsOf(ctx, nil, true, "", 1<<30)
		return err
	})
	if len(waiting) > 0 {
		c.t.Errorf("month %d: %d events or more have no place in the log", month, len(waiting))
	}
	for _, r := range late {
		if !now.Before(r.AnswerBy) {
			c.t.Errorf("month %d: request %s was to be answered by %s, and is pending at %s", month, r.ID, r.AnswerBy, now)
		}
	}
	// 3. Reality is authority, for access and for the credential.
	c.reality(month, open)
	c.credential(month)
	c.standIns(month)
	// 4. The oracle.
	if !c.wholly(month) {
		return
	}
	o := c.Oracle()
	o.World = c.worlds()
	o.CheckQuiet(c.t)
}

// reality is that what targets hold is exactly what live grants are for, by their own means.
func (c *company) reality(month int, open []access.Grant) {
	c.t.Helper()
	dir, wanted := c.WorldAt(c.Now()).Directory, map[string]map[connector.Ref]bool{}
	for _, s := range enginetest.Systems {
		wanted[s] = map[connector.Ref]bool{}
	}
	for _, g := range open {
		if !g.End.After(c.Now()) {
			c.t.Errorf("month %d: grant %s was to end at %s, and is %s at %s", month, g.ID, g.End, g.State, c.Now())
		}
		ent, _ := dir.Entitlement(g.Entitlement)
		if i, _ := dir.Identity(g.Identity); i.Inactive {
			c.t.Errorf("month %d: %s has left, and grant %s is %s", month, g.Identity, g.ID, g.State)
		}
		if g.LiveAt(c.Now()) {
			wanted[ent.System][connector.Ref{Account: g.Identity, Object: ent.Object}] = true
		}
	}
	for _, s := range enginetest.Systems {
		for _, ref := range c.Held(s) {
			if !wanted[s][ref] {
				c.t.Errorf("month %d: %s holds %s at %s without a live grant", month, ref.Account, ref.Object, s)
			}
			delete(wanted[s], ref)
		}
		for ref := range wanted[s] {
			c.t.Errorf("month %d: %s has a live grant of %s at %s, and does not hold it", month, ref.Account, ref.Object, s)
		}
	}
}

// credential is that the robot has one that lets in, the one that is delivered, and none that is too old.
func (c *company) credential(month int) {
	c.t.Helper()
	alive := c.keys.Alive("robot", enginetest.Token)
	if len(alive) != 1 || alive[0] != c.safe.Read("robot") {
		c.t.Errorf("month %d: of the robot's credentials %v let in, and %q is delivered", month, alive, c.safe.Read("robot"))
	}
	for _, f := range c.Findings(true) {
		if f.Kind == "rotation_late" || f.Kind == "credential_still_lives" {
			c.t.Errorf("month %d: %s", month, f.Text)
		}
	}
}
