package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// span writes how long something is in at most two units, as people say it:
// "41 min", "3 d 19 h", "8 h".
func span(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		n := d / u.size
		text := fmt.Sprintf("%d %s", n, u.name)
		if i+1 < len(units) && n < 10 {
			if m := (d - n*u.size) / units[i+1].size; m > 0 {
				text += fmt.Sprintf(" %d %s", m, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}

// term writes a term in full: "8 hours", "1 day 12 hours".
func term(t access.Term) string {
	var parts []string
	d := t.D()
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := d / u.size; n > 0 {
			parts = append(parts, count(int(n), u.name))
			d -= n * u.size
		}
	}
	return strings.Join(parts, " ")
}

// count writes "1 day", "2 days".
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun == "person":
		return fmt.Sprintf("%d people", n)
	case strings.HasSuffix(noun, "sh"):
		return fmt.Sprintf("%d %ses", n, noun)
	case strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ay"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// ago writes how long before now a moment was.
func ago(at, now time.Time) string {
	if d := now.Sub(at); d >= time.Second {
		return span(d) + " ago"
	}
	return "just now"
}

// list writes "a", "a or b", "a, b or c".
func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// few is list cut to the first n, with how many more there are.
func few(words []string, n int, last string) string {
	if len(words) <= n {
		return list(words, last)
	}
	return strings.Join(words[:n], ", ") + fmt.Sprintf(" %s %d more", last, len(words)-n)
}

// brief is the part of an id or digest that people compare.
func brief(id string) string {
	kind, rest, ok := strings.Cut(id, ":")
	if ok && len(rest) > 8 && kind == "sha256" {
		return rest[:4] + " " + rest[4:8]
	}
	if len(id) > 12 {
		return id[:strings.IndexByte(id+"-", '-')] + " …" + id[len(id)-6:]
	}
	return id
}

// capital begins a sentence.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// said takes the sentinel's own word off a refusal: the page says the rest.
func said(err error) string {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		for _, kind := range []error{access.ErrInvalid, access.ErrDenied, access.ErrConflict, access.ErrGone, access.ErrNotFound, access.ErrHalted} {
			if _, rest, ok := strings.Cut(line, kind.Error()+": "); ok {
				line = rest
			}
		}
		lines = append(lines, capital(line))
	}
	return strings.Join(lines, ". ")
}

// offered are the terms a form offers: those not longer than the longest, and
// that one itself; the shortest first.
func offered(longest access.Term) []access.Term {
	if longest == 0 {
		longest = access.LongestTerm
	}
	var terms []access.Term
	for _, t := range []access.Term{hour, 4 * hour, 8 * hour, day, 7 * day, 30 * day, 90 * day} {
		if t < longest {
			terms = append(terms, t)
		}
	}
	if len(terms) > 4 {
		terms = terms[len(terms)-4:]
	}
	return append(terms, longest)
}

const (
	hour = access.Term(time.Hour)
	day  = 24 * hour
)
