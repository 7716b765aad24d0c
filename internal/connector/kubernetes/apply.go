package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// Apply (1) gathers the changes by holding, asked twice the last word counts, (2)
// removes, (3) reads which of the roles and accounts to be added are there, and (4)
// adds. Removals come first: if the time runs out, access is late rather than too long.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	asked := map[connector.Ref][]int{}
	want := map[connector.Ref]bool{}
	var order []connector.Ref
	for i, ch := range changes {
		results[i].Ref = ch.Ref
		if asked[ch.Ref] == nil {
			order = append(order, ch.Ref)
		}
		asked[ch.Ref] = append(asked[ch.Ref], i)
		want[ch.Ref] = ch.Want
	}
	answer := func(r connector.Ref, err error) {
		for _, i := range asked[r] {
			results[i].Err = err
		}
	}
	var adds, removals []connector.Ref
	for _, r := range order {
		if want[r] {
			adds = append(adds, r)
		} else {
			removals = append(removals, r)
		}
	}
	c.each(len(removals), func(i int) { answer(removals[i], c.remove(ctx, removals[i])) })
	p := c.presence(ctx, adds)
	c.each(len(adds), func(i int) { answer(adds[i], c.add(ctx, adds[i], p)) })
	return results
}

// presence is which roles and accounts are there.
type presence struct {
	roles    map[object]found[bool]
	accounts map[account]found[bool]
}

func (c *Connector) presence(ctx context.Context, refs []connector.Ref) presence {
	var objects []object
	var accounts []account
	for _, r := range refs {
		if h, wrong := parse(r); wrong == "" {
			objects, accounts = append(objects, h.object), append(accounts, h.account)
		}
	}
	return presence{
		resolve(c, objects, func(o object) (bool, error) {
			thing, err := get[powers](ctx, c, o.path())
			return thing != nil, err
		}),
		resolve(c, accounts, func(a account) (bool, error) { return c.exists(ctx, a) }),
	}
}

// may says what stands against binding the account to the role.
func (p presence) may(h holding) error {
	at, who := p.roles[h.object], p.accounts[h.account]
	switch {
	case h.account.everybody():
		return fmt.Errorf("%w: %s is everybody, not an account", connector.ErrRefused, h.account)
	case at.err != nil:
		return call.Unsent(at.err)
	case who.err != nil:
		return call.Unsent(who.err)
	case !at.is:
		return fmt.Errorf("%w: there is no %s", connector.ErrNoObject, h.object)
	case !who.is:
		return fmt.Errorf("%w: there is no %s", connector.ErrNoObject, h.account)
	}
	return nil
}

// add creates the binding. What stands under its name already is it, or it was
// tampered with: then it is taken away and made anew, for nothing is ever edited.
func (c *Connector) add(ctx context.Context, r connector.Ref, p presence) error {
	h, wrong := parse(r)
	if wrong != "" {
		return fmt.Errorf("%w: %s", connector.ErrNoObject, wrong)
	}
	if err := p.may(h); err != nil {
		return err
	}
	want := h.binding()
	create := func() error { return c.call(ctx, http.MethodPost, h.object.bindings(), want, nil) }
	if err := create(); !errors.Is(err, errExists) {
		return err
	}
	there, err := c.standing(ctx, h)
	switch {
	case err != nil:
		return call.Unsent(err)
	case there == nil:
		return fmt.Errorf("%w: the binding was there and went away meanwhile", connector.ErrRefused)
	case there.as(want) && there.Metadata.DeletionTimestamp == "":
		return nil
	}
	if err := c.drop(ctx, h, there); err != nil {
		return err
	}
	return create()
}

// remove deletes the binding, whatever has become of it meanwhile.
func (c *Connector) remove(ctx context.Context, r connector.Ref) error {
	h, wrong := parse(r)
	if wrong != "" { // nothing can be held by, or at, what cannot be
		return nil
	}
	there, err := c.standing(ctx, h)
	if err != nil {
		return call.Unsent(err)
	}
	if there == nil {
		return nil
	}
	return c.drop(ctx, h, there)
}

// standing reads what stands under the name of the holding's binding. Nil: nothing.
// What does not carry our label is somebody else's.
func (c *Connector) standing(ctx context.Context, h holding) (*binding, error) {
	there, err := get[binding](ctx, c, h.bindingPath())
	if err == nil && there != nil && !there.ours() {
		return nil, fmt.Errorf("%w: %s is there without the label %s=%s, so it is not ours to touch: look at it, and label or delete it by hand",
			connector.ErrRefused, there.title(), labelBy, labelValue)
	}
	return there, err
}

func (h holding) bindingPath() string {
	return h.object.bindings() + "/" + url.PathEscape(h.bindingName())
}

// drop deletes the very binding that was read, not another that has come in its place.
func (c *Connector) drop(ctx context.Context, h holding, there *binding) error {
	err := c.call(ctx, http.MethodDelete, h.bindingPath(), deleteOptions{"v1", "DeleteOptions", preconditions{there.Metadata.UID}}, nil)
	switch {
	case errors.Is(err, connector.ErrNoObject): // somebody was faster
		return nil
	case errors.Is(err, errChanged):
		return fmt.Errorf("%w: the binding was made anew meanwhile: %w", connector.ErrRefused, err)
	}
	return err
}
