package adf

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/leak"
)

// Bounds on what is read: a ticket's text becomes a reason, not a book.
const (
	maxInput = 1 << 20 // bytes of JSON
	maxDepth = 40      // nodes within nodes; below that nothing is read
	maxRead  = 64 << 10
	maxNodes = 20_000
)

// Read turns a body into plain text: a document of the format, a JSON string (as
// Data Center and the service desk give it, in wiki markup, which stays as it is)
// or null. Cut tells that there was more than is read. It never fails: what
// cannot be understood is no text.
func Read(raw json.RawMessage) (text string, cut bool) {
	if len(raw) > maxInput {
		return "", true
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var body any
	if dec.Decode(&body) != nil {
		return "", false
	}
	r := reader{}
	if s, ok := body.(string); ok {
		r.say(leak.Clean(s))
	} else {
		r.node(body, 0, "")
	}
	return tidy(r.out.String()), r.cut
}

type reader struct {
	out   strings.Builder
	nodes int
	cut   bool
}

func (r *reader) say(s string) {
	if room := maxRead - r.out.Len(); len(s) > room {
		r.cut = true
		s = s[:max(room, 0)]
		for len(s) > 0 && !utf8.ValidString(s) { // not through the middle of a character
			s = s[:len(s)-1]
		}
	}
	r.out.WriteString(s)
}

// line begins a new line, unless one has begun.
func (r *reader) line() {
	if s := r.out.String(); s != "" && s[len(s)-1] != '\n' {
		r.say("\n")
	}
}

// node walks one node; whatever has an odd type is passed over.
func (r *reader) node(v any, depth int, bullet string) {
	n, ok := v.(map[string]any)
	if !ok {
		return
	}
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		r.cut = true
		return
	}
	attrs, _ := n["attrs"].(map[string]any)
	attr := func(name string) string { s, _ := attrs[name].(string); return leak.Clean(s) }
	kind, _ := n["type"].(string)
	switch kind {
	case "text":
		s, _ := n["text"].(string)
		r.say(leak.Clean(s))
		r.target(n["marks"], s)
	case "hardBreak": // two of them leave a line empty
		r.say("\n")
	case "mention": // the shown name only: it proves nobody
		r.say("@" + strings.TrimPrefix(attr("text"), "@"))
	case "emoji":
		r.say(attr("shortName"))
	case "status":
		r.say("[" + attr("text") + "]")
	case "date":
		r.say("[date " + attr("timestamp") + "]")
	case "inlineCard", "blockCard", "embedCard":
		r.say(web(attr("url")))
	case "media", "mediaInline":
		r.say("[attachment]")
	case "rule":
		r.line()
		r.say("---\n")
	default:
		r.inside(n, kind, depth, bullet)
	}
}

// inside walks what a node holds; an unknown one is read like a paragraph.
func (r *reader) inside(n map[string]any, kind string, depth int, bullet string) {
	children, _ := n["content"].([]any)
	inner := bullet
	switch kind {
	case "bulletList", "orderedList", "taskList", "decisionList":
		inner = "- "
	case "listItem", "taskItem", "decisionItem":
		r.line()
		r.say(bullet)
		inner = ""
	}
	for i, c := range children {
		if r.cut && r.out.Len() >= maxRead {
			return
		}
		if kind == "tableRow" {
			r.cell(c, depth+1, i == 0)
			continue
		}
		r.node(c, depth+1, inner)
	}
	switch kind {
	case "paragraph", "heading", "codeBlock", "tableRow", "blockquote", "panel", "expand", "nestedExpand", "caption":
		r.line()
	}
}

// cell reads a table's cell as part of one line.
func (r *reader) cell(v any, depth int, first bool) {
	in := reader{nodes: r.nodes}
	in.node(v, depth, "")
	if !first {
		r.say(" | ")
	}
	r.say(strings.Join(strings.Fields(in.out.String()), " "))
	r.nodes, r.cut = in.nodes, r.cut || in.cut
}

// target names where a link leads, if it is the web and the text says otherwise.
func (r *reader) target(marks any, text string) {
	list, _ := marks.([]any)
	for _, m := range list {
		mark, _ := m.(map[string]any)
		attrs, _ := mark["attrs"].(map[string]any)
		href, _ := attrs["href"].(string)
		if mark["type"] != "link" || href == text {
			continue
		}
		if href = web(leak.Clean(href)); href != "" {
			r.say(" (" + href + ")")
		}
	}
}

// web gives an address of the web back, and nothing else: no javascript:, no file.
func web(href string) string {
	for _, scheme := range []string{"https://", "http://"} {
		if len(href) > len(scheme) && strings.EqualFold(href[:len(scheme)], scheme) && !strings.ContainsAny(href, " \t\n<>\"'`") {
			return href
		}
	}
	return ""
}

// tidy drops spaces at line ends and more than one empty line.
func tidy(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRight(line, " \t")
		if line == "" && (len(lines) == 0 || lines[len(lines)-1] == "") {
			continue
		}
		lines = append(lines, line)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
