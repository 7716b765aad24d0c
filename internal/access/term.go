package access

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Term is how long access lasts. It is always positive, at most [LongestTerm],
// and whole seconds.
type Term time.Duration

// LongestTerm bounds every term whatever policy says: standing access is
// certified at least this often (law 3: its end is its next certification).
const LongestTerm = Term(366 * 24 * time.Hour)

// D returns the term as a time.Duration.
func (t Term) D() time.Duration { return time.Duration(t) }

// String writes days, hours, minutes and seconds, e.g. "2d", "1h30m", "20s".
func (t Term) String() string {
	d := time.Duration(t)
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.size; n != 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	if d != 0 {
		b.WriteString(d.String())
	}
	return b.String()
}

// MarshalText writes [Term.String]; the zero term is empty.
func (t Term) MarshalText() ([]byte, error) {
	if t == 0 {
		return nil, nil
	}
	return []byte(t.String()), nil
}

// UnmarshalText is [ParseTerm]; empty is the zero term.
func (t *Term) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*t = 0
		return nil
	}
	*t, err = ParseTerm(string(b))
	return err
}

// ParseTerm reads "90m", "8h", "1d12h" or ISO 8601 "PT8H", "P1DT12H".
// It never clamps: zero, negative, fractional, overflowing, longer than
// [LongestTerm], years and months (which have no fixed length) and digits
// other than 0-9 are errors wrapping [ErrInvalid].
func ParseTerm(s string) (Term, error) {
	bad := func(why string) (Term, error) {
		return 0, fmt.Errorf("%w: term %.40q %s; write it like 90m, 8h, 1d12h or PT8H", ErrInvalid, s, why)
	}
	if s == "" {
		return bad("is empty")
	}
	units := []struct {
		name byte
		size time.Duration
	}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
	rest, iso, clock := s, false, false
	if rest[0] == 'P' {
		iso, rest = true, rest[1:]
	}
	var total time.Duration
	next := 0 // the largest unit still allowed
	for parts := 0; rest != "" || parts == 0; parts++ {
		if iso && !clock && strings.HasPrefix(rest, "T") {
			clock, rest = true, rest[1:]
			next = max(next, 1)
		}
		var n int64
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			if n > math.MaxInt32 {
				return bad("is too large")
			}
			n = n*10 + int64(rest[digits]-'0')
			digits++
		}
		if digits == 0 || digits == len(rest) {
			return bad("is not a number with a unit")
		}
		name := rest[digits]
		if iso {
			switch {
			case name == 'Y' || name == 'W' || (name == 'M' && !clock):
				return bad("uses years, months or weeks, which are not accepted")
			case name >= 'A' && name <= 'Z':
				name += 'a' - 'A'
			default:
				return bad("has an unknown unit")
			}
			if (name == 'd') == clock {
				return bad("has its T in the wrong place")
			}
		}
		i := next
		for i < len(units) && units[i].name != name {
			i++
		}
		if i == len(units) {
			return bad("has an unknown, repeated or misplaced unit")
		}
		if n > int64(LongestTerm.D()/units[i].size) {
			return bad("is longer than " + LongestTerm.String())
		}
		total += time.Duration(n) * units[i].size
		next, rest = i+1, rest[digits+1:]
	}
	switch {
	case total <= 0:
		return bad("is not longer than zero")
	case Term(total) > LongestTerm:
		return bad("is longer than " + LongestTerm.String())
	}
	return Term(total), nil
}

// Shorter returns the shorter of two terms, where zero means "no limit".
func Shorter(a, b Term) Term {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
