package export

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The parser's time and stack grow with these, some of them with the square.
const (
	maxDocument = 1 << 20 // bytes of one document: more than an API server stores of one object
	maxKeys     = 1000    // keys of one mapping
	maxEmpty    = 1000    // keys and entries of one document without a value
	maxMarks    = 1 << 17 // characters of one document that may end a token
)

// parseYAML reads documents of a plain subset: no anchors, aliases, merge keys,
// tags or directives.
func (r *reader) parseYAML(text []byte) (docs []node, ok bool) {
	if !r.fits(text) {
		return nil, false
	}
	line := 0
	for len(text) > 0 {
		doc, rest, next := cutDocument(text)
		if n, some := r.document(doc, line); some {
			docs = append(docs, n)
		}
		text, line = rest, line+next
	}
	return docs, len(r.problems) == 0
}

// cutDocument takes the text up to the next line that begins a document. Such a
// line ends whatever text it stands in, so the cut is where the parser's is.
func cutDocument(text []byte) (doc, rest []byte, lines int) {
	at := 0
	for at < len(text) {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			return text, nil, 0
		}
		at += end + 1
		lines++
		if next := text[at:]; bytes.HasPrefix(next, []byte("---")) && (len(next) == 3 || strings.IndexByte(" \t\r\n", next[3]) >= 0) {
			return text[:at], next, lines
		}
	}
	return text, nil, lines
}

// document reads one; some is false where there is nothing in it, or something wrong.
func (r *reader) document(text []byte, line int) (n node, some bool) {
	defer func() {
		// The parser is not ours; a text that makes it panic is one that cannot be read.
		if p := recover(); p != nil {
			r.problem(line+1, 1, "cannot be read as YAML")
			some = false
		}
	}()
	if len(text) > maxDocument {
		r.problem(line+1, 1, "a document is longer than %d KiB", maxDocument>>10)
		return n, false
	}
	if bytes.IndexFunc(text, unprintable) >= 0 || bytes.Count(text, []byte("\r")) != bytes.Count(text, []byte("\r\n")) {
		r.problem(line+1, 1, "a document holds a control character")
		return n, false
	}
	marks := 0
	for _, c := range text {
		if strings.IndexByte(",:-[]{}#'\"|>&*!%@`?", c) >= 0 {
			marks++
		}
	}
	if marks > maxMarks {
		r.problem(line+1, 1, "a document holds too much")
		return n, false
	}
	tokens := lexer.Tokenize(string(text))
	if bad := tokens.InvalidToken(); bad != nil {
		r.problem(line+bad.Position.Line, bad.Position.Column, "not valid YAML")
		return n, false
	}
	var o outline
	for _, tk := range tokens {
		if why := o.unwanted(tk); why != "" {
			r.problem(line+tk.Position.Line, tk.Position.Column, "%s", why)
			return n, false
		}
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at := line + 1
		var e yaml.Error
		if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
			at = line + e.GetToken().Position.Line
		}
		r.problem(at, 1, "not valid YAML")
		return n, false
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return n, false
	}
	if len(tree.Docs) > 1 {
		r.problem(line+1, 1, "cannot be told apart into documents: begin each with --- on a line of its own")
		return n, false
	}
	n = r.convert(tree.Docs[0].Body, line)
	return n, n.kind != nullKind
}

func unprintable(c rune) bool {
	return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029
}

// convert copies the parser's tree.
func (r *reader) convert(n ast.Node, line int) node {
	out := node{line: line + 1, col: 1}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		out.line, out.col = line+tk.Position.Line, tk.Position.Column
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return r.convertMapping(n, out, line)
	case *ast.SequenceNode:
		out.kind = listKind
		for _, v := range n.Values {
			out.list = append(out.list, r.convert(v, line))
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
		r.at(&out, "this form of YAML is not accepted; write it plainly")
	}
	return out
}

func (r *reader) convertMapping(n *ast.MappingNode, out node, line int) node {
	out.kind = mapKind
	seen := map[string]bool{}
	for i, v := range n.Values {
		at := entry{line: out.line, col: out.col}
		if tk := v.Key.GetToken(); tk != nil && tk.Position != nil {
			at.line, at.col = line+tk.Position.Line, tk.Position.Column
		}
		if i == 0 && !n.IsFlowStyle {
			out.line, out.col = at.line, at.col
		}
		key, ok := v.Key.(*ast.StringNode)
		switch {
		case !ok:
			r.problem(at.line, at.col, "a key must be text: put it in quotes")
		case seen[key.Value]:
			r.problem(at.line, at.col, "%q is written twice", brief(key.Value))
		default:
			seen[key.Value] = true
			at.key, at.value = key.Value, r.convert(v.Value, line)
			out.keys = append(out.keys, at)
		}
	}
	return out
}

// outline follows how deep and wide the tokens nest, before the parser sees them.
type outline struct {
	block []level // columns of the block lists and mappings that are open
	flow  []brace
	empty int
	last  *token.Token
	col   int // of the key or entry that last began
}

type level struct{ col, keys int }

type brace struct {
	mapping, valued bool
	keys            int
}

func (o *outline) unwanted(tk *token.Token) string {
	switch tk.Type {
	case token.CommentType:
		return ""
	case token.AnchorType, token.AliasType, token.MergeKeyType:
		return "anchors, aliases and merge keys are not accepted: write the value out"
	case token.TagType, token.DirectiveType, token.MappingKeyType:
		return "tags, directives and keys written with ? are not accepted"
	}
	o.count(tk)
	o.last = tk
	switch tk.Type {
	case token.MappingStartType, token.SequenceStartType:
		o.flow = append(o.flow, brace{mapping: tk.Type == token.MappingStartType})
	case token.MappingEndType, token.SequenceEndType:
		o.flow = o.flow[:max(len(o.flow)-1, 0)]
	case token.CollectEntryType:
		if n := len(o.flow); n > 0 && o.flow[n-1].mapping {
			o.flow[n-1].keys++
			o.flow[n-1].valued = false
		}
	case token.SequenceEntryType:
		o.open(tk.Position.Column, 0)
	case token.MappingValueType:
		if n := len(o.flow); n > 0 {
			o.flow[n-1].valued = true
		} else if tk.Prev != nil {
			o.open(tk.Prev.Position.Column, 1)
		}
	}
	switch {
	case len(o.flow)+len(o.block) > maxNesting:
		return "lists and mappings are nested too deep"
	case len(o.flow) > 0 && o.flow[len(o.flow)-1].keys > maxKeys, len(o.block) > 0 && o.block[len(o.block)-1].keys > maxKeys:
		return "a mapping has too many keys"
	case o.empty > maxEmpty:
		return "too many keys or entries have no value"
	}
	return ""
}

// count counts what has no value: the parser's time grows with the square of it.
func (o *outline) count(tk *token.Token) {
	if o.last == nil {
		return
	}
	colon, ends := o.last.Type == token.MappingValueType, false
	switch n := len(o.flow); {
	case n > 0:
		switch tk.Type {
		case token.CollectEntryType, token.MappingEndType, token.SequenceEndType:
			bare := o.last.Type != token.MappingStartType && o.last.Type != token.CollectEntryType
			ends = colon || (o.flow[n-1].mapping && !o.flow[n-1].valued && bare)
		}
	case colon || o.last.Type == token.SequenceEntryType:
		list := colon && tk.Type == token.SequenceEntryType && tk.Position.Column == o.col // a list may begin below its key
		ends = tk.Position.Line > o.last.Position.Line && tk.Position.Column <= o.col && !list
	}
	if ends {
		o.empty++
	}
}

// open notes a list entry or a key in that column; whatever stood to its right is closed by it.
func (o *outline) open(col, keys int) {
	o.col = col
	for len(o.block) > 0 && o.block[len(o.block)-1].col > col {
		o.block = o.block[:len(o.block)-1]
	}
	if n := len(o.block); n > 0 && o.block[n-1].col == col {
		o.block[n-1].keys += keys
		return
	}
	o.block = append(o.block, level{col: col, keys: keys})
}
