package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/report"
)

// row is one line of a request's story.
type row struct {
	At     time.Time
	Head   string // what happened, in words
	Word   string // what begins Head, in the lane's colour
	Sub    string
	Till   time.Time // said after Sub; zero: none
	Minor  bool      // it is told by another line; shown small
	Lanes  [3]lane
	Facts  []fact
	Dec    access.Decision // a decision it rests on, if any
	Proof  report.Line
	Record string // the exact bytes the log commits to
}

// lane is one of claim, authority and reality, as it passes a line of the story.
type lane struct {
	On    string // "", "on", "start", "end"
	Sign  string // drawn on this line; empty: none
	Color string // of the sign, where it is not the lane's own
}

// fact is one name and value in an open line.
type fact struct{ Name, Value string }

const (
	claimLane = iota
	authorityLane
	realityLane
)

// teller puts a trail into words, line by line; it knows how far the lanes reach.
type teller struct {
	v    *visit
	open [3]map[string]bool // what keeps each lane going: the request, grants, assignments
	rows []row
}

// story is a trail as the page shows it.
func (v *visit) story(t report.Trail) []row {
	w := &teller{v: v}
	for i := range w.open {
		w.open[i] = map[string]bool{}
	}
	for _, l := range t.Lines {
		w.line(l)
	}
	return w.rows
}

// line tells one event.
func (w *teller) line(l report.Line) {
	r := row{At: l.At, Proof: l, Facts: []fact{{"Event", l.ID}, {"By", w.v.actor(l.Actor)}}}
	kind, what, _ := strings.Cut(l.Kind, ".")
	switch kind {
	case "request":
		w.request(&r, l, what)
	case "vote":
		w.vote(&r, l, what)
	case "grant":
		w.grant(&r, l, what)
	case "assignment":
		w.assignment(&r, l, what)
	default:
		r.Head, r.Sub = l.Kind, l.Note
		r.Lanes[claimLane].Sign = "claim"
	}
	if body, err := json.MarshalIndent(l.After, "", "  "); err == nil && len(l.After) > 0 {
		r.Record = string(body)
	}
	w.pass(&r)
	w.rows = append(w.rows, r)
}

// pass draws the lanes that go by a line without a sign of their own.
func (w *teller) pass(r *row) {
	for i := range r.Lanes {
		if r.Lanes[i].On == "" && len(w.open[i]) > 0 {
			r.Lanes[i].On = "on"
		}
	}
}

// begin and end move a lane; only the first beginning and the last end are drawn as such.
func (w *teller) begin(r *row, at int, what string) {
	if len(w.open[at]) == 0 {
		r.Lanes[at].On = "start"
	}
	w.open[at][what] = true
}

func (w *teller) end(r *row, at int, what string) {
	if w.open[at][what] {
		delete(w.open[at], what)
		if len(w.open[at]) == 0 {
			r.Lanes[at].On = "end"
		}
	}
}

func (w *teller) request(r *row, l report.Line, what string) {
	var of access.Request
	_ = json.Unmarshal(l.After, &of) // a line without a noun has none of these words
	lane := &r.Lanes[claimLane]
	switch what {
	case "submitted":
		w.begin(r, claimLane, "request")
		lane.Sign = "claim"
		r.Head = w.v.name(l.Actor.Identity) + " asked for " + w.v.called(of.Content().Entitlements)
		r.Sub = fmt.Sprintf("For %s, for %s: “%s”", w.v.name(of.Beneficiary), term(of.Term), of.Reason)
		if of.Revision > 1 {
			r.Head = fmt.Sprintf("%s changed it: revision %d", w.v.name(l.Actor.Identity), of.Revision)
		}
		r.Facts = append(r.Facts, fact{"Digest", of.Digest})
	case "decided":
		w.decided(r, of)
	case "pending":
		r.Minor, r.Head = true, "Waits for an answer"
	case "voted":
		r.Minor, r.Head = true, "The vote is counted"
	case "approved":
		r.Minor, r.Head = true, "Approved: "+l.Note
	case "denied", "expired", "cancelled":
		w.end(r, claimLane, "request")
		r.Lanes[authorityLane] = signOf("refused", "wrong")
		r.Word = map[string]string{"denied": "Denied", "expired": "Not answered in time", "cancelled": "Taken back"}[what]
		r.Sub = l.Note
		if what == "cancelled" {
			r.Lanes[authorityLane] = signOf("gone", "quiet")
		}
	case "commented":
		lane.Sign = "claim"
		r.Head, r.Sub = w.v.name(l.Actor.Identity)+" remarked", l.Note
	default:
		r.Head, r.Sub = l.Kind, l.Note
	}
}

func signOf(sign, color string) lane { return lane{Sign: sign, Color: color} }

// decided tells what policy said of each entitlement.
func (w *teller) decided(r *row, of access.Request) {
	var subs []string
	allow := false
	for _, it := range of.Items {
		name := w.v.entitlement(it.Entitlement).Name
		if it.Outcome == access.ItemDenied {
			subs = append(subs, name+": "+it.Why)
			continue
		}
		allow = true
		var needs []string
		for _, st := range it.Decision.Stages {
			needs = append(needs, stage(st.Name))
		}
		say := name + ": needs nobody"
		if len(needs) > 0 {
			say = name + ": needs " + list(needs, "and")
		}
		subs = append(subs, say)
	}
	r.Head, r.Sub = "Policy: ", strings.Join(subs, "; ")
	r.Lanes[authorityLane] = signOf("authority", "authority")
	r.Word = "may be granted"
	if !allow {
		r.Lanes[authorityLane] = signOf("refused", "wrong")
		r.Word = "refused"
	}
	if len(of.Items) == 1 {
		r.Dec = of.Items[0].Decision
	}
	r.Facts = append(r.Facts, fact{"Policy", of.Policy})
}

func (w *teller) vote(r *row, l report.Line, what string) {
	var a access.Approval
	_ = json.Unmarshal(l.After, &a) // a refused vote has none
	switch what {
	case "cast":
		r.Head = w.v.name(a.Voter) + " "
		r.Word = "approved " + w.v.entitlement(a.Entitlement).Name
		r.Lanes[authorityLane] = signOf("authority", "authority")
		if a.Verdict == access.Deny {
			r.Word = "denied " + w.v.entitlement(a.Entitlement).Name
			r.Lanes[authorityLane] = signOf("refused", "wrong")
		}
		r.Sub = a.Basis.Why
		if a.Note != "" {
			r.Sub = "“" + a.Note + "” " + r.Sub
		}
		r.Facts = append(r.Facts, fact{"Stage", stage(a.Stage)}, fact{"Revision", fmt.Sprint(a.Revision)}, fact{"Digest", a.Digest})
		if a.Term != 0 {
			r.Facts = append(r.Facts, fact{"Narrowed to", term(a.Term)})
		}
		if !l.Opened.IsZero() {
			r.Facts = append(r.Facts, fact{"Laid open", fmt.Sprintf("%s before", l.At.Sub(l.Opened).Round(time.Second))})
		}
		if a.Strength != "" {
			r.Facts = append(r.Facts, fact{"Signed in by", a.Strength})
		}
		r.Dec = a.Basis
	case "refused":
		r.Lanes[authorityLane] = signOf("refused", "wrong")
		r.Head, r.Word, r.Sub = "A vote of "+w.v.name(l.Actor.Identity)+" was ", "refused", capital(l.Note)
	default:
		r.Head, r.Sub = "A vote of "+w.v.name(a.Voter)+" no longer counts", l.Note
		r.Lanes[authorityLane] = signOf("gone", "quiet")
	}
}

func (w *teller) grant(r *row, l report.Line, what string) {
	var g access.Grant
	_ = json.Unmarshal(l.After, &g)
	name := w.v.entitlement(g.Entitlement).Name
	switch what {
	case "scheduled":
		w.begin(r, authorityLane, g.ID)
		r.Lanes[authorityLane].Sign = "authority"
		r.Word = "Granted"
		r.Sub, r.Till = name+". Authority was checked once more. The end was written with the beginning, at the latest", g.End
		r.Facts = append(r.Facts, fact{"Grant", g.ID}, fact{"Stands on", strings.Join(g.Votes, ", ")})
		r.Dec = g.Hold
	case "live":
		r.Minor, r.Head = true, "Its start has come"
	case "seen":
		r.Minor, r.Head, r.Sub, r.Till = true, "Its term runs from this sight", "It ends", g.End
	case "shortened":
		r.Lanes[authorityLane].Sign = "authority"
		r.Word, r.Sub, r.Till = "Shortened", strings.TrimSpace(l.Note+" It ends"), g.End
	case "ended":
		w.end(r, authorityLane, g.ID)
		r.Lanes[authorityLane].Sign = "authority"
		r.Word, r.Sub = "Ended: "+string(g.Ended), name
		if l.Note != "" {
			r.Sub += ": “" + l.Note + "”"
		}
	default:
		r.Head, r.Sub = l.Kind, l.Note
	}
}

func (w *teller) assignment(r *row, l report.Line, what string) {
	switch what {
	case "seen":
		var look access.Receipt
		_ = json.Unmarshal(l.After, &look)
		r.Lanes[realityLane].Sign = "reality"
		if look.Held() {
			w.begin(r, realityLane, l.Assignment)
			r.Word = "Seen"
			r.Sub = "It is there: " + look.Path
		} else {
			w.end(r, realityLane, l.Assignment)
			r.Lanes[realityLane].Sign = "gone"
			r.Word = "Seen gone"
			r.Sub = "It is not there: " + look.Path
		}
		r.Facts = append(r.Facts, fact{"Looked by", look.Path}, fact{"The target answered", orElse(look.Answered, "nothing was sent before this look")}, fact{"Receipt", look.Digest})
		if look.Sessions > 0 {
			r.Facts = append(r.Facts, fact{"Open sessions", fmt.Sprint(look.Sessions)})
		}
	default:
		var a access.Assignment
		_ = json.Unmarshal(l.After, &a)
		r.Minor = true
		at := w.v.system(a.System)
		switch l.To {
		case "adding":
			r.Head = "Being added at " + at
		case "removing":
			r.Head = "Being removed at " + at
		case "held":
			r.Head = "Held by account " + a.Account + " at " + at
		case "absent":
			r.Head = "Account " + a.Account + " at " + at + " does not hold it"
		default:
			r.Head = l.Kind
		}
	}
}

// actor says who did something, and by which door.
func (v *visit) actor(a access.Actor) string {
	if a.Identity == access.Clock.Identity {
		return "Lessor itself"
	}
	return v.name(a.Identity) + ", by " + a.Channel
}
