package adf

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/lessor-iam/lessor/internal/leak"
)

// Wiki is the document in Jira's wiki markup. No text in it is markup.
func (d *Doc) Wiki() string {
	var parts []string
	for _, b := range d.blocks {
		parts = append(parts, b.wiki())
	}
	return strings.Join(parts, "\n\n")
}

func (b block) wiki() string {
	var w strings.Builder
	switch b.form {
	case code:
		// The only thing that ends it is its own end.
		return "{noformat}\n" + strings.ReplaceAll(b.text, "{noformat", "{ noformat") + "\n{noformat}"
	case table:
		for i, cells := range b.rows {
			bar := "|"
			if i == 0 {
				bar = "||"
			}
			w.WriteString(bar)
			for _, cell := range cells {
				if cell == "" {
					cell = " " // two bars would make a head of it
				}
				w.WriteString(EscapeWiki(cell) + bar)
			}
			w.WriteString("\n")
		}
	case bullets:
		for _, line := range b.lines {
			// A break within a bullet would end the list.
			w.WriteString("* " + strings.ReplaceAll(spans(line), "\n", " ") + "\n")
		}
	default:
		return spans(b.lines[0])
	}
	return strings.TrimSuffix(w.String(), "\n")
}

func spans(line []Span) string {
	var w strings.Builder
	for _, s := range line {
		switch text := EscapeWiki(s.text); s.style {
		case strong:
			w.WriteString(around("*", text, "*"))
		case mono:
			w.WriteString(around("{{", text, "}}"))
		case link:
			w.WriteString("[" + strings.ReplaceAll(text, "\n", " ") + "|" + wikiURL.Replace(s.href) + "]")
		default:
			w.WriteString(text)
		}
	}
	return w.String()
}

// around marks each line by itself: a mark does not reach over a break.
func around(open, text, end string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.TrimSpace(l) != "" {
			lines[i] = open + l + end
		}
	}
	return strings.Join(lines, "\n")
}

var wikiURL = strings.NewReplacer("|", "%7C", "]", "%5D", "[", "%5B", "{", "%7B", "}", "%7D", "\\", "%5C", "^", "%5E", "~", "%7E", "*", "%2A")

// marks are the characters that begin or end markup and that a backslash makes
// plain. Jira knows no other: a backslash before anything else is shown.
const marks = "-#*_+?^~|{}[]()!"

// heads begins a heading or a quotation, at the beginning of a line.
var heads = regexp.MustCompile(`(?m)^([ \t]*(?:h[1-6]|bq))\.`)

// EscapeWiki makes text mean itself in wiki markup: no link, macro, mention,
// image, table, heading or list comes of it.
func EscapeWiki(text string) string {
	var w strings.Builder
	rs := []rune(leak.Clean(text))
	at := func(i int) rune {
		if i < 0 || i >= len(rs) {
			return ' '
		}
		return rs[i]
	}
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	for i, r := range rs {
		switch {
		case r == '\\' && (at(i+1) == '\\' || at(i-1) == '\\' || strings.ContainsRune(marks+"%@", at(i+1))):
			w.WriteString("&#92;") // two in a row break the line, and none can be escaped
			continue
		case (r == '-' || r == '_') && word(at(i-1)) && word(at(i+1)): // harmless, and in many a name
		case strings.ContainsRune(marks, r):
			w.WriteByte('\\')
		}
		w.WriteRune(r)
	}
	return heads.ReplaceAllString(w.String(), "$1&#46;")
}
