package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Look reads every binding that could give the roles, in the whole cluster and in
// their namespaces, and sorts out which is ours, which others' and to whom. Where
// none of them gives the role, it asks the API server's authorizer whether the account
// can do all the same what the role lets it do, and by which binding.
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	at := c.now() // before the first read: nothing seen is older than this
	seen := make([]connector.Seen, len(refs))
	v := c.survey(ctx, refs)
	c.each(len(refs), func(i int) {
		s, err := c.see(ctx, v, refs[i])
		if err != nil {
			s = connector.Seen{Err: err}
		}
		s.Ref, s.At = refs[i], at
		seen[i] = s
	})
	return seen
}

// view is what one look has read.
type view struct {
	bindings map[string]found[[]binding] // by namespace; "": the whole cluster
	roles    map[object]found[*powers]
	accounts map[account]found[bool]
}

// survey reads (1) the bindings of the whole cluster and of each namespace that is
// meant, (2) the roles, and (3) which service accounts there are.
func (c *Connector) survey(ctx context.Context, refs []connector.Ref) view {
	var namespaces []string
	var objects []object
	var accounts []account
	for _, r := range refs {
		if h, wrong := parse(r); wrong == "" {
			namespaces = append(namespaces, "", h.object.namespace)
			objects, accounts = append(objects, h.object), append(accounts, h.account)
		}
	}
	return view{
		resolve(c, namespaces, func(ns string) ([]binding, error) { return all[binding](ctx, c, object{namespace: ns}.bindings()) }),
		resolve(c, objects, func(o object) (*powers, error) { return get[powers](ctx, c, o.path()) }),
		resolve(c, accounts, func(a account) (bool, error) { return c.exists(ctx, a) }),
	}
}

// see puts together what was read about one holding, and asks where it must.
func (c *Connector) see(ctx context.Context, v view, r connector.Ref) (s connector.Seen, err error) {
	h, wrong := parse(r)
	if wrong != "" {
		s.Path = "nothing can be called that: " + wrong
		return s, nil
	}
	whole, here, at, who := v.bindings[""], v.bindings[h.object.namespace], v.roles[h.object], v.accounts[h.account]
	if err := cmp.Or(whole.err, here.err, at.err, who.err); err != nil {
		return s, err
	}
	known := whole.is
	if h.object.namespace != "" {
		known = slices.Concat(whole.is, here.is)
	}
	// 1. The bindings of that very role.
	s = h.sort(known)
	if at.is == nil || !who.is {
		return h.missing(s, at.is == nil), nil
	}
	// 2. What the authorizer says, where they do not settle it.
	if !s.Effective {
		ways, asked, err := c.allowed(ctx, h, at.is.Rules, known)
		if err != nil {
			return s, err
		}
		s.Path += asked
		s.Effective = len(ways) > 0
		s.Residual = append(s.Residual, ways...)
	}
	slices.Sort(s.Residual)
	return s, nil
}

// sort finds, among bindings, ours and those of others that give the account the
// role, and those that may: by a group of which only the authenticator knows.
func (h holding) sort(known []binding) (s connector.Seen) {
	want := h.binding()
	s.Path = "list " + strings.TrimPrefix(h.object.bindings(), "/apis/"+rbac+"/v1/")
	if h.object.namespace != "" {
		s.Path += " and clusterrolebindings"
	}
	for _, b := range known {
		mine := b.ours() && b.Metadata.Name == want.Metadata.Name && b.Metadata.Namespace == want.Metadata.Namespace
		if mine && b.Metadata.DeletionTimestamp != "" {
			s.Path += fmt.Sprintf("; ours was deleted and is kept by the finalizers %q", b.Metadata.Finalizers)
		}
		if mine && b.as(want) {
			s.Direct, s.Effective = true, true
			continue
		}
		if b.RoleRef.Kind != h.object.kind || b.RoleRef.Name != h.object.name {
			if mine {
				s.Residual = append(s.Residual, b.title()+" carries our name and label and gives another role: it was tampered with")
			}
			continue
		}
		by, certain := h.account.through(b)
		switch {
		case by == "" && mine:
			s.Residual = append(s.Residual, b.title()+" is ours and does not name the account any more: it was tampered with")
		case by == "":
		case certain:
			s.Effective = true
			s.Residual = append(s.Residual, b.title()+by+b.maker(mine))
		default:
			s.Residual = append(s.Residual, "possibly "+b.title()+by+", if the authenticator puts the account in it")
		}
	}
	slices.Sort(s.Residual)
	return s
}

// missing words the look where the role or the account is not there: then nothing is
// held. A binding that is left gives the role again once it is made anew.
func (h holding) missing(s connector.Seen, isRole bool) connector.Seen {
	what := h.account.String()
	if isRole {
		what = h.object.String()
	}
	s.Path += "; there is no " + what
	for i := range s.Residual {
		s.Residual[i] = "not held while there is no " + what + ": " + s.Residual[i]
	}
	if s.Direct {
		s.Residual = append(s.Residual, "not held while there is no "+what+", but our binding is there and gives it again to whoever makes that anew")
	}
	s.Direct, s.Effective = false, false
	return s
}

// through says by which of its subjects a binding applies to the account, "" if by
// none, and whether that is certain.
func (a account) through(b binding) (by string, certain bool) {
	groups := a.groups()
	var perhaps []string
	for _, s := range b.accounts() {
		switch {
		case s == a:
			return " to " + a.String(), true
		case s.kind == group && slices.Contains(groups, s.name):
			return " to " + s.String() + ", which it is in", true
		// A service account is in no groups but the server's own, and which groups
		// are in a group no authenticator of Kubernetes' knows.
		case s.kind == group && a.kind == user && !s.everybody() && !strings.HasPrefix(s.name, "system:serviceaccounts"):
			perhaps = append(perhaps, s.String())
		}
	}
	if len(perhaps) > 0 {
		return " to " + strings.Join(perhaps, ", "), false
	}
	return "", false
}

// title is what the server's authorizer calls a binding, up to its role.
func (b binding) title() string {
	if b.Metadata.Namespace == "" {
		return fmt.Sprintf("ClusterRoleBinding %q", b.Metadata.Name)
	}
	return fmt.Sprintf("RoleBinding %q", b.Metadata.Name+"/"+b.Metadata.Namespace)
}

// maker says whose a binding is.
func (b binding) maker(mine bool) string {
	switch {
	case mine:
		return ", which is ours and was changed: it names " + fmt.Sprint(b.accounts())
	case b.ours():
		return ", which carries our label as a lease of " + b.role().String()
	}
	return ", made by others"
}
