package yaml

import (
	"fmt"
	"strings"
	"testing"
)

var plenty = Bounds{Bytes: 16 << 20, Nesting: 16, Keys: 1000, Empty: 1000, Marks: 1 << 20}

// What is refused before anything is made of it, and where.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const deep = 10_000
	for _, c := range []struct{ name, text, want string }{
		{"anchor", "a: &x 1", "f:1:4: anchors, aliases and merge keys are not accepted"},
		{"alias", "a: *x", "f:1:4: anchors, aliases and merge keys are not accepted"},
		{"merge key", "a:\n  <<: {b: c}", "f:2:3: anchors, aliases and merge keys are not accepted"},
		{"billion laughs", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]", "f:1:4: anchors"},
		{"tag", "a: !!binary aGk=", "f:1:4: tags are not accepted"},
		{"own tag", "a: !x y", "f:1:4: tags are not accepted"},
		{"directive", "%YAML 1.2\n---\na: b", "f:1:1: directives are not accepted"},
		{"complex key", "? a\n: b", "f:1:1: keys written with ? are not accepted"},
		{"list as key", "[a]: b", "f:1:"},
		{"number as key", "1: b", "f:1:1: a key must be text"},
		{"two documents", "a: b\n---\nc: d", "f:2:1: only one document"},
		{"end marker", "a: b\n...\n", "f:2:1: the end marker"},
		{"key twice", "a: 1\nb: 2\na: 3", `f:3:1: "a" is written twice; the first is at f:1`},
		{"key twice in other quotes", "a: 1\n\"a\": 3", `f:2:1: "a" is written twice`},
		{"nested lists", strings.Repeat("- ", deep), "f:1:33: lists and mappings are nested too deep"},
		{"nested flow", strings.Repeat("[", deep), "f:1:17: lists and mappings are nested too deep"},
		{"nested braces", "a: " + strings.Repeat("{a: ", deep), "f:1:64: lists and mappings are nested too deep"},
		{"nested keys", indented(200), "f:17:18: lists and mappings are nested too deep"},
		{"nested in a list", strings.Repeat("- a: ", deep), "nested too deep"},
		{"many keys", counted(1001, "k%d: x\n"), "f:1001:6: a mapping has too many keys"},
		{"many keys in braces", "a: {" + counted(1100, "k%d: x, ") + "}", "a mapping has too many keys"},
		{"many keys without values in braces", "a: {" + counted(1100, "k%d, ") + "}", "a mapping has too many keys"},
		{"nothing, often", strings.Repeat("-\n", 100_000), "f:1002:1: too many keys or list entries have no value"},
		{"no values", "a:\n" + strings.Repeat("- b:\n", 2000), "too many keys or list entries have no value"},
		{"no values in braces", "a:\n" + strings.Repeat("- {b}\n", 2000), "too many keys or list entries have no value"},
		{"no values in brackets", "a: [" + strings.Repeat("b: ,", 2000) + "]", "too many keys or list entries have no value"},
		{"17 MiB", "a: " + strings.Repeat("x", 17<<20), "f: is longer than 16 MiB: split it into files"},
		{"too many entries", "a: [" + strings.Repeat("a,", 2<<20) + "a]", "f:1:2097154: the file holds too much from here on: split it into files"},
		{"invalid UTF-8", "a: b\nc: \xff", "f:2:4: the file is not valid UTF-8 from here on"},
		{"overlong", "a: \xc0\xaf", "f:1:4: the file is not valid UTF-8 from here on"},
		{"surrogate", "a: \xed\xa0\x80", "f:1:4: the file is not valid UTF-8 from here on"},
		{"UTF-16", "\xff\xfea\x00", "f:1:1: the file is not valid UTF-8 from here on"},
		{"NUL", "a: b\x00", "f:1:5: the control character U+0000"},
		{"escape in a comment", "a: b # \x1b[2J", "f:1:8: the control character U+001B"},
		{"next line", "a: b # \u0085c: d", "f:1:8: the control character U+0085"},
		{"line separator", "a: b # \u2028c: d", "f:1:8: the control character U+2028"},
		{"carriage return alone", "a: b # \rc: d", "f:1:8: a carriage return that ends no line"},
		{"direction in a comment", "a: b # \u202ec: d", "f:1:8: a character that turns the direction of writing (U+202E)"},
		{"tab", "a:\n\t- b", "f:2:1: not valid YAML: found character '\t' that cannot start any token"},
		{"open quote", "a: \"b", "f:1:4: not valid YAML: could not find end character of double-quoted text"},
		{"open bracket", "a: [b", "f:1:4: not valid YAML: sequence end token ']' not found"},
		{"open brace", "a: {b: c", "f:1:4: not valid YAML: could not find flow mapping end token '}'"},
		{"text and mapping", "a: b: c", "not valid YAML: "},
		{"a secret after a bar", "a: |hunter2", "f:1:4: not valid YAML: invalid header option"},
		{"a reserved character", "a: @hunter2", "f:1:4: not valid YAML: '@' is a reserved character"},
		{"an unknown escape", `a: "\hunter2"`, "not valid YAML: found unknown escape character"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := Reader{Bounds: plenty, File: "f"}
			r.Read([]byte(c.text))
			got := r.Problems.Error()
			if !strings.Contains(got, c.want) || strings.Contains(got, "hunter2") {
				t.Errorf("%.300s\nwant %s", got, c.want)
			}
		})
	}
}

// indented is a key in a key in a key.
func indented(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

func counted(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "nothing()@1:1"},
		{"a comment", "# a\n", "nothing()@1:1"},
		{"a header", "---\na: b", `{a@2:1="b"@2:4}@2:1`},
		{"byte order mark", "\ufeffa: b", `{a@1:1="b"@1:4}@1:1`},
		{"CRLF", "a: b\r\nc: d\r\n", `{a@1:1="b"@1:4 c@2:1="d"@2:4}@1:1`},
		{"quotes", `{"a b": 'c''d', e: "f\n\u0041"}`, `{a b@1:2="c'd"@1:9 e@1:17="f\nA"@1:20}@1:1`},
		{"list", "a:\n- b\n- [c, d]\n", `{a@1:1=["b"@2:3 ["c"@3:4 "d"@3:7]@3:3]@2:1}@1:1`},
		{"list of mappings", "a:\n  - b: c\n    d: e\n  - f: g\n", `{a@1:1=[{b@2:5="c"@2:8 d@3:5="e"@3:8}@2:5 {f@4:5="g"@4:8}@4:5]@2:3}@1:1`},
		{"kinds", "[1, 0x1f, 1.5, .inf, true, null, ~, 2030-12-31, yes, 1:30]", `[a number(1)@1:2 a number(0x1f)@1:5 a number(1.5)@1:11 a number(.inf)@1:16 ` +
			`true or false(true)@1:22 nothing()@1:28 nothing()@1:34 "2030-12-31"@1:37 "yes"@1:49 "1:30"@1:54]@1:1`},
		{"no value", "a:\nb: c", `{a@1:1=nothing()@1:3 b@2:1="c"@2:4}@1:1`},
		{"lines kept", "a: |\n  b\n  c\n", `{a@1:1="b\nc\n"@1:4}@1:1`},
		{"lines joined", "a: >-\n  b\n  c\n", `{a@1:1="b c"@1:4}@1:1`},
		{"comments", "# x\na: b # y\n# z\nc: d\n", `{a@2:1="b"@2:4 c@4:1="d"@4:4}@2:1`},
		{"a thousand keys without a value", counted(1000, "k%03d:\n"), "{k000@"},
		{"most nesting", indented(15) + strings.Repeat(" ", 15) + "b: c", "b@16:16="},
		{"Persian", "a: \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "{a@1:1="},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := Reader{Bounds: plenty, File: "f"}
			root, ok := r.Read([]byte(c.text))
			if got := show(&root); !ok || len(r.Problems) > 0 || !strings.Contains(got, c.want) {
				t.Errorf("%v %v\n%s, want\n%s", ok, r.Problems, got, c.want)
			}
		})
	}
}

// show writes a node and its places.
func show(n *Node) string {
	var parts []string
	for i := range n.List {
		parts = append(parts, show(&n.List[i]))
	}
	for i := range n.Keys {
		e := &n.Keys[i]
		parts = append(parts, fmt.Sprintf("%s@%d:%d=%s", e.Key, e.Line, e.Col, show(&e.Value)))
	}
	text := fmt.Sprintf("%s(%s)", n.Kind, n.Text)
	switch n.Kind {
	case Text:
		text = fmt.Sprintf("%q", n.Text)
	case List:
		text = fmt.Sprint(parts)
	case Map:
		text = "{" + strings.Join(parts, " ") + "}"
	}
	return fmt.Sprintf("%s@%d:%d", text, n.Line, n.Col)
}

// A text further down in its file is told of by the file's lines.
func TestReadsFurtherDown(t *testing.T) {
	t.Parallel()
	r := Reader{Bounds: plenty, File: "f", Before: 10}
	if root, ok := r.Read([]byte("a: b")); !ok || show(&root) != `{a@11:1="b"@11:4}@11:1` {
		t.Errorf("%s %v", show(&root), r.Problems)
	}
	for _, c := range []struct{ text, want string }{
		{"a: 1\na: 2", `f:12:1: "a" is written twice; the first is at f:11`},
		{"a: *x", "f:11:4: anchors"},
		{"a: b # \x1b", "f:11:8: the control character U+001B"},
		{"a: [b", "f:11:4: not valid YAML"},
		{"a: " + strings.Repeat("x", 17<<20), "f:11:1: is longer than 16 MiB"},
	} {
		r.Problems = nil
		if r.Read([]byte(c.text)); !strings.HasPrefix(r.Problems.Error(), c.want) {
			t.Errorf("%v, want %s", r.Problems, c.want)
		}
	}
}
