package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Exit is a move open to the token from one status.
type Exit struct {
	From, To Ref
	Name     string
	Any      bool // it leads there from any status
}

// Flow is one project's workflow, as far as it shows.
type Flow struct {
	Project  string
	Desk     bool
	Own      bool     // seen with the token that Lessor itself works with
	Approval Ref      // the status that waits for approval; no ID: none is known
	Granting []string // ids of the statuses that say that access was approved or is there
	Exits    []Exit   // open to the token, from the statuses that were looked at
	Looked   []Ref    // statuses a ticket was found in
	Forms    []Form
	Pickers  []string // ids of the site's fields that name people, but for whom access is for
	blind    []string // kinds of flaws that it could not be looked at for
}

// Form is a field of a request form in which customers choose people.
type Form struct{ Type, Field, Name string }

// Sharer is a project that is no service desk and has the approval status too.
type Sharer struct{ Project, Kind, Status string }

// Flaw is a way by which a ticket passes, or may pass, without its approval.
type Flaw struct {
	Project string `json:"project"`
	Kind    string `json:"kind"`
	What    string `json:"what"`
	Mend    string `json:"mend"`
}

// The kinds of flaws.
const (
	AnyStatus  = "any-status transition"
	ThirdExit  = "third exit"
	SideExit   = "side exit"
	Unenforced = "not enforced"
	Shared     = "shared status"
	OwnChoice  = "approvers chosen by customers"
	Swapped    = "approvers changed"
	Bypassed   = "passed without an answer"
)

// FlawsOf lints the workflow of one project and looks for tickets that took a
// way around. Grants never come of a status; what a flaw costs is that people
// read "approved" where nobody approved.
func FlawsOf(f Flow, sharers []Sharer, tickets []Ticket) []Flaw {
	list := []Flaw{}
	say := func(kind, mend, format string, args ...any) {
		list = append(list, Flaw{f.Project, kind, fmt.Sprintf(format, args...), mend})
	}
	// 1. Ways out of the approval, and ways past it. Lessor's own token sees those
	// that only Lessor may take, too.
	others := ""
	if f.Own {
		others = "; seen with Lessor's own token: an agent's (--token-ref) shows whether others may take it"
	}
	for _, e := range f.exits() {
		passes := slices.Contains(f.Granting, e.To.ID)
		switch {
		case e.Any && passes:
			say(AnyStatus, "limit it to the statuses it is for, or give it a condition that only Lessor's account meets"+others, "%q leads to %q from any status: no approval stands in its way", e.Name, e.To.Name)
		case passes:
			say(ThirdExit, "remove it, or give it a condition that only Lessor's account meets"+others, "%q leads from %q to %q beside the approval's own two transitions", e.Name, e.From.Name, e.To.Name)
		case !e.Any:
			say(SideExit, "leave it if leaving unanswered is meant", "%q leads from %q to %q with the approval unanswered", e.Name, e.From.Name, e.To.Name)
		}
	}
	// 2. Where Jira enforces nothing at all.
	if !f.Desk && f.Approval.ID != "" {
		say(Unenforced, "read votes of statuses only from people, as Lessor does, or move the queue to a service desk", "it is no service desk: nothing keeps anybody from moving a ticket out of %q", f.Approval.Name)
	}
	for _, s := range sharers {
		say(Shared, "give that project a workflow of its own", "project %s (%s) has the status %q too and enforces no approval: a ticket can be moved there, walked on, and moved back", s.Project, s.Kind, s.Status)
	}
	// 3. Who chooses who approves.
	for _, c := range f.Forms {
		say(OwnChoice, "take it off the form, or let a rule fill it in; Lessor asks policy who may approve", "the form %q lets customers fill in %q (%s)", c.Type, c.Name, c.Field)
	}
	for _, t := range tickets {
		for _, e := range t.Edits {
			if t.Project == f.Project && slices.Contains(f.Pickers, e.Field) {
				say(Swapped, "ask why; Lessor asks policy who may approve", "in %s, %s changed %s on %s", t.Key, e.By, e.Field, e.At.UTC().Format("2006-01-02 15:04"))
			}
		}
	}
	// 4. Who went that way.
	return append(list, f.bypasses(tickets)...)
}

// exits are the ways that matter, each once: those from the approval status, and
// those from anywhere.
func (f Flow) exits() (list []Exit) {
	for _, e := range f.Exits {
		if f.Approval.ID == "" || e.To.ID == f.Approval.ID || (!e.Any && e.From.ID != f.Approval.ID) {
			continue
		}
		if !slices.ContainsFunc(list, func(have Exit) bool { return have.Name == e.Name && have.To == e.To && have.Any == e.Any }) {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b Exit) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// answerNear is how far a move and the answer that made it may be apart.
const answerNear = 2 * time.Minute

// bypasses are tickets that left the approval status for one that says approved,
// by another hand than Lessor's, with no approval answered then.
func (f Flow) bypasses(tickets []Ticket) (list []Flaw) {
	if f.Approval.ID == "" {
		return nil
	}
	for _, t := range tickets {
		for _, m := range t.Moves {
			answered := slices.ContainsFunc(t.Answered, func(at time.Time) bool { return at.Sub(m.At).Abs() <= answerNear })
			if t.Project != f.Project || m.Ours || m.From != f.Approval.ID || !slices.Contains(f.Granting, m.To) || answered {
				continue
			}
			list = append(list, Flaw{f.Project, Bypassed, fmt.Sprintf("%s left %q on %s by the hand of %s, and no approval was answered then", t.Key, f.Approval.Name, m.At.UTC().Format("2006-01-02 15:04"), m.By),
				"see finding workflow_only_approval; the move granted nothing"})
		}
	}
	return list
}

// Unreadable is what no token can read of a workflow, however much it may do.
var Unreadable = []string{
	"automation rules, and on whose behalf they act: look under Project settings > Automation; a rule can act as a real person, and the history then shows that person",
	"conditions and validators of transitions, and moves from statuses no ticket is in now: look in the workflow itself",
	"which field a desk's approval takes its approvers from: look in the workflow's approval step",
	"webhooks made by administrators, and their secrets: look under System > WebHooks",
}
