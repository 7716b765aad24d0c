package scim

import (
	"context"
	"errors"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// fewMembers is how many unknown members are asked for one by one before all
// users are read at once.
const fewMembers = 25

// Observe yields each group's members. A user is named by userName, or by id if
// no such user is there (a member left behind); a group inside a group by its
// id. Without objects, a group is named by its displayName if that is its alone.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	named, err := c.scope(ctx, objects)
	if err != nil {
		return err
	}
	names := directory{c: c, byID: map[string]string{}}
	for _, n := range named {
		g, err := c.group(ctx, n.id)
		if errors.Is(err, connector.ErrNoObject) {
			continue // gone since it was listed
		}
		if err != nil {
			return err
		}
		if err := names.learn(ctx, g.members()); err != nil {
			return err
		}
		told := map[string]bool{} // lists may hold a member twice
		for _, m := range g.members() {
			if told[m.Value] {
				continue
			}
			told[m.Value] = true
			ref := connector.Ref{Account: names.name(m), Object: n.object}
			if err := yield(connector.Holding{Ref: ref}); err != nil {
				return err
			}
		}
	}
	return nil
}

type namedGroup struct{ id, object string }

// scope says which groups to read and what to call them.
func (c *Connector) scope(ctx context.Context, objects []string) ([]namedGroup, error) {
	var named []namedGroup
	for _, o := range objects {
		id, err := c.findGroup(ctx, o)
		if errors.Is(err, connector.ErrNoObject) {
			continue
		}
		if err != nil {
			return nil, err
		}
		named = append(named, namedGroup{id, o})
	}
	if len(objects) > 0 {
		return named, nil
	}
	all, err := c.list(ctx, "/Groups", "", "displayName")
	if err != nil {
		return nil, err
	}
	bearers := map[string]int{}
	for _, g := range all {
		bearers[g.DisplayName]++
	}
	for _, g := range all {
		name := g.DisplayName
		if name == "" || bearers[name] > 1 || strings.HasPrefix(name, GroupPrefix) {
			name = GroupPrefix + g.ID
		}
		named = append(named, namedGroup{g.ID, name})
	}
	return named, nil
}

// directory remembers the users' names for one Observe. An empty name means that
// no such user is there.
type directory struct {
	c    *Connector
	byID map[string]string
	full bool // all users have been read
}

// learn makes every member's name known. A user missing from the list of all is
// asked for once more: it may be younger than the list.
func (d *directory) learn(ctx context.Context, members []member) error {
	unknown := d.unknown(members)
	if len(unknown) > fewMembers && !d.full {
		all, err := d.c.list(ctx, "/Users", "", "userName")
		if err != nil {
			return err
		}
		for _, u := range all {
			d.byID[u.ID] = u.UserName
		}
		d.full = true
		unknown = d.unknown(members)
	}
	got := resolve(d.c, unknown, func(id string) (*resource, error) { return d.c.get(ctx, userPath(id), id) })
	for id, f := range got {
		switch {
		case errors.Is(f.err, connector.ErrNoObject):
			d.byID[id] = ""
		case f.err != nil:
			return f.err
		default:
			d.byID[id] = f.is.UserName
		}
	}
	return nil
}

func (d *directory) unknown(members []member) []string {
	var ids []string
	for _, m := range members {
		if _, ok := d.byID[m.Value]; !ok && !m.nested() {
			ids = append(ids, m.Value)
		}
	}
	return ids
}

// name is how a Ref would name the member. A userName that reads like one of our
// prefixes is set aside for the id: it would name somebody else.
func (d *directory) name(m member) string {
	if m.nested() {
		return GroupPrefix + m.Value
	}
	name := d.byID[m.Value]
	if name == "" || strings.HasPrefix(name, UserPrefix) || strings.HasPrefix(name, GroupPrefix) {
		return UserPrefix + m.Value
	}
	return name
}
