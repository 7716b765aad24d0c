package config

import "github.com/goccy/go-yaml/token"

// outline follows how deep and how wide the tokens nest, before the parser,
// whose stack grows with both, sees them.
type outline struct {
	block []level // columns of the block lists and mappings that are open
	flow  []int   // keys of each open flow list or mapping
}

type level struct{ col, keys int }

// plainTokens refuses, before anything is built, whatever makes a file mean
// more than it shows: anchors, aliases, merge keys, tags, directives, complex
// keys, several documents, and nesting beyond the bounds.
func (r *report) plainTokens(file string, tokens token.Tokens) bool {
	if bad := tokens.InvalidToken(); bad != nil {
		r.problem(tokenMark(file, bad), "not valid YAML: %s", firstLine(bad.Error))
		return false
	}
	var o outline
	content, ok := false, true
	for _, tk := range tokens {
		if why := unwanted(tk, content); why != "" {
			r.problem(tokenMark(file, tk), "%s", why)
			ok = false
		}
		content = content || tk.Type != token.CommentType
		if why := o.follow(tk); why != "" {
			r.problem(tokenMark(file, tk), "%s", why)
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
	switch tk.Type {
	case token.MappingStartType, token.SequenceStartType:
		o.flow = append(o.flow, 0)
	case token.MappingEndType, token.SequenceEndType:
		o.flow = o.flow[:max(len(o.flow)-1, 0)]
	case token.SequenceEntryType:
		o.open(tk.Position.Column, 0)
	case token.MappingValueType:
		if n := len(o.flow); n > 0 {
			o.flow[n-1]++
		} else if tk.Prev != nil {
			o.open(tk.Prev.Position.Column, 1)
		}
	}
	switch {
	case len(o.flow)+len(o.block) > maxNesting:
		return "lists and mappings are nested too deep"
	case len(o.flow) > 0 && o.flow[len(o.flow)-1] > maxKeys,
		len(o.block) > 0 && o.block[len(o.block)-1].keys > maxKeys:
		return "a mapping has too many keys"
	}
	return ""
}

// open notes a list entry or a key in that column: whatever stood to its right
// is closed by it.
func (o *outline) open(col, keys int) {
	for len(o.block) > 0 && o.block[len(o.block)-1].col > col {
		o.block = o.block[:len(o.block)-1]
	}
	if n := len(o.block); n > 0 && o.block[n-1].col == col {
		o.block[n-1].keys += keys
		return
	}
	o.block = append(o.block, level{col: col, keys: keys})
}
