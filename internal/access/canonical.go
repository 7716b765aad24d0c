package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Canonical writes v as JSON with sorted keys, no insignificant space and no
// HTML escapes: RFC 8785 for the strings, booleans and whole numbers we use.
//
// What encoding/json has written is put in order as it stands: reading it into a
// tree and writing that again took three times as long, and every event is written
// by this.
func Canonical(v any) ([]byte, error) {
	var raw bytes.Buffer
	if err := marshal(&raw, v); err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	w := sorter{in: raw.Bytes(), out: make([]byte, 0, raw.Len())}
	w.value()
	return w.out, nil
}

func marshal(to *bytes.Buffer, v any) error {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// sorter copies valid, compact JSON and puts the members of its objects in order.
type sorter struct {
	in    []byte
	at    int
	out   []byte
	aside []byte // where members are put in order
}

func (s *sorter) value() {
	switch s.in[s.at] {
	case '{':
		s.object()
	case '[':
		s.array()
	case '"':
		s.out = append(s.out, written(s.text())...)
	default: // a number, true, false or null
		from := s.at
		for s.at < len(s.in) && !ends(s.in[s.at]) {
			s.at++
		}
		s.out = append(s.out, s.in[from:s.at]...)
	}
}

// ends tells whether a byte is no part of a number, true, false or null any more.
func ends(b byte) bool { return b == ',' || b == ']' || b == '}' || b == '\n' }

func (s *sorter) array() {
	s.step()
	for s.in[s.at] != ']' {
		if s.in[s.at] == ',' {
			s.step()
		}
		s.value()
	}
	s.step()
}

// step copies one byte.
func (s *sorter) step() {
	s.out = append(s.out, s.in[s.at])
	s.at++
}

// member is one member of an object: its name, and where it was written.
type member struct {
	name     []byte
	from, to int
}

// object writes its members as they come, and then in order where they are not.
func (s *sorter) object() {
	s.step()
	begin := len(s.out)
	list := make([]member, 0, 16)
	for s.in[s.at] != '}' {
		if s.in[s.at] == ',' {
			s.step()
		}
		m := member{from: len(s.out)}
		name := s.text()
		m.name = meant(name)
		s.out = append(s.out, written(name)...)
		s.step() // the colon
		s.value()
		m.to = len(s.out)
		list = append(list, m)
	}
	if !inOrder(list) {
		s.order(begin, list)
	}
	s.step()
}

// inOrder tells whether each name comes after the one before, and none twice.
func inOrder(list []member) bool {
	for i := 1; i < len(list); i++ {
		if bytes.Compare(list[i-1].name, list[i].name) >= 0 {
			return false
		}
	}
	return true
}

// order puts the members that were written from there on in order.
func (s *sorter) order(begin int, list []member) {
	slices.SortStableFunc(list, func(a, b member) int { return bytes.Compare(a.name, b.name) })
	s.aside = s.aside[:0]
	for i, m := range list {
		if i+1 < len(list) && bytes.Equal(list[i+1].name, m.name) {
			continue // said twice: the last word counts, as for encoding/json
		}
		if len(s.aside) > 0 {
			s.aside = append(s.aside, ',')
		}
		s.aside = append(s.aside, s.out[m.from:m.to]...)
	}
	s.out = append(s.out[:begin], s.aside...)
}

// text takes one string with its quotes.
func (s *sorter) text() []byte {
	from := s.at
	for s.at++; s.in[s.at] != '"'; s.at++ {
		if s.in[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
	return s.in[from:s.at]
}

// meant is what a string says.
func meant(quoted []byte) []byte {
	if plain(quoted) {
		return quoted[1 : len(quoted)-1]
	}
	var said string
	_ = json.Unmarshal(quoted, &said) // it was written by encoding/json, or read by it
	return []byte(said)
}

func plain(quoted []byte) bool { return bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) }

// written is a string as RFC 8785 writes it. It differs from what it is in only
// where there is an escape, for whoever wrote it may have escaped more than must be.
func written(quoted []byte) []byte {
	if plain(quoted) {
		return quoted
	}
	var out bytes.Buffer
	_ = marshal(&out, string(meant(quoted)))
	return literal(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}

// literal writes U+2028 and U+2029 as themselves: Go escapes them for JavaScript's
// sake, RFC 8785 does not. A backslash in the text is written twice, so an escape
// always begins at the first one.
func literal(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u202`)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] != '\\':
			out = append(out, b[i])
		case bytes.HasPrefix(b[i:], []byte(`\u2028`)):
			out, i = append(out, "\u2028"...), i+5
		case bytes.HasPrefix(b[i:], []byte(`\u2029`)):
			out, i = append(out, "\u2029"...), i+5
		default:
			out, i = append(out, b[i], b[i+1]), i+1
		}
	}
	return out
}
