package kubernetes

import (
	"context"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Observe yields who is bound to each role, whoever made the binding: users, groups,
// and service accounts, also such as are not there any more. A role that is not there
// has no holders, though bindings to it may be left. It goes (1) by which roles there
// are, (2) through the bindings page by page; two bindings that give the same are
// yielded once.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	var only []object
	for _, name := range objects {
		if o, err := parseObject(name); err == nil {
			only = append(only, o)
		}
	}
	if len(objects) > 0 && len(only) == 0 {
		return nil // nothing can be called that
	}
	there, err := c.there(ctx, only)
	if err != nil {
		return err
	}
	// 2. Each list that can hold one of them.
	yielded := map[connector.Ref]bool{}
	for _, path := range lists(only) {
		err := list(ctx, c, path, func(b binding) error {
			o := b.role()
			if !there(o) {
				return nil
			}
			for _, a := range b.accounts() {
				r := connector.Ref{Account: a.String(), Object: o.String()}
				if yielded[r] {
					continue
				}
				yielded[r] = true
				if err := yield(connector.Holding{Ref: r}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// there reads which of the roles exist and are asked for; all, if none is named.
func (c *Connector) there(ctx context.Context, only []object) (func(object) bool, error) {
	if len(only) > 0 {
		read := resolve(c, only, func(o object) (bool, error) {
			thing, err := get[powers](ctx, c, o.path())
			return thing != nil, err
		})
		for _, r := range read {
			if r.err != nil {
				return nil, r.err
			}
		}
		return func(o object) bool { return read[o].is }, nil
	}
	known := map[object]bool{} // a ClusterRole stands without a namespace, wherever it is bound
	for _, from := range []struct{ kind, path string }{{clusterRole, in("", "clusterroles")}, {role, in("", "roles")}} {
		err := list(ctx, c, from.path, func(p powers) error {
			known[object{p.Metadata.Namespace, from.kind, p.Metadata.Name}] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return func(o object) bool {
		if o.kind == clusterRole {
			o.namespace = ""
		}
		return known[o]
	}, nil
}

// lists are the lists of bindings that can hold one of the objects, each once.
func lists(only []object) (paths []string) {
	if len(only) == 0 {
		return []string{in("", "clusterrolebindings"), in("", "rolebindings")}
	}
	seen := map[string]bool{}
	for _, o := range only {
		if p := o.bindings(); !seen[p] {
			seen[p] = true
			paths = append(paths, p)
		}
	}
	return paths
}
