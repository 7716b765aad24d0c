package postgres

import (
	"strings"
	"testing"
)

// FuzzQuoted holds that whatever a name holds stays inside its quotes: read by
// the server's rule, it is the name again and nothing follows.
func FuzzQuoted(f *testing.F) {
	for _, n := range []string{`a`, `"`, `a"b`, `""`, `\"`, `x"; drop role y; --`, "a\nb", `U&"\0022"`, "名前"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !usable(name) {
			t.Skip()
		}
		q := quoted(name)
		if len(q) < 3 || q[0] != '"' {
			t.Fatalf("%q", q)
		}
		var read strings.Builder
		rest := q[1:]
		for {
			before, after, ok := strings.Cut(rest, `"`)
			read.WriteString(before)
			if !ok {
				t.Fatalf("%q never ends", q)
			}
			if rest = after; !strings.HasPrefix(rest, `"`) {
				break
			}
			read.WriteByte('"')
			rest = rest[1:]
		}
		if rest != "" || read.String() != name {
			t.Fatalf("%q is read as %q, and %q follows", q, read.String(), rest)
		}
	})
}

func TestUsable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"": false, "a": true, "\x00": false, "a\x00b": false, "\xff": false, "名": true, " ": true, strings.Repeat("x", 1024): false,
	} {
		if got := usable(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}
