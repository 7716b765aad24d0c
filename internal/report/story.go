package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

func sortedBySeq(events []store.Event) []store.Event {
	return slices.SortedFunc(slices.Values(events), func(a, b store.Event) int { return cmp.Compare(a.Seq, b.Seq) })
}

// event is an event read back, its noun still as JSON.
type event struct {
	access.Event
	After json.RawMessage `json:"after"`
	index int64
}

// Story is what a verified bundle tells of one grant.
type Story struct {
	Grant    access.Grant
	Lines    []string  // in plain words, in the order of the log
	Complete bool      // ended, and seen gone
	SeenHeld time.Time // when access was last seen held; zero: no look in the bundle saw it
	SeenGone time.Time // when it was last seen gone
	Other    string    // another grant that keeps the access
}

// Tell reads the story of a verified bundle and checks that it is whole and
// that its parts fit each other: the request's content gives the digest that
// was voted on, every vote the grant stands on is there, cast before the grant
// by different people, none of them requester or beneficiary, every stage has
// its votes, nothing is longer than it was asked, approved or allowed, and no
// end moved later. All that does not fit is reported together. [Claims] says
// what that leaves unproved.
func Tell(v evidence.Verified) (Story, error) {
	t := &telling{grant: v.Subject, requests: map[string]access.Request{}, votes: map[string]access.Approval{}, gone: map[string]bool{}}
	for i, rec := range v.Records {
		var ev event
		if err := json.Unmarshal(rec.Body, &ev); err != nil {
			t.wrong("record %d is no event: %v", i+1, err)
			continue
		}
		ev.index = rec.Index
		t.read(ev)
	}
	t.whole()
	return Story{t.g, t.lines, t.complete, t.seenHeld, t.seenGone, t.other}, errors.Join(t.problems...)
}

// telling is a story being read.
type telling struct {
	grant    string
	g        access.Grant
	requests map[string]access.Request  // digest -> the revision as decided
	votes    map[string]access.Approval // id -> vote
	gone     map[string]bool            // votes withdrawn before the grant
	others   []access.Grant             // other reasons for the same assignment, as last told
	state    access.AssignmentState
	seenHeld time.Time
	seenGone time.Time
	complete bool
	other    string
	lines    []string
	problems []error
}

func (t *telling) wrong(format string, a ...any) {
	t.problems = append(t.problems, fmt.Errorf(format, a...))
}

func (t *telling) say(ev event, format string, a ...any) {
	t.lines = append(t.lines, fmt.Sprintf("%s  #%-5d %s", ev.At.UTC().Format("2006-01-02 15:04:05.000"), ev.index, fmt.Sprintf(format, a...)))
}

func (t *telling) into(ev event, noun any) bool {
	if err := json.Unmarshal(ev.After, noun); err != nil {
		t.wrong("event %s (%s) does not hold what it tells of: %v", ev.ID, ev.Kind, err)
		return false
	}
	return true
}

// read takes in one event.
func (t *telling) read(ev event) {
	room, _, _ := strings.Cut(ev.Kind, ".")
	switch room {
	case "request":
		t.readRequest(ev)
	case "vote":
		t.readVote(ev)
	case "grant":
		t.readGrant(ev)
	case "assignment":
		t.readAssignment(ev)
	}
}

func (t *telling) readRequest(ev event) {
	var r access.Request
	if len(ev.After) == 0 || !t.into(ev, &r) {
		return
	}
	if access.Digest(r.Content()) != r.Digest {
		t.wrong("event %s: the content of request %s does not give its digest", ev.ID, r.ID)
	}
	t.requests[r.Digest] = r
	switch ev.Kind {
	case "request.submitted":
		t.say(ev, "%s asked for %s for %s, for %s: %q", ev.Actor.Identity, strings.Join(r.Content().Entitlements, ", "), r.Beneficiary, r.Term, r.Reason)
	case "request.decided":
		for _, it := range r.Items {
			t.say(ev, "policy on %s: %s %s", it.Entitlement, it.Decision.Why, ruleNames(it.Decision))
		}
	}
}

func ruleNames(d access.Decision) string {
	var names []string
	for _, r := range d.Rules {
		names = append(names, r.ID)
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func (t *telling) readVote(ev event) {
	var a access.Approval
	if len(ev.After) == 0 || !t.into(ev, &a) {
		return
	}
	if ev.Kind == "vote.withdrawn" {
		if t.g.ID == "" {
			t.gone[a.ID] = true
		}
		t.say(ev, "the vote of %s no longer counts: %s", a.Voter, ev.Note)
		return
	}
	t.votes[a.ID] = a
	dwelt := ""
	if !ev.Opened.IsZero() {
		dwelt = fmt.Sprintf(", %s after laying it open", ev.At.Sub(ev.Opened).Round(time.Second))
	}
	t.say(ev, "%s said %s to %s as %s%s: %s %s", a.Voter, a.Verdict, a.Entitlement, a.Stage, dwelt, a.Basis.Why, ruleNames(a.Basis))
}

func (t *telling) readGrant(ev event) {
	var g access.Grant
	if !t.into(ev, &g) {
		return
	}
	if g.ID != t.grant {
		t.others = append(slices.DeleteFunc(t.others, func(o access.Grant) bool { return o.ID == g.ID }), g)
		return
	}
	if t.g.ID != "" && g.End.After(t.g.End) {
		t.wrong("event %s: the end of the grant moved later, from %s to %s", ev.ID, t.g.End, g.End)
	}
	t.g = g
	switch ev.Kind {
	case "grant.scheduled":
		t.say(ev, "granted: %s may hold %s until %s at the latest", g.Identity, g.Entitlement, stamp(g.End))
	case "grant.seen":
		t.say(ev, "access seen; the grant ends %s", stamp(g.End))
	case "grant.ended":
		t.say(ev, "the grant ended: %s", g.Ended)
	}
}

// sessionWords says what a look found of sessions that outlive a removal.
func sessionWords(r access.Receipt) string {
	switch {
	case !r.Until.IsZero():
		return "; a session opened before may last until " + stamp(r.Until)
	case r.Sessions == 1:
		return "; a session opened before is still open"
	case r.Sessions > 0:
		return fmt.Sprintf("; %d sessions opened before are still open", r.Sessions)
	}
	return ""
}

func (t *telling) readAssignment(ev event) {
	if ev.Kind == "assignment.seen" {
		var r access.Receipt
		if t.into(ev, &r) {
			t.say(ev, "looked (%s): %s%s", r.Path, ev.To, sessionWords(r))
			if r.Held() {
				t.seenHeld = r.At
			} else {
				t.seenGone = r.At
			}
		}
		return
	}
	var a access.Assignment
	if t.into(ev, &a) {
		t.state = a.State
		if ev.From != "" {
			t.say(ev, "assignment of %s at %s: %s -> %s", a.Account, a.System, ev.From, ev.To)
		}
	}
}

// whole checks that the story has a beginning, a middle and, once the grant
// has ended, an end that was seen.
func (t *telling) whole() {
	g := t.g
	if g.ID == "" {
		t.wrong("no record tells of grant %s", t.grant)
		return
	}
	r, ok := t.requests[g.Digest]
	if !ok {
		t.wrong("no record tells of the request content that grant %s stands on", g.ID)
		return
	}
	t.authority(r)
	if g.State != access.Ended {
		t.lines = append(t.lines, "the grant has not ended in this part of the log")
		return
	}
	if g.EndedAt.After(g.End.Add(time.Minute)) && g.Ended == access.EndExpired {
		t.lines = append(t.lines, fmt.Sprintf("late: the grant was to end %s and was ended %s", stamp(g.End), stamp(g.EndedAt)))
	}
	if other := t.reason(g.EndedAt); other != "" && t.state != access.Absent {
		t.other = other
		t.lines = append(t.lines, "access stays: grant "+other+" is a reason too")
		return
	}
	switch {
	case t.state == access.Absent && t.seenHeld.IsZero():
		t.complete = true
		t.lines = append(t.lines, "proved: access was asked for, decided, and ended; no look ever saw it held")
	case t.state == access.Absent && t.seenGone.After(t.seenHeld) && !t.seenGone.Before(g.EndedAt):
		t.complete = true
		t.lines = append(t.lines, "proved: access was asked for, decided, approved, seen, ended, and seen gone")
	default:
		t.lines = append(t.lines, "not proved: access has not been seen gone in this part of the log")
	}
}

// reason names another grant that was live when this one ended.
func (t *telling) reason(at time.Time) string {
	for _, o := range t.others {
		if !o.Start.After(at) && (o.State != access.Ended || o.EndedAt.After(at)) {
			return o.ID
		}
	}
	return ""
}

// authority checks the votes the grant stands on.
func (t *telling) authority(r access.Request) {
	i := r.Item(t.g.Entitlement)
	if i < 0 {
		t.wrong("the request does not ask for %s", t.g.Entitlement)
		return
	}
	switch g := t.g; {
	case g.Identity != r.Beneficiary:
		t.wrong("the grant is for %s, and the request for %s", g.Identity, r.Beneficiary)
	case !g.Hold.Allow:
		t.wrong("policy did not let the grant be held: %s", g.Hold.Why)
	case g.Term > r.Term || (g.Hold.MaxTerm != 0 && g.Term > g.Hold.MaxTerm):
		t.wrong("the term %s of the grant is longer than was asked (%s) or allowed (%s)", g.Term, r.Term, g.Hold.MaxTerm)
	case g.Term != 0 && !g.Seen.IsZero() && g.End.After(g.Seen.Add(g.Term.D())):
		t.wrong("the grant ends %s, more than its term of %s after access was seen %s", stamp(g.End), g.Term, stamp(g.Seen))
	}
	people, count := map[string]bool{}, map[string]int{}
	for _, id := range t.g.Votes {
		v, ok := t.votes[id]
		switch {
		case !ok:
			t.wrong("vote %s, which the grant stands on, is not in the bundle", id)
			continue
		case t.gone[id]:
			t.wrong("vote %s was withdrawn before the grant", id)
		case v.Digest != t.g.Digest || v.Entitlement != t.g.Entitlement || v.Verdict != access.Approve:
			t.wrong("vote %s is not an approval of what was granted", id)
		case !v.Basis.Allow:
			t.wrong("vote %s has no basis", id)
		case v.At.After(t.g.At):
			t.wrong("vote %s was cast after the grant it is a reason for", id)
		case v.Term != 0 && t.g.Term > v.Term:
			t.wrong("vote %s is for %s, and the grant for %s", id, v.Term, t.g.Term)
		case v.Voter == r.Requester || v.Voter == r.Beneficiary || v.Person == r.Requester || v.Person == r.Beneficiary:
			t.wrong("vote %s is by somebody the request is for", id)
		case people[v.Person]:
			t.wrong("%s voted twice", v.Person)
		case !v.Behalf.IsZero() && people[v.Behalf.Of]:
			t.wrong("%s voted, and %s in their place", v.Behalf.Of, v.Person)
		case !v.Behalf.IsZero() && (v.Behalf.Of == r.Requester || v.Behalf.Of == r.Beneficiary || v.Behalf.Of == v.Person):
			t.wrong("vote %s is in the place of %s, who could not have voted", id, v.Behalf.Of)
		}
		people[v.Person] = true
		if !v.Behalf.IsZero() {
			people[v.Behalf.Of] = true
		}
		count[v.Stage]++
	}
	for _, s := range t.stages(r.Items[i]) {
		if count[s.Name] < s.Count {
			t.wrong("stage %s has %d of %d votes", s.Name, count[s.Name], s.Count)
		}
	}
}

// stages are those of the request's decision and those wanted when it was granted.
func (t *telling) stages(it access.Item) []access.Stage {
	all := slices.Clone(it.Decision.Stages)
	for _, st := range t.g.Hold.Stages {
		if !slices.Contains(all, st) {
			all = append(all, st)
		}
	}
	return all
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
