package jirasim

import (
	"slices"
	"time"
)

const hookLife = 30 * 24 * time.Hour

var dynamicEvents = []string{"jira:issue_created", "jira:issue_updated", "jira:issue_deleted", "comment_created", "comment_updated", "comment_deleted", "issue_property_set", "issue_property_deleted"}

// app refuses whoever is not an app: only apps have webhooks of their own.
func (c *call) app() error {
	if c.who.Kind != App {
		return refuse(403, "Only Connect and OAuth 2.0 apps can use this operation.")
	}
	return nil
}

func (c *call) registerWebhooks() (reply, error) {
	if err := c.app(); err != nil {
		return reply{}, err
	}
	var in struct {
		URL      string
		Webhooks []struct {
			Events, FieldIdsFilter, IssuePropertyKeysFilter []string
			JQLFilter                                       string
		}
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if in.URL == "" || len(in.Webhooks) == 0 {
		return reply{}, refuse(400, "A URL and at least one webhook are required.")
	}
	out := list{}
	for _, w := range in.Webhooks {
		wrong := list{}
		if _, err := parseJQL(w.JQLFilter); err != nil || w.JQLFilter == "" {
			wrong = append(wrong, "The JQL filter is invalid.")
		}
		for _, e := range w.Events {
			if !slices.Contains(dynamicEvents, e) {
				wrong = append(wrong, "The event "+e+" is not supported.")
			}
		}
		if len(w.Events) == 0 {
			wrong = append(wrong, "At least one event is required.")
		}
		if len(wrong) > 0 {
			out = append(out, obj{"errors": wrong})
			continue
		}
		h := &hook{Webhook: Webhook{URL: in.URL, Events: w.Events, JQL: w.JQLFilter}, id: c.s.next("webhook", 1), owner: c.who.AccountID,
			fields: w.FieldIdsFilter, keys: w.IssuePropertyKeysFilter, expires: c.now.Add(hookLife).UnixMilli()}
		c.s.hooks = append(c.s.hooks, h)
		out = append(out, obj{"createdWebhookId": h.id})
	}
	return ok(obj{"webhookRegistrationResult": out})
}

func (c *call) getWebhooks() (reply, error) {
	if err := c.app(); err != nil {
		return reply{}, err
	}
	out := list{}
	for _, h := range c.s.hooks {
		if h.owner != c.who.AccountID {
			continue
		}
		one := obj{"id": h.id, "url": h.URL, "jqlFilter": h.JQL, "events": h.Events, "expirationDate": h.expires}
		if len(h.fields) > 0 {
			one["fieldIdsFilter"] = h.fields
		}
		if len(h.keys) > 0 {
			one["issuePropertyKeysFilter"] = h.keys
		}
		out = append(out, one)
	}
	return c.page(out, 100)
}

func (c *call) webhookIDs() ([]int, error) {
	if err := c.app(); err != nil {
		return nil, err
	}
	var in struct{ WebhookIDs []int }
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if len(in.WebhookIDs) == 0 {
		return nil, refuse(400, "At least one webhook id is required.")
	}
	return in.WebhookIDs, nil
}

func (c *call) deleteWebhooks() (reply, error) {
	ids, err := c.webhookIDs()
	if err != nil {
		return reply{}, err
	}
	c.s.hooks = slices.DeleteFunc(c.s.hooks, func(h *hook) bool { return h.owner == c.who.AccountID && slices.Contains(ids, h.id) })
	return reply{status: 202}, nil
}

func (c *call) refreshWebhooks() (reply, error) {
	ids, err := c.webhookIDs()
	if err != nil {
		return reply{}, err
	}
	until := c.now.Add(hookLife).UnixMilli()
	for _, h := range c.s.hooks {
		if h.owner == c.who.AccountID && slices.Contains(ids, h.id) {
			h.expires = until
		}
	}
	return ok(obj{"expirationDate": until})
}

func (c *call) failedWebhooks() (reply, error) {
	if err := c.app(); err != nil {
		return reply{}, err
	}
	out, most := list{}, c.number("maxResults", 100)
	for _, d := range c.s.failed {
		if d.hook != nil && d.hook.owner == c.who.AccountID && d.Due.UnixMilli() > int64(c.number("after", 0)) && len(out) < most {
			out = append(out, obj{"id": d.ID, "url": d.URL, "body": string(d.Body), "failureTime": d.Due.UnixMilli()})
		}
	}
	return ok(obj{"values": out, "maxResults": most})
}

// adminWebhooks are the registered webhooks as the administration's own path
// gives them; secrets are never shown.
func (c *call) adminWebhooks() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	out := list{}
	for _, h := range c.s.hooks {
		if h.owner == "" {
			out = append(out, c.adminWebhook(h))
		}
	}
	return ok(out)
}

func (c *call) adminWebhook(h *hook) obj {
	return obj{"name": h.Name, "url": h.URL, "events": append([]string{}, h.Events...), "enabled": true, "excludeBody": false, "isSigned": h.Secret != "",
		"filters": obj{"issue-related-events-section": h.JQL}, "self": c.s.url + "/rest/webhooks/1.0/webhook/" + itoa(h.id)}
}

func (c *call) addAdminWebhook() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	var in struct {
		Name, URL, Secret string
		Events            []string
		Filters           map[string]string
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	jql := in.Filters["issue-related-events-section"]
	if _, err := parseJQL(jql); err != nil || in.URL == "" || in.Name == "" {
		return reply{}, refuse(400, "A name, a URL and a valid filter are required.")
	}
	h := &hook{Webhook: Webhook{Name: in.Name, URL: in.URL, Secret: in.Secret, Events: in.Events, JQL: jql, DataCenter: c.dc}, id: c.s.next("webhook", 1)}
	c.s.hooks = append(c.s.hooks, h)
	c.s.note(c.who, "webhooks", "Webhook created", "WEBHOOK", h.Name, h.URL)
	return created(c.adminWebhook(h))
}

func (c *call) deleteAdminWebhook() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	n := slices.IndexFunc(c.s.hooks, func(h *hook) bool { return h.owner == "" && itoa(h.id) == c.arg("id") })
	if n < 0 {
		return reply{}, refuse(404, "No webhook with id "+c.arg("id")+" exists.")
	}
	c.s.hooks = slices.Delete(c.s.hooks, n, n+1)
	return none()
}
