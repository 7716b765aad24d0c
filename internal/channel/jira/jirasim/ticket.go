package jirasim

import (
	"encoding/json"
	"slices"
	"time"
)

// Ticket is an issue as it is, for tests to look at: nothing is hidden.
type Ticket struct {
	ID, Key, Project, Status string
	RequestType              string // its id; empty for what is no request
	Reporter, Assignee       string // account ids
	Created, Updated         time.Time
	Deleted                  bool
	Fields                   map[string]any // by field id, as the second version renders them
	Comments                 []Note
	Approvals                []Approval
	Changes                  []Change
	Links                    []Link
	Properties               map[string]json.RawMessage
}

// Note is one comment.
type Note struct {
	ID, Author, Text string
	Doc              map[string]any // as ADF
	Public           bool
	Properties       map[string]json.RawMessage
}

// Approval is one passage through an approval step.
type Approval struct {
	ID, Name, Final string
	Votes           map[string]string // decisions by account id
}

// Change is one changed field of the changelog.
type Change struct {
	Author, Field, FieldID, From, To string
	At                               time.Time
}

// Link is one remote link.
type Link struct{ GlobalID, Title, URL string }

// Ticket gives an issue by id or any key it ever had, deleted or not.
func (s *Sim) Ticket(ref string) (Ticket, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.keys[ref]
	if digits.MatchString(ref) {
		id = atoi(ref)
	}
	i := s.issues[id]
	if i == nil {
		return Ticket{}, false
	}
	return (&call{s: s, who: &User{}, v: 2, now: s.now()}).ticket(i), true
}

// Tickets are all issues that are not deleted, in the order they were made.
func (s *Sim) Tickets() []Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Ticket{}
	for _, i := range s.issues {
		if !i.deleted {
			out = append(out, (&call{s: s, who: &User{}, v: 2, now: s.now()}).ticket(i))
		}
	}
	slices.SortFunc(out, func(a, b Ticket) int { return atoi(a.ID) - atoi(b.ID) })
	return out
}

func (c *call) ticket(i *issue) Ticket {
	t := Ticket{ID: itoa(i.id), Key: i.key, Project: i.project.Key, Status: i.status.Name, RequestType: i.requestType, Created: i.created, Updated: i.updated,
		Deleted: i.deleted, Fields: map[string]any{}, Properties: copied(i.props)}
	t.Reporter, _ = i.values["reporter"].(string)
	t.Assignee, _ = i.values["assignee"].(string)
	for _, f := range c.s.fields {
		if f.Kind != fixedKind && f.Kind != approvalsKind && f.Kind != requestTypeKind {
			t.Fields[f.ID] = c.show(f, i)
		}
	}
	for _, cm := range i.comments {
		t.Comments = append(t.Comments, Note{itoa(cm.id), cm.author, cm.body.wiki, cm.body.doc, cm.public && cm.limit == nil, copied(cm.props)})
	}
	for _, ap := range i.approvals {
		a := Approval{ID: itoa(ap.id), Name: ap.name, Final: ap.final, Votes: map[string]string{}}
		for _, v := range ap.votes {
			a.Votes[v.who] = v.decision
		}
		t.Approvals = append(t.Approvals, a)
	}
	for _, ch := range i.changes {
		for _, it := range ch.items {
			from, _ := it.fromString.(string)
			to, _ := it.toString.(string)
			t.Changes = append(t.Changes, Change{ch.by, it.field, it.fieldID, from, to, ch.at})
		}
	}
	for _, l := range i.links {
		t.Links = append(t.Links, Link{l.globalID, str(l.object["title"]), str(l.object["url"])})
	}
	return t
}

func copied(p properties) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for k, v := range p {
		out[k] = slices.Clone(v)
	}
	return out
}
