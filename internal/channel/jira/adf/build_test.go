package adf_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/lessor-iam/lessor/internal/channel/jira/adf"
	"github.com/lessor-iam/lessor/internal/leak"
)

// contract is the folder of published material, which is not part of the project.
func contract() string {
	if folder := os.Getenv("LESSOR_JIRA_CONTRACT"); folder != "" {
		return folder
	}
	return filepath.Join("..", "..", "..", "..", "..", "shared", "jira")
}

// schema is Atlassian's own schema of the format.
func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	file := filepath.Join(contract(), "adf-full.json")
	if _, err := os.Stat(file); err != nil {
		t.Skip("skipped: no adf-full.json in LESSOR_JIRA_CONTRACT or ../shared/jira: what is built was not validated")
	}
	s, err := jsonschema.NewCompiler().Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(s *jsonschema.Schema, raw json.RawMessage) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func story() *adf.Doc {
	return new(adf.Doc).
		Paragraph(adf.Strong("Granted"), adf.Text(" prod-db:read until "), adf.Mono("2026-11-25T12:00Z"), adf.Text("\nseen twice")).
		List([]adf.Span{adf.Text("asked by "), adf.Link("ann", "https://lessor.example/ann?a=b|c")}, nil, []adf.Span{adf.Text("line one\nline two")}).
		Code("digest = {noformat}\n  *x*").
		Table([]string{"entitlement", "end"}, []string{"prod-db|read", ""}, []string{"a", "b", "too many"}, nil)
}

func TestBuiltDocumentsValidate(t *testing.T) {
	t.Parallel()
	s := schema(t)
	for name, d := range map[string]*adf.Doc{
		"nothing":              {},
		"a story":              story(),
		"only empty text":      new(adf.Doc).Paragraph(adf.Text("")).List().List(nil).Code("").Table(nil),
		"breaks alone":         new(adf.Doc).Paragraph(adf.Text("\n\n")).Code("\n"),
		"controls":             new(adf.Doc).Paragraph(adf.Text("\x00\x1b[31m\xff\u202e")),
		"markup in the text":   new(adf.Doc).Paragraph(adf.Text(`"}],"type":"media"`)).Code("</script>"),
		"a link to nowhere":    new(adf.Doc).Paragraph(adf.Link("click", "javascript:alert(1)")),
		"more than Jira takes": new(adf.Doc).Paragraph(adf.Text(strings.Repeat("ü", 1<<20))).Code("x"),
	} {
		raw := d.ADF()
		if err := valid(s, raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := len([]rune(string(raw))); n > 32_767 {
			t.Errorf("%s: %d characters", name, n)
		}
	}
	if err := valid(s, json.RawMessage(`{"type":"doc","version":1,"content":[{"type":"text","text":"bare"}]}`)); err == nil {
		t.Error("the schema takes anything")
	}
}

func TestWhateverIsBuiltValidates(t *testing.T) {
	t.Parallel()
	s := schema(t)
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "\n", "a\nb", "[x|javascript:y]", "{code}", "\\", "h1. x"}))
	span := rapid.Custom(func(t *rapid.T) adf.Span {
		switch rapid.IntRange(0, 3).Draw(t, "style") {
		case 0:
			return adf.Strong(text.Draw(t, "t"))
		case 1:
			return adf.Mono(text.Draw(t, "t"))
		case 2:
			return adf.Link(text.Draw(t, "t"), rapid.SampledFrom([]string{"https://a.example/x", "javascript:x", "https://u:p@h/", "//h", "\x00"}).Draw(t, "href"))
		}
		return adf.Text(text.Draw(t, "t"))
	})
	rapid.Check(t, func(t *rapid.T) {
		var d adf.Doc
		for range rapid.IntRange(0, 5).Draw(t, "blocks") {
			switch rapid.IntRange(0, 3).Draw(t, "form") {
			case 0:
				d.Paragraph(rapid.SliceOfN(span, 0, 4).Draw(t, "line")...)
			case 1:
				d.List(rapid.SliceOfN(rapid.SliceOfN(span, 0, 3), 0, 3).Draw(t, "lines")...)
			case 2:
				d.Code(text.Draw(t, "code"))
			case 3:
				d.Table(rapid.SliceOfN(text, 0, 3).Draw(t, "head"), rapid.SliceOfN(rapid.SliceOfN(text, 0, 4), 0, 3).Draw(t, "rows")...)
			}
		}
		if err := valid(s, d.ADF()); err != nil {
			t.Fatalf("%s: %v", d.ADF(), err)
		}
	})
}

func TestStory(t *testing.T) {
	t.Parallel()
	want := `*Granted* prod-db:read until {{2026-11-25T12:00Z}}
seen twice

* asked by [ann|https://lessor.example/ann?a=b%7Cc]
* line one line two

{noformat}
digest = { noformat}
  *x*
{noformat}

||entitlement||end||
|prod-db\|read| |
|a|b|
| | |`
	if got := story().Wiki(); got != want {
		t.Errorf("wiki:\n%s\nwant:\n%s", got, want)
	}
	text, cut := adf.Read(story().ADF())
	want = `Granted prod-db:read until 2026-11-25T12:00Z
seen twice
- asked by ann (https://lessor.example/ann?a=b|c)
- line one
line two
digest = {noformat}
  *x*
entitlement | end
prod-db|read |
a | b
 |`
	if cut || text != want {
		t.Errorf("read back:\n%s\ncut %t", text, cut)
	}
	if text, _ := adf.Read(new(adf.Doc).Paragraph(adf.Link("click", "javascript:alert(1)")).ADF()); text != "click" {
		t.Errorf("a link to javascript: %q", text)
	}
}

// unescape is what Jira does with a backslash, and the only thing it does: taken
// from its renderer's list of characters.
func unescape(s string) string {
	var out strings.Builder
	rs := []rune(s)
	for i := 0; i < len(rs); i++ {
		if rs[i] == '\\' && i+1 < len(rs) && strings.ContainsRune("-#*_+?^~|%{}[]()!@", rs[i+1]) && (i == 0 || rs[i-1] != '\\') {
			i++
		}
		out.WriteRune(rs[i])
	}
	return strings.NewReplacer("&#92;", `\`, "&#46;", ".").Replace(out.String())
}

func TestEscapeWiki(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"prod-db:read_only at 10:15": "prod-db:read_only at 10:15",
		"[~accountid:5b10]":          `\[\~accountid:5b10\]`,
		"{code}x{code}":              `\{code\}x\{code\}`,
		"[click|javascript:x]":       `\[click\|javascript:x\]`,
		"!http://h/x.png!":           `\!http://h/x.png\!`,
		"- item":                     `\- item`,
		"----":                       `\-\-\-\-`,
		"-gone- _x_":                 `\-gone\- \_x\_`,
		`C:\dir`:                     `C:\dir`,
		`a\\b`:                       `a&#92;&#92;b`,
		`\*x*`:                       `&#92;\*x\*`,
		"h1. big\nsee h1. small":     "h1&#46; big\nsee h1. small",
		"bq. q":                      "bq&#46; q",
		"a\x00\u202eb":               "ab",
	} {
		got := adf.EscapeWiki(in)
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if back := unescape(got); back != leak.Clean(in) {
			t.Errorf("%q reads %q", in, back)
		}
	}
}

func FuzzEscapeWiki(f *testing.F) {
	for _, s := range []string{`\\*`, `\{code}`, "h1. x", "a-b-c", "{{x}}", "||a||"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "&#") {
			t.Skip("an entity stays one: what it shows is a character, not markup")
		}
		got := adf.EscapeWiki(s)
		if back := unescape(got); back != leak.Clean(s) {
			t.Fatalf("%q became %q, which reads %q", s, got, back)
		}
		for i, r := range got {
			if strings.ContainsRune("{}[]|*+^~?!#()", r) && got != "" && (i == 0 || got[i-1] != '\\') && !strings.HasPrefix(got[max(0, i-1):], "&#") {
				t.Fatalf("%q became %q: %q is markup", s, got, r)
			}
		}
	})
}
