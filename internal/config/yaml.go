package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on what is read. They are far above any sane file; they keep a broken
// or hostile one from taking the memory or the stack.
const (
	maxFile    = 16 << 20 // bytes of one file
	maxNesting = 16       // lists and mappings inside each other
	maxKeys    = 1000     // keys of one mapping; the parser's stack grows with each
	maxEmpty   = 1000     // keys and entries of one file that have no value
	maxMarks   = 1 << 20  // characters of one file that may end a token: each costs the parser up to a kilobyte
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

// String is the kind in an error message.
func (k kind) String() string {
	return [...]string{"nothing", "text", "a number", "true or false", "a list", "a mapping"}[k]
}

// node is one value of a file, with its place, free of the parser's own tree.
type node struct {
	kind      kind
	line, col int32
	text      string // of text; of a number or true/false as written
	list      []node
	keys      []entry
}

type entry struct {
	key       string
	line, col int32
	value     node
}

// parse reads one document. It reports every problem it can still see after the
// first; ok is false where there is nothing to go on with.
func (r *report) parse(file string, text []byte) (root node, ok bool) {
	before := len(r.problems)
	defer func() {
		// The parser is not ours; a file that makes it panic is a file that cannot be read.
		if p := recover(); p != nil {
			r.problem(mark{file: file}, "cannot be read as YAML")
			ok = false
		}
		if !ok && len(r.problems) > before {
			r.partial = true
		}
	}()
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !r.plainText(file, text) {
		return root, false
	}
	tokens := lexer.Tokenize(string(text))
	if !r.plainTokens(file, tokens) {
		return root, false
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(file, err)
		return root, false
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return node{kind: mapKind, line: 1, col: 1}, true
	}
	return r.convert(file, tree.Docs[0].Body), true
}

// plainText refuses what no editor shows, other encodings, and more than the
// parser can take.
func (r *report) plainText(file string, text []byte) bool {
	if len(text) > maxFile {
		r.problem(mark{file: file}, "is longer than %d MiB: split it into files", maxFile>>20)
		return false
	}
	at, marks := mark{file: file, line: 1, col: 1}, 0
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		if why := unplain(c, size, text[i+size:]); why != "" {
			r.problem(at, "%s", why)
			return false
		}
		if strings.ContainsRune(",:-[]{}#'\"|>&*!%@`?", c) {
			if marks++; marks > maxMarks {
				r.problem(at, "the file holds too much from here on: split it into files")
				return false
			}
		}
		if at.col++; c == '\n' {
			at.line, at.col = at.line+1, 1
		}
		i += size
	}
	return true
}

func unplain(c rune, size int, rest []byte) string {
	switch {
	case c == utf8.RuneError && size <= 1:
		return "the file is not valid UTF-8 from here on"
	case c == '\r' && !bytes.HasPrefix(rest, []byte("\n")):
		return "a carriage return that ends no line"
	case (c < ' ' && c != '\t' && c != '\r' && c != '\n') || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029:
		return "the control character " + codePoint(c)
	case c >= 0x80 && unicode.Is(unicode.Bidi_Control, c):
		return "a character that turns the direction of writing (" + codePoint(c) + ")"
	}
	return ""
}

func (r *report) syntax(file string, err error) {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		r.problem(mark{file: file}, "cannot be read as YAML")
		return
	}
	r.problem(tokenMark(file, at.GetToken()), "not valid YAML: %s", said(at.GetMessage()))
}

// said is what the parser has to say, without what it quotes from the file.
func said(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s, _, _ = strings.Cut(s, `: "`)
	return s
}

func tokenMark(file string, tk *token.Token) mark {
	if tk == nil || tk.Position == nil {
		return mark{file: file}
	}
	return mark{file: file, line: int32(tk.Position.Line), col: int32(tk.Position.Column)}
}

// convert copies the parser's tree into nodes. Keys written twice are reported
// and the first is kept.
func (r *report) convert(file string, n ast.Node) node {
	at := tokenMark(file, n.GetToken())
	out := node{line: at.line, col: at.col}
	switch n := n.(type) {
	case *ast.MappingNode:
		return r.convertMapping(file, n, out)
	case *ast.SequenceNode:
		out.kind, out.list = listKind, make([]node, 0, len(n.Values))
		for _, v := range n.Values {
			out.list = append(out.list, r.convert(file, v))
		}
	case *ast.StringNode:
		out.kind, out.text = textKind, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = textKind, n.Value.Value
	case *ast.BoolNode:
		out.kind, out.text = boolKind, fmt.Sprint(n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = numberKind, n.GetToken().Value
	case *ast.NullNode:
	default:
		r.problem(at, "this form of YAML is not accepted; write it plainly")
	}
	return out
}

func (r *report) convertMapping(file string, n *ast.MappingNode, out node) node {
	out.kind, out.keys = mapKind, make([]entry, 0, len(n.Values))
	seen := make(map[string]mark, len(n.Values))
	for i, v := range n.Values {
		at := tokenMark(file, v.Key.GetToken())
		if i == 0 && !n.IsFlowStyle {
			out.line, out.col = at.line, at.col // a mapping begins at its first key, not at that key's colon
		}
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			r.problem(at, "a key must be text: put it in quotes")
			continue
		}
		value := r.convert(file, v.Value)
		if first, twice := seen[key.Value]; twice {
			r.problem(at, "%q is written twice; the first is at %s", brief(key.Value), first)
			continue
		}
		seen[key.Value] = at
		out.keys = append(out.keys, entry{key: key.Value, line: at.line, col: at.col, value: value})
	}
	return out
}
