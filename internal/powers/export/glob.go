package export

// Patterns have * for any text and, where one says so, ? for one character.

// match tells whether a text fits a pattern.
func match(pattern, text string, one bool) bool {
	star, mark, i, j := -1, 0, 0, 0
	for j < len(text) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == text[j] || (one && pattern[i] == '?')):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}

// covers tells whether whatever fits q surely fits p. It may be no where the
// answer is yes, never the other way: what a denial covers is taken away.
func covers(p, q string) bool {
	at := make([]bool, len(p)+1) // which prefixes of p cover what was read of q
	at[0] = true
	skip(at, p)
	for j := range len(q) {
		next := make([]bool, len(p)+1)
		for i := range len(p) {
			switch {
			case !at[i]:
			case p[i] == '*':
				next[i], next[i+1] = true, true
			case q[j] != '*' && (p[i] == '?' || p[i] == q[j]):
				next[i+1] = true
			}
		}
		skip(next, p)
		at = next
	}
	return at[len(p)]
}

// overlap tells whether any text fits both.
func overlap(p, q string) bool {
	at := make([]bool, len(p)+1) // which prefixes of p share a text with what was read of q
	at[0] = true
	skip(at, p)
	for j := range len(q) {
		next := make([]bool, len(p)+1)
		for i := range at {
			switch {
			case !at[i]:
			case q[j] == '*':
				for k := i; k <= len(p); k++ {
					next[k] = true
				}
			case i == len(p):
			case p[i] == '*':
				next[i] = true
			case p[i] == '?' || q[j] == '?' || p[i] == q[j]:
				next[i+1] = true
			}
		}
		skip(next, p)
		at = next
	}
	return at[len(p)]
}

// skip lets every star stand for nothing.
func skip(at []bool, p string) {
	for i := range len(p) {
		if at[i] && p[i] == '*' {
			at[i+1] = true
		}
	}
}
