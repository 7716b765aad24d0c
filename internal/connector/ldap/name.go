package ldap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/lessor-iam/lessor/internal/connector"
)

// dn is a distinguished name as written, and normalised so that spellings a
// server takes for the same are the same: case, spaces, escapes, the order
// within an RDN.
type dn struct {
	text string
	rdns []string
}

// parseDN refuses the empty DN: it names the root, which we never mean.
func parseDN(s string) (dn, error) {
	if !utf8.ValidString(s) {
		return dn{}, fmt.Errorf("%.80q is not UTF-8", s)
	}
	p, err := goldap.ParseDN(escapes(s))
	if err != nil {
		return dn{}, fmt.Errorf("%.80q is no DN: %w", s, err)
	}
	if len(p.RDNs) == 0 {
		return dn{}, fmt.Errorf("a DN is required, e.g. ou=people,dc=example,dc=org")
	}
	d := dn{text: s}
	for _, rdn := range p.RDNs {
		parts := make([]string, len(rdn.Attributes))
		for i, a := range rdn.Attributes {
			// Quoted, so that no value can look like the next part.
			parts[i] = fold(a.Type) + "=" + strconv.Quote(fold(a.Value))
		}
		slices.Sort(parts)
		d.rdns = append(d.rdns, strings.Join(parts, "+"))
	}
	return d, nil
}

// escapes leaves out escapes that RFC 4514 does not know: Samba writes `\?`.
func escapes(s string) string {
	if !strings.Contains(s, `\?`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if i++; s[i] != '?' {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// key is equal for equal names.
func (d dn) key() string { return strings.Join(d.rdns, ",") }

// below says whether d lies strictly below base.
func (d dn) below(base dn) bool {
	n := len(d.rdns) - len(base.rdns)
	return n > 0 && slices.Equal(d.rdns[n:], base.rdns)
}

// keyOf is the key of a DN a server gave; what cannot be parsed stands for itself.
func keyOf(s string) string {
	if key, ok := plainKey(s); ok {
		return key
	}
	d, err := parseDN(s)
	if err != nil {
		return "?" + s
	}
	return d.key()
}

// plainKey is keyOf for names of nothing but ordinary signs, as nearly all are; a
// group may list a hundred thousand.
func plainKey(s string) (string, bool) {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~' || c == '\\' || c == '"' || c == '+' || c == ';' || c == '<' || c == '>' || c == '#':
			return "", false
		}
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i, part := range strings.Split(s, ",") {
		attr, value, ok := strings.Cut(part, "=")
		if attr = fold(attr); !ok || attr == "" {
			return "", false
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(attr + `="` + fold(value) + `"`)
	}
	return b.String(), true
}

// fold makes values equal that caseIgnoreMatch takes for the same.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			s = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
			break
		}
	}
	s = strings.Trim(strings.ToLower(s), " ")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// leaf gives a DN's first RDN if it is of one attribute.
func leaf(s string) (attribute, value string, ok bool) {
	p, err := goldap.ParseDN(escapes(s))
	if err != nil || len(p.RDNs) == 0 || len(p.RDNs[0].Attributes) != 1 {
		return "", "", false
	}
	a := p.RDNs[0].Attributes[0]
	return a.Type, a.Value, true
}

// checkName refuses names no directory could hold as they are: a byte that is not
// UTF-8 would come to mean another character on the way.
func checkName(s string) error {
	if s == "" || len(s) > maxName || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return fmt.Errorf("%w: %.40q is no usable name", connector.ErrRefused, s)
	}
	return nil
}

// eq is the filter (attr=value).
func eq(attr, value string) string { return "(" + attr + "=" + goldap.EscapeFilter(value) + ")" }

// anyOf is the filter that one of the values matches.
func anyOf(attr string, values []string) string {
	var b strings.Builder
	b.WriteString("(|")
	for _, v := range values {
		b.WriteString(eq(attr, v))
	}
	b.WriteByte(')')
	return b.String()
}
