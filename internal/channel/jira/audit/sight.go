package audit

import (
	"fmt"
	"slices"
	"strings"
)

// Level is one security level of a project, and who is in it.
type Level struct {
	Ref
	Holders []string // empty with Unread set: nobody knows
	Unread  bool
	Ours    bool // Lessor's account is known to be in it: it has read a ticket there
}

// Wall is who can see the tickets of a project.
type Wall struct {
	Project    string
	Browsers   []string // who holds Browse Projects; nil: the token may not read that
	Levels     []Level
	Configured string // id of the level that jira.yaml sets on sensitive tickets
}

// Exposure is a ticket that more can see than may know of what it is about.
type Exposure struct {
	Ticket    string   `json:"ticket"`
	About     []string `json:"about"`     // sensitive entitlements, each with its reason
	Level     string   `json:"level"`     // name of its security level; empty: none
	Open      []string `json:"open"`      // who sees it for want of a level
	Strangers []string `json:"strangers"` // people who see it and may not know of the request
	Propose   string   `json:"propose"`
}

// SightOf holds who can see each ticket against who may know of what it is about.
func SightOf(tickets []Ticket, walls []Wall) []Exposure {
	list := []Exposure{}
	for _, t := range tickets {
		reasons := why(t.concerns())
		if len(reasons) == 0 || t.Gone {
			continue
		}
		w := wallOf(walls, t.Project)
		e := Exposure{Ticket: t.Key, About: reasons, Level: t.Level.Name, Open: []string{}, Strangers: []string{}}
		if t.Level.ID == "" {
			e.Open = w.open()
		}
		for _, v := range t.Viewers {
			if !v.May {
				e.Strangers = append(e.Strangers, v.String())
			}
		}
		slices.Sort(e.Strangers)
		e.Strangers = slices.Compact(e.Strangers)
		if len(e.Open)+len(e.Strangers) == 0 {
			continue
		}
		e.Propose = w.propose(t, e)
		list = append(list, e)
	}
	return list
}

// String names a viewer, and how they see the ticket.
func (v Viewer) String() string {
	who := v.Identity
	if who == "" {
		who = v.Name + " (nobody in the directory)"
	}
	return who + ", " + v.How
}

func wallOf(walls []Wall, project string) Wall {
	i := slices.IndexFunc(walls, func(w Wall) bool { return w.Project == project })
	if i < 0 {
		return Wall{Project: project}
	}
	return walls[i]
}

// open is who sees a ticket that has no level.
func (w Wall) open() []string {
	if w.Browsers == nil {
		return []string{"whoever may browse " + w.Project + " (the token may not read who that is)"}
	}
	return w.Browsers
}

// propose says what would narrow it. A level that hides tickets from Lessor's own
// account is never proposed: they would count as missing.
func (w Wall) propose(t Ticket, e Exposure) string {
	var parts []string
	if t.Level.ID == "" {
		parts = append(parts, w.level())
	}
	if len(e.Strangers) > 0 {
		parts = append(parts, "take out who may not know, or enter them in the directory")
	}
	return strings.Join(parts, "; ")
}

func (w Wall) level() string {
	for _, l := range w.Levels {
		if l.ID == w.Configured {
			return fmt.Sprintf("set level %q (%s), as security_level says", l.Name, l.ID)
		}
	}
	if w.Configured != "" {
		return "set security_level to a level the project has"
	}
	ours := slices.DeleteFunc(slices.Clone(w.Levels), func(l Level) bool { return !l.Ours || l.Unread })
	slices.SortFunc(ours, func(a, b Level) int { return len(a.Holders) - len(b.Holders) })
	switch {
	case len(ours) > 0:
		return fmt.Sprintf("set level %q (%s: %s), and security_level: %q", ours[0].Name, ours[0].ID, strings.Join(ours[0].Holders, ", "), ours[0].ID)
	case len(w.Levels) == 0:
		return "give the project an issue security scheme with a level for the desk, the reporter and Lessor's account"
	}
	var names []string
	for _, l := range w.Levels {
		names = append(names, fmt.Sprintf("%q (%s)", l.Name, l.ID))
	}
	return "set the narrowest level that Lessor's account is in, of " + strings.Join(names, ", ") + ", and security_level to it"
}
