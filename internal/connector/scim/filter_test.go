package scim

import (
	"encoding/json"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/scim2/filter-parser/v2"
)

// A quoted name is one JSON string that means the name, and a filter made of it
// is one comparison with it, whatever the name.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "ann", `a"b`, `a\b`, `\`, `x" or userName pr or userName eq "x`, `"] or members[value pr`,
		"\x00", "\u2028", "\x7f", "Ünï", "😀", `\u0022`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkName(name) != nil {
			t.Skip()
		}
		var back string
		if err := json.Unmarshal([]byte(quote(name)), &back); err != nil || back != name {
			t.Fatalf("%q quoted is %s, which means %q: %v", name, quote(name), back, err)
		}
		exp, err := filter.ParseFilter([]byte(eq("userName", name)))
		if err != nil {
			t.Skip() // a parser that will not have it sees nothing in it either
		}
		cmp, ok := exp.(*filter.AttributeExpression)
		if !ok || cmp.AttributePath.AttributeName != "userName" {
			t.Fatalf("the filter for %q is read as %v", name, exp)
		}
		if raw, _ := cmp.CompareValue.(string); `"`+raw+`"` != quote(name) {
			t.Fatalf("the filter for %q compares with %q", name, raw)
		}
	})
}

// A path made of an id leads to one place below its endpoint.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"u1", "..", ".", "a/b", "../Groups/x", "a?b", "a#b", "%2e%2e", "%2F", "a b", "ü", ";x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if checkID(id) != nil {
			t.Skip()
		}
		u, err := url.Parse("https://idp.example.org/scim" + userPath(id))
		if err != nil {
			t.Fatal(err)
		}
		rest, ok := strings.CutPrefix(u.EscapedPath(), "/scim/Users/")
		if !ok || strings.Contains(rest, "/") || path.Clean(u.EscapedPath()) != u.EscapedPath() || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("id %q leads to %s", id, u)
		}
		if back, err := url.PathUnescape(rest); err != nil || back != id {
			t.Fatalf("id %q arrives as %q: %v", id, back, err)
		}
	})
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"ann": true, "ann@example.org": true, "Ünï côdé": true, "o'brien": true, "(a) & b*": true,
		`a"b`: false, `a\b`: false, "a\tb": false, "a\u2028b": false, "\u202eb": false, "a\u00a0b": false,
	} {
		if plain(name) != want {
			t.Errorf("plain(%q) is %t", name, !want)
		}
	}
}
