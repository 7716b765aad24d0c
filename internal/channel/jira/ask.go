package jira

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/adf"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/leak"
)

// asked is what an issue asks for, by its mapped fields and nothing else.
type asked struct {
	ask        engine.Ask
	fields     []string  // that were read
	text       string    // of the reason, whole
	content    string    // digest of what they hold
	problems   []string  // in words for whoever wrote the ticket; empty: the ask is whole
	leaks      []string  // what looks like a secret in it, and where
	strangerAt time.Time // when nobody we know last changed it
}

// read reads an issue's mapped fields. Ids of options and accounts are looked at;
// no text ever becomes anything but the reason.
func (c *Channel) read(t *config.JiraRequestType, i rest.Issue) asked {
	a := asked{fields: mapped(t)}
	a.entitlements(t, i)
	a.beneficiary(c, t, i)
	a.term(t, i)
	a.start(t, i)
	a.reason(t, i)
	// The raw values too: an edit that changes nothing we understand is still seen.
	raw := map[string]string{}
	for _, f := range a.fields {
		raw[f] = access.Digest(string(i.Fields[f]))
	}
	// Of the reason, what is left without secrets: whoever has our digests is not
	// to try passwords on them.
	raw[t.Reason] = access.Digest(a.text)
	a.leaks = leaks(i, t.Reason)
	a.content = access.Digest(raw)
	a.ask.Ticket = c.ticketID(i.ID)
	return a
}

// mapped lists the fields a type's tickets are read from.
func mapped(t *config.JiraRequestType) []string {
	list := []string{t.Entitlements.Field, t.Beneficiary, t.Term.Field, t.Start, t.Reason}
	return slices.DeleteFunc(list, func(f string) bool { return f == "" })
}

func (a *asked) wrong(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

// option is one choice of a select field.
type option struct {
	ID    json.RawMessage `json:"id"`
	Child *option         `json:"child"`
}

// options reads the ids chosen in a field: one, or several, or none. Of a
// cascade, the innermost counts.
func options(raw json.RawMessage) []string {
	var many []option
	if json.Unmarshal(raw, &many) != nil {
		var one option
		if json.Unmarshal(raw, &one) != nil {
			return nil
		}
		many = []option{one}
	}
	var ids []string
	for _, o := range many {
		for o.Child != nil {
			o = *o.Child
		}
		if id := strings.Trim(string(o.ID), `"`); id != "" && id != "null" {
			ids = append(ids, id)
		}
	}
	return ids
}

func (a *asked) entitlements(t *config.JiraRequestType, i rest.Issue) {
	chosen := options(i.Fields[t.Entitlements.Field])
	if len(chosen) == 0 {
		a.wrong("Choose what access is asked for.")
	}
	for _, id := range chosen {
		switch choice, ok := t.Entitlements.Options[id]; {
		case !ok:
			a.wrong("One of the choices of access is not known to Lessor any more; choose another.")
		case choice.Bundle != "" && a.ask.Bundle != "" && a.ask.Bundle != choice.Bundle:
			a.wrong("Choose one bundle of access at a time.")
		case choice.Bundle != "":
			a.ask.Bundle = choice.Bundle
		default:
			a.ask.Entitlements = append(a.ask.Entitlements, choice.Entitlement)
		}
	}
	slices.Sort(a.ask.Entitlements)
	a.ask.Entitlements = slices.Compact(a.ask.Entitlements)
}

// account is one user in a field.
type account struct {
	AccountID string `json:"accountId"`
	Key       string `json:"key"`
	Type      string `json:"accountType"`
}

func (a *asked) beneficiary(c *Channel, t *config.JiraRequestType, i rest.Issue) {
	raw := i.Fields[t.Beneficiary]
	if t.Beneficiary == "" || len(raw) == 0 || string(raw) == "null" || string(raw) == "[]" {
		return // whoever reports it
	}
	var many []account
	if json.Unmarshal(raw, &many) != nil {
		var one account
		if json.Unmarshal(raw, &one) != nil {
			a.wrong("For whom the access is cannot be read.")
			return
		}
		many = []account{one}
	}
	if len(many) != 1 {
		a.wrong("Name one person whom the access is for.")
		return
	}
	u := rest.User{ID: many[0].AccountID, Account: many[0].Type}
	if c.Site.Kind == config.JiraDataCenter {
		u.ID = many[0].Key
	}
	id, ok := c.identity(u)
	if !ok {
		a.wrong("The person whom the access is for is not known to Lessor.")
		return
	}
	a.ask.Beneficiary = id
}

func (a *asked) term(t *config.JiraRequestType, i rest.Issue) {
	if a.ask.Term = t.Term.Fixed; t.Term.Field == "" {
		return
	}
	chosen := options(i.Fields[t.Term.Field])
	term, ok := access.Term(0), false
	if len(chosen) == 1 {
		term, ok = t.Term.Options[chosen[0]]
	}
	if !ok {
		a.wrong("Choose for how long the access is needed.")
	}
	a.ask.Term = term
}

// jiraTime is how Jira writes a moment: no colon in the offset.
const jiraTime = "2006-01-02T15:04:05.000-0700"

func (a *asked) start(t *config.JiraRequestType, i rest.Issue) {
	var text string
	if t.Start == "" || json.Unmarshal(i.Fields[t.Start], &text) != nil || text == "" {
		return // as soon as granted
	}
	at, err := time.Parse(jiraTime, text)
	if err != nil {
		a.wrong("From when the access is needed cannot be read.")
		return
	}
	a.ask.Start = at.UTC()
}

// mostReason is what a request keeps of a reason, in characters.
const mostReason = 4000

func (a *asked) reason(t *config.JiraRequestType, i rest.Issue) {
	text, _ := adf.Read(i.Fields[t.Reason])
	if t.Reason == "summary" {
		text = leak.Clean(i.Summary)
	}
	text, _ = leak.Redact(strings.TrimSpace(text))
	a.text = text
	if utf8.RuneCountInString(text) > mostReason {
		text = string([]rune(text)[:mostReason-1]) + "…"
	}
	if a.ask.Reason = text; text == "" {
		a.wrong("Say in a sentence what the access is for.")
	}
}
