package yaml

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

	"github.com/lessor-iam/lessor/internal/access"
)

// Bounds are how much one text may hold. Far above any sane one, they keep a broken or
// hostile one from taking the memory or the stack.
type Bounds struct {
	Bytes   int // of the text
	Nesting int // lists and mappings inside each other
	Keys    int // of one mapping; the parser's stack grows with each
	Empty   int // keys and entries that have no value: the parser's time grows with their square
	Marks   int // characters that may end a token: each costs the parser up to a kilobyte
}

// Reader reads texts of one file, one after the other.
type Reader struct {
	Bounds
	File     string
	Before   int32 // lines of the file before the next text
	Problems access.Problems
}

// place is a line and a column of the file; line 0 is the file as a whole.
type place struct{ line, col int32 }

func (r *Reader) problem(at place, format string, args ...any) {
	r.Problems = append(r.Problems, access.Problem{File: r.File, Line: int(at.line), Column: int(at.col), Message: fmt.Sprintf(format, args...)})
}

// whole is the place of what is wrong with the text as a whole.
func (r *Reader) whole() place {
	if r.Before == 0 {
		return place{}
	}
	return place{r.Before + 1, 1}
}

func (r *Reader) placeOf(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return r.whole()
	}
	return place{r.Before + int32(tk.Position.Line), int32(tk.Position.Column)}
}

// Read reads one document; one with nothing in it is a Null. It reports every problem
// it can still see after the first; ok is false where there is nothing to go on with.
func (r *Reader) Read(text []byte) (root Node, ok bool) {
	defer func() {
		// The parser is not ours; a text that makes it panic is one that cannot be read.
		if p := recover(); p != nil {
			r.problem(r.whole(), "cannot be read as YAML")
			ok = false
		}
	}()
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !r.plainText(text) {
		return root, false
	}
	tokens := lexer.Tokenize(string(text))
	if !r.plainTokens(tokens) {
		return root, false
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return root, false
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return Node{Line: r.Before + 1, Col: 1}, true
	}
	return r.convert(tree.Docs[0].Body), true
}

// plainText refuses what no editor shows, other encodings, and more than the
// parser can take.
func (r *Reader) plainText(text []byte) bool {
	if len(text) > r.Bytes {
		r.problem(r.whole(), "is longer than %d MiB: split it into files", r.Bytes>>20)
		return false
	}
	at, marks := place{r.Before + 1, 1}, 0
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		if why := unplain(c, size, text[i+size:]); why != "" {
			r.problem(at, "%s", why)
			return false
		}
		if strings.ContainsRune(",:-[]{}#'\"|>&*!%@`?", c) {
			if marks++; marks > r.Marks {
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
		return fmt.Sprintf("the control character %U", c)
	case c >= 0x80 && unicode.Is(unicode.Bidi_Control, c):
		return fmt.Sprintf("a character that turns the direction of writing (%U)", c)
	}
	return ""
}

func (r *Reader) syntax(err error) {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		r.problem(r.whole(), "cannot be read as YAML")
		return
	}
	r.problem(r.placeOf(at.GetToken()), "not valid YAML: %s", said(at.GetMessage()))
}

// said is what the parser has to say, without what it quotes from the file.
func said(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s, _, _ = strings.Cut(s, `: "`)
	return s
}

// convert copies the parser's tree into nodes. Keys written twice are reported
// and the first is kept.
func (r *Reader) convert(n ast.Node) Node {
	at := r.placeOf(n.GetToken())
	out := Node{Line: at.line, Col: at.col}
	switch n := n.(type) {
	case *ast.MappingNode:
		return r.convertMapping(n, out)
	case *ast.SequenceNode:
		out.Kind, out.List = List, make([]Node, 0, len(n.Values))
		for _, v := range n.Values {
			out.List = append(out.List, r.convert(v))
		}
	case *ast.StringNode:
		out.Kind, out.Text = Text, n.Value
	case *ast.LiteralNode:
		out.Kind, out.Text = Text, n.Value.Value
	case *ast.BoolNode:
		out.Kind, out.Text = Bool, fmt.Sprint(n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.Kind, out.Text = Number, n.GetToken().Value
	case *ast.NullNode:
	default:
		r.problem(at, "this form of YAML is not accepted; write it plainly")
	}
	return out
}

func (r *Reader) convertMapping(n *ast.MappingNode, out Node) Node {
	out.Kind, out.Keys = Map, make([]Entry, 0, len(n.Values))
	seen := make(map[string]place, len(n.Values))
	for i, v := range n.Values {
		at := r.placeOf(v.Key.GetToken())
		if i == 0 && !n.IsFlowStyle {
			out.Line, out.Col = at.line, at.col // a mapping begins at its first key, not at that key's colon
		}
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			r.problem(at, "a key must be text: put it in quotes")
			continue
		}
		value := r.convert(v.Value)
		if first, twice := seen[key.Value]; twice {
			r.problem(at, "%q is written twice; the first is at %s:%d", access.Brief(key.Value), r.File, first.line)
			continue
		}
		seen[key.Value] = at
		out.Keys = append(out.Keys, Entry{Key: key.Value, Line: at.line, Col: at.col, Value: value})
	}
	return out
}
