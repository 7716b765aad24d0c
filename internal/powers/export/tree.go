package export

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// Bounds on what is read, far above any real export.
const (
	maxBytes    = 16 << 20
	maxNesting  = 32
	maxProblems = 50
	maxText     = 4096 // bytes of one text that is read
)

// reader reads one file and collects what is wrong with it.
type reader struct {
	file     string
	problems access.Problems
}

func (r *reader) problem(line, col int32, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, access.Problem{File: r.file, Line: int(line), Column: int(col), Message: fmt.Sprintf(format, args...)})
	}
}

func (r *reader) at(n *yaml.Node, format string, args ...any) {
	r.problem(n.Line, n.Col, format, args...)
}

func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return r.problems
}

// where is a node's place as the reason of an edge.
func (r *reader) where(n *yaml.Node) string { return fmt.Sprintf("%s:%d", r.file, n.Line) }

// fits refuses what is too long or no text at all, before a parser sees it.
func (r *reader) fits(text []byte) bool {
	switch {
	case len(text) > maxBytes:
		r.problem(0, 0, "is longer than %d MiB: export fewer roles at a time", maxBytes>>20)
	case !utf8.Valid(text):
		r.problem(0, 0, "is not valid UTF-8")
	default:
		return true
	}
	return false
}

// mapping holds that a node is one and has no other keys than these. Those that
// end in a question mark may be absent.
func (r *reader) mapping(n *yaml.Node, what string, keys ...string) bool {
	if n.Kind != yaml.Map {
		r.at(n, "%s must be a mapping, not %s", what, n.Kind)
		return false
	}
	for i := range n.Keys {
		if e := &n.Keys[i]; !slices.Contains(keys, e.Key) && !slices.Contains(keys, e.Key+"?") {
			r.problem(e.Line, e.Col, "unknown key %q of %s: it may change what is allowed, so it is not skipped", access.Brief(e.Key), what)
		}
	}
	whole := true
	for _, k := range keys {
		if !strings.HasSuffix(k, "?") && n.Get(k) == nil {
			r.at(n, "%s needs %s", what, k)
			whole = false
		}
	}
	return whole
}

// text reads a text of a mapping, "" if there is none.
func (r *reader) text(n *yaml.Node, key string) string {
	v := n.Get(key)
	if v == nil {
		return ""
	}
	s, _ := r.plain(v, key)
	return s
}

// plain reads a text that will be shown to somebody.
func (r *reader) plain(n *yaml.Node, what string) (string, bool) {
	switch {
	case n.Kind != yaml.Text:
		r.at(n, "%s must be text, not %s", what, n.Kind)
	case len(n.Text) > maxText:
		r.at(n, "%s is longer than %d bytes", what, maxText)
	case strings.ContainsFunc(n.Text, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }):
		r.at(n, "%s holds a character that cannot be seen", what)
	default:
		return n.Text, true
	}
	return "", false
}

// texts reads a list of texts; a key that is absent is an empty one.
func (r *reader) texts(n *yaml.Node, key string) []string {
	v := n.Get(key)
	if v == nil {
		return nil
	}
	if v.Kind != yaml.List {
		r.at(v, "%s must be a list, not %s", key, v.Kind)
		return nil
	}
	out := make([]string, 0, len(v.List))
	for i := range v.List {
		if s, ok := r.plain(&v.List[i], "an entry of "+key); ok {
			out = append(out, s)
		}
	}
	return out
}

// items reads a list, a single value counting as one of it.
func (r *reader) items(n *yaml.Node, what string) []yaml.Node {
	if n.Kind == yaml.List {
		return n.List
	}
	return []yaml.Node{*n}
}
