package config

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// fields is one mapping being read. Reading a key of the wrong type reports it
// and gives the zero value, so that reading always goes on.
type fields struct {
	r    *report
	file string
	n    *yaml.Node
}

// item is one text of a list, with its place.
type item struct {
	text string
	at   mark
}

// fieldsOf takes a node that should be a mapping with these keys and no others.
// ok is false if it is no mapping: there is nothing to read then.
func (r *report) fieldsOf(file string, n *yaml.Node, what string, keys ...string) (f fields, ok bool) {
	if f, ok = r.mapping(file, n, what); !ok {
		return f, false
	}
	for _, e := range n.Keys {
		switch at := (mark{file, e.Line, e.Col}); {
		case slices.Contains(keys, e.Key):
		case soundsSecret(e.Key) && slices.Contains(keys, e.Key+"_ref"):
			r.problem(at, "a secret does not belong in this file: write %[1]s_ref: env:NAME or %[1]s_ref: file:PATH", e.Key)
		default:
			r.problem(at, "unknown key %q of %s%s", access.Brief(e.Key), what, r.instead(e.Key, slices.Values(keys)))
		}
	}
	return f, true
}

// mapping takes a node that should be a mapping of whatever keys.
func (r *report) mapping(file string, n *yaml.Node, what string) (f fields, ok bool) {
	f = fields{r: r, file: file, n: n}
	if n.Kind != yaml.Map {
		r.problem(f.here(), "%s must be a mapping of keys to values, not %s", what, n.Kind)
	}
	return f, n.Kind == yaml.Map
}

func (f fields) here() mark { return mark{f.file, f.n.Line, f.n.Col} }

func (f fields) value(key string) (*yaml.Node, bool) {
	for i := range f.n.Keys {
		if f.n.Keys[i].Key == key {
			return &f.n.Keys[i].Value, true
		}
	}
	return nil, false
}

// at is where the value of a key stands, or the mapping if the key is absent.
func (f fields) at(key string) mark {
	if v, ok := f.value(key); ok {
		return mark{f.file, v.Line, v.Col}
	}
	return f.here()
}

func (f fields) has(key string) bool { _, ok := f.value(key); return ok }

// problem reports something about the value of a key.
func (f fields) problem(key, format string, args ...any) { f.r.problem(f.at(key), format, args...) }

// read gives the text of a key; ok is false if it is absent or was reported.
func (f fields) read(key string) (text string, ok bool) {
	v, ok := f.value(key)
	if !ok {
		return "", false
	}
	return f.r.textOf(f.file, key, v)
}

// text reads a text, "" if absent.
func (f fields) text(key string) string {
	text, _ := f.read(key)
	return text
}

// required reads a text that must be there.
func (f fields) required(key, what string) string {
	text, ok := f.read(key)
	switch {
	case !f.has(key):
		f.r.problem(f.here(), "%s needs %s", what, key)
	case ok && text == "":
		f.problem(key, "%s is empty", key)
	}
	return text
}

// needs reports each key that is absent. What is there and wrong is reported
// where it is read.
func (f fields) needs(what string, keys ...string) {
	for _, key := range keys {
		if !f.has(key) {
			f.r.problem(f.here(), "%s needs %s", what, key)
		}
	}
}

// oneOf reads one of a few words.
func (f fields) oneOf(key, absent string, words []string) string {
	text, ok := f.read(key)
	switch {
	case !ok:
		return absent
	case !slices.Contains(words, text):
		f.problem(key, "%s must be %s%s", key, strings.Join(words, " or "), f.r.instead(text, slices.Values(words)))
		return absent
	}
	return text
}

// within opens the mapping under a key; ok is false if there is none to read.
func (f fields) within(key string, keys []string) (inner fields, ok bool) {
	v, ok := f.value(key)
	if !ok {
		return inner, false
	}
	return f.r.fieldsOf(f.file, v, key, keys...)
}

// textOf reads a text; nothing in an error message repeats it.
func (r *report) textOf(file, key string, n *yaml.Node) (text string, ok bool) {
	at := mark{file, n.Line, n.Col}
	switch {
	case n.Kind == yaml.Null:
		r.problem(at, "%s has no value", key)
	case n.Kind == yaml.Number || n.Kind == yaml.Bool:
		r.problem(at, "%s must be text, not %s: put it in quotes", key, n.Kind)
	case n.Kind != yaml.Text:
		r.problem(at, "%s must be text, not %s", key, n.Kind)
	default:
		if why := unreadable(n.Text); why != "" {
			r.problem(at, "%s %s", key, why)
			return "", false
		}
		return n.Text, true
	}
	return "", false
}

// flag reads true or false, false if absent.
func (f fields) flag(key string) bool {
	v, ok := f.value(key)
	if ok && v.Kind != yaml.Bool {
		f.problem(key, "%s must be true or false, not %s", key, v.Kind)
		return false
	}
	return ok && v.Text == "true"
}

// nodes reads a list; absent and empty are the same.
func (f fields) nodes(key string) []yaml.Node {
	v, ok := f.value(key)
	if !ok || v.Kind == yaml.Null {
		return nil
	}
	if v.Kind != yaml.List {
		f.problem(key, "%s must be a list, not %s", key, v.Kind)
	}
	return v.List
}

// none tells whether a list is absent or empty; one of another kind was reported.
func (f fields) none(key string) bool {
	v, ok := f.value(key)
	return !ok || v.Kind == yaml.Null || (v.Kind == yaml.List && len(v.List) == 0)
}

// texts reads a list of texts in which nothing may stand twice.
func (f fields) texts(key string) []item {
	nodes := f.nodes(key)
	items, seen := make([]item, 0, len(nodes)), make(map[string]bool, len(nodes))
	for i := range nodes {
		at := mark{f.file, nodes[i].Line, nodes[i].Col}
		text, ok := f.r.textOf(f.file, "an entry of "+key, &nodes[i])
		switch {
		case !ok:
		case seen[text]:
			f.r.problem(at, "%q is listed twice in %s", access.Brief(text), key)
		default:
			seen[text] = true
			items = append(items, item{text, at})
		}
	}
	return items
}

func plainTexts(items []item) []string {
	out := make([]string, 0, len(items))
	for _, i := range items {
		out = append(out, i.text)
	}
	return out
}

// term reads a term, the given one if absent.
func (f fields) term(key string, absent access.Term) access.Term {
	text, ok := f.read(key)
	if !ok {
		return absent
	}
	t, err := access.ParseTerm(text)
	if err != nil {
		f.problem(key, "%s: %s", key, reason(err))
	}
	return t
}

// duration reads a span of the machinery, which may be shorter than a second.
func (f fields) duration(key string, absent, least, most time.Duration) time.Duration {
	text, ok := f.read(key)
	if !ok {
		return absent
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		f.problem(key, "%s is not a duration: write it like 30s, 5m or 500ms", key)
	case d < least || d > most:
		f.problem(key, "%s must be between %s and %s", key, least, most)
	default:
		return d
	}
	return absent
}

// day reads RFC 3339 or a bare date. A bare date is midnight UTC at which the
// day begins or, for the last day of something, at which it is over.
func (f fields) day(key string, last bool) time.Time {
	text, ok := f.read(key)
	if !ok {
		return time.Time{}
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		if last {
			t = t.AddDate(0, 0, 1)
		}
		return t
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		f.problem(key, "%s is not a date: write it like 2030-12-31 or 2030-12-31T18:00:00Z", key)
		return time.Time{}
	}
	return t.UTC()
}

// reason drops the sentinel's name: every problem is invalid.
func reason(err error) string {
	text := err.Error()
	if errors.Is(err, access.ErrInvalid) {
		text = strings.TrimPrefix(text, access.ErrInvalid.Error()+": ")
	}
	return text
}
