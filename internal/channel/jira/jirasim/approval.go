package jirasim

import (
	"slices"
	"strconv"
	"time"
)

// approval is one passage of a request through an approval step. Passing the
// same status again makes a further one.
type approval struct {
	id                 int
	step               *ApprovalStep
	name               string
	since              time.Time // when the status was entered
	votes              []vote
	created, completed time.Time
	final              string // pending, approved, declined
}

type vote struct{ who, decision string }

var noTime time.Time

// arrive opens an approval where the issue's status has one.
func (c *call) arrive(i *issue) {
	a := i.step()
	if a == nil {
		return
	}
	ap := &approval{id: c.s.next("approval", 1), step: a, name: i.status.Name, since: i.since, created: c.now, final: "pending"}
	for _, who := range i.named(a.Field) {
		ap.votes = append(ap.votes, vote{who, "pending"})
	}
	i.approvals = append(i.approvals, ap)
}

// named are the account ids in a user field.
func (i *issue) named(field string) []string {
	switch v := i.values[field].(type) {
	case string:
		return []string{v}
	case []string:
		return v
	}
	return nil
}

// follow keeps an open approval's approvers those the field names now: whoever
// edits the field picks who approves. Who has answered stays.
func (c *call) follow(i *issue, f *Field) {
	for _, ap := range i.approvals {
		if !i.open(ap) || ap.step.Field != f.ID {
			continue
		}
		now := i.named(f.ID)
		ap.votes = slices.DeleteFunc(ap.votes, func(v vote) bool { return v.decision == "pending" && !slices.Contains(now, v.who) })
		for _, who := range now {
			if !slices.ContainsFunc(ap.votes, func(v vote) bool { return v.who == who }) {
				ap.votes = append(ap.votes, vote{who, "pending"})
			}
		}
	}
}

// open says whether the approval waits: it is undecided, and the issue never
// left the status. Left by another exit, it stays "pending" for ever.
func (i *issue) open(ap *approval) bool {
	return ap.final == "pending" && i.step() == ap.step && i.since.Equal(ap.since) && ap == i.approvals[len(i.approvals)-1]
}

func (i *issue) canAnswer(ap *approval, u *User) bool {
	return i.open(ap) && slices.Contains(ap.votes, vote{userID(u), "pending"})
}

// answer is one approver's vote, and the transition it may cause, which no
// screen asks for.
func (c *call) answer(i *issue, ap *approval, decision string) error {
	n := slices.IndexFunc(ap.votes, func(v vote) bool { return v.who == c.who.AccountID })
	switch {
	case n < 0:
		return refuse(403, "You are not an approver of this request.")
	case !i.open(ap) || ap.votes[n].decision != "pending":
		return refuse(409, "This approval has already been answered.")
	}
	exit := ""
	switch decision {
	case "approve":
		ap.votes[n].decision = "approved"
		if ap.approved() {
			ap.final, exit = "approved", ap.step.Approve
		}
	case "decline":
		ap.votes[n].decision, ap.final, exit = "declined", "declined", ap.step.Decline
	default:
		return refuse(400, "The decision must be 'approve' or 'decline'.")
	}
	if exit == "" {
		c.touch(i)
		return nil
	}
	ap.completed = c.now
	c.take(i, i.project.flow.transition(exit), nil)
	return nil
}

func (ap *approval) approved() bool {
	yes := 0
	for _, v := range ap.votes {
		if v.decision == "approved" {
			yes++
		}
	}
	return yes == len(ap.votes) || ap.step.Need > 0 && yes >= ap.step.Need
}

// approvalBean is the approval as the caller sees it: canAnswerApproval is
// about whoever asks.
func (c *call) approvalBean(i *issue, ap *approval) obj {
	who := list{}
	for _, v := range ap.votes {
		who = append(who, obj{"approver": c.deskUser(v.who), "approverDecision": v.decision})
	}
	out := obj{
		"id": strconv.Itoa(ap.id), "name": ap.name, "finalDecision": ap.final, "canAnswerApproval": i.canAnswer(ap, c.who),
		"approvers": who, "createdDate": c.date(ap.created),
		"_links": obj{"self": c.s.url + desk + "/request/" + strconv.Itoa(i.id) + "/approval/" + strconv.Itoa(ap.id)},
	}
	if !ap.completed.IsZero() {
		out["completedDate"] = c.date(ap.completed)
	}
	return out
}

// --- operations

func (c *call) getApprovals() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, ap := range i.approvals {
		out = append(out, c.approvalBean(i, ap))
	}
	return c.deskPage(out)
}

func (c *call) approval() (*issue, *approval, error) {
	i, err := c.request()
	if err != nil {
		return nil, nil, err
	}
	for _, ap := range i.approvals {
		if strconv.Itoa(ap.id) == c.arg("approval") {
			return i, ap, nil
		}
	}
	return nil, nil, refuse(404, "The approval you are trying to view does not exist.")
}

func (c *call) getApproval() (reply, error) {
	i, ap, err := c.approval()
	if err != nil {
		return reply{}, err
	}
	return ok(c.approvalBean(i, ap))
}

func (c *call) answerApproval() (reply, error) {
	i, ap, err := c.approval()
	if err != nil {
		return reply{}, err
	}
	var in struct{ Decision string }
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if in.Decision != "approve" && in.Decision != "decline" {
		return reply{}, refuse(400, "The decision must be 'approve' or 'decline'.")
	}
	if err := c.answer(i, ap, in.Decision); err != nil {
		return reply{}, err
	}
	return ok(c.approvalBean(i, ap))
}
