package export

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p, q                   string
		match, covers, overlap bool
	}{
		{"*", "iam:passrole", true, true, true},
		{"iam:*", "iam:passrole", true, true, true},
		{"iam:pass?ole", "iam:passrole", true, true, true},
		{"iam:get*", "iam:passrole", false, false, false},
		{"a*b*c", "axxbyyc", true, true, true},
		{"arn:aws:iam::*:user/*", "arn:aws:iam::*:user/admin*", true, true, true},
		{"arn:aws:iam::*:user/admin", "arn:aws:iam::*:user/*", false, false, true},
		{"a?", "a*", true, false, true}, // of the text "a*" it is true, of the pattern not
		{"*a", "b*", false, false, true},
		{"a*", "b*", false, false, false},
		{"", "", true, true, true},
		{"", "*", false, false, true},
		{"*", "", true, true, true},
	} {
		if m, v, o := match(c.p, c.q, true), covers(c.p, c.q), overlap(c.p, c.q); m != c.match || v != c.covers || o != c.overlap {
			t.Errorf("%q %q: match %v, covers %v, overlap %v", c.p, c.q, m, v, o)
		}
	}
}

// What covers says is never too much, and what overlap says never too little.
func TestGlobAgainstTexts(t *testing.T) {
	t.Parallel()
	pattern, text := rapid.StringMatching(`[ab*?]{0,6}`), rapid.StringMatching(`[ab]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		p, q, s := pattern.Draw(t, "p"), pattern.Draw(t, "q"), text.Draw(t, "s")
		quote := strings.NewReplacer("*", ".*", "?", ".")
		inP, inQ := regexp.MustCompile("^"+quote.Replace(p)+"$").MatchString(s), regexp.MustCompile("^"+quote.Replace(q)+"$").MatchString(s)
		switch {
		case match(p, s, true) != inP:
			t.Fatalf("match %q %q is not %v", p, s, inP)
		case covers(p, q) && inQ && !inP:
			t.Fatalf("%q does not cover %q: %q", p, q, s)
		case inP && inQ && (!overlap(p, q) || !overlap(q, p)):
			t.Fatalf("%q and %q overlap in %q", p, q, s)
		case covers(p, q) && !overlap(p, q):
			t.Fatalf("%q covers %q without overlapping", p, q)
		}
	})
}
