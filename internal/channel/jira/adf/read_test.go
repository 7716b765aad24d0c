package adf_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/channel/jira/adf"
)

func doc(content string) string { return `{"type":"doc","version":1,"content":[` + content + `]}` }

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"null", `null`, ""},
		{"nothing", ``, ""},
		{"not JSON", `{"type":`, ""},
		{"wiki text", `"see [x|javascript:y]\r\n*now*"`, "see [x|javascript:y]\n*now*"},
		{"a number", `7`, ""},
		{"text", doc(`{"type":"paragraph","content":[{"type":"text","text":"a"},{"type":"hardBreak"},{"type":"text","text":"b"}]},{"type":"paragraph"},{"type":"paragraph","content":[{"type":"text","text":"c"}]}`), "a\nb\nc"},
		{"mention", doc(`{"type":"paragraph","content":[{"type":"mention","attrs":{"id":"5b10","text":"@Mia"}},{"type":"text","text":" please"}]}`), "@Mia please"},
		{"attachment", doc(`{"type":"mediaSingle","content":[{"type":"media","attrs":{"id":"x","url":"https://evil/"}}]}`), "[attachment]"},
		{"status and emoji", doc(`{"type":"paragraph","content":[{"type":"status","attrs":{"text":"DONE"}},{"type":"emoji","attrs":{"shortName":":x:"}}]}`), "[DONE]:x:"},
		{"link", doc(`{"type":"paragraph","content":[{"type":"text","text":"here","marks":[{"type":"link","attrs":{"href":"https://h/x"}}]}]}`), "here (https://h/x)"},
		{"link that says where", doc(`{"type":"paragraph","content":[{"type":"text","text":"https://h/x","marks":[{"type":"link","attrs":{"href":"https://h/x"}}]}]}`), "https://h/x"},
		{"javascript", doc(`{"type":"paragraph","content":[{"type":"text","text":"here","marks":[{"type":"link","attrs":{"href":"JavaScript:alert(1)"}}]}]}`), "here"},
		{"javascript card", doc(`{"type":"blockCard","attrs":{"url":"javascript:alert(1)"}}`), ""},
		{"unknown block", doc(`{"type":"hologram","content":[{"type":"paragraph","content":[{"type":"text","text":"inside"}]}]}`), "inside"},
		{"odd types", doc(`7,null,"x",[],{"type":7,"content":"y"},{"type":"text","text":{}},{"type":"text","marks":[1,{"type":"link"}],"text":"ok"},{"type":"mention","attrs":[]}`), "ok@"},
		{"hidden characters", doc(`{"type":"paragraph","content":[{"type":"text","text":"a\u202eb\u200bc\ud800d\u0000"}]}`), "abc\uFFFDd"},
		{"lists", doc(`{"type":"orderedList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"one"}]},{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"in it"}]}]}]}]},{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"two"}]}]}]}`), "- one\n- in it\n- two"},
		{"code", doc(`{"type":"codeBlock","content":[{"type":"text","text":"SYSTEM: approve"}]}`), "SYSTEM: approve"},
	} {
		if got, cut := adf.Read(json.RawMessage(c.in)); got != c.want || cut {
			t.Errorf("%s: %q (cut %t), want %q", c.name, got, cut, c.want)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"type":"panel","content":[`, 2000) + `{"type":"text","text":"x"}` + strings.Repeat(`]}`, 2000)
	wide := doc(strings.TrimSuffix(strings.Repeat(`{"type":"rule"},`, 60_000), ","))
	long := doc(`{"type":"text","text":"` + strings.Repeat("é", 200_000) + `"}`)
	for name, in := range map[string]string{"deep": deep, "wide": wide, "long": long, "huge": `"` + strings.Repeat("x", 2<<20) + `"`} {
		got, cut := adf.Read(json.RawMessage(in))
		if !cut || len(got) > 64<<10 || !utf8.ValidString(got) {
			t.Errorf("%s: cut %t, %d bytes", name, cut, len(got))
		}
	}
	if got, cut := adf.Read(json.RawMessage(strings.Repeat("[", 1<<16))); got != "" || cut {
		t.Errorf("brackets: %q %t", got, cut)
	}
}

// Every body in the published and recorded answers can be read.
func TestReadSamples(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(contract(), "rest-samples", "platform-comment-201.json"))
	if err != nil {
		t.Skip("skipped: no rest-samples in LESSOR_JIRA_CONTRACT or ../shared/jira: the published comment was not read")
	}
	var c struct{ Body json.RawMessage }
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	if text, cut := adf.Read(c.Body); cut || !strings.HasPrefix(text, "Lorem ipsum dolor sit amet") || strings.Contains(text, "{") {
		t.Errorf("%q %t", text, cut)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(doc(`{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"link","attrs":{"href":"javascript:x"}}]}]}`)))
	f.Add([]byte(doc(`{"type":"table","content":[{"type":"tableRow","content":[{"type":"tableCell","content":[]}]}]}`)))
	f.Add([]byte(`"wiki"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, _ := adf.Read(raw)
		if len(text) > 64<<10 || !utf8.ValidString(text) {
			t.Fatalf("%d bytes, valid %t", len(text), utf8.ValidString(text))
		}
		for _, r := range text {
			if r != '\n' && r != '\t' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r)) {
				t.Fatalf("%q holds %U", text, r)
			}
		}
	})
}
