package policy

import "strings"

// piece is one statement of a file, from after the last semicolon to its own.
type piece struct {
	text         string
	start, end   int // byte offsets in the file
	line, column int // of its first byte
}

// split cuts a file into statements, knowing strings and comments only. It is
// there for three things the parser does not give: the mistakes of every rule
// instead of the first, a rule's own text, and a bound on nesting (the parser
// and the evaluator recurse, so depth is memory).
func (l *loader) split(file, text string) ([]piece, bool) {
	var out []piece
	at := piece{line: 1, column: 1}
	line, column, depth, ok := 1, 1, 0, true
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			stop := stringEnd(text, i)
			line, column = after(text[i:stop], line, column)
			i = stop - 1
			continue
		case c == '/' && strings.HasPrefix(text[i:], "//"):
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
			continue
		case c == '(' || c == '[' || c == '{':
			if depth++; depth == mostDepth {
				l.say(file, line, column, "more than %d brackets are open", mostDepth-1)
				return nil, false
			}
		case c == ')' || c == ']' || c == '}':
			depth = max(depth-1, 0)
		case c == ';':
			at.end = i + 1
			at.text = text[at.start:at.end]
			out, ok = append(out, at), l.bounded(file, at) && ok
			at, depth = piece{start: i + 1, line: line, column: column + 1}, 0
		}
		line, column = after(text[i:i+1], line, column)
	}
	if rest := text[at.start:]; strings.TrimSpace(rest) != "" {
		at.end, at.text = len(text), rest
		out, ok = append(out, at), l.bounded(file, at) && ok
	}
	return out, ok
}

// bounded refuses what would nest or weigh too much without brackets.
func (l *loader) bounded(file string, p piece) bool {
	switch {
	case len(p.text) > mostRuleBytes:
		l.say(file, p.line, p.column, "the rule is larger than 64 KiB")
	case strings.Count(p.text, "if") > 4*mostDepth:
		l.say(file, p.line, p.column, "the rule has too many ifs")
	default:
		return true
	}
	return false
}

func stringEnd(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// after is the place behind some text.
func after(text string, line, column int) (int, int) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\n':
			line, column = line+1, 1
		case text[i]&0xC0 != 0x80: // columns count characters
			column++
		}
	}
	return line, column
}
