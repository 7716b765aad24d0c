package ldap

import (
	"context"
	"errors"
	"slices"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// fewMembers is how many unknown members are asked for one by one before all
// accounts are read at once.
const fewMembers = 200

// Observe yields each group's members but the placeholder. An account is named by
// the account attribute, or by its DN where that is not its alone; so is whatever
// else is listed: an entry that is gone, or a group. Without objects, groups are
// named by their DNs as the server spells them.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	o := &observation{c: c, yield: yield, names: map[string]string{}}
	if len(objects) > 0 {
		return o.some(ctx, objects)
	}
	return o.whole(ctx)
}

// observation is what one Observe has read so far.
type observation struct {
	c     *Connector
	yield func(connector.Holding) error
	names map[string]string // DN as listed -> Ref.Account
	full  bool              // all accounts have been read
	byKey map[string]string // and by normalised DN, once they have
}

// some reads the given groups, each under the name it was asked for.
func (o *observation) some(ctx context.Context, objects []string) error {
	groups := o.c.find(ctx, o.c.groupKind(), objects)
	told := map[string]bool{}
	for _, object := range objects {
		g := groups[object]
		if errors.Is(g.err, connector.ErrNoObject) || told[object] {
			continue
		}
		if g.err != nil {
			return g.err
		}
		told[object] = true
		o.c.called.note(object, g.is)
		members, err := o.c.members(ctx, o.c.ask, g.is.DN)
		if errors.Is(err, connector.ErrNoObject) {
			continue // gone since it was found
		}
		if err == nil {
			err = o.tell(ctx, o.c.ask, object, g.is.DN, members)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// whole reads (1) what the accounts are called, and (2) all groups with their
// members, page by page.
func (o *observation) whole(ctx context.Context) error {
	if err := o.readAll(ctx); err != nil {
		return err
	}
	k := o.c.groupKind()
	return o.c.pages(ctx, k.base, k.filter, []string{o.c.membersFrom("0")}, func(ask asker, page []*goldap.Entry) error {
		for _, e := range page {
			members, err := o.c.membersOf(ctx, ask, e)
			if errors.Is(err, connector.ErrNoObject) {
				continue // gone between two ranges
			}
			if err == nil {
				err = o.tell(ctx, ask, e.DN, e.DN, members)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// tell yields one group's members.
func (o *observation) tell(ctx context.Context, ask asker, object, group string, members []string) (err error) {
	if len(members) == 0 && o.c.dialect.windows {
		if members, err = o.c.surelyEmpty(ctx, ask, group); err != nil {
			return err
		}
	}
	members = slices.DeleteFunc(members, o.c.isPlaceholder)
	if err := o.learn(ctx, ask, members); err != nil {
		return err
	}
	for _, m := range members {
		if err := o.yield(connector.Holding{Ref: connector.Ref{Account: o.names[m], Object: object}}); err != nil {
			return err
		}
	}
	return nil
}

// readAll learns the name of every account.
func (o *observation) readAll(ctx context.Context) error {
	k := o.c.accountKind()
	k.attributes = []string{k.attr}
	entries, err := o.c.all(ctx, k.base, "(&"+k.named+"("+k.attr+"=*))", k.attributes)
	if err != nil {
		return err
	}
	bearers := map[string]int{} // what an account may be called besides counts, too
	for _, e := range entries {
		for _, v := range e.GetEqualFoldAttributeValues(k.attr) {
			bearers[fold(v)]++
		}
	}
	o.byKey = make(map[string]string, len(entries))
	for _, e := range entries {
		name := k.nameOf(e)
		if !k.usable(name) || !o.c.byGUID() && bearers[fold(name)] != 1 {
			name = DNPrefix + e.DN
		}
		o.names[e.DN], o.byKey[keyOf(e.DN)] = name, name
	}
	o.full = true
	return nil
}

// learn makes every member's name known. One that is missing from the list of
// all accounts is asked for once more: it may be younger than the list.
func (o *observation) learn(ctx context.Context, ask asker, members []string) error {
	unknown := o.unknown(members)
	if len(unknown) > fewMembers && !o.full {
		if err := o.readAll(ctx); err != nil {
			return err
		}
		unknown = o.unknown(members)
	}
	for _, m := range unknown {
		name, err := o.nameFor(ctx, ask, m)
		if err != nil {
			return err
		}
		o.names[m] = name
	}
	return nil
}

func (o *observation) unknown(members []string) []string {
	var list []string
	for _, m := range members {
		if o.names[m] != "" {
			continue
		}
		if o.full {
			if name := o.byKey[keyOf(m)]; name != "" {
				o.names[m] = name
				continue
			}
		}
		list = append(list, m)
	}
	return list
}

// nameFor names one member: by the account attribute if its entry is an account
// and asking for that name leads back to it alone.
func (o *observation) nameFor(ctx context.Context, ask asker, member string) (string, error) {
	k := o.c.accountKind()
	e, err := entry(ctx, ask, member, k.named, []string{k.attr})
	if errors.Is(err, connector.ErrNoObject) {
		return DNPrefix + member, nil
	}
	if err != nil {
		return "", err
	}
	d, err := parseDN(e.DN)
	name := k.nameOf(e)
	if err != nil || !d.below(k.base) || !k.usable(name) {
		return DNPrefix + e.DN, nil //nolint:nilerr // it has no name of ours, and is yielded under its DN
	}
	if o.c.byGUID() {
		return name, nil // it is nobody else's
	}
	res, err := search(ctx, ask, o.c.subtree(k.base, "(&"+k.named+eq(k.attr, name)+")", noAttributes))
	switch {
	case err != nil:
		return "", err
	case len(res.Entries) != 1:
		return DNPrefix + e.DN, nil
	}
	return name, nil
}
