package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Issue is an issue as it is now. ID is its identity; the key is for people.
type Issue struct {
	ID, Key  string
	Project  Ref // Ref.Key is set
	Type     Ref
	Status   Status
	Summary  string
	Reporter User
	Assignee User // no ID: nobody
	Creator  User // who or what really made it: a mail handler, a customer, an app
	Labels   []string
	Priority Ref
	Security Ref // no ID: seen by all who see the project
	Created  time.Time
	Updated  time.Time
	// Fields are all that were asked for, as they came, by field id.
	Fields map[string]json.RawMessage
}

// Ref names a thing of Jira's; only the id is sure.
type Ref struct{ ID, Key, Name string }

// Status of an issue. Category is "new", "indeterminate", "done" or "undefined".
type Status struct{ ID, Name, Category string }

// Change is one entry of an issue's history.
type Change struct {
	ID     string
	Author User // who Jira says: a rule can act as anybody
	At     time.Time
	Items  []ChangeItem
	Left   bool // it stands for older entries that Jira left out: nobody knows whose they are
}

// ChangeItem is one field's change. Match by Field: Name is in the reader's
// language, and all there is for moves ("Key") and changes of workflow.
type ChangeItem struct {
	Field, Name        string
	Custom             bool   // a field that somebody made, whatever it is called
	From, To           string // ids or raw values
	FromShown, ToShown string
}

// fields is a JSON object on its way out.
type fields map[string]any

type ref struct {
	ID   ident  `json:"id"`
	Key  string `json:"key"`
	Name string `json:"name"`
}

func (r ref) out() Ref { return Ref{ID: string(r.ID), Key: r.Key, Name: r.Name} }

type status struct {
	ID       ident  `json:"id"`
	Name     string `json:"name"`
	Category struct {
		Key string `json:"key"`
	} `json:"statusCategory"`
}

func (s status) out() Status {
	return Status{ID: string(s.ID), Name: s.Name, Category: s.Category.Key}
}

type ticket struct {
	ID     ident                      `json:"id"`
	Key    string                     `json:"key"`
	Fields map[string]json.RawMessage `json:"fields"`
}

// lenient decodes one field; one of an odd type is as good as none.
func lenient[T any](raw json.RawMessage) T {
	var v T
	if json.Unmarshal(raw, &v) != nil {
		var none T
		return none
	}
	return v
}

func (s *site) issue(t ticket) Issue {
	f := t.Fields
	i := Issue{
		ID: string(t.ID), Key: t.Key, Fields: f,
		Project:  lenient[ref](f["project"]).out(),
		Type:     lenient[ref](f["issuetype"]).out(),
		Status:   lenient[status](f["status"]).out(),
		Summary:  lenient[string](f["summary"]),
		Reporter: s.user(lenient[person](f["reporter"])),
		Assignee: s.user(lenient[person](f["assignee"])),
		Creator:  s.user(lenient[person](f["creator"])),
		Labels:   lenient[[]string](f["labels"]),
		Priority: lenient[ref](f["priority"]).out(),
		Security: lenient[ref](f["security"]).out(),
		Created:  lenient[clock](f["created"]).Time,
		Updated:  lenient[clock](f["updated"]).Time,
	}
	return i
}

func (s *site) Issue(ctx context.Context, id string, names ...string) (Issue, error) {
	if err := CheckID(id); err != nil {
		return Issue{}, err
	}
	i, err := s.fetch(ctx, id, names)
	if err == nil && i.ID != id {
		return Issue{}, &Error{Kind: ErrStrange, Call: "GET " + path(s.root, "issue", id), Messages: []string{"the answer is about another issue"}}
	}
	return i, err
}

func (s *site) Find(ctx context.Context, key string) (Issue, error) {
	if err := CheckKey(key); err != nil {
		return Issue{}, err
	}
	i, err := s.fetch(ctx, key, []string{"project", "summary", "status", "issuetype"})
	if err == nil && CheckID(i.ID) != nil {
		return Issue{}, &Error{Kind: ErrStrange, Call: "GET " + path(s.root, "issue", key), Messages: []string{"no id in the answer"}}
	}
	return i, err
}

func (s *site) fetch(ctx context.Context, idOrKey string, names []string) (Issue, error) {
	for _, n := range names {
		if !fieldForm.MatchString(n) {
			return Issue{}, invalid("field %q: must be a field's id, e.g. customfield_10026", short(n))
		}
	}
	var t ticket
	if err := s.do(ctx, get(path(s.root, "issue", idOrKey), "fields", strings.Join(names, ",")), &t); err != nil {
		return Issue{}, err
	}
	return s.issue(t), nil
}

type change struct {
	ID      ident  `json:"id"`
	Author  person `json:"author"`
	Created clock  `json:"created"`
	Items   []struct {
		Field      string  `json:"field"`
		Type       string  `json:"fieldtype"`
		FieldID    string  `json:"fieldId"`
		From       *string `json:"from"`
		FromString *string `json:"fromString"`
		To         *string `json:"to"`
		ToString   *string `json:"toString"`
	} `json:"items"`
}

func (s *site) change(c change) Change {
	out := Change{ID: string(c.ID), Author: s.user(c.Author), At: c.Created.Time}
	for _, i := range c.Items {
		out.Items = append(out.Items, ChangeItem{Field: i.FieldID, Name: i.Field, Custom: i.Type != "jira",
			From: deref(i.From), FromShown: deref(i.FromString), To: deref(i.To), ToShown: deref(i.ToString)})
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *cloud) Changes(ctx context.Context, id string) ([]Change, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	found, err := pages[change](ctx, &s.site, platform, get(path(s.root, "issue", id, "changelog")))
	return s.inOrder(found), err
}

// Changes of Data Center come with the issue, all at once.
func (s *dataCenter) Changes(ctx context.Context, id string) ([]Change, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	var out struct {
		Changelog struct {
			Total     int      `json:"total"`
			Histories []change `json:"histories"`
		} `json:"changelog"`
	}
	if err := s.do(ctx, get(path(s.root, "issue", id), "fields", "status", "expand", "changelog"), &out); err != nil {
		return nil, err
	}
	list := s.inOrder(out.Changelog.Histories)
	if left := out.Changelog.Total - len(list); left > 0 && len(list) > 0 {
		list = append([]Change{{ID: "before " + list[0].ID, At: list[0].At, Left: true}}, list...)
	}
	return list, nil
}

// inOrder puts the oldest first; some sites begin with the newest.
func (s *site) inOrder(found []change) []Change {
	var list []Change
	for _, c := range found {
		list = append(list, s.change(c))
	}
	slices.SortStableFunc(list, func(a, b Change) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		m, errM := strconv.ParseInt(a.ID, 10, 64)
		n, errN := strconv.ParseInt(b.ID, 10, 64)
		if errM != nil || errN != nil {
			return 0
		}
		return int(min(max(m-n, -1), 1))
	})
	return list
}

// edit changes fields of an issue.
func (s *site) edit(ctx context.Context, id string, set fields) error {
	if err := CheckID(id); err != nil {
		return err
	}
	return s.do(ctx, send(http.MethodPut, path(s.root, "issue", id), fields{"fields": set}), nil)
}

func (s *site) Label(ctx context.Context, id string, add, remove []string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	var ops []fields
	for verb, labels := range map[string][]string{"add": add, "remove": remove} {
		for _, l := range labels {
			if !labelForm.MatchString(l) {
				return invalid("label %q: must be up to 255 characters without a space", short(l))
			}
			if verb == "add" && slices.Contains(remove, l) {
				return invalid("label %q is to be added and removed", short(l))
			}
			ops = append(ops, fields{verb: l})
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return s.do(ctx, send(http.MethodPut, path(s.root, "issue", id), fields{"update": fields{"labels": ops}}), nil)
}

func (s *site) Secure(ctx context.Context, id, level string) error {
	if level == "" {
		return s.edit(ctx, id, fields{"security": nil})
	}
	if err := CheckID(level); err != nil {
		return err
	}
	return s.edit(ctx, id, fields{"security": fields{"id": level}})
}
