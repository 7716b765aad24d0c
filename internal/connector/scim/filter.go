package scim

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/connector"
)

// quote writes s as a filter's string: JSON, with as few escapes as it allows and
// hex digits in capitals, because parsers exist that know no others.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// eq is the filter `attr eq "value"`.
func eq(attr, value string) string { return attr + " eq " + quote(value) }

// plain says that a filter may be believed when it does not find the name.
// Parsers exist that read escapes wrongly, or end a string at a line separator.
func plain(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r == '"' || r == '\\' || !unicode.IsPrint(r) })
}

// checkName refuses names no server could hold as they are: a byte that is not
// UTF-8 would come to mean another character on the way.
func checkName(s string) error {
	if s == "" || len(s) > 4096 || !utf8.ValidString(s) {
		return fmt.Errorf("%w: %.40q is no usable name", connector.ErrRefused, s)
	}
	return nil
}

// checkID refuses ids that could mean another place once in a URL or a path
// expression. Everything else is escaped.
func checkID(id string) error {
	bad := id == "" || id == "." || id == ".." || len(id) > 512 || !utf8.ValidString(id) ||
		strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f })
	if bad {
		return fmt.Errorf("%w: %.40q is no usable id", connector.ErrRefused, id)
	}
	return nil
}

func userPath(id string) string  { return "/Users/" + url.PathEscape(id) }
func groupPath(id string) string { return "/Groups/" + url.PathEscape(id) }
