package jirasim

import (
	"fmt"
	"strings"
)

// query is a JQL query as it was read.
type query struct {
	where *clause
	order []ordering
}

type ordering struct {
	field string
	desc  bool
}

// clause is a tree: op is "and", "or", "not", or an operator on a field.
type clause struct {
	op    string
	parts []*clause
	field string
	args  []operand
	many  bool // the operand was a list
}

// operand is a value, or a function with its arguments.
type operand struct {
	text string
	fn   bool
	args []string
}

type token struct {
	text   string
	quoted bool
	at     int
}

type jqlReader struct {
	tokens []token
	n      int
	end    int
}

// parseJQL reads a query; the error is in Jira's words.
func parseJQL(text string) (*query, error) {
	tokens, err := lexJQL(text)
	if err != nil {
		return nil, err
	}
	r := &jqlReader{tokens: tokens, end: len(text) + 1}
	q := &query{}
	if !r.word("order") && r.n < len(tokens) {
		if q.where, err = r.or(0); err != nil {
			return nil, err
		}
	}
	if r.word("order") {
		if q.order, err = r.ordering(); err != nil {
			return nil, err
		}
	}
	if r.n < len(tokens) {
		return nil, r.want("AND", "OR")
	}
	return q, nil
}

func lexJQL(text string) (out []token, err error) {
	for n := 0; n < len(text); {
		ch := text[n]
		switch {
		case ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r':
			n++
		case ch == '"' || ch == '\'':
			var b strings.Builder
			from := n
			for n++; n < len(text) && text[n] != ch; n++ {
				if text[n] == '\\' && n+1 < len(text) {
					n++
				}
				b.WriteByte(text[n])
			}
			if n >= len(text) {
				return nil, fmt.Errorf("Error in the JQL Query: The quoted string '%s' has not been completed. (line 1, character %d)", b.String(), from+1)
			}
			n++
			out = append(out, token{b.String(), true, from + 1})
		case strings.ContainsRune("(),", rune(ch)):
			out = append(out, token{string(ch), false, n + 1})
			n++
		case strings.ContainsRune("=<>!~", rune(ch)):
			from := n
			for n++; n < len(text) && strings.ContainsRune("=~", rune(text[n])); n++ {
			}
			out = append(out, token{text[from:n], false, from + 1})
		default:
			from := n
			for n < len(text) && !strings.ContainsRune(" \t\r\n\"'(),=<>!~", rune(text[n])) {
				n++
			}
			out = append(out, token{text[from:n], false, from + 1})
		}
	}
	return out, nil
}

// word says whether the next token is that keyword.
func (r *jqlReader) word(w string) bool {
	return r.n < len(r.tokens) && !r.tokens[r.n].quoted && strings.EqualFold(r.tokens[r.n].text, w)
}

func (r *jqlReader) take(w string) bool {
	if r.word(w) {
		r.n++
		return true
	}
	return false
}

func (r *jqlReader) want(what ...string) error {
	if r.n >= len(r.tokens) {
		return fmt.Errorf("Error in the JQL Query: Expecting either '%s' but got end of the query. (line 1, character %d)", strings.Join(what, "' or '"), r.end)
	}
	t := r.tokens[r.n]
	return fmt.Errorf("Error in the JQL Query: Expecting either '%s' but got '%s'. (line 1, character %d)", strings.Join(what, "' or '"), t.text, t.at)
}

func (r *jqlReader) or(depth int) (*clause, error) {
	return r.list("or", depth, func() (*clause, error) {
		return r.list("and", depth, func() (*clause, error) { return r.term(depth) })
	})
}

func (r *jqlReader) list(word string, depth int, part func() (*clause, error)) (*clause, error) {
	if depth > 50 {
		return nil, fmt.Errorf("Error in the JQL Query: it is nested too deeply.")
	}
	c := &clause{op: word}
	for {
		p, err := part()
		if err != nil {
			return nil, err
		}
		c.parts = append(c.parts, p)
		if !r.take(word) && !r.take(map[string]string{"and": "&&", "or": "||"}[word]) {
			break
		}
	}
	if len(c.parts) == 1 {
		return c.parts[0], nil
	}
	return c, nil
}

func (r *jqlReader) term(depth int) (*clause, error) {
	if r.take("not") || r.take("!") {
		c, err := r.term(depth + 1)
		return &clause{op: "not", parts: []*clause{c}}, err
	}
	if r.take("(") {
		c, err := r.or(depth + 1)
		if err == nil && !r.take(")") {
			err = r.want(")")
		}
		return c, err
	}
	if r.n >= len(r.tokens) {
		return nil, fmt.Errorf("Error in the JQL Query: Expecting a field name but got end of the query. (line 1, character %d)", r.end)
	}
	c := &clause{field: r.tokens[r.n].text}
	r.n++
	return c, r.operator(c)
}

const operators = "The valid operators are '=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' and 'IS NOT'."

func (r *jqlReader) operator(c *clause) error {
	if r.n >= len(r.tokens) {
		return fmt.Errorf("Error in the JQL Query: Expecting operator but got end of the query. %s (line 1, character %d)", operators, r.end)
	}
	t := r.tokens[r.n]
	r.n++
	op := strings.ToLower(t.text)
	if t.quoted {
		op = ""
	}
	switch {
	case op == "=" || op == "!=" || op == "<" || op == ">" || op == "<=" || op == ">=" || op == "~" || op == "!~":
		c.op = op
	case op == "in":
		c.op = "in"
	case op == "not" && r.take("in"):
		c.op = "not in"
	case op == "is":
		c.op = "is"
		if r.take("not") {
			c.op = "is not"
		}
	default:
		return fmt.Errorf("Error in the JQL Query: Expecting operator but got '%s'. %s (line 1, character %d)", t.text, operators, t.at)
	}
	if c.op == "in" || c.op == "not in" {
		return r.many(c)
	}
	one, err := r.operand()
	c.args = []operand{one}
	return err
}

func (r *jqlReader) many(c *clause) error {
	c.many = true
	if !r.take("(") {
		one, err := r.operand()
		c.args = []operand{one}
		if err == nil && !one.fn {
			r.n--
			err = r.want("(")
		}
		return err
	}
	for {
		one, err := r.operand()
		if err != nil {
			return err
		}
		c.args = append(c.args, one)
		if r.take(",") {
			continue
		}
		if r.take(")") {
			return nil
		}
		return r.want(")", ",")
	}
}

func (r *jqlReader) operand() (operand, error) {
	if r.n >= len(r.tokens) || !r.tokens[r.n].quoted && strings.ContainsAny(r.tokens[r.n].text, "(),=<>!~") {
		if r.n >= len(r.tokens) {
			return operand{}, fmt.Errorf("Error in the JQL Query: Expecting either a value, list or function but got end of the query. (line 1, character %d)", r.end)
		}
		return operand{}, fmt.Errorf("Error in the JQL Query: Expecting either a value, list or function but got '%s'. You must surround '%s' in quotation marks to use it as a value. (line 1, character %d)",
			r.tokens[r.n].text, r.tokens[r.n].text, r.tokens[r.n].at)
	}
	t := r.tokens[r.n]
	r.n++
	out := operand{text: t.text}
	if t.quoted || !r.take("(") {
		return out, nil
	}
	out.fn = true
	for !r.take(")") {
		if r.n >= len(r.tokens) {
			return out, r.want(")")
		}
		if r.tokens[r.n].text != "," {
			out.args = append(out.args, r.tokens[r.n].text)
		}
		r.n++
	}
	return out, nil
}

func (r *jqlReader) ordering() (out []ordering, err error) {
	r.n++
	if !r.take("by") {
		return nil, r.want("by")
	}
	for {
		if r.n >= len(r.tokens) {
			return nil, r.want("a field name")
		}
		o := ordering{field: r.tokens[r.n].text}
		r.n++
		if r.take("desc") {
			o.desc = true
		} else {
			r.take("asc")
		}
		if out = append(out, o); !r.take(",") {
			return out, nil
		}
	}
}
