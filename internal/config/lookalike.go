package config

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// alike maps letters of other scripts to the Latin letter they are drawn like.
// It is small on purpose: the letters that spell whole words of another script's
// look. Compatibility forms (full width, mathematical) are folded before it.
var alike = func() map[rune]rune {
	m := map[rune]rune{}
	for _, pair := range [][2]string{
		{"АВЕЅІЈКМНОРСТУХԌԚԜ", "ABESIJKMHOPCTYXGQW"}, // Cyrillic capitals
		{"асеһіјорѕухԁԛԝѵгкмтн", "acehijopsyxdqwvrkmth"},
		{"ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹ", "ABEZHIKMNOPTYXC"}, // Greek capitals
		{"αγικνορυχϲτ", "ayiknopuxct"},
		{"օոսհցզ", "onuhgq"}, // Armenian
		{"ɑɡıȷɩǀӀӏ∣|", "agijilllll"},
		{"‐‑‒–—−﹘⁃", "--------"},
		{"’‘ʼ՚′`", "''''''"},
	} {
		to := []rune(pair[1])
		for i, c := range []rune(pair[0]) {
			m[c] = to[i]
		}
	}
	return m
}()

// looks turns a text into what it looks like at a glance: two texts with the
// same result can be taken for each other.
type looks struct{ fold cases.Caser }

func newLooks() looks { return looks{fold: cases.Fold()} }

func (l looks) of(s string) string {
	if !ascii(s) {
		s = strings.Map(func(c rune) rune {
			if to, ok := alike[c]; ok {
				return to
			}
			if unicode.Is(unicode.Cf, c) || unicode.Is(invisible, c) {
				return -1
			}
			return c
		}, norm.NFKC.String(s))
	}
	s = l.same(strings.ReplaceAll(s, "I", "l"))
	s = drawn.Replace(s)
	return s
}

// drawn are the pairs told apart in no common typeface.
var drawn = strings.NewReplacer("0", "o", "1", "l", "|", "l", "rn", "m", "vv", "w")

// same folds what is the same text to any reader: letter case, and one letter
// written as one character or as two.
func (l looks) same(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	return l.fold.String(norm.NFC.String(s))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// named is one text that may be mistaken for another.
type named struct {
	text  string
	at    mark
	whose string // the same owner may use two that look alike
}

// lookalikes reports each text that can be taken for an earlier one of another
// owner. Where the two are the same to any reader, differing in letter case only,
// it is left to the caller whether that is wrong: two people may share a name.
func (l looks) lookalikes(texts []named, found func(later, earlier named)) {
	// Of all that look alike, the first and the first of another owner are enough
	// to find one to report against whatever comes later.
	first, other := make(map[string]named, len(texts)), map[string]named{}
	for _, t := range texts {
		if t.text == "" {
			continue
		}
		key := l.of(t.text)
		earlier, ok := first[key]
		if !ok {
			first[key] = t
			continue
		}
		second, ok := other[key]
		if !ok && earlier.whose != t.whose {
			other[key] = t
		}
		switch {
		case earlier.whose != t.whose && earlier.text != t.text:
			found(t, earlier)
		case ok && second.whose != t.whose && second.text != t.text:
			found(t, second)
		}
	}
}
