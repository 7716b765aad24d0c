package kubernetes

import (
	"context"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// describedBy is the annotation that Kubernetes itself gives descriptions in.
const describedBy = "kubernetes.io/description"

// right is something a rule can allow that is worth more than itself.
type right struct {
	verbs     []string
	group     string
	resources []string
	cluster   bool // of things that stand in no namespace: bound in one it allows nothing
	powers    []string
	why       string
}

var (
	reading  = []string{"get", "list", "watch"}
	changing = []string{"create", "update", "patch"}
)

// rights are the ways by which a role is worth more than what it names. The fuller
// rules, with where each holds, are those of internal/powers (rules_kubernetes.go).
var rights = []right{
	{[]string{"escalate"}, rbac, []string{"roles", "clusterroles"}, false, []string{"admin", "grant"}, "may write roles that allow more than it"},
	{[]string{"bind"}, rbac, []string{"roles", "clusterroles"}, false, []string{"grant"}, "may bind roles it does not hold"},
	{changing, rbac, []string{"rolebindings"}, false, []string{"grant"}, "may write bindings"},
	{changing, rbac, []string{"clusterrolebindings"}, true, []string{"grant"}, "may write bindings of the cluster"},
	{[]string{"impersonate"}, "", []string{"users", "groups"}, true, []string{"admin"}, "may impersonate users or groups"},
	{[]string{"impersonate"}, "", []string{"serviceaccounts"}, false, []string{"admin"}, "may impersonate service accounts"},
	{[]string{"create"}, "", []string{"serviceaccounts/token"}, false, []string{"admin"}, "may make tokens of service accounts"},
	{reading, "", []string{"secrets"}, false, []string{"admin", "read"}, "may read secrets"},
	{[]string{"create", "get"}, "", []string{"pods/exec", "pods/attach"}, false, []string{"admin"}, "may run commands in pods"},
	{[]string{"update", "patch"}, "", []string{"pods/ephemeralcontainers"}, false, []string{"admin"}, "may run containers in pods"},
	{[]string{"create"}, "", []string{"pods"}, false, []string{"admin"}, "may create pods"},
	{changing, "apps", []string{"deployments", "daemonsets", "statefulsets", "replicasets"}, false, []string{"admin"}, "may change workloads"},
	{changing, "batch", []string{"cronjobs"}, false, []string{"admin"}, "may change scheduled jobs"},
	{[]string{"create"}, "batch", []string{"jobs"}, false, []string{"admin"}, "may create jobs"},
	{[]string{"get", "create"}, "", []string{"nodes/proxy"}, true, []string{"admin"}, "may speak to the kubelets past the API server"},
	{[]string{"create"}, "", []string{"persistentvolumes"}, true, []string{"admin"}, "may mount nodes' own files"},
	{[]string{"approve"}, "certificates.k8s.io", []string{"signers"}, true, []string{"admin"}, "may approve client certificates"},
	{changing, "admissionregistration.k8s.io", []string{"mutatingwebhookconfigurations", "mutatingadmissionpolicies"}, true, []string{"admin"}, "may rewrite what enters the cluster"},
}

// Objects yields of each role its description and what its rules are worth where it is
// bound: in the whole cluster, or in one namespace. That it only reads or writes what
// it names is not told.
func (c *Connector) Objects(ctx context.Context, objects []string, yield func(connector.Object) error) error {
	var asked []object
	for _, name := range objects {
		if o, err := parseObject(name); err == nil && !slices.Contains(asked, o) {
			asked = append(asked, o)
		}
	}
	read := resolve(c, asked, func(o object) (*powers, error) { return get[powers](ctx, c, o.path()) })
	for _, o := range asked {
		r := read[o]
		if r.err != nil {
			return r.err
		}
		if r.is == nil {
			continue
		}
		told := connector.Object{Name: o.String(), Description: r.is.Metadata.Annotations[describedBy]}
		told.Powers, told.Why = lets(r.is.Rules, o.namespace)
		if err := yield(told); err != nil {
			return err
		}
	}
	return nil
}

// lets is what rules allow in a namespace, "" being the whole cluster.
func lets(rules []rule, namespace string) (all []string, why string) {
	if slices.ContainsFunc(rules, rule.everything) {
		return []string{"admin", "grant", "read", "write"}, "may do everything"
	}
	var said []string
	for _, r := range rights {
		if r.cluster && namespace != "" || !slices.ContainsFunc(rules, func(by rule) bool { return by.allows(r) }) {
			continue
		}
		all, said = append(all, r.powers...), append(said, r.why)
	}
	slices.Sort(all)
	return slices.Compact(all), strings.Join(said, ", ")
}

// everything says that nothing is left out.
func (r rule) everything() bool {
	return len(r.ResourceNames) == 0 && slices.Contains(r.Verbs, "*") && slices.Contains(r.APIGroups, "*") && slices.Contains(r.Resources, "*")
}

// allows says whether the rule allows any of the right, as the API server matches
// rules: "*/exec" is a pattern, "pods/*" is none, and what is being created has no name
// yet that a rule could allow.
func (r rule) allows(want right) bool {
	has := func(list []string, one string) bool { return slices.Contains(list, "*") || slices.Contains(list, one) }
	if !has(r.APIGroups, want.group) {
		return false
	}
	for _, resource := range want.resources {
		_, sub, isSub := strings.Cut(resource, "/")
		if !has(r.Resources, resource) && (!isSub || !slices.Contains(r.Resources, "*/"+sub)) {
			continue
		}
		for _, verb := range want.verbs {
			nameless := verb == "create" && !isSub && len(r.ResourceNames) > 0
			if has(r.Verbs, verb) && !nameless {
				return true
			}
		}
	}
	return false
}
