package export

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/access"
)

// Bounds on what is read, far above any real export.
const (
	maxBytes    = 16 << 20
	maxNesting  = 32
	maxProblems = 50
	maxText     = 4096 // bytes of one text that is read
)

type kind uint8

const (
	nullKind kind = iota
	textKind
	numberKind
	boolKind
	listKind
	mapKind
)

func (k kind) String() string {
	return [...]string{"nothing", "text", "a number", "true or false", "a list", "a mapping"}[k]
}

// node is one value with its place, whichever format it was written in.
type node struct {
	kind      kind
	line, col int
	text      string
	list      []node
	keys      []entry
}

type entry struct {
	key       string
	line, col int
	value     node
}

// Problem is one thing wrong at one place. A Line of 0 means the file as a whole.
type Problem struct {
	File    string
	Line    int
	Column  int
	Message string
}

// String writes "file:line:column: message".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems is everything wrong with an export, up to a bound. It wraps
// [access.ErrInvalid].
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) Unwrap() error { return access.ErrInvalid }

// reader reads one file and collects what is wrong with it.
type reader struct {
	file     string
	problems Problems
}

func (r *reader) problem(line, col int, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{r.file, line, col, fmt.Sprintf(format, args...)})
	}
}

func (r *reader) at(n *node, format string, args ...any) { r.problem(n.line, n.col, format, args...) }

func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return r.problems
}

// where is a node's place as the reason of an edge.
func (r *reader) where(n *node) string { return fmt.Sprintf("%s:%d", r.file, n.line) }

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
func (r *reader) mapping(n *node, what string, keys ...string) bool {
	if n.kind != mapKind {
		r.at(n, "%s must be a mapping, not %s", what, n.kind)
		return false
	}
	for i := range n.keys {
		if e := &n.keys[i]; !slices.Contains(keys, e.key) && !slices.Contains(keys, e.key+"?") {
			r.problem(e.line, e.col, "unknown key %q of %s: it may change what is allowed, so it is not skipped", brief(e.key), what)
		}
	}
	whole := true
	for _, k := range keys {
		if !strings.HasSuffix(k, "?") && n.get(k) == nil {
			r.at(n, "%s needs %s", what, k)
			whole = false
		}
	}
	return whole
}

// get is the value of a key, nil if there is none or it is null.
func (n *node) get(key string) *node {
	for i := range n.keys {
		if n.keys[i].key == key && n.keys[i].value.kind != nullKind {
			return &n.keys[i].value
		}
	}
	return nil
}

// text reads a text of a mapping, "" if there is none.
func (r *reader) text(n *node, key string) string {
	v := n.get(key)
	if v == nil {
		return ""
	}
	s, _ := r.plain(v, key)
	return s
}

// plain reads a text that will be shown to somebody.
func (r *reader) plain(n *node, what string) (string, bool) {
	switch {
	case n.kind != textKind:
		r.at(n, "%s must be text, not %s", what, n.kind)
	case len(n.text) > maxText:
		r.at(n, "%s is longer than %d bytes", what, maxText)
	case strings.ContainsFunc(n.text, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }):
		r.at(n, "%s holds a character that cannot be seen", what)
	default:
		return n.text, true
	}
	return "", false
}

// texts reads a list of texts; a key that is absent is an empty one.
func (r *reader) texts(n *node, key string) []string {
	v := n.get(key)
	if v == nil {
		return nil
	}
	if v.kind != listKind {
		r.at(v, "%s must be a list, not %s", key, v.kind)
		return nil
	}
	out := make([]string, 0, len(v.list))
	for i := range v.list {
		if s, ok := r.plain(&v.list[i], "an entry of "+key); ok {
			out = append(out, s)
		}
	}
	return out
}

// items reads a list, a single value counting as one of it.
func (r *reader) items(n *node, what string) []node {
	if n.kind == listKind {
		return n.list
	}
	return []node{*n}
}

func brief(s string) string {
	if utf8.RuneCountInString(s) <= 64 {
		return s
	}
	return string([]rune(s)[:63]) + "…"
}
