package jirasim

import (
	"slices"
	"strings"
	"time"
)

// opens says whether u may see the issue as a request: an agent who may browse
// it, or a customer who raised it, takes part, is asked to approve it, or
// shares it through an organization. A security level hides it from all others.
func (s *Sim) opens(u *User, i *issue) bool {
	p := i.project
	if i.deleted || p.typeOf(i) == nil || u.Gone || u.Inactive {
		return false
	}
	if s.sees(u, i) {
		return true
	}
	if id, _ := i.values["security"].(string); id != "" {
		if l := s.level(id); l == nil || !s.among(u, l.Holders, p, i) {
			return false
		}
	}
	mine := i.values["reporter"] == u.AccountID || slices.Contains(i.people(s, participantsKind), u.AccountID)
	asked := slices.ContainsFunc(i.approvals, func(ap *approval) bool {
		return slices.ContainsFunc(ap.votes, func(v vote) bool { return v.who == u.AccountID })
	})
	shared := slices.ContainsFunc(i.people(s, organizationsKind), func(id string) bool {
		o := s.org(id)
		return o != nil && slices.Contains(o.Members, u.AccountID)
	})
	return mine || asked || shared
}

// people are the ids in the one field of that kind.
func (i *issue) people(s *Sim, k Kind) []string {
	ids, _ := i.values[s.fieldOf(k).ID].([]string)
	return ids
}

// request is the request the path names, if the caller may see it.
func (c *call) request() (*issue, error) {
	i := c.s.lookup(c.arg("issue"))
	if i == nil || !c.s.opens(c.who, i) {
		return nil, refuse(404, "The request you are trying to view does not exist, or you do not have permission to view it.")
	}
	return i, nil
}

func (c *call) date(t time.Time) obj {
	t = t.UTC()
	return obj{"iso8601": t.Format("2006-01-02T15:04:05-0700"), "jira": t.Format(stamp), "friendly": t.Format("02/Jan/06 3:04 PM"), "epochMillis": t.UnixMilli()}
}

func (c *call) requestStatus(sp span, p *project) obj {
	word := map[Category]string{ToDo: "NEW", InProgress: "INDETERMINATE", Done: "DONE"}[sp.status.Category]
	return obj{"status": first(sp.status.Customers, sp.status.Name), "statusCategory": word, "statusDate": c.date(sp.from)}
}

// requestTypeValue is the Request Type field in an issue.
func (c *call) requestTypeValue(i *issue) any {
	rt := i.project.typeOf(i)
	if rt == nil {
		return nil
	}
	bean := c.requestTypeBean(i.project, rt)
	delete(bean, "canCreateRequest")
	delete(bean, "fields")
	return obj{"_links": c.requestLinks(i), "requestType": bean, "currentStatus": c.requestStatus(i.statuses[len(i.statuses)-1], i.project)}
}

func (c *call) requestLinks(i *issue) obj {
	return obj{"jiraRest": c.s.url + "/rest/api/2/issue/" + itoa(i.id), "web": c.s.url + "/servicedesk/customer/portal/" + i.project.desk.ID + "/" + i.key,
		"agent": c.s.url + "/browse/" + i.key, "self": c.s.url + desk + "/request/" + itoa(i.id)}
}

var requestExpands = list{"participant", "status", "sla", "requestType", "serviceDesk", "attachment", "action", "comment"}

func (c *call) requestBean(i *issue) obj {
	p, rt := i.project, i.project.typeOf(i)
	reporter, _ := i.values["reporter"].(string)
	out := obj{
		"_expands": requestExpands, "issueId": itoa(i.id), "issueKey": i.key, "summary": i.values["summary"], "requestTypeId": rt.ID, "serviceDeskId": p.desk.ID,
		"createdDate": c.date(i.created), "requestFieldValues": c.requestValues(i, rt),
		"currentStatus": c.requestStatus(i.statuses[len(i.statuses)-1], p), "_links": c.requestLinks(i),
	}
	if reporter != "" {
		out["reporter"] = c.deskUser(reporter)
	}
	path := desk + "/request/" + itoa(i.id)
	if c.expands("requestType") {
		out["requestType"] = c.requestTypeBean(p, rt)
	}
	if c.expands("serviceDesk") {
		out["serviceDesk"] = c.deskBean(p)
	}
	if c.expands("participant") {
		out["participants"] = c.paged(c.participants(i), path+"/participant")
	}
	if c.expands("status") {
		out["status"] = c.paged(c.statusHistory(i), path+"/status")
	}
	if c.expands("sla") && c.s.agent(c.who, p) {
		out["sla"] = c.paged(c.slas(i), path+"/sla")
	}
	if c.expands("comment") {
		out["comments"] = c.paged(c.requestComments(i), path+"/comment")
	}
	if c.expands("attachment") {
		out["attachments"] = c.paged(c.requestAttachments(i), path+"/attachment")
	}
	if c.expands("action") {
		yes, agent := obj{"allowed": true}, obj{"allowed": c.s.agent(c.who, p)}
		out["actions"] = obj{"addAttachment": yes, "addComment": yes, "addParticipant": agent, "removeParticipant": agent}
	}
	return out
}

func (c *call) requestValues(i *issue, rt *RequestType) list {
	v := *c
	v.v = 2
	out := list{}
	for _, rf := range rt.Fields {
		if rf.Hidden {
			continue
		}
		f := c.s.field(rf.Field)
		one := obj{"fieldId": f.ID, "label": rf.Label, "value": v.show(f, i)}
		if r, is := i.values[f.ID].(rich); is {
			one["renderedValue"] = obj{"html": htmlOf(r)}
		}
		out = append(out, one)
	}
	return out
}

// statusHistory is newest first.
func (c *call) statusHistory(i *issue) list {
	out := list{}
	for _, sp := range slices.Backward(i.statuses) {
		out = append(out, c.requestStatus(sp, i.project))
	}
	return out
}

func (c *call) participants(i *issue) list {
	out := list{}
	for _, id := range i.people(c.s, participantsKind) {
		out = append(out, c.deskUser(id))
	}
	return out
}

// raising is a request about to be made.
type raising struct {
	ServiceDeskID, RequestTypeID string
	RequestFieldValues           map[string]any
	RequestParticipants          []string
	RaiseOnBehalfOf              string
	IsAdfRequest                 bool
}

// raise makes a request, or says what is wrong with it.
func (c *call) raise(in raising, channel string) (*issue, error) {
	// 1. At which desk, of which type.
	p := c.s.deskByID(in.ServiceDeskID)
	if p == nil || !c.s.raises(c.who, p) {
		return nil, refuse(403, "You do not have permission to raise requests at this service desk.")
	}
	rt := p.desk.requestType(in.RequestTypeID)
	agent := c.s.agent(c.who, p)
	if rt == nil || rt.ID != in.RequestTypeID || rt.Restricted && !agent {
		return nil, refuse(400, "The request type does not exist.")
	}
	// 2. For whom.
	reporter := c.who
	if in.RaiseOnBehalfOf != "" {
		if !agent {
			return nil, refuse(403, "You do not have permission to raise requests on behalf of others.")
		}
		if reporter = c.s.named(in.RaiseOnBehalfOf, c.dc); reporter == nil {
			return nil, refuse(400, "The user to raise the request for does not exist.")
		}
	}
	if len(in.RequestParticipants) > 0 && !agent {
		return nil, refuse(403, "You do not have permission to add participants.")
	}
	// 3. What is in it.
	values, err := c.requestSets(p, rt, in)
	if err != nil {
		return nil, err
	}
	values["reporter"] = reporter.AccountID
	for _, id := range in.RequestParticipants {
		u := c.s.named(id, c.dc)
		if u == nil {
			return nil, refuse(400, "The participant "+id+" does not exist.")
		}
		f := c.s.fieldOf(participantsKind).ID
		had, _ := values[f].([]string)
		values[f] = append(had, u.AccountID)
	}
	// 4. The deed.
	return c.make(p, rt.Type, values, rt, channel), nil
}

// named finds a user by account id or address, or by Data Center's login.
func (s *Sim) named(ref string, dc bool) *User {
	for _, u := range s.users {
		if u.AccountID == ref || strings.EqualFold(u.Email, ref) && ref != "" || dc && strings.EqualFold(u.Login, ref) {
			return u
		}
	}
	return nil
}

func (c *call) requestSets(p *project, rt *RequestType, in raising) (map[string]any, error) {
	as := *c
	if as.v = 2; in.IsAdfRequest {
		as.v = 3
	}
	out, wrong := map[string]any{}, []string{}
	for id, raw := range in.RequestFieldValues {
		n := slices.IndexFunc(rt.Fields, func(rf RequestField) bool { return rf.Field == id && !rf.Hidden })
		if n < 0 {
			wrong = append(wrong, "The field '"+id+"' is not valid for this request type.")
			continue
		}
		v, problem := as.parse(c.s.field(id), p, raw)
		if problem != "" {
			wrong = append(wrong, rt.Fields[n].Label+": "+problem)
		}
		out[id] = v
	}
	for _, rf := range rt.Fields {
		if rf.Preset != nil {
			v, problem := as.parse(c.s.field(rf.Field), p, rf.Preset)
			if problem != "" {
				wrong = append(wrong, rf.Label+": "+problem)
			}
			out[rf.Field] = v
		}
		if rf.Required && (out[rf.Field] == nil || same(out[rf.Field], nil)) {
			wrong = append(wrong, rf.Label+" is required.")
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return nil, &Refusal{Status: 400, Messages: slices.Compact(wrong)}
	}
	if out["summary"] == nil {
		out["summary"] = rt.Name
	}
	return out, nil
}
