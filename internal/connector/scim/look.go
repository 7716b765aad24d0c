package scim

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// maxNested bounds the groups read below one group.
const maxNested = 200

func cutUser(account string) (string, bool) { return strings.CutPrefix(account, UserPrefix) }

// sight is what a look saw of one group: itself, and the groups inside it by id
// with the way that leads there.
type sight struct {
	group  *resource
	inside []*resource
	way    map[string]string
}

// view is what a look saw of one user: whose id, what the server says the user
// holds, and how it was asked. A nil groups means that it could not be asked.
type view struct {
	id     string
	groups map[string]bool
	how    string
}

// Look reads every named group's member list, and by another path what each user
// holds: the user's own groups attribute, or a search of groups by member.
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	at := c.now() // before the first read: nothing seen is older than this
	objects, accounts := make([]string, len(refs)), make([]string, len(refs))
	for i, r := range refs {
		objects[i], accounts[i] = r.Object, r.Account
	}
	groups := resolve(c, objects, func(o string) (*sight, error) { return c.lookGroup(ctx, o) })
	users := resolve(c, accounts, func(a string) (*view, error) { return c.lookUser(ctx, a) })
	seen := make([]connector.Seen, len(refs))
	for i, r := range refs {
		seen[i] = c.see(ctx, groups[r.Object], users[r.Account], r)
		seen[i].Ref, seen[i].At = r, at
	}
	return seen
}

// see puts the two paths together for one holding.
func (c *Connector) see(ctx context.Context, g found[*sight], u found[*view], r connector.Ref) connector.Seen {
	var s connector.Seen
	if errors.Is(g.err, connector.ErrNoObject) {
		s.Path = "no such group"
		return s
	}
	if g.err != nil {
		s.Err = g.err
		return s
	}
	group := g.is.group
	s.Path = "GET /Groups/" + group.ID
	if errors.Is(u.err, connector.ErrNoObject) {
		s.Path += "; no such user"
		return c.seeGhost(ctx, group, r, s)
	}
	if u.err != nil {
		s.Err = u.err
		return s
	}
	s.Path += "; " + u.is.how
	s.Direct = group.has(u.is.id)
	s.Effective = s.Direct
	for _, in := range g.is.inside {
		if in.has(u.is.id) {
			s.Effective = true
			s.Residual = append(s.Residual, "through "+g.is.way[in.ID])
		}
	}
	if u.is.groups[group.ID] && !s.Effective {
		s.Effective = true
		s.Residual = append(s.Residual, u.is.how+" lists the group though its members do not")
	}
	return s
}

// seeGhost looks for the membership of a user who is gone.
func (c *Connector) seeGhost(ctx context.Context, group *resource, r connector.Ref, s connector.Seen) connector.Seen {
	ids, err := c.ghosts(ctx, group, r.Account)
	if err != nil {
		s.Err = err
		return s
	}
	for _, id := range ids {
		if group.has(id) {
			s.Direct, s.Effective = true, true
			s.Residual = append(s.Residual, "the group still lists "+UserPrefix+id+", a user who is gone")
		}
	}
	return s
}

// lookGroup reads the group and every group inside it, each once.
func (c *Connector) lookGroup(ctx context.Context, object string) (*sight, error) {
	id, err := c.findGroup(ctx, object)
	if err != nil {
		return nil, err
	}
	g, err := c.group(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &sight{group: g, way: map[string]string{g.ID: groupName(g)}}
	for todo := []*resource{g}; len(todo) > 0; todo = todo[1:] {
		for _, m := range todo[0].members() {
			if !m.nested() || s.way[m.Value] != "" {
				continue
			}
			if len(s.inside) == maxNested {
				return nil, fmt.Errorf("%w: more than %d groups inside %s", connector.ErrRefused, maxNested, groupName(g))
			}
			in, err := c.group(ctx, m.Value)
			if errors.Is(err, connector.ErrNoObject) {
				continue // a group that is gone lets nobody in
			}
			if err != nil {
				return nil, err
			}
			s.way[in.ID] = groupName(in) + " > " + s.way[todo[0].ID]
			s.inside = append(s.inside, in)
			todo = append(todo, in)
		}
	}
	return s, nil
}

func groupName(g *resource) string {
	if g.DisplayName != "" {
		return g.DisplayName
	}
	return GroupPrefix + g.ID
}

// lookUser finds the user and asks the server what the user holds.
func (c *Connector) lookUser(ctx context.Context, account string) (*view, error) {
	u, err := c.findUser(ctx, account)
	if err != nil {
		return nil, err
	}
	// Read anew by id: a list may leave out what the resource itself shows.
	full, err := c.get(ctx, userPath(u.ID), u.ID)
	if err != nil {
		return nil, err
	}
	v := &view{id: u.ID, how: "GET /Users/" + u.ID}
	if full.Groups != nil {
		v.groups = map[string]bool{}
		for _, m := range *full.Groups {
			v.groups[m.Value] = true
		}
		return v, nil
	}
	return v, c.searchGroups(ctx, v)
}

// searchGroups is the second path at servers whose users show no groups. Only a
// group that lists the user counts: a server may ignore the filter.
func (c *Connector) searchGroups(ctx context.Context, v *view) error {
	all, err := c.list(ctx, "/Groups", eq("members.value", v.id), "displayName,members")
	if errors.Is(err, connector.ErrRefused) {
		v.how += " (shows no groups, and groups cannot be searched by member)"
		return nil
	}
	if err != nil {
		return err
	}
	v.groups = map[string]bool{}
	for _, g := range all {
		if g.has(v.id) {
			v.groups[g.ID] = true
		}
	}
	v.how = "GET /Groups?filter=members.value"
	return nil
}
