package jirasim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// event is something webhooks tell of. There is none for an approval: Jira has
// no such event, and approvals show only in their own call, field and status.
type event struct {
	name     string // webhookEvent
	typ      string // issue_event_type_name
	issue    *issue
	change   *change
	comment  *comment
	property string
}

// Webhook is where events go. One of an administrator has a secret, and what
// it sends is signed; one an app registered has none.
type Webhook struct {
	Name       string
	URL        string
	Secret     string
	Events     []string // none means all
	JQL        string   // which issues; empty means all
	DataCenter bool     // bodies as Data Center writes them
	NoIssue    bool     // comment events come without the issue, as some do
	NoItems    bool     // changelogs come empty, as some do
}

type hook struct {
	Webhook
	id      int
	owner   string // the app that registered it
	fields  []string
	keys    []string
	expires int64 // milliseconds
}

// AddWebhook registers a webhook as an administrator does.
func (s *Sim) AddWebhook(w Webhook) error {
	if w.URL == "" {
		return refuse(400, "A webhook needs a URL.")
	}
	if w.JQL != "" {
		if _, err := parseJQL(w.JQL); err != nil {
			return refuse(400, err.Error())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Events = slices.Clone(w.Events)
	s.hooks = append(s.hooks, &hook{Webhook: w, id: s.next("webhook", 1)})
	s.note(nil, "webhooks", "Webhook created", "WEBHOOK", w.Name, w.URL)
	return nil
}

// tell queues a delivery for each webhook that wants the event.
func (c *call) tell(e event) {
	for _, h := range c.s.hooks {
		if h.wants(c, e) {
			c.s.post(h, c.eventBody(h, e), e.name)
		}
		if h.DataCenter && e.comment != nil {
			old := e
			old.name = "jira:issue_updated"
			if h.wants(c, old) {
				c.s.post(h, c.eventBody(h, old), old.name)
			}
		}
	}
}

func (h *hook) wants(c *call, e event) bool {
	if len(h.Events) > 0 && !slices.Contains(h.Events, e.name) || h.expires > 0 && c.now.UnixMilli() > h.expires {
		return false
	}
	if e.property != "" && len(h.keys) > 0 && !slices.Contains(h.keys, e.property) {
		return false
	}
	if e.change != nil && len(h.fields) > 0 && e.name == "jira:issue_updated" &&
		!slices.ContainsFunc(e.change.items, func(it changeItem) bool { return slices.Contains(h.fields, it.fieldID) }) {
		return false
	}
	if h.JQL == "" {
		return true
	}
	q, err := parseJQL(h.JQL)
	if err != nil || q.where == nil {
		return err == nil
	}
	all := &call{s: c.s, who: c.who, now: c.now, all: true}
	m, err := all.compile(q.where)
	if err != nil || len(e.issue.index) == 0 {
		return false
	}
	return m(&e.issue.index[len(e.issue.index)-1])
}

// eventBody writes an event the way real deliveries look: the second version's
// bodies, no user beside a comment, no type name with a deletion.
func (c *call) eventBody(h *hook, e event) []byte {
	w := &call{s: c.s, who: c.who, v: 2, dc: h.DataCenter, now: c.now}
	out := obj{"timestamp": c.now.UnixMilli(), "webhookEvent": e.name}
	short := e.comment != nil && strings.HasPrefix(e.name, "comment_")
	if e.comment != nil {
		out["comment"] = w.commentBean(e.issue, e.comment)
	}
	if !short {
		out["user"] = w.userRef(c.who.AccountID)
		if e.name != "jira:issue_deleted" && e.property == "" {
			out["issue_event_type_name"] = e.typ
		}
	}
	if !short || !h.NoIssue {
		out["issue"] = w.eventIssue(e, short)
	}
	if e.change != nil && (!h.DataCenter || e.name != "jira:issue_created") {
		out["changelog"] = obj{"id": strconv.Itoa(e.change.id), "items": w.eventItems(h, e.change)}
	}
	if e.property != "" {
		out["property"] = obj{"key": e.property, "value": e.issue.props[e.property]}
	}
	body, _ := json.Marshal(out)
	return body
}

// eventItems are a change's items as deliveries have them: Data Center names
// no ids, and Cloud gives users' account ids once more.
func (c *call) eventItems(h *hook, ch *change) list {
	out := list{}
	if h.NoItems {
		return out
	}
	for _, it := range ch.items {
		one := it.render()
		if f := c.s.field(it.fieldID); c.dc {
			delete(one, "fieldId")
		} else if f != nil && f.Kind == UserPick {
			one["tmpFromAccountId"], one["tmpToAccountId"] = it.from, it.to
		}
		out = append(out, one)
	}
	return out
}

// eventIssue is the issue in a delivery: a few fields beside a comment,
// otherwise all that its kind has.
func (c *call) eventIssue(e event, short bool) obj {
	i, left := e.issue, []string{}
	switch {
	case c.dc:
		left = []string{"security", "statuscategorychangedate"}
	case e.name != "jira:issue_deleted":
		left = []string{"comment", "worklog"}
	}
	fields := slices.DeleteFunc(slices.Clone(c.s.fields), func(f *Field) bool { return slices.Contains(left, f.ID) })
	if short {
		fields = nil
		for _, id := range []string{"summary", "issuetype", "project", "assignee", "priority", "status"} {
			fields = append(fields, c.s.field(id))
		}
	}
	return obj{"id": itoa(i.id), "self": c.rest("/issue/" + itoa(i.id)), "key": i.key, "fields": c.fieldsOf(i, fields)}
}

// headers are those of a delivery. Only the body is signed: no header, no time.
func (d *Delivery) headers() http.Header {
	h := http.Header{
		"Content-Type": {"application/json; charset=UTF-8"}, "User-Agent": {"Atlassian Webhook HTTP Client"},
		"X-Atlassian-Webhook-Identifier": {d.ID}, "X-Atlassian-Webhook-Flow": {"Primary"},
	}
	if d.bare {
		h.Del("X-Atlassian-Webhook-Identifier")
		h.Del("X-Atlassian-Webhook-Flow")
		h.Set("User-Agent", "automation-for-jira")
	}
	if d.Attempt > 0 {
		h.Set("X-Atlassian-Webhook-Retry", itoa(d.Attempt))
	}
	if d.Secret != "" {
		h.Set("X-Hub-Signature", Sign(d.Secret, d.Body))
	}
	return h
}

// Sign is the X-Hub-Signature of a body under a secret.
func Sign(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}
