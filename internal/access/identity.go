package access

import (
	"slices"
	"time"
)

// IdentityKind tells people, workloads and agents apart.
type IdentityKind string

const (
	Person   IdentityKind = "person"
	Workload IdentityKind = "workload"
	Agent    IdentityKind = "agent"
)

// Identity is a person, a workload or an agent, under an id that never changes
// and is never reused. Names and mail addresses are for reading only.
type Identity struct {
	ID         string            `json:"id"`
	Kind       IdentityKind      `json:"kind"`
	Name       string            `json:"name"`
	Mail       string            `json:"mail,omitempty"`
	Department string            `json:"department,omitempty"`
	Manager    string            `json:"manager,omitempty"` // identity id
	Deputy     string            `json:"deputy,omitempty"`  // who answers for them while they are away
	Owner      string            `json:"owner,omitempty"`   // of a workload or agent: an accountable person
	Sponsor    string            `json:"sponsor,omitempty"` // of an external person or an agent
	External   bool              `json:"external,omitempty"`
	Same       string            `json:"same,omitempty"` // this is a second identity of that person
	Inactive   bool              `json:"inactive,omitempty"`
	Suspended  bool              `json:"suspended,omitempty"` // a transmitter says that its account is disabled: it has not left, and has nothing
	Start      time.Time         `json:"start,omitzero"`
	End        time.Time         `json:"end,omitzero"`       // of the contract; zero: none
	Accounts   map[string]string `json:"accounts,omitempty"` // system id -> account name there
	Contract   *Contract         `json:"contract,omitempty"` // of a workload or agent; not to be changed
	Groups     []string          `json:"groups,omitempty"`   // of the files' groups, those a feed puts it in; the files themselves say it at the group
}

// ActiveAt tells whether the identity may act or hold anything at that moment.
func (i Identity) ActiveAt(now time.Time) bool {
	until := i.Until()
	return !i.Inactive && !i.Suspended && (i.Start.IsZero() || !now.Before(i.Start)) && (until.IsZero() || now.Before(until))
}

// Until is when the identity goes, by its own end or the day its contract retires it; zero: never.
func (i Identity) Until() time.Time {
	if i.Contract == nil {
		return i.End
	}
	return sooner(i.End, i.Contract.Retires)
}

// System is one connected target, served by one connector instance.
type System struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Connector string            `json:"connector"` // adapter name: scim, ldap, …
	Settings  map[string]string `json:"settings,omitempty"`
	Owner     string            `json:"owner"`
	// Environment is "production" or another; empty: not said.
	Environment string `json:"environment,omitempty"`
}

// Entitlement is something one system can let an account hold.
type Entitlement struct {
	ID        string   `json:"id"` // "system:name"
	System    string   `json:"system"`
	Object    string   `json:"object"` // what the connector calls it: a DN, a group's name
	Name      string   `json:"name"`
	Owners    []string `json:"owners"`              // identity ids; never empty
	Class     string   `json:"class"`               // standard, privileged, third-party, or one that policy adds
	MaxTerm   Term     `json:"max_term"`            // longest single term
	MaxTotal  Term     `json:"max_total,omitempty"` // longest unbroken chain of extensions; zero: none
	Powers    []string `json:"powers,omitempty"`    // read, write, admin, grant
	Conflicts []string `json:"conflicts,omitempty"` // entitlement ids one person may not hold beside this; kept symmetric
	Grants    []string `json:"grants,omitempty"`    // what its power grant hands out: entitlement ids; none: everything of its system
	Becomes   []string `json:"becomes,omitempty"`   // identity ids its holder can act as
	Edits     []string `json:"edits,omitempty"`     // gates its holder can change: see [Gates]
	// Environment is "production" or another; empty: that of its system.
	Environment string `json:"environment,omitempty"`
}

// Gates are what decides who gets what: whoever can change one can let himself
// through. "connector" and "workflow" are written with what they belong to, as
// in connector:SYSTEM (the account Lessor acts with there) and workflow:NAME (the
// ticket queue's).
var Gates = []string{"policy", "database", "log", "connector", "workflow"}

// Bundle is a named set of entitlements asked for together.
type Bundle struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Entitlements []string `json:"entitlements"`
}

// Directory is one immutable snapshot of who there is and what can be held.
// It is safe for concurrent use because nothing changes it.
type Directory struct {
	identities   map[string]Identity
	systems      map[string]System
	entitlements map[string]Entitlement
	bundles      map[string]Bundle
	groups       []GroupMembers      // as they were given
	roles        map[string][]string // group -> entitlements that whoever is in it holds, sorted
	members      map[string][]string // group -> direct member identities, sorted
	inner        map[string][]string // group -> the groups in it
	closure      map[string][]string // identity -> every group it is in, through nesting, sorted
	reach        map[string][]string // group -> every member identity, through nesting, sorted
	same         map[string][]string // person -> every identity of that person, sorted
	owned        map[string][]string // person -> workloads and agents owned or sponsored, sorted
	duties       []Duty
	plans        map[string]CredentialPlan
	byAccount    map[account]string  // who it is at a system; "" where several people share it
	departments  map[string][]string // department -> its people, each once, sorted
	machines     []string            // workloads and agents, sorted
	sponsored    map[string][]string // person -> the agents it sponsors, sorted
	reports      map[string][]string // person -> the people whose manager it is, sorted
	deputises    map[string][]string // person -> the people whose deputy it is, sorted
}

// account is one account at one system.
type account struct{ system, name string }

// GroupMembers is one group as written: identities and nested groups.
type GroupMembers struct {
	ID      string
	Members []string // identity ids
	Groups  []string // nested group ids: their members are members here
}

// NewDirectory closes memberships over nested groups (a cycle alone grants
// nothing: only identities reached through it count) and indexes the rest.
// It presumes that references were checked by whoever read them.
func NewDirectory(ids []Identity, groups []GroupMembers, systems []System, ents []Entitlement, bundles []Bundle) *Directory {
	d := &Directory{
		identities: map[string]Identity{}, systems: map[string]System{}, entitlements: map[string]Entitlement{},
		bundles: map[string]Bundle{}, roles: map[string][]string{}, same: map[string][]string{}, owned: map[string][]string{}, byAccount: map[account]string{},
		departments: map[string][]string{}, sponsored: map[string][]string{}, reports: map[string][]string{}, deputises: map[string][]string{},
	}
	for _, i := range ids {
		d.identities[i.ID] = i
	}
	for _, s := range systems {
		d.systems[s.ID] = s
	}
	for _, e := range ents {
		d.entitlements[e.ID] = e
	}
	for _, b := range bundles {
		d.bundles[b.ID] = b
	}
	for _, i := range ids {
		p := d.PersonOf(i.ID)
		d.same[p] = append(d.same[p], i.ID)
		if i.Kind == Workload || i.Kind == Agent {
			d.machines = append(d.machines, i.ID)
		}
		if i.Kind == Agent && i.Sponsor != "" {
			d.sponsored[d.PersonOf(i.Sponsor)] = append(d.sponsored[d.PersonOf(i.Sponsor)], i.ID)
		}
		for _, o := range []string{i.Owner, i.Sponsor} {
			if o != "" && i.Kind != Person {
				o = d.PersonOf(o)
				if !slices.Contains(d.owned[o], i.ID) {
					d.owned[o] = append(d.owned[o], i.ID)
				}
			}
		}
	}
	d.indexAccounts(ids)
	d.closeGroups(groups)
	d.indexRoles()
	for _, i := range ids {
		if i.Kind != Person || i.Same != "" {
			continue
		}
		for _, to := range []struct {
			in  map[string][]string
			key string
		}{{d.departments, i.Department}, {d.reports, d.PersonOf(i.Manager)}, {d.deputises, d.PersonOf(i.Deputy)}} {
			if to.key != "" {
				to.in[to.key] = append(to.in[to.key], i.ID)
			}
		}
	}
	slices.Sort(d.machines)
	for _, m := range []map[string][]string{d.same, d.owned, d.departments, d.sponsored, d.reports, d.deputises} {
		for k := range m {
			slices.Sort(m[k])
		}
	}
	return d
}

// indexAccounts finds identities by account. An account that several identities
// of one person share is the first one's; one that two people share is nobody's.
func (d *Directory) indexAccounts(ids []Identity) {
	for _, i := range ids {
		for system, name := range i.Accounts {
			key := account{system, name}
			other, taken := d.byAccount[key]
			switch {
			case !taken:
				d.byAccount[key] = i.ID
			case d.PersonOf(other) != d.PersonOf(i.ID):
				d.byAccount[key] = ""
			}
		}
	}
}

// closeGroups walks parents breadth first from each group that has direct
// members, so that depth and cycles cost nothing but a visited mark.
func (d *Directory) closeGroups(groups []GroupMembers) {
	d.groups, d.members, d.inner = groups, map[string][]string{}, map[string][]string{}
	d.closure, d.reach = map[string][]string{}, map[string][]string{}
	parents := map[string][]string{} // nested group -> the groups that contain it
	for _, g := range groups {
		d.reach[g.ID] = nil
		d.members[g.ID] = slices.Compact(slices.Sorted(slices.Values(g.Members)))
		d.inner[g.ID] = g.Groups
		for _, n := range g.Groups {
			parents[n] = append(parents[n], g.ID)
		}
	}
	for _, g := range groups {
		if len(g.Members) == 0 {
			continue
		}
		seen, queue := map[string]bool{g.ID: true}, []string{g.ID}
		for len(queue) > 0 {
			at := queue[0]
			queue = queue[1:]
			d.reach[at] = append(d.reach[at], g.Members...)
			for _, p := range parents[at] {
				if !seen[p] {
					seen[p] = true
					queue = append(queue, p)
				}
			}
		}
	}
	for g, ids := range d.reach {
		slices.Sort(ids)
		ids = slices.Compact(ids)
		d.reach[g] = ids
		for _, id := range ids {
			d.closure[id] = append(d.closure[id], g)
		}
	}
	for id := range d.closure {
		slices.Sort(d.closure[id])
	}
}

// Identity, System, Entitlement and Bundle look one up by id.
func (d *Directory) Identity(id string) (Identity, bool) { i, ok := d.identities[id]; return i, ok }
func (d *Directory) System(id string) (System, bool)     { s, ok := d.systems[id]; return s, ok }
func (d *Directory) Entitlement(id string) (Entitlement, bool) {
	e, ok := d.entitlements[id]
	return e, ok
}
func (d *Directory) Bundle(id string) (Bundle, bool) { b, ok := d.bundles[id]; return b, ok }

// ByAccount returns whose account that is; ok is false where it is nobody's, or
// where it cannot be told.
func (d *Directory) ByAccount(system, name string) (id string, ok bool) {
	id = d.byAccount[account{system, name}]
	return id, id != ""
}

// Taken tells whether the account is anybody's, even where it cannot be told whose.
func (d *Directory) Taken(system, name string) bool {
	_, taken := d.byAccount[account{system, name}]
	return taken
}

// HasGroup tells whether the group exists, empty or not.
func (d *Directory) HasGroup(id string) bool { _, ok := d.members[id]; return ok }

// Reserved tells whether an id can be nobody's: people and groups are addressed alike,
// and what Lessor does by itself stands under its own name.
func (d *Directory) Reserved(id string) bool {
	return id == Clock.Identity || id == "security" || id == "auditors" || d.HasGroup(id)
}

// GroupsOf returns every group the identity is in, through nesting, sorted. Not to be changed.
func (d *Directory) GroupsOf(id string) []string { return d.closure[id] }

// MembersOf returns every identity in the group, through nesting, sorted. Not to be changed.
func (d *Directory) MembersOf(group string) []string { return d.reach[group] }

// PersonOf returns the id under which this identity's votes and conflicts are
// counted: the person it is a second identity of, or itself. Unknown ids are themselves.
func (d *Directory) PersonOf(id string) string {
	for range 8 { // a chain this long is a mistake the reader of the file refuses
		i, ok := d.identities[id]
		if !ok || i.Same == "" {
			return id
		}
		id = i.Same
	}
	return id
}

// IdentitiesOf returns every identity of the person behind id, sorted. Not to be changed.
func (d *Directory) IdentitiesOf(id string) []string { return d.same[d.PersonOf(id)] }

// OwnedBy returns the workloads and agents the person behind id owns or sponsors, sorted. Not to be changed.
func (d *Directory) OwnedBy(id string) []string { return d.owned[d.PersonOf(id)] }

// Machines returns every workload and agent, sorted. Not to be changed.
func (d *Directory) Machines() []string { return d.machines }

// SponsoredBy returns the agents of the person behind id, sorted. Not to be changed.
func (d *Directory) SponsoredBy(id string) []string { return d.sponsored[d.PersonOf(id)] }

// EnvironmentOf is where an entitlement is: what it says itself, or its system.
func (d *Directory) EnvironmentOf(e Entitlement) string {
	if e.Environment != "" {
		return e.Environment
	}
	return d.systems[e.System].Environment
}

// InDepartment returns the people of a department, sorted. Not to be changed.
func (d *Directory) InDepartment(name string) []string { return d.departments[name] }

// ReportsOf returns the people whose manager the person behind id is, sorted. Not to be changed.
func (d *Directory) ReportsOf(id string) []string { return d.reports[d.PersonOf(id)] }

// DeputisesFor returns the people whose deputy the person behind id is, sorted. Not to be changed.
func (d *Directory) DeputisesFor(id string) []string { return d.deputises[d.PersonOf(id)] }

// Above returns the people above somebody: manager, manager's manager, and so on, nearest first.
func (d *Directory) Above(id string) (up []string) {
	me := d.PersonOf(id)
	for at := me; ; {
		at = d.PersonOf(d.identities[at].Manager)
		if at == "" || at == me || slices.Contains(up, at) {
			return up
		}
		up = append(up, at)
	}
}

// Hands returns every person who has a hand in something of this identity: the
// person itself and, for workloads and agents, owner and sponsor, however deep.
// None of them may decide for it (law 10).
func (d *Directory) Hands(id string) []string {
	var hands []string
	seen, queue := map[string]bool{}, []string{id}
	for len(queue) > 0 {
		p := d.PersonOf(queue[0])
		queue = queue[1:]
		if p == "" || seen[p] {
			continue
		}
		seen[p] = true
		hands = append(hands, p)
		for _, same := range d.same[p] {
			if i := d.identities[same]; i.Kind != Person {
				queue = append(queue, i.Owner, i.Sponsor)
			}
		}
	}
	slices.Sort(hands)
	return hands
}

// Identities, Systems, Entitlements, Bundles and Groups list ids in order.
func (d *Directory) Identities() []string   { return sortedKeys(d.identities) }
func (d *Directory) Systems() []string      { return sortedKeys(d.systems) }
func (d *Directory) Entitlements() []string { return sortedKeys(d.entitlements) }
func (d *Directory) Bundles() []string      { return sortedKeys(d.bundles) }
func (d *Directory) Groups() []string       { return sortedKeys(d.members) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
