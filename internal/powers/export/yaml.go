package export

import (
	"bytes"
	"strings"

	"github.com/lessor-iam/lessor/internal/yaml"
)

// ofDocument bounds one document: it is more than an API server stores of one object.
var ofDocument = yaml.Bounds{Bytes: 1 << 20, Nesting: maxNesting, Keys: 1000, Empty: 1000, Marks: 1 << 17}

// parseYAML reads documents of plain YAML.
func (r *reader) parseYAML(text []byte) (docs []yaml.Node, ok bool) {
	if !r.fits(text) {
		return nil, false
	}
	in := yaml.Reader{Bounds: ofDocument, File: r.file}
	for len(text) > 0 && len(in.Problems) < maxProblems {
		doc, rest, lines := cutDocument(text)
		if n, ok := in.Read(doc); ok && n.Kind != yaml.Null {
			docs = append(docs, n)
		}
		text, in.Before = rest, in.Before+lines
	}
	r.problems = in.Problems[:min(len(in.Problems), maxProblems)]
	return docs, len(r.problems) == 0
}

// cutDocument takes the text up to the next line that begins a document. Such a
// line ends whatever text it stands in, so the cut is where the parser's is.
func cutDocument(text []byte) (doc, rest []byte, lines int32) {
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
