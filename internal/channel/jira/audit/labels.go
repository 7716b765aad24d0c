package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A ticket says how risky it is by its labels, components, priority, type and
// summary, all of which anybody may write. How risky it was is what was granted.

// Source is a part of a ticket that says something about its risk.
type Source string

const (
	AnySource Source = "any"
	ByLabel   Source = "labels"
	ByPart    Source = "components"
	ByRank    Source = "priority"
	ByType    Source = "request type"
	BySummary Source = "summary"
)

var sources = []Source{ByLabel, ByPart, ByRank, ByType, BySummary}

// Words that say high or low, in lower case. They are the field's usual ones in
// English; a site of another language scores as one that says nothing.
var (
	highWords = []string{"high", "highest", "critical", "blocker", "major", "urgent", "emergency", "admin", "administer", "administrator", "administration",
		"privileged", "privilege", "root", "sudo", "superuser", "owner", "prod", "production", "sensitive", "confidential", "restricted", "elevated", "tier0"}
	lowWords = []string{"low", "lowest", "minor", "trivial", "harmless", "routine", "standard", "safe", "minimal", "readonly"}
)

// says is what one text says of risk: 1 high, -1 low, 0 nothing. High outweighs
// low: "low-risk admin" is a warning all the same.
func says(text string) (int, []string) {
	low, found := 0, []string(nil)
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		switch {
		case slices.Contains(highWords, w):
			return 1, []string{w}
		case slices.Contains(lowWords, w):
			low, found = -1, append(found, w)
		}
	}
	return low, found
}

// ownLabel begins those that Lessor sets, which say nothing of risk.
const ownLabel = "lessor-next-"

// claim is what a ticket says of its risk, source by source.
func (t Ticket) claim() (of map[Source]int, words []string) {
	of = map[Source]int{}
	note := func(s Source, text string) {
		if got, found := says(text); got != 0 && (of[s] == 0 || got > of[s]) {
			of[s] = got
			words = append(words, fmt.Sprintf("%s: %s", s, strings.Join(found, " ")))
		}
	}
	for _, l := range t.Labels {
		if !strings.HasPrefix(l, ownLabel) {
			note(ByLabel, l)
		}
	}
	for _, c := range t.Components {
		note(ByPart, c)
	}
	note(ByRank, t.Priority)
	note(ByType, t.Type)
	note(BySummary, t.Summary)
	for _, s := range sources {
		if of[s] != 0 && (of[AnySource] == 0 || of[s] > of[AnySource]) {
			of[AnySource] = of[s]
		}
	}
	return of, words
}

// Score is how well one source tells the risky tickets of one project or queue.
type Score struct {
	Where   string `json:"where"`
	By      Source `json:"by"`
	Tickets int    `json:"tickets"` // under which something was granted
	Risky   int    `json:"risky"`   // of them, by what was granted
	Hit     int    `json:"hit"`     // said high, and were
	False   int    `json:"false"`   // said high, and were not
	Under   int    `json:"under"`   // said low, and were risky
	Silent  int    `json:"silent"`  // said nothing, and were risky
	// Nil where there is nothing to divide by.
	Precision *float64 `json:"precision"` // of those that said high, how many were risky
	Recall    *float64 `json:"recall"`    // of those that were risky, how many said high
}

func (s *Score) add(claim int, risky bool) {
	s.Tickets++
	if risky {
		s.Risky++
	}
	switch {
	case claim > 0 && risky:
		s.Hit++
	case claim > 0:
		s.False++
	case claim < 0 && risky:
		s.Under++
	case risky:
		s.Silent++
	}
}

func (s *Score) close() {
	s.Precision, s.Recall = share(s.Hit, s.Hit+s.False), share(s.Hit, s.Risky)
}

func share(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	f := float64(part) / float64(whole)
	return &f
}

// Mislabel is a ticket that says another risk than what was granted under it.
type Mislabel struct {
	Ticket  string   `json:"ticket"`
	Says    string   `json:"says"`    // "low", "nothing" or "high"
	Words   []string `json:"words"`   // by which it says so
	Granted []string `json:"granted"` // with why it is risky
}

// Labels is what labels are worth.
type Labels struct {
	Scores     []Score    `json:"scores"`
	Mislabels  []Mislabel `json:"mislabels"`
	NoGrant    []string   `json:"no_grant"`    // tickets that say done and under which nothing was granted
	Unread     []string   `json:"unread"`      // tickets of a mapped type that Lessor never read
	NoTicket   []string   `json:"no_ticket"`   // grants asked for by another door
	LostTicket []string   `json:"lost_ticket"` // grants whose ticket can no longer be read
}

// LabelsOf holds what tickets say of their risk against what was granted.
// untied are the grants that were asked for without a ticket, done the statuses
// that say that access was given.
func LabelsOf(tickets []Ticket, untied []Grant, done func(Ticket) bool) Labels {
	out := Labels{Scores: []Score{}, Mislabels: []Mislabel{}, NoGrant: []string{}, Unread: []string{}, NoTicket: []string{}, LostTicket: []string{}}
	scores := map[[2]string]*Score{}
	for _, t := range tickets {
		out.ties(t, done)
		if len(t.Granted) == 0 || t.Gone {
			continue
		}
		claims, words := t.claim()
		reasons := why(t.concerns())
		for _, where := range append([]string{t.Project}, inQueues(t)...) {
			for _, s := range append([]Source{AnySource}, sources...) {
				key := [2]string{where, string(s)}
				if scores[key] == nil {
					scores[key] = &Score{Where: where, By: s}
				}
				scores[key].add(claims[s], len(reasons) > 0)
			}
		}
		if m, wrong := mislabel(t, claims[AnySource], words, reasons); wrong {
			out.Mislabels = append(out.Mislabels, m)
		}
	}
	for _, g := range untied {
		out.NoTicket = append(out.NoTicket, fmt.Sprintf("%s: %s of %s", g.ID, g.Entitlement.ID, g.Identity))
	}
	for _, s := range scores {
		s.close()
		out.Scores = append(out.Scores, *s)
	}
	slices.SortFunc(out.Scores, func(a, b Score) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(rank(a.By), rank(b.By)))
	})
	return out
}

func rank(s Source) int { return slices.Index(sources, s) } // any is -1: first

func inQueues(t Ticket) (list []string) {
	for _, q := range t.Queues {
		list = append(list, t.Project+" / "+q)
	}
	return list
}

// ties notes tickets and grants that have not each other.
func (l *Labels) ties(t Ticket, done func(Ticket) bool) {
	switch {
	case t.Gone:
		for _, g := range t.Granted {
			l.LostTicket = append(l.LostTicket, fmt.Sprintf("%s: %s of %s, asked for in %s", g.ID, g.Entitlement.ID, g.Identity, t.Key))
		}
	case t.State == "":
		l.Unread = append(l.Unread, t.Key)
	case len(t.Granted) == 0 && done(t):
		l.NoGrant = append(l.NoGrant, fmt.Sprintf("%s is in %q", t.Key, t.Status.Name))
	}
}

func mislabel(t Ticket, claim int, words, reasons []string) (Mislabel, bool) {
	m := Mislabel{Ticket: t.Key, Words: words, Granted: reasons}
	switch {
	case claim < 0 && len(reasons) > 0:
		m.Says = "low"
	case claim == 0 && len(reasons) > 0:
		m.Says = "nothing"
	case claim > 0 && len(reasons) == 0:
		m.Says = "high"
		for _, e := range t.concerns() {
			m.Granted = append(m.Granted, e.ID+": class "+e.Class)
		}
	default:
		return m, false
	}
	return m, true
}
