package audit

import (
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Ticket is one ticket as Jira shows it, beside what Lessor knows of it.
type Ticket struct {
	ID, Key, Project string
	Gone             bool // Jira shows it no more; what is below of Jira's is empty
	// As Jira shows it.
	Type       string // name of its request or issue type
	Summary    string
	Labels     []string
	Components []string
	Priority   string
	Status     Status
	Queues     []string // names of the desk's queues it is in
	Level      Ref      // of security; no ID: all who see the project see it
	Viewers    []Viewer // people who can see it, as far as a token can tell
	Moves      []Move
	Edits      []Edit
	Answered   []time.Time // when approvals in it were completed
	Clocks     []Clock
	// As Lessor knows it.
	State   access.TicketState // empty: Lessor never read it
	Asked   []access.Entitlement
	Granted []Grant
	AskedAt time.Time
	Decided time.Time // zero: not yet, or it cannot be told
	open    bool      // its request waits to be decided
	blind   []string  // kinds of findings that it could not be looked at for
}

// Ref is a thing of Jira's.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Status is where a ticket stands; Done is Jira's own category.
type Status struct {
	ID, Name string
	Done     bool
}

// Viewer is somebody who can see a ticket, and how.
type Viewer struct {
	Name     string
	Identity string // empty: nobody in the directory
	How      string // "participant", "role Service Desk Team", …
	May      bool   // may know of the request, by policy
}

// Move is a change of status.
type Move struct {
	At       time.Time
	From, To string // status ids
	By       string // as Jira says, which proves nothing
	Ours     bool
}

// Edit is a change of a field that names people.
type Edit struct {
	At        time.Time
	Field, By string
}

// Clock is one SLA of a ticket.
type Clock struct {
	Name     string
	Running  bool
	Breached bool
	Elapsed  time.Duration
}

// Grant is what was really granted under a ticket, or under none.
type Grant struct {
	ID          string
	Request     string
	Entitlement access.Entitlement
	Identity    string
	Term        time.Duration // asked for
	Start       time.Time     // seen; as granted if it never was
	End         time.Time     // ended, or is to
}

// sensitive says why an entitlement is more than an ordinary one; empty: it is
// not. Its class is the catalog's word, its powers and conflicts are what it can do.
func sensitive(e access.Entitlement) (why []string) {
	if e.Class != "" && !slices.Contains(ordinary, e.Class) {
		why = append(why, "class "+e.Class)
	}
	for _, p := range e.Powers {
		if p == "admin" || p == "grant" {
			why = append(why, "power "+p)
		}
	}
	if len(e.Conflicts) > 0 {
		why = append(why, "conflicts with "+strings.Join(e.Conflicts, " "))
	}
	return why
}

// ordinary are the classes that are nobody's secret.
var ordinary = []string{"standard", "open"}

// concerns is what a ticket is about: what was granted, or else what was asked.
func (t Ticket) concerns() []access.Entitlement {
	if len(t.Granted) == 0 {
		return t.Asked
	}
	var list []access.Entitlement
	for _, g := range t.Granted {
		if !slices.ContainsFunc(list, func(e access.Entitlement) bool { return e.ID == g.Entitlement.ID }) {
			list = append(list, g.Entitlement)
		}
	}
	return list
}

// why says what is sensitive among these, each with its reason.
func why(list []access.Entitlement) (out []string) {
	for _, e := range list {
		if reasons := sensitive(e); len(reasons) > 0 {
			out = append(out, e.ID+": "+strings.Join(reasons, ", "))
		}
	}
	return out
}
