package ldap

import (
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
)

func TestKeyOf(t *testing.T) {
	t.Parallel()
	const ann = "uid=ann,ou=people,dc=example,dc=org"
	same := []string{
		"UID=Ann,OU=People,DC=example,DC=ORG", " uid = ann , ou= people,dc=example,dc=org ",
		`uid=\61nn,ou=people,dc=example,dc=org`, "uid=ann;ou=people;dc=example;dc=org", "uid=#0403616e6e,ou=people,dc=example,dc=org",
	}
	for _, s := range same {
		if keyOf(s) != keyOf(ann) {
			t.Errorf("keyOf(%q) = %s, want that of %q", s, keyOf(s), ann)
		}
	}
	for _, s := range []string{
		"uid=anna,ou=people,dc=example,dc=org", "cn=ann,ou=people,dc=example,dc=org", "ou=people,dc=example,dc=org",
		`uid=ann\,ou=people,dc=example,dc=org`, `uid=ann\2cou=people,dc=example,dc=org`, "uid=ann+cn=a,ou=people,dc=example,dc=org",
		`uid="ann",ou=people,dc=example,dc=org`, "uid=ann", "", "ann",
	} {
		if keyOf(s) == keyOf(ann) {
			t.Errorf("keyOf(%q) is that of %q", s, ann)
		}
	}
	for _, pair := range [][2]string{
		{"cn=a+sn=b,dc=x", "sn=B + CN=A,dc=x"}, {"cn=two  words,dc=x", "cn=two words,dc=x"},
		{"cn=\u00e9,dc=x", "cn=e\u0301,dc=x"}, {"cn=É,dc=x", `cn=\c3\a9,dc=x`}, {`cn=a\20,dc=x`, "cn=a,dc=x"},
		{`cn=a\?,dc=x`, "cn=a?,dc=x"}, {`cn=a\\?,dc=x`, `cn=a\5c?,dc=x`},
	} {
		if keyOf(pair[0]) != keyOf(pair[1]) {
			t.Errorf("keyOf(%q) = %s, keyOf(%q) = %s", pair[0], keyOf(pair[0]), pair[1], keyOf(pair[1]))
		}
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	base, err := parseDN("ou=people,dc=example,dc=org")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"uid=ann,ou=people,dc=example,dc=org":            true,
		"uid=ann,ou=x,OU=People,dc=example,dc=org":       true,
		"ou=people,dc=example,dc=org":                    false,
		"uid=ann,ou=people,dc=example,dc=com":            false,
		`uid=ann\,ou=people,dc=example,dc=org`:           false,
		"uid=ann,ou=people,dc=example,dc=org,dc=evil":    false,
		`uid=x\,ou\=people\,dc\=example\,dc\=org,dc=org`: false,
	} {
		d, err := parseDN(name)
		if err != nil {
			t.Fatal(err)
		}
		if d.below(base) != want {
			t.Errorf("%q below %q: %t", name, base.text, !want)
		}
	}
}

// A name, whatever it is, must stay one value of one DN and one filter.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"ann", "*", "a,b=c", `\`, `a\2a`, ")(uid=*", "#04", " a ", "a+b=c", "\x00", "é", "\xff", `"`, "a=b", "a;b", "dn:x", "<>", "a  b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if key, ok := plainKey(s); ok {
			// The short way must agree with the long one.
			if d, err := parseDN(s); err != nil || d.key() != key {
				t.Errorf("plainKey(%q) = %s; parsed: %s, %v", s, key, d.key(), err)
			}
		}
		if checkName(s) != nil {
			return
		}
		p, err := goldap.CompileFilter(eq("uid", s))
		if err != nil {
			t.Fatalf("filter of %q: %v", s, err)
		}
		if len(p.Children) != 2 || p.Tag != goldap.FilterEqualityMatch || p.Children[1].Data.String() != s {
			t.Errorf("filter of %q is %s", s, eq("uid", s))
		}
		d := "uid=" + goldap.EscapeDN(s) + ",ou=people,dc=x"
		attr, value, ok := leaf(d)
		if !ok || attr != "uid" || value != s && strings.TrimSpace(s) != "" {
			t.Errorf("the first RDN of %q is %q=%q", d, attr, value)
		}
		if got, err := parseDN(d); err != nil || len(got.rdns) != 3 || keyOf(d) != got.key() {
			t.Errorf("%q: %v, %v", d, got, err)
		}
	})
}
