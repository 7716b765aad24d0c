package jirasim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// matcher says whether an issue, as search knows it, is meant by a query.
type matcher func(*indexed) bool

// jqlNames are other names of clauses, in lower case.
var jqlNames = map[string]string{
	"type": "issuetype", "issuekey": "key", "issue": "key", "id": "id", "createddate": "created", "updateddate": "updated",
	"resolved": "resolutiondate", "due": "duedate", "component": "components", "level": "security", "resolutiondate": "resolutiondate",
	"request type": "request type", "statuscategory": "statuscategory", "text": "text", "key": "key", "comment": "comment",
}

// clauseField gives the name a clause's field is indexed by.
func (c *call) clauseField(name string) (string, *Field, error) {
	low := strings.ToLower(name)
	if cf, is := strings.CutPrefix(low, "cf["); is {
		low = "customfield_" + strings.TrimSuffix(cf, "]")
	}
	if to, known := jqlNames[low]; known {
		return to, c.s.field(to), nil
	}
	if f := c.s.field(low); f != nil {
		return f.ID, f, nil
	}
	return "", nil, fmt.Errorf("Field '%s' does not exist or you do not have permission to view it.", name)
}

// compile turns a clause into a matcher, or says what is wrong with it.
func (c *call) compile(q *clause) (matcher, error) {
	switch q.op {
	case "and", "or", "not":
		parts := []matcher(nil)
		for _, p := range q.parts {
			m, err := c.compile(p)
			if err != nil {
				return nil, err
			}
			parts = append(parts, m)
		}
		switch q.op {
		case "not":
			return func(d *indexed) bool { return !parts[0](d) }, nil
		case "or":
			return func(d *indexed) bool { return slices.ContainsFunc(parts, func(m matcher) bool { return m(d) }) }, nil
		}
		return func(d *indexed) bool { return !slices.ContainsFunc(parts, func(m matcher) bool { return !m(d) }) }, nil
	}
	name, f, err := c.clauseField(q.field)
	if err != nil {
		return nil, err
	}
	switch {
	case name == "created" || name == "updated" || name == "resolutiondate" || f != nil && (f.Kind == Date || f.Kind == DateTime):
		return c.compileTime(q, name)
	case name == "key" || name == "id":
		return c.compileKey(q, name)
	case q.op == "~" || q.op == "!~":
		return c.compileText(q, name)
	case q.op == "is" || q.op == "is not":
		return compileEmpty(q, name)
	}
	return c.compileWords(q, name, f)
}

func compileEmpty(q *clause, name string) (matcher, error) {
	if w := strings.ToLower(q.args[0].text); w != "empty" && w != "null" {
		return nil, fmt.Errorf("The operator '%s' can only be used with EMPTY or NULL.", q.op)
	}
	return func(d *indexed) bool {
		empty := len(d.words[name]) == 0 && d.text[name] == "" && d.times[name].IsZero()
		return empty == (q.op == "is")
	}, nil
}

func (c *call) compileText(q *clause, name string) (matcher, error) {
	want := strings.Fields(strings.ToLower(strings.Trim(q.args[0].text, "*\"")))
	return func(d *indexed) bool {
		text := d.text[name]
		if name == "text" {
			text = d.text["summary"] + "\n" + d.text["description"] + "\n" + d.text["comment"]
		}
		text += " " + strings.Join(d.words[name], " ")
		hit := !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(text, strings.Trim(w, "*")) })
		return hit == (q.op == "~")
	}, nil
}

func (c *call) compileWords(q *clause, name string, f *Field) (matcher, error) {
	switch q.op {
	case "=", "!=", "in", "not in":
	default:
		return nil, fmt.Errorf("The operator '%s' is not supported by the '%s' field.", q.op, q.field)
	}
	want, empty := []string{}, false
	for _, a := range q.args {
		w := strings.ToLower(a.text)
		switch {
		case a.fn && w == "currentuser":
			w = strings.ToLower(c.who.AccountID)
		case a.fn && w == "membersof" && len(a.args) == 1:
			for _, u := range c.s.users {
				if slices.Contains(u.Groups, a.args[0]) {
					want = append(want, strings.ToLower(u.AccountID))
				}
			}
			continue
		case a.fn:
			return nil, fmt.Errorf("Unable to find JQL function '%s(%s)'.", a.text, strings.Join(a.args, ", "))
		case w == "empty" || w == "null" || w == "unresolved" && name == "resolution":
			empty = true
			continue
		}
		if err := c.exists(q.field, name, f, a.text); err != nil {
			return nil, err
		}
		want = append(want, w)
	}
	yes := q.op == "=" || q.op == "in"
	return func(d *indexed) bool {
		has := d.words[name]
		if len(has) == 0 {
			return yes && empty // "!=" does not mean those without a value
		}
		hit := slices.ContainsFunc(want, func(w string) bool { return slices.Contains(has, w) })
		return hit == yes
	}, nil
}

// exists refuses values that the site does not have, as Jira does.
func (c *call) exists(said, name string, f *Field, value string) error {
	w := &c.s.world
	fine := true
	switch {
	case name == "project":
		fine = slices.ContainsFunc(w.projects, func(p *project) bool {
			return (strings.EqualFold(p.Key, value) || p.ID == value || strings.EqualFold(p.Name, value)) && (c.all || c.can("BROWSE_PROJECTS", p, nil))
		})
	case name == "status":
		fine = w.status(value) != nil
	case name == "issuetype":
		fine = slices.ContainsFunc(w.types, func(n named) bool { return n.id == value || strings.EqualFold(n.name, value) })
	case name == "priority":
		fine = slices.ContainsFunc(w.priorities, func(n named) bool { return n.id == value || strings.EqualFold(n.name, value) })
	case f != nil && (f.Kind == Select || f.Kind == MultiSelect):
		fine = slices.ContainsFunc(f.Options, func(o Option) bool { return o.ID == value || strings.EqualFold(o.Value, value) })
	}
	if !fine {
		return fmt.Errorf("The value '%s' does not exist for the field '%s'.", value, said)
	}
	return nil
}

func (c *call) compileKey(q *clause, name string) (matcher, error) {
	ids := []int{}
	for _, a := range q.args {
		i := c.s.lookup(strings.ToUpper(a.text))
		if i == nil || !c.all && !c.s.sees(c.who, i) {
			if digits.MatchString(a.text) {
				return nil, fmt.Errorf("A value with ID '%s' does not exist for the field '%s'.", a.text, q.field)
			}
			return nil, fmt.Errorf("An issue with key '%s' does not exist for field '%s'.", a.text, q.field)
		}
		ids = append(ids, i.id)
	}
	switch q.op {
	case "=", "in":
		return func(d *indexed) bool { return slices.Contains(ids, d.id) }, nil
	case "!=", "not in":
		return func(d *indexed) bool { return !slices.Contains(ids, d.id) }, nil
	case "<", ">", "<=", ">=":
		return func(d *indexed) bool { return compare(q.op, d.id-ids[0]) }, nil
	}
	return nil, fmt.Errorf("The operator '%s' is not supported by the '%s' field.", q.op, q.field)
}

func compare(op string, sign int) bool {
	switch op {
	case "<":
		return sign < 0
	case ">":
		return sign > 0
	case "<=":
		return sign <= 0
	case ">=":
		return sign >= 0
	case "!=":
		return sign != 0
	}
	return sign == 0
}

func (c *call) compileTime(q *clause, name string) (matcher, error) {
	if q.op == "is" || q.op == "is not" {
		return compileEmpty(q, name)
	}
	if len(q.args) != 1 || !slices.Contains([]string{"=", "!=", "<", ">", "<=", ">="}, q.op) {
		return nil, fmt.Errorf("The operator '%s' is not supported by the '%s' field.", q.op, q.field)
	}
	at, err := c.moment(q.field, q.args[0])
	if err != nil {
		return nil, err
	}
	return func(d *indexed) bool { return !d.times[name].IsZero() && compare(q.op, d.times[name].Compare(at)) }, nil
}

var period = regexp.MustCompile(`^([+-]?)((?:\d+[wdhm]\s*)+)$`)
var periodPart = regexp.MustCompile(`(\d+)([wdhm])`)

// moment reads a time: to the minute, and in the time zone of who asks.
func (c *call) moment(field string, a operand) (time.Time, error) {
	zone, err := time.LoadLocation(c.who.Zone)
	if err != nil {
		zone = time.UTC
	}
	now, text := c.now.In(zone), strings.TrimSpace(a.text)
	if a.fn {
		day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
		switch strings.ToLower(text) {
		case "now":
			return c.now, nil
		case "startofday":
			return day, nil
		case "endofday":
			return day.AddDate(0, 0, 1).Add(-time.Second), nil
		}
		return time.Time{}, fmt.Errorf("Unable to find JQL function '%s()'.", text)
	}
	for _, layout := range []string{"2006/01/02 15:04", "2006-01-02 15:04", "2006/01/02", "2006-01-02"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, nil
		}
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms), nil
	}
	if m := period.FindStringSubmatch(strings.ToLower(text)); m != nil {
		d := time.Duration(0)
		for _, p := range periodPart.FindAllStringSubmatch(m[2], -1) {
			d += time.Duration(atoi(p[1])) * map[string]time.Duration{"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute}[p[2]]
		}
		if m[1] == "-" {
			d = -d
		}
		return c.now.Add(d), nil
	}
	return time.Time{}, fmt.Errorf("Date value '%s' for field '%s' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'.", text, field)
}
