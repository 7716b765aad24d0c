package jirasim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// world is a Site with every reference resolved.
type world struct {
	users      []*User
	groups     []*group
	global     map[string][]string
	fields     []*Field
	statuses   []*Status
	types      []named
	priorities []named
	results    []named // resolutions
	roles      []named
	workflows  map[string]*workflow
	security   []*SecurityScheme
	schemes    []*PermissionScheme
	orgs       []*Organization
	projects   []*project
	localised  map[string]string
}

type named struct{ id, name string }

type group struct{ id, name string }

type project struct {
	Project
	types    []string // issue type ids
	flow     *workflow
	scheme   *PermissionScheme
	security *SecurityScheme
	parts    []named // components
	last     int     // the last issue number
	desk     *Desk
	groups   []named // request type groups
}

type workflow struct {
	Workflow
	statuses []*Status
}

var validKey = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,9}$`)

// builder gathers every problem of a site before it gives up.
type builder struct {
	s   *Sim
	w   *world
	bad []error
}

func (b *builder) fail(format string, a ...any) { b.bad = append(b.bad, fmt.Errorf(format, a...)) }

// build resolves a site. It is New's part and touches nothing but the counters.
func (s *Sim) build(site Site) (*world, error) {
	b := &builder{s: s, w: &world{
		global: site.Global, workflows: map[string]*workflow{}, localised: site.Localised,
	}}
	// 1. Words that others refer to.
	b.names(site)
	b.users(site)
	b.fields(site)
	// 2. What is made of them.
	for _, f := range site.Workflows {
		b.workflow(f)
	}
	b.schemes(site)
	// 3. Projects, which refer to all of it.
	for _, p := range site.Projects {
		b.project(p)
	}
	return b.w, errors.Join(b.bad...)
}

func (b *builder) id(given, noun string, first int) string {
	if given == "" {
		return strconv.Itoa(b.s.next(noun, first))
	}
	if n, err := strconv.Atoi(given); err != nil || n < 1 {
		b.fail("id %q of a %s: want a number", given, noun)
	} else {
		b.s.last[noun] = max(b.s.last[noun], n)
	}
	return given
}

func (b *builder) list(noun string, first int, given, otherwise []string) (out []named) {
	if len(given) == 0 {
		given = otherwise
	}
	for _, n := range given {
		out = append(out, named{b.id("", noun, first), n})
	}
	return out
}

func (b *builder) names(site Site) {
	b.w.types = b.list("issuetype", 10001, site.Types, []string{"Task", "Service Request"})
	b.w.priorities = b.list("priority", 1, site.Priorities, []string{"Highest", "High", "Medium", "Low", "Lowest"})
	b.w.results = b.list("resolution", 10000, nil, []string{"Done", "Won't Do", "Declined"})
	b.w.roles = b.list("role", 10002, site.Roles, []string{"Administrators", "Service Desk Team", "Service Desk Customers"})
	for _, st := range site.Statuses {
		if st.Name == "" || b.w.status(st.Name) != nil {
			b.fail("status %q: names are required and unique", st.Name)
		}
		switch st.Category {
		case "":
			st.Category = ToDo
		case ToDo, InProgress, Done:
		default:
			b.fail("status %q: no category %q", st.Name, st.Category)
		}
		st.ID = b.id(st.ID, "status", 10000)
		b.w.statuses = append(b.w.statuses, &st)
	}
	for _, g := range site.Groups {
		b.w.group(g)
	}
	for _, perm := range sorted(site.Global) {
		groups := site.Global[perm]
		if !slices.ContainsFunc(permissions, func(p permission) bool { return p.key == perm && p.global }) {
			b.fail("no global permission %q", perm)
		}
		for _, g := range groups {
			b.w.group(g)
		}
	}
}

// sorted are the keys of a map in an order that is always the same: ids are
// given on the way.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// group finds the group of that name, or makes it.
func (w *world) group(name string) *group {
	for _, g := range w.groups {
		if g.name == name {
			return g
		}
	}
	sum := sha256.Sum256([]byte("group " + name))
	h := hex.EncodeToString(sum[:16])
	g := &group{name: name, id: h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]}
	w.groups = append(w.groups, g)
	return g
}

func (b *builder) users(site Site) {
	for _, u := range site.Users {
		if err := b.w.addUser(u); err != nil {
			b.fail("%w", err)
		}
	}
	for _, o := range site.Organizations {
		o.ID, o.props = b.id(o.ID, "organization", 1), properties{}
		o.Members = slices.Clone(o.Members)
		for _, m := range o.Members {
			if b.w.user(m) == nil {
				b.fail("organization %q: no user %q", o.Name, m)
			}
		}
		b.w.orgs = append(b.w.orgs, &o)
	}
}

// addUser fills in what a user leaves out, and refuses two of one id or login.
func (w *world) addUser(u User) error {
	if u.Name == "" {
		return fmt.Errorf("user %q: a display name is required", u.AccountID)
	}
	if u.Kind == "" {
		u.Kind = Atlassian
	}
	if u.AccountID == "" {
		sum := sha256.Sum256([]byte("user " + u.Name + " " + u.Email))
		u.AccountID = hex.EncodeToString(sum[:12])
	}
	if u.Login == "" {
		u.Login = u.AccountID
	}
	if u.Key == "" {
		u.Key = u.Login
	}
	if u.Zone == "" {
		u.Zone = "Etc/UTC"
	}
	u.Groups = slices.Clone(u.Groups)
	for _, o := range w.users {
		switch {
		case o.AccountID == u.AccountID || strings.EqualFold(o.Login, u.Login) || o.Key == u.Key:
			return fmt.Errorf("user %q: account id, login and key must be unique", u.AccountID)
		case u.Token != "" && o.Token == u.Token:
			return fmt.Errorf("user %q: another user has the same token", u.AccountID)
		}
	}
	for _, g := range u.Groups {
		w.group(g)
	}
	w.users = append(w.users, &u)
	return nil
}

func (b *builder) fields(site Site) {
	for _, f := range systemFields {
		b.w.fields = append(b.w.fields, &f)
	}
	given := site.Fields
	for _, k := range []Field{
		{Name: "Request Type", Kind: requestTypeKind}, {Name: "Request participants", Kind: participantsKind},
		{Name: "Organizations", Kind: organizationsKind}, {Name: "Approvals", Kind: approvalsKind},
	} {
		if !slices.ContainsFunc(given, func(f Field) bool { return f.Kind == k.Kind }) {
			given = append([]Field{k}, given...)
		}
	}
	for _, f := range given {
		num := ""
		if f.ID != "" {
			num = strings.TrimPrefix(f.ID, "customfield_")
		}
		f.ID = "customfield_" + b.id(num, "field", 10010)
		if b.w.field(f.Name) != nil || f.Name == "" {
			b.fail("field %q: names are required and, here, unique", f.Name)
		}
		if _, known := kinds[f.Kind]; !known {
			b.fail("field %q: no kind %q", f.Name, f.Kind)
		}
		f.Options = slices.Clone(f.Options)
		for i := range f.Options {
			f.Options[i].ID = b.id(f.Options[i].ID, "option", 10100)
		}
		b.w.fields = append(b.w.fields, &f)
	}
}
