package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Apply (1) finds who and what are meant, (2) sorts the changes by group, so that
// two spellings of one group never cross, and (3) sends each group's in as few
// modifies as possible.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	if err := c.ready(ctx); err != nil {
		for i, ch := range changes {
			results[i] = connector.Result{Ref: ch.Ref, Err: unsent(err, true)}
		}
		return results
	}
	who, what := make([]string, len(changes)), make([]string, len(changes))
	for i, ch := range changes {
		results[i].Ref = ch.Ref
		who[i], what[i] = ch.Account, ch.Object
	}
	groups := c.find(ctx, c.groupKind(), what)
	k := c.accountKind()
	if slices.ContainsFunc(changes, func(ch connector.Change) bool { return ch.Want }) {
		k.attributes = append(k.attributes, "objectClass") // for mayHold
	}
	accounts := c.find(ctx, k, who)
	byGroup := map[string][]int{}
	var names []string
	for i, ch := range changes {
		g := groups[ch.Object]
		if g.err != nil {
			results[i].Err = unsent(g.err, ch.Want)
			continue
		}
		if byGroup[g.is.DN] == nil {
			names = append(names, g.is.DN)
		}
		byGroup[g.is.DN] = append(byGroup[g.is.DN], i)
	}
	c.each(len(names), func(n int) {
		c.applyGroup(ctx, names[n], accounts, changes, results, byGroup[names[n]])
	})
	return results
}

// applyGroup (1) reads what the group lists, (2) works out what is too much or
// missing, and (3) sends that: removals first, so that if the time runs out,
// access is late rather than too long.
func (c *Connector) applyGroup(ctx context.Context, group string, accounts map[string]found,
	changes []connector.Change, results []connector.Result, idx []int) {
	now, err := c.roster(ctx, group)
	if err != nil {
		for _, i := range idx {
			results[i].Err = unsent(err, changes[i].Want)
		}
		return
	}
	asked := map[string]*edit{}
	var edits []*edit
	for _, i := range idx {
		values, err := c.valuesFor(ctx, now, accounts[changes[i].Account], changes[i])
		if err != nil {
			results[i].Err = unsent(err, changes[i].Want)
			continue
		}
		for _, v := range values {
			if asked[v] == nil {
				asked[v] = &edit{value: v}
				edits = append(edits, asked[v])
			}
			e := asked[v]
			e.add = changes[i].Want // asked twice: the last word counts
			e.changes = append(e.changes, i)
		}
	}
	edits = slices.DeleteFunc(edits, func(e *edit) bool {
		needed, err := c.needed(ctx, now, e)
		if err == nil && !needed && !e.add {
			err = c.forget(ctx, group, e.value)
		}
		if err == nil {
			return !needed
		}
		for _, i := range e.changes {
			results[i].Err = unsent(err, changes[i].Want)
		}
		return true
	})
	slices.SortStableFunc(edits, func(a, b *edit) int { return rank(a) - rank(b) })
	for some := range slices.Chunk(edits, chunk) {
		c.deliver(ctx, now, some, results)
	}
}

// edit is one value to be added to a group or removed, and which changes ask so.
type edit struct {
	value   string
	add     bool
	changes []int
}

func rank(e *edit) int {
	if e.add {
		return 1
	}
	return 0
}

// roster is what a group listed when it was read, kept up with what was sent
// since. It may be wrong by the time it is used: others write too.
type roster struct {
	group    string
	values   []string
	raw      map[string]bool
	keys     map[string]bool // made when first needed: normalising is the dear part
	real     int             // values but the placeholder
	standing bool            // the placeholder is among them
}

func (c *Connector) roster(ctx context.Context, group string) (*roster, error) {
	values, err := c.members(ctx, c.ask, group)
	if err != nil {
		return nil, err
	}
	r := &roster{group: group, values: values, raw: make(map[string]bool, len(values)), real: len(values)}
	for _, v := range values {
		r.raw[v] = true
	}
	if c.placeholder.text != "" {
		r.standing = r.lists(c.placeholder.text)
	}
	if r.standing {
		r.real--
	}
	return r, nil
}

// lists says whether the value is there in this or another spelling.
func (r *roster) lists(value string) bool {
	if r.raw[value] {
		return true
	}
	if r.keys == nil {
		r.keys = make(map[string]bool, len(r.values))
		for _, v := range r.values {
			r.keys[keyOf(v)] = true
		}
	}
	return r.keys[keyOf(value)]
}

// valuesFor gives the member values that stand for the account: its DN, or for an
// account that is gone, those the group still lists under its name.
func (c *Connector) valuesFor(ctx context.Context, now *roster, who found, ch connector.Change) ([]string, error) {
	switch {
	case who.err == nil && ch.Want:
		return []string{who.is.DN}, c.mayHold(who.is)
	case who.err == nil:
		return []string{who.is.DN}, nil
	case ch.Want || !errors.Is(who.err, connector.ErrNoObject):
		return nil, who.err
	}
	return c.ghosts(ctx, now.group, now.values, ch.Account)
}

// mayHold refuses what is no account: a group would let in everyone inside it,
// and what lies outside PeopleBase was not put in our charge.
func (c *Connector) mayHold(e *goldap.Entry) error {
	d, err := parseDN(e.DN)
	if err != nil {
		return fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	group := slices.ContainsFunc(e.GetEqualFoldAttributeValues("objectClass"), func(class string) bool {
		return strings.EqualFold(class, c.class)
	})
	switch {
	case group || !c.dialect.mixed && d.below(c.groups):
		return fmt.Errorf("%w: %s is a group, not an account", connector.ErrRefused, e.DN)
	case !d.below(c.people):
		return fmt.Errorf("%w: %s is not below %s", connector.ErrRefused, e.DN, c.people.text)
	case keyOf(e.DN) == keyOf(c.bindDN):
		return fmt.Errorf("%w: %s is the account Lessor itself binds as", connector.ErrRefused, e.DN)
	case c.isPlaceholder(e.DN):
		return fmt.Errorf("%w: %s stands for nobody", connector.ErrRefused, e.DN)
	}
	return nil
}

// needed says whether the edit changes anything. Where our reading of names and
// the list leaves a doubt, the server, which knows its matching rules, is asked.
func (c *Connector) needed(ctx context.Context, now *roster, e *edit) (bool, error) {
	switch {
	case now.raw[e.value]:
		return !e.add, nil
	case e.add && !now.lists(e.value):
		return true, nil // if the server takes it for there, it answers 20
	}
	there, err := c.lists(ctx, now.group, e.value)
	return there != e.add, err
}

// forget has the server take a group out of an account's memberOf that does not list
// it. OpenLDAP writes that copy after the group, in a transaction of its own, and not at
// all where the connection is cut in between; whoever reads the copy lets the account
// in. To add and remove the member in one modify brings it back into line; the group
// itself never changes.
func (c *Connector) forget(ctx context.Context, group, member string) error {
	if !c.dialect.copies {
		return nil
	}
	res, err := search(ctx, c.ask, searchRequest(member, goldap.ScopeBaseObject, eq("memberOf", group), noAttributes))
	if err != nil || len(res.Entries) == 0 {
		return nil //nolint:nilerr // the account is gone, or the server has no such copy: the look says what it shows
	}
	req := goldap.NewModifyRequest(group, nil)
	req.Add(c.memberAttr, []string{member})
	req.Delete(c.memberAttr, []string{member})
	err = c.write(ctx, func(conn *goldap.Conn) error { return conn.Modify(req) })
	if err != nil && !said(err, c.dialect.there) { // somebody has just added it: the next look sees that
		return fmt.Errorf("modify %s, for the memberOf of %s: %w", group, member, err)
	}
	return nil
}

// lists asks the server whether the group has that member.
func (c *Connector) lists(ctx context.Context, group, member string) (there bool, err error) {
	if !c.dialect.compares {
		res, err := search(ctx, c.ask, searchRequest(group, goldap.ScopeBaseObject, eq(c.memberAttr, member), noAttributes))
		return err == nil && len(res.Entries) == 1, err
	}
	err = c.ask(ctx, func(conn *goldap.Conn) (err error) {
		there, err = conn.Compare(group, c.memberAttr, member)
		return err
	})
	if err != nil && c.placeholder.text == "" && goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchAttribute) {
		return false, nil // a class that demands no member: nobody is in it
	}
	if err != nil {
		return false, fmt.Errorf("compare %s: %w", group, err)
	}
	return there, nil
}

// deliver sends the edits in one modify. If the server refuses it for what may be
// the sake of a few, it is sent in halves: nobody's removal waits for another's
// mistake.
func (c *Connector) deliver(ctx context.Context, now *roster, edits []*edit, results []connector.Result) {
	var err error
	if len(edits) == 1 {
		err = c.deliverOne(ctx, now, edits[0])
	} else if err = c.send(ctx, now, edits, now.after(edits)); said(err, c.dialect.some) {
		c.deliver(ctx, now, edits[:len(edits)/2], results)
		c.deliver(ctx, now, edits[len(edits)/2:], results)
		return
	}
	for _, e := range edits {
		for _, i := range e.changes {
			results[i].Err = err
			if !e.add && errors.Is(err, connector.ErrNoObject) {
				results[i].Err = nil // the group went away in between, and its members with it
			}
		}
	}
}

// deliverOne sends one edit. Alone, (16) and (20) or their like say that it is
// already so, or speak of the placeholder; (65) says that somebody else took out
// the last but one.
func (c *Connector) deliverOne(ctx context.Context, now *roster, e *edit) error {
	p := now.after([]*edit{e})
	for {
		err := c.send(ctx, now, []*edit{e}, p)
		gone, there := said(err, c.dialect.gone), said(err, c.dialect.there)
		last := goldap.IsErrorWithCode(err, goldap.LDAPResultObjectClassViolation)
		switch {
		case !e.add && gone && c.dialect.unsure:
			if there, look := c.lists(ctx, now.group, e.value); look != nil || there {
				return err
			}
			return nil
		case e.add && there, !e.add && gone:
			return nil
		case p != leave && (e.add && gone || !e.add && there):
			p = leave // the placeholder is already as it should be
		case p == leave && !e.add && last && c.placeholder.text != "" && !now.standing:
			p, now.standing = put, true // once: after this, (65) means something else
		default:
			return err
		}
	}
}

// What becomes of the placeholder in a modify.
type fate int

const (
	leave fate = iota
	put        // the last real member goes
	take       // the first comes
)

// after says what the placeholder's fate is, and counts, once the edits are done.
func (r *roster) after(edits []*edit) fate {
	n := r.real
	for _, e := range edits {
		if n--; e.add {
			n += 2
		}
	}
	switch {
	case n <= 0 && !r.standing:
		return put
	case n > 0 && r.standing:
		return take
	}
	return leave
}

// send is the one place that writes.
func (c *Connector) send(ctx context.Context, now *roster, edits []*edit, p fate) error {
	var add, remove []string
	for _, e := range edits {
		if e.add {
			add = append(add, e.value)
		} else {
			remove = append(remove, e.value)
		}
	}
	real := now.real + len(add) - len(remove)
	standing := now.standing
	if c.placeholder.text != "" {
		switch p {
		case put:
			add, standing = append(add, c.placeholder.text), true
		case take:
			remove, standing = append(remove, c.placeholder.text), false
		}
	}
	req := goldap.NewModifyRequest(now.group, nil)
	if len(remove) > 0 {
		req.Delete(c.memberAttr, remove)
	}
	if len(add) > 0 {
		req.Add(c.memberAttr, add)
	}
	err := c.write(ctx, func(conn *goldap.Conn) error { return conn.Modify(req) })
	if err != nil {
		return fmt.Errorf("modify %s: %w", now.group, err)
	}
	now.real, now.standing = real, standing
	return nil
}
