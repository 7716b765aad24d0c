package rest

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// deskRoot is the service desk's API, the same on both kinds of site.
const deskRoot = "/rest/servicedeskapi"

// ServiceDesk is the service desk of one project.
type ServiceDesk struct{ ID, Project, ProjectKey, Name string }

// Request is an issue as the service desk shows it.
type Request struct {
	Issue, Key        string
	Type, ServiceDesk string // ids
	Reporter          User
	Created           time.Time
	Status            string // in words, of the customer's view
	Since             time.Time
	Values            map[string]json.RawMessage // by field id
}

// Approval is one approval object. Passing the same status again makes another.
type Approval struct {
	ID, Name  string
	Decision  string // "approved", "declined", "pending"
	Mine      bool   // whether this token could answer it, which is nobody's vote
	Approvers []Approver
	Created   time.Time
	Completed time.Time // zero: it is open
}

// Approver is one person asked. Jira does not say when they answered.
type Approver struct {
	User     User
	Decision string
}

// Organization is a group of customers that requests can be shared with.
type Organization struct{ ID, Name string }

// desk opts in where this kind of site wants that.
func (s *site) desk(c call) call {
	c.experimental = c.experimental || s.optIn
	return c
}

func (s *site) Desks(ctx context.Context) ([]ServiceDesk, error) {
	type desk struct {
		ID      ident  `json:"id"`
		Project ident  `json:"projectId"`
		Key     string `json:"projectKey"`
		Name    string `json:"projectName"`
	}
	found, err := pages[desk](ctx, s, byDesk, s.desk(get(path(deskRoot, "servicedesk"))))
	var list []ServiceDesk
	for _, d := range found {
		list = append(list, ServiceDesk{ID: string(d.ID), Project: string(d.Project), ProjectKey: d.Key, Name: d.Name})
	}
	return list, err
}

func (s *site) Request(ctx context.Context, id string) (Request, error) {
	if err := CheckID(id); err != nil {
		return Request{}, err
	}
	var r struct {
		IssueID ident  `json:"issueId"`
		Key     string `json:"issueKey"`
		Type    ident  `json:"requestTypeId"`
		Desk    ident  `json:"serviceDeskId"`
		Created date   `json:"createdDate"`
		By      person `json:"reporter"`
		Current struct {
			Status string `json:"status"`
			Date   date   `json:"statusDate"`
		} `json:"currentStatus"`
		Values []struct {
			ID    string          `json:"fieldId"`
			Value json.RawMessage `json:"value"`
		} `json:"requestFieldValues"`
	}
	c := s.desk(get(path(deskRoot, "request", id)))
	if err := s.do(ctx, c, &r); err != nil {
		return Request{}, err
	}
	if string(r.IssueID) != id {
		return Request{}, &Error{Kind: ErrStrange, Call: c.String(), Messages: []string{"the answer is about another request"}}
	}
	out := Request{Issue: id, Key: r.Key, Type: string(r.Type), ServiceDesk: string(r.Desk), Reporter: s.user(r.By),
		Created: r.Created.time(), Status: r.Current.Status, Since: r.Current.Date.time(), Values: map[string]json.RawMessage{}}
	for _, v := range r.Values {
		out.Values[v.ID] = v.Value
	}
	return out, nil
}

type approval struct {
	ID        ident  `json:"id"`
	Name      string `json:"name"`
	Decision  string `json:"finalDecision"`
	Mine      bool   `json:"canAnswerApproval"`
	Approvers []struct {
		Approver person `json:"approver"`
		Decision string `json:"approverDecision"`
	} `json:"approvers"`
	Created   date `json:"createdDate"`
	Completed date `json:"completedDate"`
}

func (s *site) Approvals(ctx context.Context, id string) ([]Approval, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	found, err := pages[approval](ctx, s, byDesk, s.desk(get(path(deskRoot, "request", id, "approval"))))
	var list []Approval
	for _, a := range found {
		one := Approval{ID: string(a.ID), Name: a.Name, Decision: a.Decision, Mine: a.Mine, Created: a.Created.time(), Completed: a.Completed.time()}
		for _, by := range a.Approvers {
			one.Approvers = append(one.Approvers, Approver{User: s.user(by.Approver), Decision: by.Decision})
		}
		list = append(list, one)
	}
	return list, err
}

func (s *site) Participants(ctx context.Context, id string) ([]User, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	found, err := pages[person](ctx, s, byDesk, s.desk(get(path(deskRoot, "request", id, "participant"))))
	var list []User
	for _, p := range found {
		list = append(list, s.user(p))
	}
	return list, err
}

func (s *site) Organizations(ctx context.Context, desk string) ([]Organization, error) {
	if err := CheckID(desk); err != nil {
		return nil, err
	}
	found, err := pages[ref](ctx, s, byDesk, s.desk(get(path(deskRoot, "servicedesk", desk, "organization"))))
	var list []Organization
	for _, o := range found {
		list = append(list, Organization{ID: string(o.ID), Name: o.Name})
	}
	return list, err
}

// Queue is a desk's queue. Issues is -1 where Jira does not count.
type Queue struct {
	ID, Name, JQL string
	Issues        int
}

func (s *site) Queues(ctx context.Context, desk string) ([]Queue, error) {
	if err := CheckID(desk); err != nil {
		return nil, err
	}
	type queue struct {
		ID    ident  `json:"id"`
		Name  string `json:"name"`
		JQL   string `json:"jql"`
		Count *int   `json:"issueCount"`
	}
	found, err := pages[queue](ctx, s, byDesk, s.desk(get(path(deskRoot, "servicedesk", desk, "queue"), "includeCount", "true")))
	var list []Queue
	for _, q := range found {
		one := Queue{ID: string(q.ID), Name: q.Name, JQL: q.JQL, Issues: -1}
		if q.Count != nil {
			one.Issues = *q.Count
		}
		list = append(list, one)
	}
	return list, err
}

func (s *site) Queued(ctx context.Context, desk, queue string) ([]string, error) {
	if err := checkIDs(desk, queue); err != nil {
		return nil, err
	}
	c := s.desk(get(path(deskRoot, "servicedesk", desk, "queue", queue, "issue")))
	found, err := pages[hit](ctx, s, byDesk, c)
	if err != nil {
		return nil, err
	}
	ids, err := idsOf(found, c)
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// Metric is one SLA of a request.
type Metric struct {
	ID, Name string
	Done     []Cycle
	Running  *Cycle // nil: none runs
}

// Cycle is one run of an SLA's clock.
type Cycle struct {
	Start, Stop, Breach time.Time
	Breached, Paused    bool
	Goal, Elapsed, Left time.Duration
}

type cycle struct {
	Start    date   `json:"startTime"`
	Stop     date   `json:"stopTime"`
	Breach   date   `json:"breachTime"`
	Breached bool   `json:"breached"`
	Paused   bool   `json:"paused"`
	Goal     length `json:"goalDuration"`
	Elapsed  length `json:"elapsedTime"`
	Left     length `json:"remainingTime"`
}

type length struct {
	Millis int64 `json:"millis"`
}

func (l length) out() time.Duration { return time.Duration(l.Millis) * time.Millisecond }

func (c cycle) out() Cycle {
	return Cycle{Start: c.Start.time(), Stop: c.Stop.time(), Breach: c.Breach.time(), Breached: c.Breached, Paused: c.Paused,
		Goal: c.Goal.out(), Elapsed: c.Elapsed.out(), Left: c.Left.out()}
}

func (s *site) SLA(ctx context.Context, id string) ([]Metric, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	type metric struct {
		ID      ident   `json:"id"`
		Name    string  `json:"name"`
		Done    []cycle `json:"completedCycles"`
		Running *cycle  `json:"ongoingCycle"`
	}
	found, err := pages[metric](ctx, s, byDesk, s.desk(get(path(deskRoot, "request", id, "sla"))))
	var list []Metric
	for _, m := range found {
		one := Metric{ID: string(m.ID), Name: m.Name}
		for _, c := range m.Done {
			one.Done = append(one.Done, c.out())
		}
		if m.Running != nil {
			run := m.Running.out()
			one.Running = &run
		}
		list = append(list, one)
	}
	return list, err
}
