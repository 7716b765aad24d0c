package jirasim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// node is what the Atlassian Document Format asks of one type of node.
type node struct {
	inside string   // the types its content may have, or a set of sets' names
	least  int      // how many children at least
	attrs  []string // attributes it must have
}

const (
	inlineNodes = "text hardBreak mention emoji date status inlineCard placeholder inlineExtension mediaInline"
	listBlocks  = "paragraph bulletList orderedList taskList codeBlock mediaSingle extension"
	cellBlocks  = "paragraph panel blockquote orderedList bulletList rule heading codeBlock mediaSingle mediaGroup decisionList taskList blockCard embedCard extension nestedExpand"
	docBlocks   = "paragraph heading bulletList orderedList taskList decisionList codeBlock blockquote panel rule table expand mediaGroup mediaSingle blockCard embedCard extension bodiedExtension layoutSection"
)

var nodes = map[string]node{
	"paragraph": {inside: inlineNodes}, "heading": {inside: inlineNodes, attrs: []string{"level"}},
	"bulletList": {inside: "listItem", least: 1}, "orderedList": {inside: "listItem", least: 1},
	"listItem": {inside: listBlocks, least: 1}, "codeBlock": {inside: "text"},
	"blockquote": {inside: "paragraph orderedList bulletList codeBlock mediaSingle mediaGroup extension", least: 1},
	"panel":      {inside: "paragraph heading bulletList orderedList blockCard mediaGroup mediaSingle codeBlock taskList rule decisionList extension", least: 1, attrs: []string{"panelType"}},
	"rule":       {}, "table": {inside: "tableRow", least: 1}, "tableRow": {inside: "tableCell tableHeader"},
	"tableCell": {inside: cellBlocks, least: 1}, "tableHeader": {inside: cellBlocks, least: 1},
	"expand": {inside: docBlocks, least: 1}, "nestedExpand": {inside: cellBlocks, least: 1, attrs: []string{}},
	"taskList": {inside: "taskItem taskList", least: 1, attrs: []string{"localId"}}, "taskItem": {inside: inlineNodes, attrs: []string{"localId", "state"}},
	"decisionList": {inside: "decisionItem", least: 1, attrs: []string{"localId"}}, "decisionItem": {inside: inlineNodes, attrs: []string{"localId", "state"}},
	"mediaGroup": {inside: "media", least: 1}, "mediaSingle": {inside: "media caption", least: 1}, "caption": {inside: inlineNodes},
	"media": {attrs: []string{"type"}}, "blockCard": {attrs: []string{}}, "embedCard": {attrs: []string{"url", "layout"}},
	"extension":       {attrs: []string{"extensionKey", "extensionType"}},
	"bodiedExtension": {inside: docBlocks, least: 1, attrs: []string{"extensionKey", "extensionType"}},
	"layoutSection":   {inside: "layoutColumn", least: 1}, "layoutColumn": {inside: docBlocks, least: 1, attrs: []string{"width"}},
	"text": {}, "hardBreak": {}, "mention": {attrs: []string{"id"}}, "emoji": {attrs: []string{"shortName"}},
	"date": {attrs: []string{"timestamp"}}, "status": {attrs: []string{"text", "color"}}, "inlineCard": {attrs: []string{}},
	"placeholder": {attrs: []string{"text"}}, "inlineExtension": {attrs: []string{"extensionKey", "extensionType"}},
	"mediaInline": {attrs: []string{"id", "collection"}},
}

var textMarks = []string{"link", "em", "strong", "strike", "code", "underline", "subsup", "textColor", "annotation", "backgroundColor"}

// checkADF says what is wrong with a document, as the real server would find
// out. It knows the structure, not every attribute's value.
func checkADF(doc obj) error {
	if doc["type"] != "doc" {
		return fmt.Errorf("the root is not a doc")
	}
	if v := doc["version"]; v != json.Number("1") && v != 1 {
		return fmt.Errorf("version is not 1")
	}
	for key := range doc {
		if key != "type" && key != "version" && key != "content" {
			return fmt.Errorf("doc has no %q", key)
		}
	}
	content, ok := doc["content"].(list)
	if !ok {
		return fmt.Errorf("doc has no content")
	}
	return checkNodes("doc", docBlocks, content, 0)
}

func checkNodes(parent, inside string, content list, depth int) error {
	if depth > 40 {
		return fmt.Errorf("nested too deeply")
	}
	for _, raw := range content {
		n, ok := raw.(obj)
		typ, named := n["type"].(string)
		if !ok || !named || !slices.Contains(strings.Fields(inside), typ) {
			return fmt.Errorf("%s must not hold %v", parent, n["type"])
		}
		if err := checkNode(parent, typ, n, depth); err != nil {
			return err
		}
	}
	return nil
}

func checkNode(parent, typ string, n obj, depth int) error {
	rule := nodes[typ]
	for key := range n {
		if !slices.Contains([]string{"type", "attrs", "content", "marks", "text"}, key) || (key == "text") != (typ == "text") && key == "text" {
			return fmt.Errorf("%s has no %q", typ, key)
		}
	}
	attrs, _ := n["attrs"].(obj)
	if rule.attrs != nil && attrs == nil {
		return fmt.Errorf("%s needs attrs", typ)
	}
	for _, a := range rule.attrs {
		if attrs[a] == nil {
			return fmt.Errorf("%s needs attrs.%s", typ, a)
		}
	}
	if typ == "text" {
		return checkText(parent, n)
	}
	content, _ := n["content"].(list)
	if _, given := n["content"]; given && (rule.inside == "" || content == nil) || len(content) < rule.least {
		return fmt.Errorf("%s has the wrong content", typ)
	}
	return checkNodes(typ, rule.inside, content, depth+1)
}

func checkText(parent string, n obj) error {
	if t, ok := n["text"].(string); !ok || t == "" {
		return fmt.Errorf("text must not be empty")
	}
	marks, _ := n["marks"].(list)
	if _, given := n["marks"]; given && marks == nil || parent == "codeBlock" && len(marks) > 0 {
		return fmt.Errorf("marks are wrong here")
	}
	code := false
	for _, raw := range marks {
		m, _ := raw.(obj)
		typ, _ := m["type"].(string)
		attrs, _ := m["attrs"].(obj)
		href, _ := attrs["href"].(string)
		switch {
		case !slices.Contains(textMarks, typ):
			return fmt.Errorf("no mark %q", typ)
		case typ == "link" && href == "":
			return fmt.Errorf("a link needs href")
		}
		code = code || typ == "code"
	}
	for _, raw := range marks {
		typ, _ := raw.(obj)["type"].(string)
		if code && typ != "code" && typ != "link" && typ != "annotation" {
			return fmt.Errorf("code cannot be %s too", typ)
		}
	}
	return nil
}

// docOf makes a document of plain text: a paragraph for each block of lines.
func docOf(text string) obj {
	content := list{}
	for block := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		line := list{}
		for n, t := range strings.Split(block, "\n") {
			if n > 0 {
				line = append(line, obj{"type": "hardBreak"})
			}
			if t != "" {
				line = append(line, obj{"type": "text", "text": t})
			}
		}
		content = append(content, obj{"type": "paragraph", "content": line})
	}
	return obj{"type": "doc", "version": 1, "content": content}
}

// wikiOf writes a document as wiki text.
func wikiOf(doc obj) string {
	var b strings.Builder
	content, _ := doc["content"].(list)
	for n, raw := range content {
		if n > 0 {
			b.WriteString("\n\n")
		}
		wikiNode(&b, raw.(obj), "")
	}
	return b.String()
}

func wikiNode(b *strings.Builder, n obj, bullet string) {
	attrs, _ := n["attrs"].(obj)
	content, _ := n["content"].(list)
	inside := func(sep, bullet string) {
		for k, raw := range content {
			if k > 0 {
				b.WriteString(sep)
			}
			wikiNode(b, raw.(obj), bullet)
		}
	}
	switch n["type"] {
	case "text":
		b.WriteString(wikiText(n))
	case "hardBreak":
		b.WriteString("\n")
	case "heading":
		fmt.Fprintf(b, "h%v. ", attrs["level"])
		inside("", "")
	case "bulletList":
		inside("\n", bullet+"*")
	case "orderedList":
		inside("\n", bullet+"#")
	case "listItem":
		b.WriteString(bullet + " ")
		inside("\n", bullet)
	case "codeBlock":
		b.WriteString("{code}")
		inside("", "")
		b.WriteString("{code}")
	case "rule":
		b.WriteString("----")
	case "tableRow":
		for _, raw := range content {
			b.WriteString("|")
			wikiNode(b, raw.(obj), "")
		}
		b.WriteString("|")
	case "mention":
		fmt.Fprintf(b, "[~accountid:%v]", attrs["id"])
	case "status", "placeholder":
		fmt.Fprint(b, attrs["text"])
	case "emoji":
		fmt.Fprint(b, attrs["shortName"])
	case "inlineCard", "blockCard", "embedCard":
		fmt.Fprintf(b, "[%v]", attrs["url"])
	case "paragraph":
		inside("", bullet)
	default:
		inside("\n", bullet)
	}
}

func wikiText(n obj) string {
	t, _ := n["text"].(string)
	marks, _ := n["marks"].(list)
	for _, raw := range marks {
		m := raw.(obj)
		switch m["type"] {
		case "strong":
			t = "*" + t + "*"
		case "em":
			t = "_" + t + "_"
		case "code":
			t = "{{" + t + "}}"
		case "link":
			attrs, _ := m["attrs"].(obj)
			t = fmt.Sprintf("[%s|%v]", t, attrs["href"])
		}
	}
	return t
}
