package jirasim

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// docs are documents and whether the format allows them.
var docs = map[string]struct {
	text string
	fine bool
}{
	"plain":              {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"hello"}]}]}`, true},
	"empty":              {`{"type":"doc","version":1,"content":[]}`, true},
	"marks":              {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"strong"},{"type":"link","attrs":{"href":"https://x"}}]}]}]}`, true},
	"code with a link":   {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"code"},{"type":"link","attrs":{"href":"https://x"}}]}]}]}`, true},
	"a list":             {`{"type":"doc","version":1,"content":[{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"a"}]}]}]}]}`, true},
	"a heading":          {`{"type":"doc","version":1,"content":[{"type":"heading","attrs":{"level":2},"content":[{"type":"text","text":"a"}]}]}`, true},
	"a table":            {`{"type":"doc","version":1,"content":[{"type":"table","content":[{"type":"tableRow","content":[{"type":"tableHeader","content":[{"type":"paragraph"}]},{"type":"tableCell","attrs":{},"content":[{"type":"paragraph"}]}]}]}]}`, true},
	"a code block":       {`{"type":"doc","version":1,"content":[{"type":"codeBlock","attrs":{"language":"sql"},"content":[{"type":"text","text":"select 1"}]}]}`, true},
	"a panel":            {`{"type":"doc","version":1,"content":[{"type":"panel","attrs":{"panelType":"info"},"content":[{"type":"paragraph","content":[{"type":"mention","attrs":{"id":"5b"}}]}]}]}`, true},
	"a status":           {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"status","attrs":{"text":"ACTIVE","color":"green"}},{"type":"hardBreak"}]}]}`, true},
	"a rule":             {`{"type":"doc","version":1,"content":[{"type":"rule"}]}`, true},
	"a string":           {`"hello"`, false},
	"no version":         {`{"type":"doc","content":[]}`, false},
	"version 2":          {`{"type":"doc","version":2,"content":[]}`, false},
	"no content":         {`{"type":"doc","version":1}`, false},
	"not a doc":          {`{"type":"paragraph","version":1,"content":[]}`, false},
	"more at the top":    {`{"type":"doc","version":1,"content":[],"title":"x"}`, false},
	"unknown node":       {`{"type":"doc","version":1,"content":[{"type":"marquee"}]}`, false},
	"text at the top":    {`{"type":"doc","version":1,"content":[{"type":"text","text":"a"}]}`, false},
	"empty text":         {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":""}]}]}`, false},
	"unknown mark":       {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"blink"}]}]}]}`, false},
	"link without href":  {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"link","attrs":{}}]}]}]}`, false},
	"code and strong":    {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"code"},{"type":"strong"}]}]}]}`, false},
	"paragraph in one":   {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"paragraph"}]}]}`, false},
	"list of paragraphs": {`{"type":"doc","version":1,"content":[{"type":"bulletList","content":[{"type":"paragraph"}]}]}`, false},
	"empty list":         {`{"type":"doc","version":1,"content":[{"type":"bulletList","content":[]}]}`, false},
	"marks in code":      {`{"type":"doc","version":1,"content":[{"type":"codeBlock","content":[{"type":"text","text":"a","marks":[{"type":"strong"}]}]}]}`, false},
	"no level":           {`{"type":"doc","version":1,"content":[{"type":"heading","content":[]}]}`, false},
	"no panel type":      {`{"type":"doc","version":1,"content":[{"type":"panel","content":[{"type":"paragraph"}]}]}`, false},
	"no mention":         {`{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"mention","attrs":{"text":"@x"}}]}]}`, false},
	"stray key":          {`{"type":"doc","version":1,"content":[{"type":"paragraph","onclick":"x"}]}`, false},
}

func TestOnlyDocumentsAreTaken(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	for name, d := range docs {
		a := r.ask(t, lessor, "PUT", "/rest/api/3/issue/"+tk.ID, `{"fields":{"description":`+d.text+`}}`)
		if (a.status == 204) != d.fine {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	a := r.must(t, 400, lessor, "POST", "/rest/api/3/issue/"+tk.ID+"/comment", `{"body":"hello"}`)
	want(t, "the recorded answer", a.at("errors.comment"), "Comment body is not valid!")
	a = r.must(t, 400, lessor, "POST", "/rest/api/3/issue/"+tk.ID+"/comment", `{"body":{"type":"doc","version":1,"content":[]}}`)
	want(t, "nothing said", a.at("errors.comment"), "Comment body can not be empty!")
}

// TestDocumentsAgreeWithTheSchema holds our own check, and all documents the
// site writes itself, against the published schema.
func TestDocumentsAgreeWithTheSchema(t *testing.T) {
	t.Parallel()
	schema := loadContract(t).adf
	for name, d := range docs {
		if fine := valid(t, schema, d.text) == nil; fine != d.fine {
			t.Errorf("%s: the schema says %v", name, fine)
		}
	}
	for _, text := range []string{"one line", "two\nlines", "two\n\nparagraphs", "\n\n\n", " ", "a\r\nb\r\n\r\nc", "trailing\n"} {
		doc, err := json.Marshal(docOf(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(t, schema, string(doc)); err != nil {
			t.Errorf("of %q: %v", text, err)
		}
	}
}

func valid(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(v)
}

func TestWikiText(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	r.must(t, 204, lessor, "PUT", "/rest/api/3/issue/"+tk.ID, `{"fields":{"description":{"type":"doc","version":1,"content":[
		{"type":"heading","attrs":{"level":2},"content":[{"type":"text","text":"Why"}]},
		{"type":"paragraph","content":[{"type":"text","text":"bold","marks":[{"type":"strong"}]},{"type":"text","text":" and "},{"type":"text","text":"code","marks":[{"type":"code"}]}]},
		{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"link","attrs":{"href":"https://x"}}]}]}]}]},
		{"type":"codeBlock","content":[{"type":"text","text":"select 1"}]}]}}}`)
	got := r.must(t, 200, lessor, "GET", "/rest/api/2/issue/"+tk.ID+"?fields=description", "").at("fields.description")
	want(t, "wiki text", got, "h2. Why\n\n*bold* and {{code}}\n\n* [a|https://x]\n\n{code}select 1{code}")
}

// TestSamplesAreLeftOutside keeps the published files out of the project.
func TestSamplesAreLeftOutside(t *testing.T) {
	t.Parallel()
	dir := contractFolder(t)
	for _, glob := range []string{"*.json", "*/*.json", "*/*.http"} {
		files, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", glob, len(files), err)
		}
		for _, f := range files {
			if _, err := os.Stat(filepath.Base(f)); err == nil {
				t.Errorf("%s is copied into the project", filepath.Base(f))
			}
		}
	}
}
