package yaml

import "github.com/goccy/go-yaml/token"

// outline follows how deep and how wide the tokens nest, before the parser,
// whose stack and time grow with both, sees them.
type outline struct {
	Bounds
	block []level // columns of the block lists and mappings that are open
	flow  []brace // the flow lists and mappings that are open
	empty int     // keys and entries without a value
	last  *token.Token
	col   int // of the key or entry that last began
}

type level struct{ col, keys int }

// brace is one open flow list or mapping; valued: its current key has a colon.
type brace struct {
	mapping bool
	keys    int
	valued  bool
}

// plainTokens refuses, before anything is built, whatever makes a file mean
// more than it shows: anchors, aliases, merge keys, tags, directives, complex
// keys, several documents, and nesting beyond the bounds.
func (r *Reader) plainTokens(tokens token.Tokens) bool {
	if bad := tokens.InvalidToken(); bad != nil {
		r.problem(r.placeOf(bad), "not valid YAML: %s", said(bad.Error))
		return false
	}
	o := outline{Bounds: r.Bounds}
	content, ok := false, true
	for _, tk := range tokens {
		if why := unwanted(tk, content); why != "" {
			r.problem(r.placeOf(tk), "%s", why)
			ok = false
		}
		content = content || tk.Type != token.CommentType
		if why := o.follow(tk); why != "" {
			r.problem(r.placeOf(tk), "%s", why)
			return false
		}
	}
	return ok
}

func unwanted(tk *token.Token, content bool) string {
	switch tk.Type {
	case token.AnchorType, token.AliasType, token.MergeKeyType:
		return "anchors, aliases and merge keys are not accepted: write the value out"
	case token.TagType:
		return "tags are not accepted: write the value plainly, in quotes if it is text"
	case token.DirectiveType:
		return "directives are not accepted"
	case token.MappingKeyType:
		return "keys written with ? are not accepted"
	case token.DocumentHeaderType:
		if content {
			return "only one document a file is accepted: split it into files"
		}
	case token.DocumentEndType:
		return "the end marker ... is not accepted"
	}
	return ""
}

func (o *outline) follow(tk *token.Token) string {
	if tk.Type == token.CommentType {
		return ""
	}
	o.countEmpty(tk)
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
	case len(o.flow)+len(o.block) > o.Bounds.Nesting:
		return "lists and mappings are nested too deep"
	case len(o.flow) > 0 && o.flow[len(o.flow)-1].keys > o.Bounds.Keys,
		len(o.block) > 0 && o.block[len(o.block)-1].keys > o.Bounds.Keys:
		return "a mapping has too many keys"
	case o.empty > o.Bounds.Empty:
		return "too many keys or list entries have no value"
	}
	return ""
}

// countEmpty counts what has no value; the parser's time grows with the square
// of it.
func (o *outline) countEmpty(tk *token.Token) {
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
		ofKey := colon && tk.Type == token.SequenceEntryType && tk.Position.Column == o.col // a list may begin below its key
		ends = tk.Position.Line > o.last.Position.Line && tk.Position.Column <= o.col && !ofKey
	}
	if ends {
		o.empty++
	}
}

// open notes a list entry or a key in that column: whatever stood to its right
// is closed by it.
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
