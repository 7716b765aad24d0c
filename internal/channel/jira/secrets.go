package jira

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/channel/jira/adf"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/leak"
)

// mostLeaks is how many places of secrets are named.
const mostLeaks = 20

// leaks names what looks like a secret in a ticket, and where: in any text of it
// that people wrote, not only in those we keep something of. What it says has
// nothing of the secret in it.
func leaks(i rest.Issue, reason string) (list []string) {
	look := func(text, where string) {
		_, kinds := leak.Redact(text)
		for _, kind := range kinds {
			list = append(list, fmt.Sprintf("%s in %s", kind, where))
		}
	}
	body := func(raw json.RawMessage, where string) {
		text, _ := adf.Read(raw)
		look(text, where)
	}
	look(i.Summary, "the summary")
	body(i.Fields["description"], "the description")
	if reason != "summary" && reason != "description" {
		body(i.Fields[reason], "the reason")
	}
	var files []struct {
		ID   string `json:"id"`
		Name string `json:"filename"`
	}
	_ = json.Unmarshal(i.Fields["attachment"], &files) // none, if Jira writes them otherwise
	for _, f := range files {
		if rest.CheckID(f.ID) != nil {
			f.ID = ""
		}
		look(f.Name, "the name of attachment "+f.ID)
	}
	var said struct {
		Comments []struct {
			ID   string          `json:"id"`
			Body json.RawMessage `json:"body"`
		} `json:"comments"`
	}
	_ = json.Unmarshal(i.Fields["comment"], &said)
	for _, c := range said.Comments {
		if rest.CheckID(c.ID) != nil {
			c.ID = ""
		}
		body(c.Body, "comment "+c.ID)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if more := len(list) - mostLeaks; more > 0 {
		list = append(list[:mostLeaks], fmt.Sprintf("%d more places", more))
	}
	return list
}
