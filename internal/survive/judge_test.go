package survive

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// mendWithin is how long everything may take to be as it should after a storm. The
// leases of the dead run out in two seconds; the rest is for a slow machine.
const mendWithin = 90 * time.Second

// judge waits until nothing is wrong any more, and returns what still is in the end.
// The oracle is asked over and over because what is on its way is no fault; what can
// never be right again is still wrong when the time is over. Tickets that come late
// make new grants even then: so what is wrong is what was wrong each time, of many.
func (l *life) judge(ctx context.Context) (problems []error) {
	for end := time.Now().Add(mendWithin); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		if l.accepting {
			l.accept()
		}
		if busy, err := l.busy(ctx); err != nil || busy {
			continue
		}
		if list, err := l.problems(ctx); err == nil && len(list) == 0 {
			return nil
		}
	}
	var always map[string]bool
	for range 10 {
		list, err := l.problems(ctx)
		if err != nil {
			list = append(list, fmt.Errorf("the oracle cannot read: %w", err))
		}
		if len(list) == 0 {
			return nil
		}
		now := map[string]bool{}
		for _, p := range list {
			now[p.Error()] = always == nil || always[p.Error()]
		}
		maps.DeleteFunc(now, func(_ string, wrong bool) bool { return !wrong })
		always = now
		<-time.After(2 * time.Second)
	}
	for p := range always {
		problems = append(problems, errors.New(p))
	}
	l.line.add("NEVER QUIET for %s; always wrong: %d", mendWithin, len(problems))
	l.tally["rounds that were not quiet in time"]++
	if len(problems) > 0 {
		l.stuck(ctx)
	}
	return problems
}

// stuck notes in the timeline how far what is under way has come, what was seen of
// it last, and what slapd has lately done.
func (l *life) stuck(ctx context.Context) {
	_ = l.db.Read(ctx, func(tx *store.Tx) error {
		jobs, err := tx.AssignmentsAfter(ctx, "", 1<<30)
		for _, j := range jobs {
			if j.State == access.Held || j.State == access.Absent {
				continue
			}
			l.line.add("STUCK %+v", j)
			looks, _ := tx.Receipts(ctx, j.ID)
			for _, r := range looks[max(0, len(looks)-3):] {
				l.line.add("  seen %+v", r)
			}
			grants, _ := tx.OpenGrants(ctx, []string{j.ID})
			l.line.add("  open %+v", grants[j.ID])
		}
		return err
	})
	out, err := l.slapdLog(ctx, time.Now().Add(-5*time.Second))
	m, _ := tool(ctx, nil, "ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", l.targets.slapd.PlainURL, "-D", testserver.SlapdAdmin, "-w", testserver.SlapdAdminSecret,
		"-b", testserver.SlapdBase, "(|(objectClass=groupOfNames)(objectClass=inetOrgPerson))", "member", "memberOf")
	l.line.add("slapd holds\n%s", m)
	l.line.add("slapd (%v) has lately done:\n%s", err, out)
}

// slapdLog is slapd's own log of changes.
func (l *life) slapdLog(ctx context.Context, since time.Time) (string, error) {
	return tool(ctx, nil, "ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", l.targets.slapd.PlainURL, "-D", testserver.SlapdAdmin, "-w", testserver.SlapdAdminSecret,
		"-b", "cn=accesslog", "(&(objectClass=auditModify)(reqStart>="+since.UTC().Format("20060102150405.000000Z")+"))", "reqDN", "reqMod", "reqAuthzID")
}

// busy is the cheap question before the dear one: is anything under way, or due and
// not taken up? What is added waits for the end of a halt that is meant to stay.
func (l *life) busy(ctx context.Context) (busy bool, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRowContext(ctx, `select exists (select 1 from assignment where state = 'removing' or (state = 'adding' and $2 = '') or due_at <= $1)`,
			l.now().Add(-time.Second).UnixMicro(), string(l.meant)).Scan(&busy)
	})
	return busy, err
}

// problems asks the oracle, and whether what servers answered for is so.
func (l *life) problems(ctx context.Context) (problems []error, err error) {
	held := map[string][]connector.Ref{}
	for _, s := range systems {
		if held[s], err = l.targets.held(ctx, s); err != nil {
			return nil, err
		}
	}
	o := enginetest.Oracle{DB: l.db, VKey: l.vkey, Now: l.now, World: l.world, Systems: systems, Provision: 30 * time.Second,
		Held: func(system string) []connector.Ref { return held[system] }}
	if problems, err = o.Problems(ctx, true); err != nil {
		return problems, err
	}
	err = l.db.Read(ctx, func(tx *store.Tx) error {
		broken, err := l.promises(ctx, tx)
		problems = append(problems, broken...)
		halts, err2 := tx.OpenHalts(ctx)
		for _, h := range halts {
			if h.Reason != l.meant {
				problems = append(problems, fmt.Errorf("halt: nothing is granted any more: %s: %s", h.Reason, h.Text))
			}
		}
		return errors.Join(err, err2)
	})
	return problems, err
}

// promises are kept if what was answered for is there, once, and what was said to
// have ended has.
func (l *life) promises(ctx context.Context, tx *store.Tx) (broken []error, err error) {
	const everything = 1 << 30
	requests, err1 := tx.Requests(ctx, "", "", "", everything)
	grants, err2 := tx.GrantsOf(ctx, nil, false, "", everything)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	wrong := func(format string, a ...any) { broken = append(broken, fmt.Errorf(format, a...)) }
	there, of := map[string]bool{}, map[string]int{}
	for _, r := range requests {
		there[r.ID] = true
		if r.Reference != "" {
			of[r.Reference]++
		}
	}
	state := map[string]access.GrantState{}
	for _, g := range grants {
		state[g.ID] = g.State
	}
	l.kept.mu.Lock()
	defer l.kept.mu.Unlock()
	for id, reference := range l.kept.asked {
		if !there[id] {
			wrong("promise: request %s (%s) was answered for and is gone", id, reference)
		}
	}
	for _, reference := range l.kept.references {
		if of[reference] > 1 {
			wrong("promise: %s was asked once and is %d requests", reference, of[reference])
		}
	}
	for id, how := range l.kept.ended {
		if state[id] != access.Ended {
			wrong("promise: %q was answered for, and grant %s is %q", how, id, state[id])
		}
	}
	return broken, nil
}

// ticketsRead says which tickets never became known.
func (l *life) ticketsRead(ctx context.Context) (problems []error, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) error {
		known := map[string]bool{}
		rows, err := tx.QueryContext(ctx, "select id from ticket")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			known[id[strings.LastIndex(id, ":")+1:]] = true
		}
		for _, id := range l.kept.tickets {
			if !known[id] {
				problems = append(problems, fmt.Errorf("ticket %s was raised and never read", id))
			}
		}
		return rows.Err()
	})
	return problems, err
}

// told is a list of problems, for people.
func told(problems []error) string {
	var list []string
	for _, p := range problems {
		list = append(list, "  "+p.Error())
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}
