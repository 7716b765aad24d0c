package jira

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/adf"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Fact is one thing a ticket has to say, once. Its ID never changes, so that a
// repeat can be told from news.
type Fact struct {
	ID     string
	Public bool // for the person who asked; otherwise for those who work the queue
	Lines  [][]adf.Span
}

// Milestone is where a ticket's request stands, as people at a desk say it. It
// is what a status shows, and never what one brings about.
type Milestone string

// The milestones. "Active" and "removed" mean seen.
const (
	Waiting  Milestone = "waiting"  // for approvers
	Granting Milestone = "granting" // granted, not yet seen
	Active   Milestone = "active"   // seen
	Removed  Milestone = "removed"  // ended, and seen gone: by whatever reason it was held
	Refused  Milestone = "refused"  // denied, cancelled or expired
)

// milestone is a function of what is stored.
func milestone(s engine.Story) Milestone {
	switch s.Request.State {
	case access.Submitted, access.Pending:
		return Waiting
	case access.Denied, access.Cancelled, access.Expired:
		return Refused
	}
	seen, gone := false, len(s.Grants) > 0
	for _, h := range s.Grants {
		seen = seen || !h.Grant.Seen.IsZero()
		gone = gone && over(h)
	}
	switch {
	case gone:
		return Removed
	case seen:
		return Active
	}
	return Granting
}

// over tells whether a grant has ended and its access was seen gone. While
// another grant is a reason for it, it is still there, and no ticket says otherwise.
func over(h engine.Holding) bool {
	return h.Grant.State == access.Ended && h.Assignment.State == access.Absent
}

// mostVotes is how many votes a ticket tells of: whoever votes and takes it back
// for ever is not to fill what remembers what was said.
const mostVotes = 100

// facts lists everything a linked ticket has to say, in the order it became so.
func facts(t access.Ticket, s engine.Story, where string) []Fact {
	r := s.Request
	list := []Fact{decided(r), progress(s, len(t.Requests) > 1, where)}
	for _, v := range s.Approvals[max(0, len(s.Approvals)-mostVotes):] {
		list = append(list, voted(v)...)
	}
	for _, a := range t.Answers {
		if !a.Counted {
			list = append(list, inner("answer-"+short(a.ID+a.Digest), a.Why))
		}
	}
	for _, h := range s.Grants {
		list = append(list, lifeOf(h, slices.Contains(s.Kept, h.Grant.ID))...)
	}
	if milestone(s) == Refused {
		list = append(list, Fact{ID: "closed-" + r.ID, Public: true, Lines: lines(refusal(r))})
	}
	return slices.DeleteFunc(list, func(f Fact) bool { return len(f.Lines) == 0 })
}

func refusal(r access.Request) string {
	switch r.State {
	case access.Cancelled:
		return "This request was taken back."
	case access.Expired:
		return "Nobody answered this request in time, so it is refused. You may ask again."
	}
	return "This request was refused. Ask the person who owns the access if you think that is wrong."
}

// decided tells the desk what policy decided of each entitlement, and on what it stands.
func decided(r access.Request) Fact {
	f := Fact{ID: fmt.Sprintf("decided-%s-%d", r.ID, r.Revision)}
	f.Lines = append(f.Lines, []adf.Span{adf.Strong(fmt.Sprintf("Lessor %s, revision %d", r.ID, r.Revision)), adf.Text(" for " + r.Beneficiary + ", " + r.Term.String())})
	if len(r.Makers) > 0 {
		f.Lines = append(f.Lines, lines("Written or changed by "+strings.Join(r.Makers, ", ")+" too, whose approval does not count.")...)
	}
	for _, it := range r.Items {
		line := []adf.Span{adf.Mono(it.Entitlement), adf.Text(": " + it.Decision.Why)}
		if names := ruleNames(it.Decision); names != "" {
			line = append(line, adf.Text(" ["+names+"]"))
		}
		f.Lines = append(f.Lines, line)
	}
	f.Lines = append(f.Lines, []adf.Span{adf.Text("content "), adf.Mono(r.Digest), adf.Text(", rules "), adf.Mono(r.Policy)})
	return f
}

func ruleNames(d access.Decision) string {
	var names []string
	for _, rule := range d.Rules {
		names = append(names, rule.ID)
	}
	return strings.Join(names, ", ")
}

// progress tells whoever asked for whom the request waits, and where to vote if
// this is no place for it. again: it is not the first request of its ticket.
func progress(s engine.Story, again bool, where string) Fact {
	r := s.Request
	if r.State != access.Pending {
		return Fact{}
	}
	var stages []string
	stronger := false
	for _, it := range r.Items {
		if it.Outcome != access.Undecided {
			continue
		}
		stronger = stronger || it.Decision.StepUp != ""
		for _, st := range it.Decision.Stages {
			stages = append(stages, st.Name)
		}
	}
	slices.Sort(stages)
	f := Fact{ID: fmt.Sprintf("waits-%s-%d", r.ID, r.Revision), Public: true,
		Lines: lines("This request waits for approval by: " + strings.Join(slices.Compact(stages), ", ") + ".")}
	if r.Revision > 1 || again {
		f.Lines = append(f.Lines, lines("It was changed, so earlier approvals no longer count.")...)
	}
	if stronger {
		f.Lines = append(f.Lines, []adf.Span{adf.Text("An answer here is not enough for it: vote in Lessor, signed in strongly: "), adf.Link(r.ID, where+"/requests/"+r.ID)})
	}
	return f
}

func voted(v access.Approval) []Fact {
	list := []Fact{inner("vote-"+v.ID, fmt.Sprintf("%s said %s to %s as %s: %s", v.Voter, v.Verdict, v.Entitlement, v.Stage, v.Basis.Why))}
	if !v.WithdrawnAt.IsZero() {
		list = append(list, inner("void-"+v.ID, fmt.Sprintf("The vote of %s no longer counts.", v.Voter)))
	}
	return list
}

// lifeOf tells the life of one grant: granted, seen, ended, seen gone. kept:
// another grant is a reason for the same access.
func lifeOf(h engine.Holding, kept bool) []Fact {
	g := h.Grant
	list := []Fact{inner("granted-"+g.ID, fmt.Sprintf("Granted: %s may hold %s until %s at the latest (%s).", g.Identity, g.Entitlement, stamp(g.End), g.ID))}
	if !g.Seen.IsZero() {
		list = append(list, Fact{ID: "active-" + g.ID, Public: true, Lines: lines(fmt.Sprintf("The access is active: seen at %s. It ends %s.", stamp(g.Seen), stamp(g.End)))})
	}
	if g.State != access.Ended {
		return list
	}
	list = append(list, inner("ended-"+g.ID, fmt.Sprintf("The grant of %s ended at %s: %s.", g.Entitlement, stamp(g.EndedAt), g.Ended)))
	switch {
	case h.Assignment.State == access.Absent && !g.Seen.IsZero():
		list = append(list, Fact{ID: "removed-" + g.ID, Public: true, Lines: lines(fmt.Sprintf("The access has ended and was seen removed at %s.", stamp(h.Assignment.SeenAt)))})
	case kept && h.Assignment.State == access.Held:
		list = append(list, inner("stays-"+g.ID, "The access stays: another grant is a reason for it."))
	}
	return list
}

// final tells the desk the whole life of a grant that is over, with the digest of its proof.
func final(s engine.Story, h engine.Holding, bundle []byte) Fact {
	sum := sha256.Sum256(bundle)
	return Fact{ID: "final-" + h.Grant.ID, Lines: [][]adf.Span{
		{adf.Strong("The whole life of " + h.Grant.ID), adf.Text(" (" + h.Grant.Entitlement + " of " + h.Grant.Identity + ")")},
		{adf.Text("asked " + stamp(s.Request.At) + ", granted " + stamp(h.Grant.At) + ", seen " + stamp(h.Grant.Seen) + ", ended " + stamp(h.Grant.EndedAt) +
			" (" + string(h.Grant.Ended) + "), removal seen " + stamp(h.Assignment.SeenAt))},
		{adf.Text("evidence "), adf.Mono("sha256:" + hex.EncodeToString(sum[:]))},
	}}
}

func inner(id, text string) Fact { return Fact{ID: id, Lines: lines(text)} }

func lines(text string) [][]adf.Span { return [][]adf.Span{{adf.Text(text)}} }

// short is a name of fixed length for whatever a queue calls something.
func short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
