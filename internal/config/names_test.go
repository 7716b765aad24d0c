package config

import (
	"slices"
	"strings"
	"testing"
)

func TestUnreadable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"plain text", ""}, {"Zoë Ünïcode", ""}, {"日本", ""}, {"\u0645\u06cc\u200c\u062e", ""},
		{"a\u202eb", "holds a character that turns the direction of writing (U+202E)"},
		{"a\tb", "holds a control character (U+0009)"},
		{"a\u0085b", "holds a control character (U+0085)"},
		{"a\u2028b", "holds a control character (U+2028)"},
		{"a\u200bb", "holds an invisible character (U+200B)"},
		{"a\u00adb", "holds an invisible character (U+00AD)"},
		{"a\u3164b", "holds an invisible character (U+3164)"},
		{"a\ufe0fb", "holds an invisible character (U+FE0F)"},
		{"a\U000e0041b", "holds an invisible character (U+E0041)"},
		{"a\ue000b", "holds a character without a meaning (U+E000)"},
		{"a\ufffdb", "holds a character without a meaning (U+FFFD)"},
		{"a\ufffeb", "holds a character without a meaning (U+FFFE)"},
		{strings.Repeat("a", 4097), "is too long"},
	} {
		if got := unreadable(c.text); got != c.want {
			t.Errorf("%.20q %s, want %s", c.text, got, c.want)
		}
	}
}

func TestUnfit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{"Ann", ""}, {"R2 (old)", ""}, {"é", ""}, {strings.Repeat("é", 200), ""},
		{"", "is empty"}, {"  ", "is empty"}, {" Ann", "begins or ends with a space"}, {"Ann\u00a0", "begins or ends with a space"},
		{"Ann\u00a0Archer", "holds a space that is no plain space"}, {"Ann  Archer", "holds two spaces in a row"},
		{"()", "holds neither a letter nor a digit"}, {strings.Repeat("é", 201), "is too long"},
	} {
		if got := unfit(c.name); got != c.want {
			t.Errorf("%.20q %s, want %s", c.name, got, c.want)
		}
	}
}

func TestLookalikes(t *testing.T) {
	t.Parallel()
	l := newLooks()
	for _, c := range []struct {
		a, b        string
		alike, same bool
	}{
		{"admin", "admin", true, true},
		{"admin", "Admin", true, true},
		{"adm1n", "admln", true, false},
		{"Iam", "lam", true, false},
		{"root", "r00t", true, false},
		{"modern", "modem", true, false},
		{"vvest", "west", true, false},
		{"paypal", "раураl", true, false},
		{"ANN", "АΝΝ", true, false},
		{"jürgen", "ju\u0308rgen", true, true},
		{"STRASSE", "straße", true, true},
		{"ann", "ａｎｎ", true, false},
		{"ann", "𝐚𝐧𝐧", true, false},
		{"ann", "an\u200dn", true, false},
		{"a-b", "a‐b", true, false},
		{"o'neil", "o’neil", true, false},
		{"ann", "anna", false, false},
		{"a-b", "a.b", false, false},
		{"jürgen", "jurgen", false, false},
		{"i", "l", false, false},
	} {
		if got := l.of(c.a) == l.of(c.b); got != c.alike {
			t.Errorf("%q like %q: %v", c.a, c.b, got)
		}
		if got := l.same(c.a) == l.same(c.b); got != c.same {
			t.Errorf("%q same as %q: %v", c.a, c.b, got)
		}
	}
}

// A third look-alike is found even where the first is the same person's.
func TestLookalikesOfThree(t *testing.T) {
	t.Parallel()
	var found []string
	newLooks().lookalikes([]named{{text: "Ann", whose: "a"}, {text: "Ann", whose: "b"}, {text: "Аnn", whose: "a"}, {text: "Аnn", whose: "c"}, {whose: "d"}},
		func(later, earlier named) { found = append(found, later.whose+earlier.whose) })
	if want := []string{"ab", "ca"}; !slices.Equal(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"olga", "mia", "request", "approve", "privileged", "third-party", "olgb"}
	for _, c := range []struct{ name, want string }{
		{"olag", "olga"}, {"olgc", "olga"}, {"mai", "mia"}, {"aprove", "approve"}, {"requets", "request"}, {"privilegd", "privileged"},
		{"thirdparty", "third-party"}, {"zzz", ""}, {"", ""}, {"nobody", ""}, {strings.Repeat("a", 100), ""},
	} {
		if got := nearest(c.name, slices.Values(known)); got != c.want {
			t.Errorf("nearest to %q is %q, want %q", c.name, got, c.want)
		}
	}
}

// Ten thousand unknown names cost no more than fifty walks.
func TestHintsEnd(t *testing.T) {
	t.Parallel()
	r, walks := report{}, 0
	for range 10_000 {
		r.instead("olag", func(yield func(string) bool) { walks++; yield("olga") })
	}
	if walks != mostHints {
		t.Errorf("%d walks", walks)
	}
}
