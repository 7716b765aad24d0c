package adf

import (
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/leak"
)

// maxText bounds the text of one document in characters. Jira refuses a comment
// of more than 32,767; markup needs its share.
const maxText = 24_000

const cutMark = "… (cut)"

// Doc is a document being written. The zero Doc is empty. It is built by one
// goroutine and may then be read by many.
type Doc struct {
	blocks []block
	used   int // characters of text so far
	cut    bool
}

type form int

const (
	paragraph form = iota
	bullets
	code
	table
)

type block struct {
	form  form
	lines [][]Span   // a paragraph is one line, a list one a bullet
	text  string     // of a code block
	rows  [][]string // of a table, the first being its head
}

type style int

const (
	plain style = iota
	strong
	mono
	link
)

// Span is a piece of a line, in one style.
type Span struct {
	style style
	text  string
	href  string
}

// Text is text as it is.
func Text(s string) Span { return Span{style: plain, text: leak.Clean(s)} }

// Strong is text that matters.
func Strong(s string) Span { return Span{style: strong, text: leak.Clean(s)} }

// Mono is a name or a digest, to be copied as it is.
func Mono(s string) Span { return Span{style: mono, text: leak.Clean(s)} }

// Link is text that leads to href, which must be https (http on no host but
// loopback): with any other the text stays and leads nowhere.
func Link(s, href string) Span {
	u, err := url.Parse(href)
	switch {
	case err != nil || u.Host == "" || u.User != nil || leak.Clean(href) != href:
		return Text(s)
	case u.Scheme == "https", u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"):
		return Span{style: link, text: leak.Clean(s), href: u.String()}
	}
	return Text(s)
}

// Paragraph adds one. Line breaks in a span stay line breaks.
func (d *Doc) Paragraph(line ...Span) *Doc {
	if line = d.take(line); len(line) > 0 {
		d.blocks = append(d.blocks, block{form: paragraph, lines: [][]Span{line}})
	}
	return d
}

// List adds a bullet a line; empty lines are left out.
func (d *Doc) List(lines ...[]Span) *Doc {
	b := block{form: bullets}
	for _, line := range lines {
		if line = d.take(line); len(line) > 0 {
			b.lines = append(b.lines, line)
		}
	}
	if len(b.lines) > 0 {
		d.blocks = append(d.blocks, b)
	}
	return d
}

// Code adds text whose every character matters.
func (d *Doc) Code(text string) *Doc {
	if text = d.fit(strings.Trim(leak.Clean(text), "\n")); text != "" {
		d.blocks = append(d.blocks, block{form: code, text: text})
	}
	return d
}

// Table adds one with a head. Rows are filled up or cut to the head's width.
func (d *Doc) Table(head []string, rows ...[]string) *Doc {
	if len(head) == 0 {
		return d
	}
	b := block{form: table}
	for _, row := range append([][]string{head}, rows...) {
		cells := make([]string, len(head))
		for i := range min(len(row), len(head)) {
			cells[i] = d.fit(strings.ReplaceAll(leak.Clean(row[i]), "\n", " "))
		}
		b.rows = append(b.rows, cells)
	}
	d.blocks = append(d.blocks, b)
	return d
}

// take keeps what has text and still fits.
func (d *Doc) take(line []Span) []Span {
	var kept []Span
	for _, s := range line {
		if s.text = d.fit(s.text); s.text != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// fit cuts text to what the document may still hold, and says once that it did.
func (d *Doc) fit(text string) string {
	n := utf8.RuneCountInString(text)
	switch {
	case d.cut:
		return ""
	case d.used+n <= maxText:
		d.used += n
		return text
	}
	d.cut = true
	return string([]rune(text)[:maxText-d.used]) + cutMark
}

// node is one node of the format; what is empty is left out, as the schema wants.
type node struct {
	Type    string            `json:"type"`
	Version int               `json:"version,omitempty"`
	Attrs   map[string]string `json:"attrs,omitempty"`
	Content []node            `json:"content,omitempty"`
	Marks   []node            `json:"marks,omitempty"`
	Text    string            `json:"text,omitempty"`
}

// ADF is the document for Cloud.
func (d *Doc) ADF() json.RawMessage {
	type root struct {
		Type    string `json:"type"`
		Version int    `json:"version"`
		Content []node `json:"content"`
	}
	doc := root{Type: "doc", Version: 1, Content: []node{}}
	for _, b := range d.blocks {
		doc.Content = append(doc.Content, b.node())
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		panic("adf: strings alone did not marshal: " + err.Error())
	}
	return raw
}

func (b block) node() node {
	switch b.form {
	case bullets:
		list := node{Type: "bulletList"}
		for _, line := range b.lines {
			list.Content = append(list.Content, node{Type: "listItem", Content: []node{inParagraph(line)}})
		}
		return list
	case code:
		return node{Type: "codeBlock", Content: []node{{Type: "text", Text: b.text}}}
	case table:
		t := node{Type: "table"}
		for i, cells := range b.rows {
			row, kind := node{Type: "tableRow"}, "tableCell"
			if i == 0 {
				kind = "tableHeader"
			}
			for _, cell := range cells {
				row.Content = append(row.Content, node{Type: kind, Content: []node{inParagraph([]Span{{text: cell}})}})
			}
			t.Content = append(t.Content, row)
		}
		return t
	default:
		return inParagraph(b.lines[0])
	}
}

func inParagraph(line []Span) node {
	p := node{Type: "paragraph"}
	for _, s := range line {
		for i, part := range strings.Split(s.text, "\n") {
			if i > 0 {
				p.Content = append(p.Content, node{Type: "hardBreak"})
			}
			if part != "" { // an empty text is refused
				p.Content = append(p.Content, node{Type: "text", Text: part, Marks: s.marks()})
			}
		}
	}
	return p
}

func (s Span) marks() []node {
	switch s.style {
	case strong:
		return []node{{Type: "strong"}}
	case mono:
		return []node{{Type: "code"}}
	case link:
		return []node{{Type: "link", Attrs: map[string]string{"href": s.href}}}
	}
	return nil
}
