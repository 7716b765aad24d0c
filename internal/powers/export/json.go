package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sort"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// parseJSON reads one JSON value. Keys that stand twice are a problem: which of
// them counts is a matter of who reads.
func (r *reader) parseJSON(text []byte) (root yaml.Node, ok bool) {
	if !r.fits(text) {
		return root, false
	}
	p := &jsonReader{reader: r, text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	p.dec.UseNumber()
	for i, c := range text {
		if c == '\n' {
			p.breaks = append(p.breaks, i)
		}
	}
	if root, ok = p.value(0); !ok {
		return root, false
	}
	if line, col := p.next(); p.more() {
		r.problem(line, col, "there is more after the end")
		return root, false
	}
	return root, len(r.problems) == 0
}

type jsonReader struct {
	*reader
	text   []byte
	dec    *json.Decoder
	breaks []int // where lines end
}

// next is the place of what comes next.
func (p *jsonReader) next() (line, col int32) {
	at := int(p.dec.InputOffset())
	for at < len(p.text) && strings.IndexByte(" \t\r\n,:", p.text[at]) >= 0 {
		at++
	}
	return p.place(at)
}

func (p *jsonReader) place(at int) (line, col int32) {
	n := sort.SearchInts(p.breaks, at)
	if n > 0 {
		at -= p.breaks[n-1] + 1
	}
	return int32(n + 1), int32(at + 1)
}

func (p *jsonReader) more() bool {
	_, err := p.dec.Token()
	return !errors.Is(err, io.EOF)
}

// broken reports what the decoder will not go past.
func (p *jsonReader) broken(err error) (yaml.Node, bool) {
	line, col := p.next()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line, col = p.place(max(0, min(int(syntax.Offset)-1, len(p.text))))
	}
	p.problem(line, col, "not valid JSON from here on")
	return yaml.Node{}, false
}

func (p *jsonReader) value(depth int) (n yaml.Node, ok bool) {
	n.Line, n.Col = p.next()
	if depth > maxNesting {
		p.at(&n, "is nested too deep")
		return n, false
	}
	t, err := p.dec.Token()
	if err != nil {
		return p.broken(err)
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return p.list(n, depth)
		}
		if t == '{' {
			return p.mapping(n, depth)
		}
		return p.broken(nil)
	case string:
		n.Kind, n.Text = yaml.Text, t
	case json.Number:
		n.Kind, n.Text = yaml.Number, t.String()
	case bool:
		n.Kind, n.Text = yaml.Bool, map[bool]string{true: "true", false: "false"}[t]
	}
	return n, true
}

func (p *jsonReader) list(n yaml.Node, depth int) (yaml.Node, bool) {
	n.Kind = yaml.List
	for p.dec.More() {
		v, ok := p.value(depth + 1)
		if !ok {
			return n, false
		}
		n.List = append(n.List, v)
	}
	return p.end(n)
}

func (p *jsonReader) mapping(n yaml.Node, depth int) (yaml.Node, bool) {
	n.Kind = yaml.Map
	seen := map[string]bool{}
	for p.dec.More() {
		e := yaml.Entry{}
		e.Line, e.Col = p.next()
		t, err := p.dec.Token()
		if err != nil {
			return p.broken(err)
		}
		key, isText := t.(string)
		if !isText {
			return p.broken(nil)
		}
		v, ok := p.value(depth + 1)
		if !ok {
			return n, false
		}
		if e.Key, e.Value = key, v; seen[key] {
			p.problem(e.Line, e.Col, "%q is written twice", access.Brief(key))
			continue
		}
		seen[key] = true
		n.Keys = append(n.Keys, e)
	}
	return p.end(n)
}

func (p *jsonReader) end(n yaml.Node) (yaml.Node, bool) {
	if _, err := p.dec.Token(); err != nil {
		return p.broken(err)
	}
	return n, true
}
