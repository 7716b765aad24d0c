package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// moverReview is the finding that somebody has moved and still holds what the approvers
// of the old place let them: the new manager keeps it, by accepting the finding, or
// revokes it. Unanswered, it ends: silence denies.
const moverReview = "mover_review"

// movers finds, of those whose grants these are, the persons who stand elsewhere than
// when their grants were last decided, and has each asked about anew. Where everybody
// stands is stored, so that it is found whoever changed it, and after a crash as well.
func (d *deed) movers(ctx context.Context, grants []access.Grant) error {
	dir := d.world.Directory
	var persons []string
	for _, g := range grants {
		if p := dir.PersonOf(g.Identity); d.active(p) {
			persons = append(persons, p)
		}
	}
	slices.Sort(persons)
	persons = slices.Compact(persons)
	places, err := d.Places(ctx, persons)
	if err != nil {
		return err
	}
	for _, p := range persons {
		is := dir.Stands(p)
		was, known := places[p]
		switch what := was.Moved(is); {
		case !known:
			err = d.FirstPlace(ctx, p, is)
		case len(what) > 0:
			err = d.mover(ctx, p, is, what)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mover asks about every open grant of a person again, as if it were asked for today
// from the new place. What policy would not give there ends after the grace; what needs
// others to approve it there waits for the new manager's word.
func (d *deed) mover(ctx context.Context, person string, is access.Stands, what []string) error {
	grants, err := d.GrantsOf(ctx, d.world.Directory.IdentitiesOf(person), true, "", 1<<30)
	if err != nil {
		return err
	}
	note := person + " has moved: " + strings.Join(what, ", ")
	var told []string
	for _, g := range grants {
		line, err := d.redecide(ctx, g, is, note)
		if err != nil {
			return err
		}
		if line != "" {
			told = append(told, line)
		}
	}
	if err := d.SavePlace(ctx, person, is); err != nil {
		return err
	}
	ev := d.event("place.moved")
	ev.To, ev.Note = "moved", note
	if err := d.tell(ctx, ev); err != nil || len(told) == 0 {
		return err
	}
	to := []string{person}
	if is.Manager != "" {
		to = append(to, is.Manager)
	}
	return d.notice(ctx, Notice{To: to, Subject: "access after a move: " + person,
		Text: note + ".\n" + strings.Join(told, "\n") + "\nMoving back brings nothing back and makes no end later: whoever still needs it asks anew."})
}

// redecide asks about one grant again; line says what came of it, where something did.
func (d *deed) redecide(ctx context.Context, g access.Grant, is access.Stands, note string) (line string, err error) {
	// 1. The same question, by the person themselves and from now on.
	r, err := d.Request(ctx, g.Request)
	if err != nil {
		return "", err
	}
	i := r.Item(g.Entitlement)
	if i < 0 || !g.End.After(d.now) {
		return "", nil
	}
	votes, err := d.standing(ctx, r, g.Entitlement)
	if err != nil {
		return "", err
	}
	f, err := d.facts(ctx, r, i, votes)
	if err != nil {
		return "", err
	}
	f.Request.Requester, f.ChainFor = r.Beneficiary, 0 // how long it has lasted was decided when it was granted
	f.Item.Term = access.Shorter(f.Item.Term, access.Term(g.End.Sub(d.now)))
	may := d.world.Policy.MayRequest(f)
	hold := d.world.Policy.MayHold(f)
	_, born := r.Birthright()
	switch {
	case may.Allow && hold.Allow:
		return "", nil
	// 2. Only the approvers would be others.
	case may.Allow && !born && len(hold.Rules) == 1 && hold.Rules[0].ID == "guard.hold-votes" && len(hold.Errors) == 0:
		return d.askManager(ctx, g, is, note, hold.Why)
	}
	// 3. It would not be given any more.
	why := may.Why
	if may.Allow {
		why = hold.Why
	}
	return d.grace(ctx, g, note+"; "+why)
}

// grace has a grant end after the grace, unless it ends before. The end is stored now.
func (d *deed) grace(ctx context.Context, g access.Grant, note string) (line string, err error) {
	next, ev, moved := g.Shorten(d.now, d.now.Add(d.world.Lifecycle.Said().Grace))
	if !moved {
		return fmt.Sprintf("%s (grant %s) ends at %s as before: %s", g.Entitlement, g.ID, g.End.Format(time.RFC3339), note), nil
	}
	ev.Note = note
	if err := d.SaveGrant(ctx, g.State, next); err != nil {
		return "", err
	}
	if err := d.tell(ctx, ev); err != nil {
		return "", err
	}
	job, err := d.Assignment(ctx, g.Assignment)
	if err != nil {
		return "", err
	}
	if err := d.dueAt(ctx, job, next.End); err != nil {
		return "", err
	}
	line = fmt.Sprintf("%s (grant %s) ends at %s: %s", g.Entitlement, g.ID, next.End.Format(time.RFC3339), note)
	return line, d.notice(ctx, Notice{To: []string{g.Owner}, Subject: "ends after a move: " + g.Entitlement + " of " + g.Identity, Text: line})
}

// askManager has the new manager keep or revoke what others approved.
func (d *deed) askManager(ctx context.Context, g access.Grant, is access.Stands, note, why string) (line string, err error) {
	owner := is.Manager
	if !d.active(owner) || d.world.Directory.PersonOf(owner) == d.world.Directory.PersonOf(g.Identity) {
		owner = "security"
	}
	due := d.now.Add(d.world.Lifecycle.Said().Review)
	if open, err := d.OpenFinding(ctx, moverReview, g.ID); err == nil && open.DueAt.Before(due) {
		due = open.DueAt // moving again and again gives nobody more time
	} else if err != nil && !errors.Is(err, access.ErrNotFound) {
		return "", err
	}
	text := fmt.Sprintf("%s. %s holds %s (grant %s), which would need other approvers now: %s Accept this finding to keep it until its end, %s, or revoke the grant. Unanswered by %s, it ends.",
		note, g.Identity, g.Entitlement, g.ID, why, g.End.Format(time.RFC3339), due.Format(time.RFC3339))
	line = fmt.Sprintf("%s (grant %s) waits for the word of %s until %s", g.Entitlement, g.ID, owner, due.Format(time.RFC3339))
	return line, d.renew(ctx, access.Finding{Kind: moverReview, Subject: g.ID, Owner: owner, DueAt: due, Text: text}, "moved again")
}

// moverReviews ends what nobody has kept in time, and closes what is over.
func (e *Engine) moverReviews(ctx context.Context) error {
	return e.do(ctx, "mover reviews", access.Clock, func(d *deed) error {
		open, err := d.OpenFindings(ctx, moverReview)
		if err != nil {
			return err
		}
		for _, f := range open {
			g, err := d.Grant(ctx, f.Subject)
			switch {
			case errors.Is(err, access.ErrNotFound):
			case err != nil:
				return err
			case g.State != access.Ended && d.now.Before(f.DueAt):
				continue
			case g.State != access.Ended:
				if err := d.finish(ctx, g, access.EndReview, "nobody kept it after a move by "+f.DueAt.Format(time.RFC3339)); err != nil {
					return err
				}
			}
			if err := d.settleFinding(ctx, f.Kind, f.Subject, "the grant has ended"); err != nil {
				return err
			}
		}
		return nil
	})
}
