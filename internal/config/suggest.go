package config

import (
	"fmt"
	"iter"
)

// mostHints bounds how often a nearest name is searched in one load: each costs
// a walk over all names, and past the first ones the fault is a bigger one.
const mostHints = 50

// instead offers the nearest known name, "" if none is near.
func (r *report) instead(name string, known iter.Seq[string]) string {
	if r.hints++; r.hints > mostHints {
		return ""
	}
	if best := nearest(name, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

// nearest returns the known name with the fewest edits, the first in order among
// equals, if that is few for its length.
func nearest(name string, known iter.Seq[string]) string {
	if len(name) > 80 {
		return ""
	}
	best, least := "", max(1, len(name)/4)+1
	for k := range known {
		if d := len(k) - len(name); d >= least+1 || -d >= least+1 {
			continue
		}
		if d := edits(name, k); d < least || (d == least && best != "" && k < best) {
			best, least = k, d
		}
	}
	return best
}

// edits counts insertions, deletions, replacements and swaps of neighbours.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
