package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Deployed is a connector that reads how programs are deployed besides, as the account
// that reads. What stands in their specifications in plain comes here, is looked at, and
// is kept nowhere.
type Deployed struct {
	Reading
	specs *Connector
}

var _ connector.Exposures = Deployed{}

// Deployed gives it. The token is of the account that reads, and asked anew for every request.
func (c *Connector) Deployed(token func() string) Deployed {
	s := c.settings
	s.token, s.certificate, s.key = token, nil, nil
	return Deployed{c.Reading(token), &Connector{settings: s, line: s.dial(), page: min(c.page, pageOfSpecs), pages: c.pages}}
}

// Close ends all.
func (d Deployed) Close() error {
	d.specs.line.Close()
	return d.Reading.Close()
}

// pageOfSpecs is how many are asked for at once: a ConfigMap may have a megabyte.
const pageOfSpecs = 50

// deployables are what pods are made from, and pods: those that another of them made say
// what that says.
var deployables = []struct{ kind, path string }{
	{"CronJob", "/apis/batch/v1/cronjobs"}, {"DaemonSet", "/apis/apps/v1/daemonsets"}, {"Deployment", "/apis/apps/v1/deployments"}, {"Job", "/apis/batch/v1/jobs"},
	{"Pod", "/api/v1/pods"}, {"ReplicaSet", "/apis/apps/v1/replicasets"}, {"ReplicationController", "/api/v1/replicationcontrollers"}, {"StatefulSet", "/apis/apps/v1/statefulsets"},
}

// deployable is any of them; which of its three places the pod stands in, its kind says.
type deployable struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		Owners    []struct {
			Kind       string `json:"kind"`
			Controller bool   `json:"controller"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		podSpec
		Template    podTemplate `json:"template"`
		JobTemplate struct {
			Spec struct {
				Template podTemplate `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

type podTemplate struct {
	Spec podSpec `json:"spec"`
}

func (x deployable) pod(kind string) podSpec {
	switch kind {
	case "Pod":
		return x.Spec.podSpec
	case "CronJob":
		return x.Spec.JobTemplate.Spec.Template.Spec
	}
	return x.Spec.Template.Spec
}

// made tells whether another that is read made it.
func (x deployable) made() bool {
	for _, o := range x.Metadata.Owners {
		for _, d := range deployables {
			if o.Controller && o.Kind == d.kind {
				return true
			}
		}
	}
	return false
}

// reader is who reads a ConfigMap, and as which account.
type reader struct{ account, called string }

// Exposures goes (1) by what nobody has asked for, (2) through everything that pods are
// made from, (3) through the ConfigMaps that those read. The cluster's own (kube-) is left out.
func (d Deployed) Exposures(ctx context.Context, yield func(connector.Exposure) error) error {
	// 1. Which accounts say themselves whether their token is to be mounted, and which
	// may do anything.
	said := map[account]bool{}
	err := list(ctx, d.specs, "/api/v1/serviceaccounts", func(a struct {
		Metadata  meta  `json:"metadata"`
		Automount *bool `json:"automountServiceAccountToken"`
	}) error {
		if a.Automount != nil {
			said[account{serviceAccount, a.Metadata.Namespace, a.Metadata.Name}] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	bound, err := d.bound(ctx)
	if err != nil {
		return err
	}
	// 2. All that pods are made from.
	readers := map[[2]string][]reader{} // namespace and name of a ConfigMap
	for _, of := range deployables {
		err := list(ctx, d.specs, of.path, func(x deployable) error {
			ns := x.Metadata.Namespace
			if x.made() || strings.HasPrefix(ns, "kube-") {
				return nil
			}
			p := x.pod(of.kind)
			as, called := account{serviceAccount, ns, p.account()}, fmt.Sprintf("%s %s/%s", of.kind, ns, x.Metadata.Name)
			what := p.plain()
			if p.Automount == nil && !said[as] && !bound(as) {
				what = append(what, "a token of its account is mounted, though nobody has said that it is needed, and no role is bound to it")
			}
			for _, name := range p.configMaps() {
				readers[[2]string{ns, name}] = append(readers[[2]string{ns, name}], reader{as.String(), called})
			}
			return tellAll(as.String(), called, what, yield)
		})
		if err != nil {
			return err
		}
	}
	// 3. What they read that is no Secret.
	return list(ctx, d.specs, "/api/v1/configmaps", func(m configMap) error {
		by := readers[[2]string{m.Metadata.Namespace, m.Metadata.Name}]
		if len(by) == 0 {
			return nil
		}
		what := m.plain()
		for _, r := range by {
			if err := tellAll(r.account, r.called, what, yield); err != nil {
				return err
			}
		}
		return nil
	})
}

func tellAll(account, called string, what []string, yield func(connector.Exposure) error) error {
	for _, w := range what {
		if err := yield(connector.Exposure{Account: account, What: called + ": " + w}); err != nil {
			return err
		}
	}
	return nil
}

// bound reads to which service accounts a role is bound, by name or by a group; what
// the cluster itself gives to everybody does not count.
func (d Deployed) bound(ctx context.Context) (func(account) bool, error) {
	to := map[account]bool{}
	for _, resource := range []string{"clusterrolebindings", "rolebindings"} {
		err := list(ctx, d.Connector, in("", resource), func(b binding) error {
			for _, a := range b.accounts() {
				if a.kind == serviceAccount || !strings.HasPrefix(b.RoleRef.Name, "system:") {
					to[a] = true
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return func(a account) bool {
		return to[a] || slices.ContainsFunc(a.groups(), func(name string) bool { return to[account{kind: group, name: name}] })
	}, nil
}
