package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/lessor-iam/lessor/internal/connector"
)

// found is what one name in a batch was resolved to.
type found[T any] struct {
	is  T
	err error
}

// resolve looks every distinct name up once.
func resolve[T any](c *Connector, names []string, look func(string) (T, error)) map[string]found[T] {
	at := map[string]int{}
	var distinct []string
	for _, n := range names {
		if _, ok := at[n]; !ok {
			at[n] = len(distinct)
			distinct = append(distinct, n)
		}
	}
	got := make([]found[T], len(distinct))
	c.each(len(distinct), func(i int) { got[i].is, got[i].err = look(distinct[i]) })
	out := make(map[string]found[T], len(distinct))
	for n, i := range at {
		out[n] = got[i]
	}
	return out
}

// Apply groups the changes by group and sends each group's in as few PATCHes as
// possible: (1) who and what are meant, (2) what the group lists now, (3) only
// what is missing or too much.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	users := make([]string, len(changes))
	byObject := map[string][]int{}
	var objects []string
	for i, ch := range changes {
		results[i].Ref = ch.Ref
		users[i] = ch.Account
		if byObject[ch.Object] == nil {
			objects = append(objects, ch.Object)
		}
		byObject[ch.Object] = append(byObject[ch.Object], i)
	}
	accounts := resolve(c, users, func(a string) (*resource, error) { return c.findUser(ctx, a) })
	groups := resolve(c, objects, func(o string) (string, error) { return c.findGroup(ctx, o) })
	c.each(len(objects), func(n int) {
		o := objects[n]
		c.applyGroup(ctx, groups[o], accounts, changes, results, byObject[o])
	})
	return results
}

// applyGroup carries out the changes with the given indexes, all of one group.
func (c *Connector) applyGroup(ctx context.Context, id found[string], accounts map[string]found[*resource],
	changes []connector.Change, results []connector.Result, idx []int) {
	fail := func(err error) {
		for _, i := range idx {
			results[i].Err = unsent(err, changes[i].Want)
		}
	}
	if id.err != nil {
		fail(id.err)
		return
	}
	leave, err := c.lanes.enter(ctx, id.is)
	if err != nil {
		fail(err)
		return
	}
	defer leave()
	g, err := c.group(ctx, id.is)
	if err != nil {
		fail(err)
		return
	}
	adds, removes := newEdit("add"), newEdit("remove")
	for _, i := range idx {
		ch := changes[i]
		ids, err := c.memberIDs(ctx, g, accounts[ch.Account], ch)
		if err != nil {
			results[i].Err = unsent(err, ch.Want)
			continue
		}
		for _, id := range ids {
			switch {
			case ch.Want && !g.has(id):
				adds.put(id, i)
			case !ch.Want && g.has(id):
				removes.put(id, i)
			}
		}
	}
	// Removals first: if the time runs out, access is late rather than too long.
	c.patch(ctx, g.ID, removes, removeChunk, results)
	c.patch(ctx, g.ID, adds, addChunk, results)
}

// memberIDs gives the ids that stand for the account in this group: one, or for
// an account that is gone, those the group still lists under its name.
func (c *Connector) memberIDs(ctx context.Context, g *resource, who found[*resource], ch connector.Change) ([]string, error) {
	if who.err == nil {
		return []string{who.is.ID}, nil
	}
	if ch.Want || !errors.Is(who.err, connector.ErrNoObject) {
		return nil, who.err
	}
	return c.ghosts(ctx, g, ch.Account)
}

// unsent words an error that came before the change was sent. Only an answer of
// the target can be anything but "nothing was sent"; and what is not there
// needs no removing.
func unsent(err error, want bool) error {
	switch {
	case errors.Is(err, connector.ErrNoObject) && !want:
		return nil
	case errors.Is(err, connector.ErrNoObject), errors.Is(err, connector.ErrRefused), errors.Is(err, connector.ErrUnreachable):
		return err
	}
	// %v: a read that went unanswered is not a write that did.
	err2 := fmt.Errorf("%w: before the change was sent: %v", connector.ErrUnreachable, err)
	if wait := (*connector.RetryAfter)(nil); errors.As(err, &wait) {
		return &connector.RetryAfter{Err: err2, Wait: wait.Wait}
	}
	return err2
}

// edit is what one group's list lacks or has too much, and which changes ask for it.
type edit struct {
	op  string
	ids []string
	by  map[string][]int
}

func newEdit(op string) *edit { return &edit{op: op, by: map[string][]int{}} }

func (e *edit) put(id string, change int) {
	if e.by[id] == nil {
		e.ids = append(e.ids, id)
	}
	e.by[id] = append(e.by[id], change)
}

type operation struct {
	Op    string   `json:"op"`
	Path  string   `json:"path"`
	Value []member `json:"value,omitempty"`
}

// MarshalJSON sends the id alone: a server may refuse what it sets itself.
func (m member) MarshalJSON() ([]byte, error) {
	return []byte(`{"value":` + quote(m.Value) + `}`), nil
}

type patchBody struct {
	Schemas    []string    `json:"schemas"`
	Operations []operation `json:"Operations"`
}

// patch sends the edit in chunks and files each chunk's answer with its changes.
func (c *Connector) patch(ctx context.Context, group string, e *edit, chunk int, results []connector.Result) {
	todo := slices.Collect(slices.Chunk(e.ids, chunk))
	for refusals := 0; len(todo) > 0; {
		ids := todo[0]
		todo = todo[1:]
		err := c.send(ctx, group, e.op, ids)
		// One id the server will not have must not keep the others waiting. A PATCH
		// is all or nothing (RFC 7644 §3.5.2), so what was refused can be sent by halves.
		if content := (*contentError)(nil); errors.As(err, &content) && len(ids) > 1 && refusals < maxRefusals {
			refusals++
			todo = append(todo, ids[:len(ids)/2], ids[len(ids)/2:])
			continue
		}
		e.answer(ids, err, results)
		if wait := (*connector.RetryAfter)(nil); errors.As(err, &wait) {
			// It wants to be left alone: the rest is not sent.
			e.answer(slices.Concat(todo...), &connector.RetryAfter{
				Err: fmt.Errorf("%w: not sent after %v", connector.ErrUnreachable, wait.Err), Wait: wait.Wait}, results)
			return
		}
	}
}

// answer files the answer with every change that asks for one of the ids.
func (e *edit) answer(ids []string, err error, results []connector.Result) {
	for _, id := range ids {
		for _, i := range e.by[id] {
			results[i].Err = err
		}
	}
}

func (c *Connector) send(ctx context.Context, group, op string, ids []string) error {
	err := c.call(ctx, http.MethodPatch, groupPath(group), patchBody{
		Schemas:    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		Operations: operations(op, ids),
	}, nil)
	if op == "remove" && errors.Is(err, connector.ErrNoObject) {
		return nil // the group went away in between, and its members with it
	}
	return err
}

// operations adds all in one, and removes one by one by path: a remove with a
// value list is read by some servers as "remove all members".
func operations(op string, ids []string) []operation {
	if op == "add" {
		values := make([]member, len(ids))
		for i, id := range ids {
			values[i] = member{Value: id}
		}
		return []operation{{Op: op, Path: "members", Value: values}}
	}
	ops := make([]operation, len(ids))
	for i, id := range ids {
		ops[i] = operation{Op: op, Path: "members[" + eq("value", id) + "]"}
	}
	return ops
}

// ghosts gives the ids the group lists under the account's name though no such
// user is there any more: most servers keep the member when the user goes.
func (c *Connector) ghosts(ctx context.Context, g *resource, account string) ([]string, error) {
	if id, ok := cutUser(account); ok {
		return []string{id}, nil
	}
	var ids []string
	for _, m := range g.members() {
		if m.Display != account || m.nested() || checkID(m.Value) != nil {
			continue
		}
		// The display name is no key: it counts only if the id leads nowhere.
		u, err := c.get(ctx, userPath(m.Value), m.Value)
		switch {
		case errors.Is(err, connector.ErrNoObject):
			ids = append(ids, m.Value)
		case err != nil:
			return nil, err
		case u.UserName == account:
			return nil, fmt.Errorf("%w: the search for %q does not find user %s, who bears that name", connector.ErrRefused, account, m.Value)
		}
	}
	return ids, nil
}
