package gitea

import (
	"slices"
	"strings"
)

// What we read of Gitea's objects; the rest is left out.

type user struct {
	Login   string `json:"login"`
	IsAdmin bool   `json:"is_admin"`
}

// name is the account in our spelling.
func (u user) name() string { return strings.ToLower(u.Login) }

type organization struct {
	Name string `json:"name"`
}

// teamRead is a team: its powers are one level for all, or one for each unit (code,
// issues, …) of its repositories.
type teamRead struct {
	ID         int64             `json:"id"`
	Name       string            `json:"name"`
	Permission string            `json:"permission"`
	UnitsMap   map[string]string `json:"units_map"`
}

// rules says that whoever is in it may do everything in the organization.
func (t teamRead) rules() bool { return levelNamed(t.Permission) == owner }

type repository struct {
	Name        string `json:"name"`
	Owner       user   `json:"owner"`
	Private     bool   `json:"private"`
	Permissions struct {
		Admin bool `json:"admin"`
	} `json:"permissions"`
}

func (r repository) place() place {
	return place{r.Owner.name(), strings.ToLower(r.Name)}
}

// permitted is what Gitea says of an account at a repository.
type permitted struct {
	Permission string `json:"permission"`
}

type deployKey struct {
	Title    string `json:"title"`
	ReadOnly bool   `json:"read_only"`
	Made     string `json:"created_at"`
}

// powers are what somebody may do at a repository: everywhere, and in single units.
type powers struct {
	whole level
	units map[string]level
}

// The unit whose level is what people mean by "may read", "may write".
const code = "repo.code"

// powers are what a team gives its members.
func (t teamRead) powers() powers {
	if l := levelNamed(t.Permission); l >= admin {
		return powers{whole: l}
	}
	p := powers{units: map[string]level{}}
	for unit, by := range t.UnitsMap {
		if l := levelNamed(by); l > none {
			p.units[unit] = l
		}
	}
	return p
}

// powers are what the level of a collaborator is worth.
func (l level) powers() powers {
	if l >= admin {
		return powers{whole: l}
	}
	return powers{units: map[string]level{code: l}}
}

// with are both together.
func (p powers) with(other powers) powers {
	sum := powers{max(p.whole, other.whole), map[string]level{}}
	for _, units := range []map[string]level{p.units, other.units} {
		for unit, l := range units {
			sum.units[unit] = max(sum.units[unit], l)
		}
	}
	return sum
}

// cover says that they suffice for all of the others.
func (p powers) cover(need powers) bool {
	if p.whole < need.whole {
		return false
	}
	for unit, l := range need.units {
		if max(p.whole, p.units[unit]) < l {
			return false
		}
	}
	return true
}

// somewhere says that they give the level at one unit at least.
func (p powers) somewhere(l level) bool {
	for _, has := range p.units {
		if has >= l {
			return true
		}
	}
	return p.whole >= l
}

// least is the level at which somebody may do some of it.
func (p powers) least() level {
	if p.whole > none {
		return min(p.whole, admin)
	}
	l := admin
	for _, has := range p.units {
		l = min(l, has)
	}
	return l
}

// word says them for people.
func (p powers) word() string {
	if p.whole > none {
		return p.whole.String()
	}
	var words []string
	for unit, l := range p.units {
		words = append(words, l.String()+" of "+unit)
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
