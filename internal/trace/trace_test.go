package trace

import (
	"context"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for text, ok := range map[string]bool{
		good:                      true,
		good[:53] + "00":          true, // not sampled there; it is the same trace
		"cc" + good[2:] + "-what": true, // a later version may have more
		good + "-more":            false,
		"ff" + good[2:]:           false,
		strings.ToUpper(good):     false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01":  false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01":  false,
		"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01":   false,
		"00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01": false,
		"": false, "-": false, "---": false, "00-": false,
	} {
		c, is := Parse(text)
		if is != ok {
			t.Errorf("%q: %v", text, is)
		}
		if is && c.Parent() != good {
			t.Errorf("%q comes back as %q", text, c.Parent())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Fuzz(func(t *testing.T, text string) {
		if c, ok := Parse(text); ok {
			if again, ok := Parse(c.Parent()); !ok || again != c {
				t.Errorf("%q: %v, %v", text, c, again)
			}
		}
	})
}

func TestOf(t *testing.T) {
	t.Parallel()
	a, b := Of("rq-1"), Of("rq-2")
	if a.None() || a == b || a.Trace == b.Trace || a != Of("rq-1") {
		t.Errorf("%v, %v", a, b)
	}
	if id, ok := ParseID(a.Trace.String()); !ok || id != a.Trace {
		t.Errorf("%v, %v", id, ok)
	}
	if got := From(With(context.Background(), a)); got != a {
		t.Errorf("%v", got)
	}
	if got := From(With(context.Background(), Context{})); !got.None() {
		t.Errorf("%v", got)
	}
}
