package access

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Feed is how one source of people is read, and what it is believed.
type Feed struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"` // scim, ldap, csv or yaml
	Settings map[string]string `json:"settings,omitempty"`
	Key      string            `json:"key"`                // the column that is given to nobody else
	Columns  map[string]string `json:"columns,omitempty"`  // what we call it -> what the feed does; where it is missing, both call it the same
	Identity string            `json:"identity,omitempty"` // attribute that a new identity's id is made of; empty: it makes none
	Match    []Match           `json:"match,omitempty"`    // in order; the first that finds anybody decides
	Gives    []string          `json:"gives"`              // of FeedGives, what it is the authority for
	Groups   map[string]string `json:"groups,omitempty"`   // group of the files -> the feed's group that fills it
	Shrink   int               `json:"shrink"`             // of a hundred, how many may leave in a day and be believed
	Month    int               `json:"month,omitempty"`    // … and within thirty days; 0: three times as many
	Soon     time.Duration     `json:"soon,omitempty"`     // an end within it is a leaving; 0: a week
	Every    time.Duration     `json:"every"`
}

// InMonth is how many of a hundred may leave within thirty days and be believed.
func (f Feed) InMonth() int {
	if f.Month == 0 {
		return min(100, 3*f.Shrink)
	}
	return f.Month
}

// IsSoon tells whether whoever is given this end is taken to leave.
func (f Feed) IsSoon(end, now time.Time) bool {
	return !end.IsZero() && !end.After(now.Add(cmp.Or(f.Soon, 7*24*time.Hour)))
}

// Match is one rule by which a record is known to be an identity: an attribute of it
// equals one of another feed's record, or of an identity of the directory.
type Match struct {
	Attribute string `json:"attribute"`
	Feed      string `json:"feed,omitempty"` // empty: the directory
	Equals    string `json:"equals"`
}

// FeedGives are the attributes that a feed can be the authority for.
var FeedGives = []string{"name", "mail", "department", "manager", "external", "sponsor", "active", "start", "end", "accounts", "groups"}

// Saying is one feed's record of an identity, with what its keys mean here.
type Saying struct {
	Feed    Feed
	Record  Record
	Manager string   // identity id; empty: none known
	Sponsor string   // likewise
	Groups  []string // of the files' groups, those it fills with this one
}

// Told is what feeds say of an identity together. says are in the order of the feeds:
// of two that give the same the first counts, one that still has the record before one
// that has not. Whoever no feed with authority over it has any more is inactive.
func Told(id string, says []Saying) Identity {
	i := Identity{ID: id, Kind: Person}
	says = slices.Clone(says)
	slices.SortStableFunc(says, func(a, b Saying) int {
		return cmp.Compare(a.Record.place(), b.Record.place())
	})
	by := func(what string) (Saying, bool) {
		for _, s := range says {
			if slices.Contains(s.Feed.Gives, what) {
				return s, true
			}
		}
		return Saying{}, false
	}
	text := func(what string, to *string, of func(Saying) string) {
		if s, ok := by(what); ok {
			*to = of(s)
		}
	}
	text("name", &i.Name, func(s Saying) string { return cmp.Or(s.Record.Name, s.Record.User) })
	text("mail", &i.Mail, func(s Saying) string { return s.Record.Mail })
	text("department", &i.Department, func(s Saying) string { return s.Record.Department })
	text("manager", &i.Manager, func(s Saying) string { return s.Manager })
	text("sponsor", &i.Sponsor, func(s Saying) string { return s.Sponsor })
	if s, ok := by("external"); ok {
		i.External = s.Record.External
	}
	if !i.External {
		i.Sponsor = ""
	}
	if s, ok := by("active"); ok {
		i.Inactive = !s.Record.Believed()
	}
	if s, ok := by("start"); ok {
		i.Start = s.Record.Start
	}
	if s, ok := by("end"); ok {
		i.End = s.Record.End
	}
	if s, ok := by("groups"); ok && s.Record.Believed() {
		i.Groups = s.Groups
	}
	for _, s := range slices.Backward(says) {
		if !slices.Contains(s.Feed.Gives, "accounts") || len(s.Record.Accounts) == 0 {
			continue
		}
		if i.Accounts == nil {
			i.Accounts = map[string]string{}
		}
		maps.Copy(i.Accounts, s.Record.Accounts)
	}
	return i
}

// place puts what a feed still has before what it has not.
func (r Record) place() int {
	if r.Gone.IsZero() || !r.Doubted.IsZero() {
		return 0
	}
	return 1
}

var identityForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// IdentityID is the id that is made of an attribute's value, the part of an address
// before its @; ok is false where none can be.
func IdentityID(value string) (id string, ok bool) {
	id, _, _ = strings.Cut(Fold(value), "@")
	return id, identityForm.MatchString(id)
}

// HasAccount tells whether anybody has that account, and whose it is where that can be told.
func (d *Directory) HasAccount(system, name string) (id string, ok bool) {
	id, ok = d.byAccount[account{system, name}]
	return id, ok
}
