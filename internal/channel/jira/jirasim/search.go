package jirasim

import (
	"cmp"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// search gives the issues a query means, as search knows them, that the caller
// may see now. Issues in sure are looked at as they are.
func (c *call) search(text string, bounded bool, sure []int) ([]*issue, error) {
	q, err := parseJQL(text)
	if err != nil {
		return nil, refuse(400, err.Error())
	}
	if bounded && q.where == nil {
		return nil, refuse(400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
	}
	match := func(*indexed) bool { return true }
	if q.where != nil {
		if match, err = c.compile(q.where); err != nil {
			return nil, refuse(400, err.Error())
		}
	}
	if len(q.order) > 7 {
		return nil, refuse(400, "The ORDER BY clause can contain at most 7 fields.")
	}
	for n := range q.order {
		if q.order[n].field, _, err = c.clauseField(q.order[n].field); err != nil {
			return nil, refuse(400, err.Error())
		}
	}
	type hit struct {
		i *issue
		d *indexed
	}
	hits := []hit{}
	for _, i := range c.s.issues {
		lag := c.s.lag
		if slices.Contains(sure, i.id) {
			lag = 0
		}
		if d := i.known(c.now, lag); d != nil && !d.gone && match(d) && c.s.sees(c.who, i) {
			hits = append(hits, hit{i, d})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		for _, o := range q.order {
			if n := order(o.field, a.d, b.d); n != 0 {
				if o.desc {
					n = -n
				}
				return n
			}
		}
		return cmp.Compare(b.i.id, a.i.id)
	})
	out := []*issue{}
	for _, h := range hits {
		out = append(out, h.i)
	}
	return out, nil
}

func order(field string, a, b *indexed) int {
	switch field {
	case "key", "id":
		if ka, kb, _, _ := keyParts(a.key, b.key); ka != kb && field == "key" {
			return strings.Compare(ka, kb)
		}
		_, _, na, nb := keyParts(a.key, b.key)
		return cmp.Compare(na, nb)
	}
	if ta, tb := a.times[field], b.times[field]; !ta.IsZero() || !tb.IsZero() {
		return ta.Compare(tb)
	}
	return strings.Compare(strings.Join(a.words[field], ",")+a.text[field], strings.Join(b.words[field], ",")+b.text[field])
}

func keyParts(a, b string) (pa, pb string, na, nb int) {
	pa, sa, _ := strings.Cut(a, "-")
	pb, sb, _ := strings.Cut(b, "-")
	return pa, pb, atoi(sa), atoi(sb)
}

type searchBody struct {
	JQL           string
	NextPageToken string
	MaxResults    *int
	Fields        []string
	Expand        string
	Properties    []string
	ReconcileIDs  []int `json:"reconcileIssues"`
}

func (c *call) searchGet() (reply, error) {
	in := searchBody{JQL: c.query("jql"), NextPageToken: c.query("nextPageToken"), Fields: c.queries("fields"), Properties: c.queries("properties")}
	if n, err := strconv.Atoi(c.query("maxResults")); err == nil {
		in.MaxResults = &n
	}
	for _, id := range c.queries("reconcileIssues") {
		in.ReconcileIDs = append(in.ReconcileIDs, atoi(id))
	}
	return c.searchPage(in)
}

func (c *call) searchPost() (reply, error) {
	var in searchBody
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	c.widen([]string{in.Expand}, in.Properties)
	return c.searchPage(in)
}

// searchPage is one page by token. Unless fields are asked for, an issue is
// its id and nothing more.
func (c *call) searchPage(in searchBody) (reply, error) {
	most := 50
	if in.MaxResults != nil {
		most = *in.MaxResults
	}
	if most < 1 || most > 5000 {
		return reply{}, refuse(400, "The maxResults parameter must be between 1 and 5000.")
	}
	if len(in.ReconcileIDs) > 50 {
		return reply{}, refuse(400, "At most 50 issues can be reconciled.")
	}
	all, err := c.search(in.JQL, true, in.ReconcileIDs)
	if err != nil {
		return reply{}, err
	}
	from, err := after(all, in.JQL, in.NextPageToken)
	if err != nil {
		return reply{}, err
	}
	part := all[from:min(len(all), from+most)]
	issues := list{}
	for _, i := range part {
		issues = append(issues, c.found(i, in.Fields))
	}
	out := obj{"issues": issues, "isLast": from+len(part) >= len(all)}
	if out["isLast"] == false {
		out["nextPageToken"] = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(from+len(part)) + " " + itoa(part[len(part)-1].id) + " " + in.JQL))
	}
	fields := c.chosen(in.Fields, "id")
	if c.expands("names") {
		out["names"] = fieldNames(fields)
	}
	if c.expands("schema") {
		out["schema"] = fieldSchemas(fields)
	}
	return ok(out)
}

func (c *call) found(i *issue, fields []string) obj {
	bare := !slices.ContainsFunc(fields, func(f string) bool { return f != "id" && f != "key" })
	if bare && !slices.Contains(fields, "key") && len(c.spread) == 0 {
		return obj{"id": itoa(i.id)}
	}
	if bare {
		fields = []string{"id"}
	}
	out := c.issueBean(i, fields)
	delete(out, "names")
	delete(out, "schema")
	return out
}

// after finds where the page behind a token begins. The token belongs to its
// query, and follows its last issue when others have moved.
func after(all []*issue, jql, token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	parts := strings.SplitN(string(raw), " ", 3)
	if err != nil || len(parts) != 3 || parts[2] != jql {
		return 0, errToken
	}
	at, err := strconv.Atoi(parts[0])
	if err != nil || at < 0 {
		return 0, errToken
	}
	if n := slices.IndexFunc(all, func(i *issue) bool { return itoa(i.id) == parts[1] }); n >= 0 && n+1 < at {
		return n + 1, nil
	}
	return min(at, len(all)), nil
}

var errToken = refuse(400, "The provided next page token is invalid or expired.")

func (c *call) approximateCount() (reply, error) {
	var in struct{ JQL string }
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	all, err := c.search(in.JQL, true, nil)
	if err != nil {
		return reply{}, err
	}
	return ok(obj{"count": len(all)})
}

func (c *call) searchGone() (reply, error) {
	return reply{}, refuse(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046")
}

// searchOld is Data Center's search: by offset, with a total.
func (c *call) searchOld() (reply, error) {
	in := struct {
		JQL                 string
		StartAt, MaxResults *int
		Fields              []string
		Expand              []string
	}{JQL: c.query("jql"), Fields: c.queries("fields")}
	start, most := c.number("startAt", 0), c.number("maxResults", 50)
	if c.r.Method == "POST" {
		if err := c.read(&in); err != nil {
			return reply{}, err
		}
		c.widen(in.Expand, nil)
		if in.StartAt != nil {
			start = max(0, *in.StartAt)
		}
		if in.MaxResults != nil {
			most = *in.MaxResults
		}
	}
	all, err := c.search(in.JQL, false, nil)
	if err != nil {
		return reply{}, err
	}
	most = min(max(most, 0), 1000)
	issues := list{}
	for n := min(start, len(all)); n < min(len(all), start+most); n++ {
		fields := in.Fields
		if len(fields) == 0 {
			fields = []string{"*navigable"}
		}
		issues = append(issues, c.issueBean(all[n], fields))
	}
	return ok(obj{"expand": "schema,names", "startAt": start, "maxResults": most, "total": len(all), "issues": issues})
}

func (c *call) matchJQL() (reply, error) {
	var in struct {
		IssueIDs []int
		JQLs     []string
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	out := list{}
	for _, q := range in.JQLs {
		hits, wrong := list{}, list{}
		all, err := c.search(q, false, in.IssueIDs)
		var no *Refusal
		if errors.As(err, &no) {
			wrong = append(wrong, no.Messages[0])
		}
		for _, i := range all {
			if slices.Contains(in.IssueIDs, i.id) {
				hits = append(hits, i.id)
			}
		}
		out = append(out, obj{"matchedIssues": hits, "errors": wrong})
	}
	return ok(obj{"matches": out})
}
