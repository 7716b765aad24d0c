package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const longestText = 4096 // bytes of any one text
const longestName = 200  // characters of a name people read

var (
	idForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	keyForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

const idRule = "must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, and begin with a letter or digit"

// invisible are characters that take no room and are not formatting characters
// by category: fillers, joiners and selectors that make two texts look alike.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x034f, Hi: 0x034f, Stride: 1}, {Lo: 0x115f, Hi: 0x1160, Stride: 1}, {Lo: 0x17b4, Hi: 0x17b5, Stride: 1},
		{Lo: 0x180b, Hi: 0x180f, Stride: 1}, {Lo: 0x2800, Hi: 0x2800, Stride: 1}, {Lo: 0x3164, Hi: 0x3164, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, {Lo: 0xffa0, Hi: 0xffa0, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0xe0100, Hi: 0xe01ef, Stride: 1}},
}

// unreadable says why a text cannot be trusted to be what it looks like. It
// never repeats the text.
func unreadable(s string) string {
	if len(s) > longestText {
		return "is too long"
	}
	for _, c := range s {
		switch {
		case c >= ' ' && c < 0x7f:
		case unicode.Is(unicode.Bidi_Control, c):
			return fmt.Sprintf("holds a character that turns the direction of writing (%U)", c)
		case unicode.Is(unicode.Cc, c), unicode.Is(unicode.Zl, c), unicode.Is(unicode.Zp, c):
			return fmt.Sprintf("holds a control character (%U)", c)
		case c == 0x200c, c == 0x200d: // needed to write Persian and Indic names; the look-alike check sees through them
		case unicode.Is(unicode.Cf, c), unicode.Is(invisible, c):
			return fmt.Sprintf("holds an invisible character (%U)", c)
		case unicode.Is(unicode.Co, c), c == utf8.RuneError, c&0xfffe == 0xfffe:
			return fmt.Sprintf("holds a character without a meaning (%U)", c)
		}
	}
	return ""
}

// unfit says why a name that people decide by is not fit for that.
func unfit(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "is empty"
	case strings.TrimSpace(name) != name:
		return "begins or ends with a space"
	case utf8.RuneCountInString(name) > longestName:
		return "is too long"
	case strings.ContainsFunc(name, func(c rune) bool { return c != ' ' && unicode.IsSpace(c) }):
		return "holds a space that is no plain space"
	case strings.Contains(name, "  "):
		return "holds two spaces in a row"
	case !strings.ContainsFunc(name, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }):
		return "holds neither a letter nor a digit"
	}
	return ""
}
