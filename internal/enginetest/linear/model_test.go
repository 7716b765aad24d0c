package linear

import (
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lessor-iam/lessor/internal/access"
)

// How long a request waits, how long its grant lasts, and how late access may
// be seen first, in every history.
const (
	answerWithin = time.Hour
	term         = time.Hour
	provision    = time.Hour
)

// deed is one call of a verb: what was asked, and between which two moments of
// the engine's clock it was done.
type deed struct {
	verb        string
	who         string // of a vote
	rev         int    // the revision whose digest was given
	deny        bool
	looked      int64 // when the look that is settled began
	held        bool  // what it saw
	early, late int64
}

// answer is what came of it, as the caller was told.
type answer struct {
	what     string // ok, gone, conflict, denied; of a claim: held, absent or nothing
	n        int
	rev      int
	answerBy int64
	state    access.RequestState
	votes    [2]bool // standing ones of the two approvers
	grant    access.GrantState
	ended    access.EndReason
	end      int64
}

// state is everything that the deeds of a history are about: one request, the
// votes of its two approvers, and its grant.
type state struct {
	rev      int
	state    access.RequestState
	votes    [2]bool
	answerBy int64
	grant    access.GrantState // empty: none
	ended    access.EndReason
	from, to int64 // the end lies between; nobody has read it yet where they differ
	seen     bool
}

var approvers = []string{"mia", "otto"} // of dir:root; both are needed

// step says which states a deed with that answer may leave behind; none: the
// answer cannot be. The clock is no part of the state: a deed is done at some
// moment between its beginning and its end.
func step(s state, d deed, a answer) []state {
	switch d.verb {
	case "edit":
		return edit(s, d, a)
	case "vote":
		return vote(s, d, a)
	case "cancel":
		return cancel(s, a)
	case "expire":
		return expire(s, d, a)
	case "end":
		return end(s, d, a)
	case "claim":
		return claim(s, d, a)
	case "settle":
		return settle(s, d, a)
	case "read":
		return read(s, a)
	}
	panic("no such deed: " + d.verb)
}

func when(ok bool, next ...state) []state {
	if ok {
		return next
	}
	return nil
}

func edit(s state, d deed, a answer) []state {
	pending := s.state == access.Pending
	switch a.what {
	case "gone":
		return when(!pending, s)
	case "conflict":
		return when(pending && d.rev != s.rev, s)
	}
	next := state{rev: s.rev + 1, state: access.Pending, answerBy: a.answerBy}
	wait := answerWithin.Microseconds()
	return when(a.what == "ok" && pending && d.rev == s.rev && a.rev == next.rev && d.early+wait <= a.answerBy && a.answerBy <= d.late+wait, next)
}

func vote(s state, d deed, a answer) []state {
	by := slices.Index(approvers, d.who)
	open := s.state == access.Pending && d.early < s.answerBy
	switch a.what {
	case "gone":
		return when(s.state != access.Pending || d.late >= s.answerBy, s)
	case "conflict":
		return when(open && d.rev != s.rev, s)
	case "denied":
		return when(open && d.rev == s.rev && s.votes[by], s)
	}
	next := s
	if d.deny {
		next.state = access.Denied
	} else if next.votes[by] = true; next.votes == [2]bool{true, true} {
		next.state, next.grant = access.Approved, access.Scheduled
		next.from, next.to = d.early+(term+provision).Microseconds(), d.late+(term+provision).Microseconds()
	}
	return when(a.what == "ok" && open && d.rev == s.rev && !s.votes[by] && a.state == next.state, next)
}

func cancel(s state, a answer) []state {
	if a.what == "gone" {
		return when(s.state != access.Pending, s)
	}
	next := s
	next.state = access.Cancelled
	return when(a.what == "ok" && s.state == access.Pending, next)
}

func expire(s state, d deed, a answer) []state {
	if a.n == 0 {
		return when(s.state != access.Pending || d.early < s.answerBy, s)
	}
	next := s
	next.state = access.Expired
	return when(a.n == 1 && s.state == access.Pending && d.late >= s.answerBy, next)
}

func (s state) open() bool { return s.grant == access.Scheduled || s.grant == access.Live }

func (s state) over(why access.EndReason) state {
	s.grant, s.ended = access.Ended, why
	return s
}

// end is to give a grant back or to revoke it: n is which.
func end(s state, d deed, a answer) []state {
	if a.what == "gone" {
		return when(s.grant == access.Ended, s)
	}
	why := access.EndReturned
	if d.deny {
		why = access.EndRevoked
	}
	return when(a.what == "ok" && s.open(), s.over(why))
}

// ticked are the states the clock may have made of the grant by itself.
func ticked(s state, d deed) (list []state) {
	if !s.open() {
		return []state{s}
	}
	if d.early < s.to {
		live := s
		live.grant = access.Live
		list = append(list, live)
	}
	if d.late >= s.from {
		list = append(list, s.over(access.EndExpired))
	}
	return list
}

func claim(s state, d deed, a answer) (list []state) {
	for _, next := range ticked(s, d) {
		if (a.what == "held") == (next.grant == access.Live) {
			list = append(list, next)
		}
	}
	if a.what == "nothing" { // nothing was due, or the grant ended without ever having been a reason
		list = append(list, s)
	}
	return list
}

// settle is what a lane saw. Too late for its lease, or not to be relied on, it
// changes nothing; otherwise time may have moved the grant, and the term may run
// from what was seen.
func settle(s state, d deed, a answer) []state {
	if a.n > 0 {
		return []state{s}
	}
	list := []state{s}
	for _, next := range ticked(s, d) {
		list = append(list, next)
		if next.grant != access.Live || next.seen || !d.held {
			continue
		}
		first := d.looked + term.Microseconds()
		next.from, next.to, next.seen = min(next.from, first), min(next.to, first), true
		list = append(list, next)
	}
	return list
}

func read(s state, a answer) []state {
	same := a.state == s.state && a.rev == s.rev && a.answerBy == s.answerBy && a.grant == s.grant && a.ended == s.ended
	if s.state == access.Pending {
		same = same && a.votes == s.votes
	}
	if s.grant != "" {
		same = same && s.from <= a.end && a.end <= s.to
		s.from, s.to = a.end, a.end
	}
	return when(same, s)
}

// model is the whole of it for the checker, from a request that was just asked.
func model(asked state) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{asked} },
		Step: func(s, in, out any) (next []any) {
			for _, n := range step(s.(state), in.(deed), out.(answer)) {
				next = append(next, n)
			}
			return next
		},
		DescribeOperation: func(in, out any) string { return describe(in.(deed), out.(answer)) },
	}
	return m.ToModel()
}

func describe(d deed, a answer) string {
	return fmt.Sprintf("%-6s %-4s of revision %d (deny %t, held %t) between %s and %s: %s n=%d revision %d %s votes %v grant %s %s until %s",
		d.verb, d.who, d.rev, d.deny, d.held, clock(d.early), clock(d.late), a.what, a.n, a.rev, a.state, a.votes, a.grant, a.ended, clock(a.end))
}

func clock(micros int64) string { return time.UnixMicro(micros).UTC().Format("02T15:04:05.000000") }
