package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
)

// Scopes a door's token may be good for.
const (
	ScopeRequest = "request"
	ScopeApprove = "approve"
	ScopeView    = "view"
	ScopeRevoke  = "revoke"
)

// Ask is what somebody asks for. Entitlements and Bundle add up.
type Ask struct {
	Beneficiary  string      `json:"beneficiary,omitempty"` // empty: the requester
	Entitlements []string    `json:"entitlements,omitempty"`
	Bundle       string      `json:"bundle,omitempty"`
	Reason       string      `json:"reason"`
	Ticket       string      `json:"ticket,omitempty"`
	Start        time.Time   `json:"start,omitzero"`
	Term         access.Term `json:"term"`
	Fixed        bool        `json:"fixed,omitempty"`
	Extends      string      `json:"extends,omitempty"`
	AnswerWithin access.Term `json:"answer_within,omitzero"` // zero: the configured time
	Reference    string      `json:"reference,omitempty"`    // the same reference again is the same request
	Makers       []string    `json:"-"`                      // who else wrote or changed it, where a door knows
}

// Limits on what a person may write into a request.
const (
	mostItems  = 50
	mostReason = 4000
	mostName   = 200
	mostOpen   = 100 // requests of one requester waiting for an answer: nobody floods the approvers
)

// Submit turns an ask into a request and decides it. The same reference with
// the same content is the same request; with other content it is
// [access.ErrConflict]. A denial is a stored request with its reasons, no error.
func (e *Engine) Submit(ctx context.Context, by access.Actor, ask Ask) (r access.Request, err error) {
	err = e.do(ctx, "submit", by, func(d *deed) error {
		if err := d.scope(ScopeRequest); err != nil {
			return err
		}
		// 1. What is asked, in full and checked.
		var wrong error
		if r, wrong = d.read(ctx, ask); unclean(ask.Reference, mostName) != "" {
			return wrong
		}
		// 2. Asked before? Then it is no matter that it could not be asked today.
		if ask.Reference != "" {
			before, err := d.RequestByReference(ctx, by.Channel, by.Identity, ask.Reference)
			if err == nil {
				return again(before, &r)
			} else if !errors.Is(err, access.ErrNotFound) {
				return err
			}
		}
		if wrong != nil {
			return wrong
		}
		if err := d.spare(ctx, r.Requester); err != nil {
			return err
		}
		// 3. Store it, then decide it: a crash between the two cannot be, they are one commit.
		if err := d.AddRequest(ctx, r); err != nil {
			return err
		}
		ev := d.event("request.submitted")
		ev.Request, ev.To, ev.Digests.Request, ev.Trace, ev.After = r.ID, string(r.State), r.Digest, traceOf(ctx, r.ID), r
		if err := d.tell(ctx, ev); err != nil {
			return err
		}
		if err := d.Enqueue(ctx, ExpireJob{r.ID}, &river.InsertOpts{ScheduledAt: r.AnswerBy}); err != nil {
			return err
		}
		r, err = d.decide(ctx, r)
		return err
	})
	return r, err
}

// spare refuses a requester who keeps too many people waiting already.
func (d *deed) spare(ctx context.Context, requester string) error {
	n, err := d.CountOpen(ctx, requester)
	if err == nil && n >= mostOpen {
		err = fmt.Errorf("%w: %s has %d requests waiting for an answer, and no more than %d may wait at once", access.ErrDenied, requester, n, mostOpen)
	}
	return err
}

// again answers a repeated reference: the stored request if the content is the same.
func again(before access.Request, r *access.Request) error {
	was, is := before.Content(), r.Content()
	if before.Revision == 1 {
		is.Request = was.Request
		if access.Digest(was) == access.Digest(is) {
			*r = before
			return nil
		}
	}
	return fmt.Errorf("%w: reference %q was already used for request %s, whose content is another", access.ErrConflict, before.Reference, before.ID)
}

// read makes a request of an ask, with every mistake of it in one error.
func (d *deed) read(ctx context.Context, ask Ask) (access.Request, error) {
	r := access.Request{ID: d.e.ids.next("rq", d.now), Revision: 1, State: access.Submitted, Requester: d.by.Identity, Beneficiary: ask.Beneficiary,
		Reason: strings.TrimSpace(ask.Reason), Ticket: ask.Ticket, Term: ask.Term, Fixed: ask.Fixed, Extends: ask.Extends, Channel: d.by.Channel,
		Reference: ask.Reference, At: d.now, AnswerBy: d.now.Add(d.e.AnswerWithin)}
	if r.Beneficiary == "" {
		r.Beneficiary = r.Requester
	}
	if !ask.Start.IsZero() {
		r.Start = ask.Start.UTC().Truncate(time.Microsecond)
	}
	if ask.AnswerWithin != 0 {
		r.AnswerBy = d.now.Add(ask.AnswerWithin.D())
	}
	var errs []error
	wrong := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, a...)...))
	}
	for name, s := range map[string]string{"reason": r.Reason, "ticket": r.Ticket, "reference": r.Reference, "beneficiary": r.Beneficiary} {
		limit := mostName
		if name == "reason" {
			limit = mostReason
		}
		if why := unclean(s, limit); why != "" {
			wrong("%s %s", name, why)
		}
	}
	if r.Ticket != "" && !ticketRef.MatchString(r.Ticket) {
		wrong("ticket %.80q does not say in whose queue it is: write QUEUE:TICKET, such as jira:ACC-41", r.Ticket)
	}
	if r.Reason == "" {
		wrong("reason is empty; say in a sentence what the access is for")
	}
	if r.Term <= 0 || r.Term > access.LongestTerm {
		wrong("term %s is not between 1s and %s", r.Term, access.LongestTerm)
	}
	switch {
	case r.Extends != "" && (r.Fixed || !r.Start.IsZero()):
		wrong("an extension begins now and has no window of its own: leave out start and fixed")
	case r.Fixed && r.Start.IsZero():
		wrong("a fixed window needs a start")
	}
	if !r.Start.IsZero() && r.Start.Before(d.now.Add(-time.Hour)) {
		wrong("start %s is in the past", r.Start.Format(time.RFC3339))
	}
	if r.Start.After(d.now.Add(access.LongestTerm.D())) {
		wrong("start %s is more than %s away", r.Start.Format(time.RFC3339), access.LongestTerm)
	}
	if ask.AnswerWithin < 0 || ask.AnswerWithin > access.LongestTerm {
		wrong("answer_within is not between 1s and %s", access.LongestTerm)
	}
	if _, ok := d.world.Directory.Identity(r.Beneficiary); !ok {
		wrong("beneficiary %.80q is nobody the directory knows", r.Beneficiary)
	}
	r.Makers = makers(d.world.Directory, r.Requester, ask.Makers)
	items, err := d.items(ctx, ask, r)
	if err != nil {
		errs = append(errs, err)
	}
	r.Items = items
	r.Digest = access.Digest(r.Content())
	return r, errors.Join(errs...)
}

// makers are those who made an ask beside its requester, each once, in order. A hand
// once in it stays in it: who made the revision before is among them.
func makers(dir *access.Directory, requester string, ids []string) (list []string) {
	for _, id := range ids {
		if dir.PersonOf(id) != dir.PersonOf(requester) {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ticketRef is a ticket's queue, and what it is called there. That there is such
// a ticket is not asked: it is evidence for people, never authority.
var ticketRef = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}:[^:/\s][^\s]*$`)

// unclean says what is wrong with a string somebody wrote, or nothing.
func unclean(s string, limit int) string {
	switch {
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case utf8.RuneCountInString(s) > limit:
		return fmt.Sprintf("is longer than %d characters", limit)
	}
	for _, c := range s {
		if (unicode.IsControl(c) && c != '\n' && c != '\t') || unicode.Is(unicode.Bidi_Control, c) {
			return fmt.Sprintf("has the control character %U", c)
		}
	}
	return ""
}

// unsaid says what is wrong with a sentence that is needed, or nothing.
func unsaid(s string) string {
	if strings.TrimSpace(s) == "" {
		return "is empty; say in a sentence why"
	}
	return unclean(s, mostReason)
}

// items lists what is asked for, each once, in order of id.
func (d *deed) items(ctx context.Context, ask Ask, r access.Request) ([]access.Item, error) {
	names, errs := slices.Clone(ask.Entitlements), []error(nil)
	if ask.Bundle != "" {
		b, ok := d.world.Directory.Bundle(ask.Bundle)
		if !ok {
			errs = append(errs, fmt.Errorf("%w: there is no bundle %.80q", access.ErrInvalid, ask.Bundle))
		}
		names = append(names, b.Entitlements...)
	}
	if ask.Extends != "" {
		g, err := d.Grant(ctx, ask.Extends)
		if err == nil {
			err = d.mayKnow(ctx, g)
		}
		switch {
		case err != nil && !errors.Is(err, access.ErrNotFound):
			return nil, err
		case err != nil || g.Identity != r.Beneficiary:
			errs = append(errs, fmt.Errorf("%w: %s has no grant %.80q to extend", access.ErrInvalid, r.Beneficiary, ask.Extends))
		case len(names) > 1 || (len(names) == 1 && names[0] != g.Entitlement):
			errs = append(errs, fmt.Errorf("%w: an extension of %s asks for %s and nothing else", access.ErrInvalid, g.ID, g.Entitlement))
		default:
			names = []string{g.Entitlement}
			if g.State == access.Ended {
				errs = append(errs, fmt.Errorf("%w: grant %s has ended; ask anew", access.ErrInvalid, g.ID))
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%w: nothing is asked for; name an entitlement or a bundle", access.ErrInvalid))
	}
	if len(names) > mostItems {
		return nil, fmt.Errorf("%w: %d entitlements in one request; at most %d", access.ErrInvalid, len(names), mostItems)
	}
	var items []access.Item
	for _, n := range names {
		if _, ok := d.world.Directory.Entitlement(n); !ok {
			errs = append(errs, fmt.Errorf("%w: there is no entitlement %.80q", access.ErrInvalid, n))
		}
		items = append(items, access.Item{Entitlement: n, Outcome: access.Undecided, Term: r.Term})
	}
	return items, errors.Join(errs...)
}

// scope refuses an actor whose token is not good for this.
func (d *deed) scope(s string) error { return scoped(d.by, s) }
