package audit

import (
	"cmp"
	"slices"
	"time"
)

// Length is a length of time that reads as one, in JSON too.
type Length time.Duration

// String is such as "36h12m0s", to the second.
func (l Length) String() string { return time.Duration(l).Round(time.Second).String() }

// MarshalText implements [encoding.TextMarshaler].
func (l Length) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *Length) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*l = Length(d)
	return err
}

// Pace is how soon the tickets of a project are decided, and how its clocks ran.
type Pace struct {
	Project string `json:"project"`
	Decided int    `json:"decided"`
	Open    int    `json:"open"`
	Median  Length `json:"median"` // from asked to decided
	Slow    Length `json:"slow"`   // nine of ten were decided sooner
	Slowest Length `json:"slowest"`
	SLAs    []SLA  `json:"slas"`
}

// SLA is how one of the desk's clocks ran over its tickets.
type SLA struct {
	Name     string `json:"name"`
	Met      int    `json:"met"`
	Breached int    `json:"breached"`
	Running  int    `json:"running"`
}

// Scope is how much was granted in a project, class by class, and for how long.
type Scope struct {
	Project string `json:"project"`
	Class   string `json:"class"`
	Grants  int    `json:"grants"`
	Risky   int    `json:"risky"`  // of them, of entitlements that are more than ordinary
	Median  Length `json:"median"` // how long it was held, or is to be
	Longest Length `json:"longest"`
	Asked   Length `json:"asked"` // the median of what was asked for
}

// PaceOf and ScopeOf stay apart: a desk that is fast because it grants
// little and one that is fast because it grants everything would score alike.
func PaceOf(tickets []Ticket) []Pace {
	of, waits := map[string]*Pace{}, map[string][]time.Duration{}
	for _, t := range tickets {
		if t.AskedAt.IsZero() || t.Gone {
			continue
		}
		p := of[t.Project]
		if p == nil {
			p = &Pace{Project: t.Project, SLAs: []SLA{}}
			of[t.Project] = p
		}
		if t.Decided.IsZero() {
			p.Open++
		} else {
			p.Decided++
			waits[t.Project] = append(waits[t.Project], t.Decided.Sub(t.AskedAt))
		}
		for _, c := range t.Clocks {
			p.clock(c)
		}
	}
	list := []Pace{}
	for _, p := range of {
		p.Median, p.Slow, p.Slowest = at(waits[p.Project], 50), at(waits[p.Project], 90), at(waits[p.Project], 100)
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b Pace) int { return cmp.Compare(a.Project, b.Project) })
	return list
}

func (p *Pace) clock(c Clock) {
	i := slices.IndexFunc(p.SLAs, func(s SLA) bool { return s.Name == c.Name })
	if i < 0 {
		p.SLAs = append(p.SLAs, SLA{Name: c.Name})
		i = len(p.SLAs) - 1
	}
	switch {
	case c.Breached:
		p.SLAs[i].Breached++
	case c.Running:
		p.SLAs[i].Running++
	default:
		p.SLAs[i].Met++
	}
}

// ScopeOf says how much was granted, and for how long; see [PaceOf].
func ScopeOf(tickets []Ticket) []Scope {
	of, held, asked := map[[2]string]*Scope{}, map[[2]string][]time.Duration{}, map[[2]string][]time.Duration{}
	for _, t := range tickets {
		if t.Gone {
			continue // of no project any more
		}
		for _, g := range t.Granted {
			key := [2]string{t.Project, g.Entitlement.Class}
			if of[key] == nil {
				of[key] = &Scope{Project: t.Project, Class: g.Entitlement.Class}
			}
			of[key].Grants++
			if len(sensitive(g.Entitlement)) > 0 {
				of[key].Risky++
			}
			held[key] = append(held[key], g.End.Sub(g.Start))
			asked[key] = append(asked[key], g.Term)
		}
	}
	list := []Scope{}
	for key, s := range of {
		s.Median, s.Longest, s.Asked = at(held[key], 50), at(held[key], 100), at(asked[key], 50)
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Scope) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Class, b.Class))
	})
	return list
}

// at is the least length that so many of a hundred do not exceed.
func at(list []time.Duration, percent int) Length {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	n := (len(list)*percent + 99) / 100
	return Length(list[max(n, 1)-1])
}
