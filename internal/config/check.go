package config

import (
	"maps"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// known is every entry by its id.
type known struct {
	identities   map[string]*identity
	groups       map[string]*group
	systems      map[string]*system
	entitlements map[string]*entitlement
	bundles      map[string]*bundle
	sites        map[string]*site
	providers    map[string]*provider
	tokens       map[string]*bearer
}

// check holds everything that was read against everything else.
func (d *files) check() {
	// 1. Every id has its form, stands once, and is mistaken for no other.
	d.known = known{
		identities:   register[identity](d, "id", "identity", d.identities, plainID),
		groups:       register[group](d, "id", "group", d.groups, plainID),
		systems:      register[system](d, "id", "system", d.systems, plainID),
		entitlements: register[entitlement](d, "id", "entitlement", d.entitlements, entitlementID),
		bundles:      register[bundle](d, "id", "bundle", d.bundles, plainID),
		sites:        register[site](d, "id", "site", d.sites, plainID),
		providers:    register[provider](d, "id", "provider", d.providers, plainID),
		tokens:       register[bearer](d, "name", "token", d.tokens, plainID),
	}

	// 2. Who there is.
	for i := range d.identities {
		d.checkIdentity(&d.identities[i])
	}
	d.checkNames()
	d.checkAccounts()
	d.checkManagers()
	d.checkGroups()

	// 3. What can be held.
	for i := range d.systems {
		d.checkSystem(&d.systems[i])
	}
	for i := range d.entitlements {
		d.checkEntitlement(&d.entitlements[i])
	}
	d.checkObjects()
	d.checkRoles()
	register[duty](d, "id", "duty", d.duties, plainID)
	for i := range d.duties {
		d.checkDuty(&d.duties[i])
	}
	for i := range d.bundles {
		d.checkBundle(&d.bundles[i])
	}

	d.checkPlans()
	d.checkGlass()
	d.checkLifecycle()
	d.checkSignals()

	// 4. Whose tickets are read.
	d.checkSites()

	// 5. Where credentials are delivered.
	register[secretStore](d, "id", "secret store", d.stores, plainID)

	// 6. Who may speak.
	d.checkTokens()
	d.checkProviders()
	d.checkFeeds()
	d.checkFeedTokens()
	d.checkTold()
}

// written is an entry of a file under its id.
type written interface{ entry() (id string, f fields) }

func (i *identity) entry() (string, fields)    { return i.ID, i.f }
func (g *group) entry() (string, fields)       { return g.id, g.f }
func (s *system) entry() (string, fields)      { return s.ID, s.f }
func (e *entitlement) entry() (string, fields) { return e.ID, e.f }
func (b *bundle) entry() (string, fields)      { return b.ID, b.f }
func (x *duty) entry() (string, fields)        { return x.ID, x.f }
func (s *site) entry() (string, fields)        { return s.ID, s.f }
func (t *bearer) entry() (string, fields)      { return t.Name, t.f }

func plainID(id string) string {
	if idForm.MatchString(id) {
		return ""
	}
	return idRule
}

func entitlementID(id string) string {
	system, name, _ := strings.Cut(id, ":")
	if idForm.MatchString(system) && idForm.MatchString(name) {
		return ""
	}
	return "must be system:name; each of the two " + idRule
}

// register returns the entries by id. Of two with the same id the first keeps it.
func register[T any, P interface {
	*T
	written
}](d *files, key, what string, all []T, unfit func(id string) string) map[string]P {
	byID, texts := make(map[string]P, len(all)), make([]named, 0, len(all))
	for i := range all {
		e := P(&all[i])
		id, f := e.entry()
		if id == "" {
			continue // reported where it was read
		}
		if why := unfit(id); why != "" {
			f.problem(key, "%s %s", key, why)
		}
		if first, twice := byID[id]; twice {
			_, ff := first.entry()
			f.problem(key, "there is a second %s %q: the first is at %s", what, access.Brief(id), ff.at(key))
			continue
		}
		byID[id] = e
		texts = append(texts, named{text: id, at: f.at(key), whose: id})
	}
	newLooks().lookalikes(texts, func(later, earlier named) {
		d.problem(later.at, "%s %+q can be taken for %+q at %s: choose another", what, access.Brief(later.text), access.Brief(earlier.text), earlier.at)
	})
	return byID
}

// refer follows a reference and reports one that leads nowhere, unless a file
// could not be read that may hold its end.
func refer[P any](d *files, at mark, key, what, id string, known map[string]P) (P, bool) {
	to, ok := known[id]
	if !ok && !d.partial {
		d.problem(at, "%s: there is no %s %q%s", key, what, access.Brief(id), d.instead(id, maps.Keys(known)))
	}
	return to, ok
}

// person follows a reference that must lead to a person, of the files or of feeds.
func (d *files) person(at mark, key, id string) (*identity, bool) {
	to, ok := d.anybody(at, key, id)
	if ok && (to.Kind == access.Workload || to.Kind == access.Agent) {
		d.problem(at, "%s must be a person: %q is of kind %s", key, access.Brief(id), to.Kind)
		return nil, false
	}
	return to, ok
}

// personOf is the id under which an identity's votes and conflicts are counted.
func (d *files) personOf(id string) string {
	if i, ok := d.known.identities[id]; ok && i.Same != "" {
		return i.Same
	}
	return id
}

// inactive tells whether an identity, or the person behind it, is switched off.
func (d *files) inactive(i *identity) bool {
	p, ok := d.known.identities[i.Same]
	return i.Inactive || (ok && p.Inactive)
}

// circle writes a circle of ids, in short if it is long.
func circle(ids []string) string {
	const most = 8
	if len(ids) <= most {
		return strings.Join(ids, " > ") + " > " + ids[0]
	}
	return strings.Join(ids[:most], " > ") + " > … > " + ids[0]
}
