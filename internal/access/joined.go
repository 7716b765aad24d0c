package access

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Joined is what the database adds to the directory of the files: whom feeds have
// told of or somebody has registered, and who answers now for what changed hands.
type Joined struct {
	Identities []Identity
	Hands      []Hand
}

// Hand says who answers for something in place of whoever the files or feeds name.
type Hand struct {
	Subject string `json:"subject"` // "identity ID", "sponsor ID", "entitlement ID", "system ID", "reports ID" (of whom somebody is the manager), "left ID", or "suspended ID"
	Owner   string `json:"owner"`   // identity id; of "left ID" who said so: that identity is inactive, whatever files and feeds say; of "suspended ID" the transmitters that say so. Empty: that word is taken back
	// From is whom the files or feeds named when it changed hands: once they name somebody
	// else, that counts again. Empty: it counts whatever they name.
	From string `json:"from,omitempty"`
}

// Join is the same directory with what is joined to it: another snapshot.
//
// Of an identity that the files have, too, what the files say stands and what they
// leave empty is filled; but whoever either calls inactive is, and of two starts or
// two ends the narrower counts: no feed widens what somebody wrote. One that only has
// the id of another (see [Identity.another]) fills nothing. In groups that the files do
// not have nobody is put, for policy knows nothing of them.
func (d *Directory) Join(j Joined) *Directory {
	if len(j.Identities) == 0 && len(j.Hands) == 0 {
		return d
	}
	ids := make(map[string]Identity, len(d.identities)+len(j.Identities))
	maps.Copy(ids, d.identities)
	var grouped []Identity
	for _, i := range j.Identities {
		written, ok := ids[i.ID]
		if !ok || !written.another(i) {
			grouped = append(grouped, i)
		}
		switch {
		case ok:
			i = written.filled(i)
		case i.Name == "": // it only adds to one that the files had
			continue
		}
		ids[i.ID] = i
	}
	ents := maps.Clone(d.entitlements)
	systems := maps.Clone(d.systems)
	for _, h := range j.Hands {
		h.apply(ids, ents, systems)
	}
	next := NewDirectory(values(ids), d.groupsWith(grouped), values(systems), values(ents), values(d.bundles))
	next.duties, next.plans = d.duties, d.plans
	return next
}

// another tells whether two only share an id: somebody registered a workload under one
// that the files have since given to a person, or to somebody else's workload. What the
// one has would be given to the accounts of the other.
func (i Identity) another(j Identity) bool {
	return j.Kind != "" && (i.Kind != j.Kind || i.Kind != Person && i.Owner != "" && j.Owner != "" && i.Owner != j.Owner)
}

// filled is the identity with what another source of the same says besides.
func (i Identity) filled(by Identity) Identity {
	if i.another(by) {
		by = Identity{Inactive: by.Inactive, Start: by.Start, End: by.End}
	}
	i.Name, i.Mail = cmp.Or(i.Name, by.Name), cmp.Or(i.Mail, by.Mail)
	i.Department, i.Manager = cmp.Or(i.Department, by.Department), cmp.Or(i.Manager, by.Manager)
	i.Owner, i.Sponsor = cmp.Or(i.Owner, by.Owner), cmp.Or(i.Sponsor, by.Sponsor)
	i.External, i.Inactive = i.External || by.External, i.Inactive || by.Inactive
	i.Start, i.End = later(i.Start, by.Start), sooner(i.End, by.End)
	accounts := maps.Clone(by.Accounts)
	if accounts == nil {
		accounts = map[string]string{}
	}
	maps.Copy(accounts, i.Accounts)
	i.Accounts = accounts
	switch {
	case i.Contract == nil:
		i.Contract = by.Contract
	case by.Contract != nil:
		c := i.Contract.filled(*by.Contract)
		i.Contract = &c
	}
	return i
}

// sooner is the earlier of two ends; zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// apply has the owner in force. What is no longer there has none.
func (h Hand) apply(ids map[string]Identity, ents map[string]Entitlement, systems map[string]System) {
	kind, id := h.What()
	switch kind {
	case "identity":
		if i, ok := ids[id]; ok && h.from(i.Owner) {
			i.Owner = h.Owner
			ids[id] = i
		}
	case "left":
		if i, ok := ids[id]; ok && h.Owner != "" {
			i.Inactive = true
			ids[id] = i
		}
	case "suspended":
		if i, ok := ids[id]; ok && h.Owner != "" {
			i.Suspended = true
			ids[id] = i
		}
	case "sponsor":
		if i, ok := ids[id]; ok && h.from(i.Sponsor) {
			i.Sponsor = h.Owner
			ids[id] = i
		}
	case "reports":
		for who, i := range ids {
			if i.Manager == id && who != h.Owner { // nobody is their own manager
				i.Manager = h.Owner
				ids[who] = i
			}
		}
	case "entitlement":
		if e, ok := ents[id]; ok && (len(e.Owners) == 0 || slices.ContainsFunc(e.Owners, h.from)) {
			e.Owners = []string{h.Owner}
			ents[id] = e
		}
	case "system":
		if s, ok := systems[id]; ok && h.from(s.Owner) {
			s.Owner = h.Owner
			systems[id] = s
		}
	}
}

// from tells whether something is still named as whose it was when it changed hands.
// Where nobody is named any more, whoever took it over answers for it.
func (h Hand) from(named string) bool { return h.From == "" || named == "" || named == h.From }

// What splits the subject of a hand.
func (h Hand) What() (kind, id string) {
	for n := range h.Subject {
		if h.Subject[n] == ' ' {
			return h.Subject[:n], h.Subject[n+1:]
		}
	}
	return "", h.Subject
}

// groupsWith are the groups of the files with those in them whom feeds put there.
func (d *Directory) groupsWith(ids []Identity) []GroupMembers {
	more := map[string][]string{}
	for _, i := range ids {
		for _, g := range i.Groups {
			more[g] = append(more[g], i.ID)
		}
	}
	groups := slices.Clone(d.groups)
	for n := range groups {
		groups[n].Members = slices.Concat(groups[n].Members, more[groups[n].ID])
	}
	return groups
}

func values[V any](m map[string]V) []V {
	list := make([]V, 0, len(m))
	for _, k := range sortedKeys(m) {
		list = append(list, m[k])
	}
	return list
}
