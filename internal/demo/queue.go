package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/config"
)

// Secrets of the stand-in for Jira, which is gone with this process.
const (
	queueToken = "example-queue-token"
	queueHook  = "example-webhook-secret"
	queueBot   = "712020:00000000-0000-4000-8000-00000000b001"
)

// queue is the company's ticket system: a stand-in for Jira Service Management,
// because Jira does not run here. Its workflow has the holes real ones have.
type queue struct {
	*jirasim.Sim
	accounts map[string]string // identity -> account there
}

// startQueue serves the stand-in on a free loopback port.
func startQueue(c *config.Config) (q *queue, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	q = &queue{accounts: map[string]string{}}
	site := queueSite(c, q.accounts)
	if q.Sim, err = jirasim.New(jirasim.Config{URL: "http://" + l.Addr().String(), Site: site, Now: time.Now, Send: http.DefaultClient.Do}); err != nil {
		return nil, nil, err
	}
	h := &http.Server{Handler: q.Sim, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = h.Serve(l) }() // ends with Close
	return q, func() { _ = h.Close() }, nil
}

// post has the stand-in send its webhooks to the server, until the context ends.
func (q *queue) post(ctx context.Context, base string) error {
	if err := q.AddWebhook(jirasim.Webhook{Name: "Lessor", URL: base + "/hooks/jira/queue", Secret: queueHook}); err != nil {
		return err
	}
	go func() { _ = q.Run(ctx) }() // ends with the context
	return nil
}

// queueSite is the example company in Jira: its people, one service desk, one form.
func queueSite(c *config.Config, accounts map[string]string) jirasim.Site {
	site := jirasim.Example()
	site.Users = []jirasim.User{{AccountID: queueBot, Name: "Lessor", Login: "lessor", Email: "lessor@meridian.example", Token: queueToken, Kind: jirasim.App, Groups: []string{"jira-users", "integrations"}}}
	for _, id := range c.Directory.Identities() {
		who, _ := c.Directory.Identity(id)
		account := who.Accounts["queue"]
		if account == "" || who.Kind != access.Person {
			continue
		}
		accounts[id] = account
		site.Users = append(site.Users, jirasim.User{AccountID: account, Name: who.Name, Login: id, Email: id + "@meridian.example", Token: "token-" + id, Groups: []string{"jira-users"}})
	}
	desk := accounts["tess"] // works the queue, and administers it
	roles := map[string]jirasim.Actors{"Administrators": {Users: []string{desk}}, "Service Desk Team": {Users: []string{desk}}}
	entitlements := jirasim.Field{ID: "customfield_10050", Name: "Entitlements", Kind: jirasim.MultiSelect}
	for option, choice := range c.Jira[0].Projects[0].RequestTypes[0].Entitlements.Options {
		entitlements.Options = append(entitlements.Options, jirasim.Option{ID: option, Value: strings.TrimPrefix(choice.Entitlement, "workspace:")})
	}
	site.Fields = []jirasim.Field{entitlements,
		{ID: "customfield_10051", Name: "Term", Kind: jirasim.Select, Options: []jirasim.Option{{ID: "20201", Value: "4 seconds"}, {ID: "20202", Value: "8 seconds"}, {ID: "20203", Value: "1 hour"}, {ID: "20204", Value: "1 day"}}},
		{Name: "Approvers", Kind: jirasim.UsersPick}, {Name: "Risk", Kind: jirasim.Text}}
	for i := range site.Statuses {
		site.Statuses[i].ID = fmt.Sprintf("1000%d", i+1)
	}
	site.Organizations = nil
	for i := range site.Projects {
		site.Projects[i].Lead, site.Projects[i].Roles = desk, roles
	}
	site.Projects[0].Desk.Customers, site.Projects[0].Desk.Organizations = nil, nil
	site.Projects[0].Desk.RequestTypes = []jirasim.RequestType{{ID: "101", Name: "Get access", Description: "Ask for access to a system", Type: "Service Request", Group: "Access",
		Fields: []jirasim.RequestField{{Field: "summary", Label: "What for?", Required: true}, {Field: "Entitlements", Required: true}, {Field: "Term", Required: true}, {Field: "Approvers", Label: "Who should approve?"}}}}
	return site
}

// raise opens a ticket as somebody would in the portal.
func (q *queue) raise(who, summary, entitlement, term string, approvers ...string) (jirasim.Ticket, error) {
	var asked []any
	for _, a := range approvers {
		asked = append(asked, map[string]any{"accountId": q.accounts[a]})
	}
	return q.As(q.accounts[who]).Raise("ACC", "Get access", map[string]any{"summary": summary, "Approvers": asked,
		"Entitlements": []any{map[string]any{"id": q.OptionID("customfield_10050", entitlement)}},
		"Term":         map[string]any{"id": q.OptionID("customfield_10051", term)}})
}

// says waits until the ticket has a comment of ours with that text, and returns it.
func (t *tale) says(ctx context.Context, issue, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		i, _ := t.queue.Ticket(issue)
		for _, n := range i.Comments {
			if n.Author == queueBot && strings.Contains(n.Text, text) {
				return n.Text, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("ticket %s never said %q within %s", i.Key, text, patience)
		case <-tick.C:
		}
	}
}

// markup is what of the queue's own markup a terminal need not show.
var markup = strings.NewReplacer("{{", "", "}}", "", "*", "", `\`, "")

// quote shows a comment of a ticket, without the marker it is known by.
func (t *tale) quote(key, text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if line = strings.TrimSpace(markup.Replace(line)); line != "" && !strings.HasPrefix(line, "LSR") {
			t.say("  %s | %s", key, line)
		}
	}
}
