// Package leak finds secrets in texts that were not made to hold any: tickets, comments,
// the settings of programs. It is a net, not a proof. It keeps nothing, and never gives
// back what it found, only what kind it was.
package leak

import (
	"strings"
	"unicode"
)

// Clean makes text safe to show and to search: valid, without control characters,
// and without the invisible ones that reorder it, hide in it or split a word that
// is looked for.
func Clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\r', r == '\u2028', r == '\u2029', r == '\v', r == '\f':
			return '\n'
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r),
			r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0100 && r <= 0xE01EF, r == 0x034F, r == 0x115F, r == 0x1160, r == 0x3164, r == 0xFFA0:
			return -1
		}
		return r
	}, s)
}
