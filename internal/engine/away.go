package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// BeingAway says that somebody is away.
type BeingAway struct {
	Person string    `json:"person,omitempty"` // empty: the actor
	From   time.Time `json:"from,omitzero"`    // zero: now
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// Away notes that somebody is away, said by themselves or by their manager. What waits
// for them may then be answered by their deputy or, where no deputy can, by their
// manager: beside them, for their own vote they keep. No stage is skipped by it.
func (e *Engine) Away(ctx context.Context, by access.Actor, w BeingAway) (a access.Absence, err error) {
	err = e.do(ctx, "away", by, func(d *deed) error {
		if err := d.scope(ScopeApprove); err != nil {
			return err
		}
		if a, err = d.readAbsence(w); err != nil {
			return err
		}
		open, err := d.OpenAbsences(ctx, d.now)
		if err != nil {
			return err
		}
		mine := 0
		for _, o := range open {
			if o.Person == a.Person {
				mine++
			}
			if o.Person == a.Person && a.From.Before(o.Until) && o.From.Before(a.Until) {
				return fmt.Errorf("%w: %s is away from %s until %s already (%s): end that first", access.ErrConflict, o.Person, o.From.Format(time.RFC3339), o.Until.Format(time.RFC3339), o.ID)
			}
		}
		if mine >= mostAbsences {
			return fmt.Errorf("%w: %s has %d absences that are not over, and no more than %d may be: end one", access.ErrDenied, a.Person, mine, mostAbsences)
		}
		if err := d.AddAbsence(ctx, a); err != nil {
			return err
		}
		if err := errors.Join(d.tellAbsence(ctx, a, "said"), d.overAt(ctx, a.ID, a.Until)); err != nil {
			return err
		}
		return d.noticeAbsence(ctx, a)
	})
	return a, err
}

// mostAbsences is how many of one person's may not be over: all of everybody's are
// read for every vote.
const mostAbsences = 20

// noticeAbsence tells whoever may answer now and, where somebody else said it, the one
// who is said to be away. Whoever said it may not: they would have made themselves an approver.
func (d *deed) noticeAbsence(ctx context.Context, a access.Absence) error {
	dir := d.world.Directory
	from, until := a.From.Format(time.RFC3339), a.Until.Format(time.RFC3339)
	if dir.PersonOf(a.By) != a.Person {
		if err := d.notice(ctx, Notice{To: []string{a.Person}, Subject: "you are said to be away",
			Text: fmt.Sprintf("%s says that you are away from %s until %s. You keep your vote. If you are not away, say so: lessor away back %s", a.By, from, until, a.ID)}); err != nil {
			return err
		}
	}
	person, _ := dir.Identity(a.Person)
	to, text := person.Deputy, "as their deputy"
	if to == "" {
		to, text = person.Manager, "as their manager, for they have no deputy"
	}
	if to == "" || dir.PersonOf(to) == dir.PersonOf(a.By) {
		return nil
	}
	return d.notice(ctx, Notice{To: []string{to}, Subject: a.Person + " is away",
		Text: fmt.Sprintf("From %s until %s you may answer in place of %s, %s.", from, until, a.Person, text)})
}

// readAbsence makes an absence of what was written, with every mistake in one error.
func (d *deed) readAbsence(w BeingAway) (access.Absence, error) {
	dir := d.world.Directory
	me, whose := dir.PersonOf(d.by.Identity), w.Person
	if whose == "" {
		whose = d.by.Identity
	}
	a := access.Absence{ID: d.e.ids.next("ab", d.now), Person: dir.PersonOf(whose), From: d.now, Until: w.Until.UTC().Truncate(time.Microsecond), Reason: w.Reason,
		By: d.by.Identity, At: d.now}
	if !w.From.IsZero() {
		a.From = w.From.UTC().Truncate(time.Microsecond)
	}
	person, known := dir.Identity(a.Person)
	if a.Person != me && (!known || person.Manager == "" || dir.PersonOf(person.Manager) != me) {
		return a, fmt.Errorf("%w: that somebody is away is said by themselves or by their manager", access.ErrDenied)
	}
	errs := []error{d.answerable("the person", a.Person)}
	wrong := func(format string, v ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, v...)...))
	}
	if why := unclean(w.Reason, mostReason); why != "" {
		wrong("reason %s", why)
	}
	switch {
	case w.Until.IsZero():
		wrong("an absence needs an end: until when")
	case !a.Until.After(a.From) || !a.Until.After(d.now):
		wrong("%s is not after the absence begins, or over already", a.Until.Format(time.RFC3339))
	case a.Until.Sub(d.now) > access.LongestTerm.D():
		wrong("%s is more than %s away", a.Until.Format(time.RFC3339), access.LongestTerm)
	}
	return a, errors.Join(errs...)
}

// Back notes that somebody is back before their absence would be over, said by
// themselves or by their manager.
func (e *Engine) Back(ctx context.Context, by access.Actor, id, why string) error {
	return e.do(ctx, "back", by, func(d *deed) error {
		if err := d.scope(ScopeApprove); err != nil {
			return err
		}
		dir := d.world.Directory
		a, err := d.Absence(ctx, id)
		person, _ := dir.Identity(dir.PersonOf(a.Person))
		if me := dir.PersonOf(by.Identity); err == nil && me != dir.PersonOf(a.Person) && me != dir.PersonOf(person.Manager) {
			err = access.ErrNotFound
		}
		if errors.Is(err, access.ErrNotFound) {
			err = fmt.Errorf("%w: absence %.80q", access.ErrNotFound, id)
		}
		if err != nil {
			return err
		}
		if w := unclean(why, mostReason); w != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, w)
		}
		if !a.EndedAt.IsZero() || !d.now.Before(a.Until) {
			return fmt.Errorf("%w: absence %s is over already", access.ErrGone, a.ID)
		}
		a.EndedAt, a.EndedBy, a.EndedWhy = d.now, by.Identity, why
		if err := d.EndAbsence(ctx, a); err != nil {
			return err
		}
		return d.tellAbsence(ctx, a, "ended")
	})
}

func (d *deed) tellAbsence(ctx context.Context, a access.Absence, how string) error {
	ev := d.event("absence." + how)
	ev.To, ev.After, ev.Note = how, a, a.Person
	return d.tell(ctx, ev)
}
