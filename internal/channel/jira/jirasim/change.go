package jirasim

import (
	"slices"
	"strconv"
	"time"
)

// change is one entry of an issue's changelog. Its author is whoever the deed
// was done as, which proves nothing: a rule can act as anybody.
type change struct {
	id    int
	by    string
	at    time.Time
	items []changeItem
}

// changeItem is one field's change. fieldID is empty for Key and Workflow.
type changeItem struct {
	field, typ, fieldID            string
	from, fromString, to, toString any
}

func (c *call) item(f *Field, p *project, from, to any) changeItem {
	it := changeItem{field: c.s.shown(f), typ: "custom", fieldID: f.ID}
	if f.system != "" {
		it.typ = "jira"
	}
	it.from, it.fromString = c.text(f, p, from)
	it.to, it.toString = c.text(f, p, to)
	return it
}

func (it changeItem) render() obj {
	out := obj{"field": it.field, "fieldtype": it.typ, "from": it.from, "fromString": it.fromString, "to": it.to, "toString": it.toString}
	if it.fieldID != "" {
		out["fieldId"] = it.fieldID
	}
	return out
}

func renderItems(items []changeItem) list {
	out := list{}
	for _, it := range items {
		out = append(out, it.render())
	}
	return out
}

// changelog is one entry. Data Center names fields there as people do, and gives no ids.
func (c *call) changelog(ch *change) obj {
	items := renderItems(ch.items)
	if c.dc {
		for _, it := range items {
			if one, ok := it.(obj); ok {
				delete(one, "fieldId")
			}
		}
	}
	return obj{"id": strconv.Itoa(ch.id), "author": c.userRef(ch.by), "created": when(ch.at), "items": items}
}

// --- operations

func (c *call) getChangelog() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, ch := range i.changes {
		out = append(out, c.changelog(ch))
	}
	return c.page(out, 100)
}

// embedded is the changelog inside an issue: newest first, at most a hundred.
func (c *call) embeddedChangelog(i *issue) obj {
	out := list{}
	for _, ch := range slices.Backward(i.changes) {
		if len(out) < 100 {
			out = append(out, c.changelog(ch))
		}
	}
	return obj{"startAt": 0, "maxResults": len(out), "total": len(i.changes), "histories": out}
}

func (c *call) bulkChangelogs() (reply, error) {
	var in struct {
		IssueIdsOrKeys, FieldIDs []string
		MaxResults               int
		NextPageToken            string
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if len(in.IssueIdsOrKeys) == 0 || len(in.IssueIdsOrKeys) > 1000 || len(in.FieldIDs) > 10 {
		return reply{}, refuse(400, "Between 1 and 1000 issues, and at most 10 fields, can be asked for.")
	}
	out := list{}
	for _, ref := range in.IssueIdsOrKeys {
		i, err := c.issue(ref)
		if err != nil {
			continue
		}
		histories := list{}
		for _, ch := range i.changes {
			if len(in.FieldIDs) == 0 || slices.ContainsFunc(ch.items, func(it changeItem) bool { return slices.Contains(in.FieldIDs, it.fieldID) }) {
				histories = append(histories, c.changelog(ch))
			}
		}
		out = append(out, obj{"issueId": strconv.Itoa(i.id), "changeHistories": histories})
	}
	return ok(obj{"issueChangeLogs": out})
}
