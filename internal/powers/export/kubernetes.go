package export

import (
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/powers"
	"github.com/lessor-iam/lessor/internal/yaml"
)

const rbacGroup = "rbac.authorization.k8s.io"

// cluster is where rights are that hold everywhere.
const cluster = "*"

// policyRule is one rule of a role.
type policyRule struct{ verbs, groups, resources, names []string }

// kubeRole is a Role or ClusterRole as written.
type kubeRole struct {
	cluster         bool
	namespace, name string
	rules           []policyRule
	at              *yaml.Node
}

type kubeBinding struct {
	cluster         bool
	namespace, name string
	to              string // the role, as kubeRole.key writes it
	subjects        []powers.Node
	at              *yaml.Node
}

// Kubernetes is roles with what else is known of them.
type Kubernetes struct {
	Roles []powers.Role
	Links powers.Parts // subjects and what is bound to them
}

// key tells roles apart.
func (k kubeRole) key() string {
	if k.cluster {
		return "clusterrole/" + k.name
	}
	return "role/" + k.namespace + "/" + k.name
}

// ReadKubernetes reads Roles, ClusterRoles and their bindings as `kubectl get -o
// yaml` or `-o json` writes them: single objects, lists, several documents. A
// ClusterRole that is bound in a namespace is a role of its own there.
func ReadKubernetes(file string, text []byte) (Kubernetes, error) {
	r := &reader{file: file}
	docs, ok := r.parseYAMLOrJSON(text)
	if !ok {
		return Kubernetes{}, r.err()
	}
	b := &rbac{reader: r, roles: map[string]kubeRole{}}
	for i := range docs {
		b.object(&docs[i])
	}
	if len(b.roles) == 0 && len(r.problems) == 0 {
		r.problem(0, 0, "holds no Role and no ClusterRole")
	}
	out := b.written()
	b.bind(&out)
	return out, r.err()
}

func (r *reader) parseYAMLOrJSON(text []byte) ([]yaml.Node, bool) {
	if strings.HasPrefix(strings.TrimLeft(string(text[:min(len(text), 4096)]), " \t\r\n"), "{") {
		root, ok := r.parseJSON(text)
		return []yaml.Node{root}, ok
	}
	return r.parseYAML(text)
}

type rbac struct {
	*reader
	roles    map[string]kubeRole
	order    []string
	bindings []kubeBinding
}

// object reads one object, or each of a list.
func (b *rbac) object(n *yaml.Node) {
	if n.Kind != yaml.Map {
		b.at(n, "an object must be a mapping, not %s", n.Kind)
		return
	}
	kind := b.text(n, "kind")
	if strings.HasSuffix(kind, "List") {
		if b.mapping(n, kind, "apiVersion", "kind", "items", "metadata?") {
			for _, it := range b.items(n.Get("items"), "items") {
				if it.Get("kind") == nil && kind != "List" { // as the API answers: the list says it for all
					it.Keys = append(it.Keys, yaml.Entry{Key: "kind", Value: yaml.Node{Kind: yaml.Text, Text: strings.TrimSuffix(kind, "List")}},
						yaml.Entry{Key: "apiVersion", Value: yaml.Node{Kind: yaml.Text, Text: b.text(n, "apiVersion")}})
				}
				b.object(&it)
			}
		}
		return
	}
	if version := b.text(n, "apiVersion"); version != rbacGroup+"/v1" {
		b.at(n, "apiVersion must be %s/v1: nothing else says what a role allows", rbacGroup)
		return
	}
	switch kind {
	case "Role", "ClusterRole":
		b.role(n, kind == "ClusterRole")
	case "RoleBinding", "ClusterRoleBinding":
		b.binding(n, kind == "ClusterRoleBinding")
	default:
		b.at(n, "kind %q is not read: only Role, ClusterRole, RoleBinding and ClusterRoleBinding are", access.Brief(kind))
	}
}

// named reads what an object is called. Labels and the like describe it.
func (b *rbac) named(n *yaml.Node, clusterWide bool) (namespace, name string) {
	m := n.Get("metadata")
	if m == nil || m.Kind != yaml.Map {
		b.at(n, "an object needs metadata")
		return "", ""
	}
	if name = b.text(m, "name"); name == "" {
		b.at(m, "an object needs metadata.name")
	}
	if namespace = b.text(m, "namespace"); clusterWide {
		namespace = cluster
	} else if namespace == "" {
		namespace = "default"
	}
	if strings.ContainsAny(namespace, "/*") && !clusterWide {
		b.at(m, "a namespace has no / and no * in its name")
	}
	return namespace, name
}

func (b *rbac) role(n *yaml.Node, clusterWide bool) {
	what := map[bool]string{true: "a ClusterRole", false: "a Role"}[clusterWide]
	keys := []string{"apiVersion", "kind", "metadata", "rules?"}
	if clusterWide {
		keys = append(keys, "aggregationRule?")
	}
	if !b.mapping(n, what, keys...) {
		return
	}
	k := kubeRole{cluster: clusterWide, at: n}
	k.namespace, k.name = b.named(n, clusterWide)
	rules := n.Get("rules")
	if rules == nil && n.Get("aggregationRule") != nil {
		b.at(n, "an aggregated ClusterRole has no rules here: export it from a running cluster, which fills them in")
	}
	if rules != nil {
		for _, it := range b.items(rules, "rules") {
			if !b.mapping(&it, "a rule", "verbs", "apiGroups?", "resources?", "resourceNames?", "nonResourceURLs?") {
				continue
			}
			k.rules = append(k.rules, policyRule{b.texts(&it, "verbs"), b.texts(&it, "apiGroups"), b.texts(&it, "resources"), b.texts(&it, "resourceNames")})
		}
	}
	if _, twice := b.roles[k.key()]; twice {
		b.at(n, "there is a second %s", k.key())
		return
	}
	b.roles[k.key()] = k
	b.order = append(b.order, k.key())
}

func (b *rbac) binding(n *yaml.Node, clusterWide bool) {
	if !b.mapping(n, "a binding", "apiVersion", "kind", "metadata", "roleRef", "subjects?") {
		return
	}
	k := kubeBinding{cluster: clusterWide, at: n}
	k.namespace, k.name = b.named(n, clusterWide)
	ref := n.Get("roleRef")
	if !b.mapping(ref, "roleRef", "apiGroup?", "kind", "name") {
		return
	}
	switch kind, name := b.text(ref, "kind"), b.text(ref, "name"); {
	case kind == "ClusterRole":
		k.to = kubeRole{cluster: true, name: name}.key()
	case kind == "Role" && !clusterWide:
		k.to = kubeRole{namespace: k.namespace, name: name}.key()
	default:
		b.at(ref, "roleRef must be a ClusterRole or, of a RoleBinding, a Role")
		return
	}
	if list := n.Get("subjects"); list != nil {
		for _, s := range b.items(list, "subjects") {
			if b.mapping(&s, "a subject", "kind", "name", "namespace?", "apiGroup?") {
				k.subjects = append(k.subjects, b.subject(&s, k.namespace)...)
			}
		}
	}
	b.bindings = append(b.bindings, k)
}

// subject is whom a binding is for.
func (b *rbac) subject(n *yaml.Node, namespace string) []powers.Node {
	kind, name := b.text(n, "kind"), b.text(n, "name")
	if name == "" {
		b.at(n, "a subject needs a name")
		return nil
	}
	switch kind {
	case "ServiceAccount":
		ns := b.text(n, "namespace")
		if ns == "" {
			if ns = namespace; ns == cluster {
				b.at(n, "a service account needs a namespace")
				return nil
			}
		}
		return []powers.Node{account(ns, name)}
	case "User":
		if rest, ok := strings.CutPrefix(name, "system:serviceaccount:"); ok {
			if ns, sa, ok := strings.Cut(rest, ":"); ok {
				return []powers.Node{account(ns, sa)}
			}
		}
		return []powers.Node{{Kind: powers.Identity, ID: "kubernetes:user/*/" + name, Name: "user " + name}}
	case "Group":
		return []powers.Node{{Kind: powers.Identity, ID: "kubernetes:group/*/" + name, Name: "group " + name}}
	}
	b.at(n, "a subject is a User, a Group or a ServiceAccount, not %q", access.Brief(kind))
	return nil
}

func account(namespace, name string) powers.Node {
	return powers.Node{Kind: powers.Identity, ID: "kubernetes:sa/" + namespace + "/" + name, Name: "service account " + namespace + "/" + name}
}

// in is the role as it holds in a namespace, or everywhere.
func (k kubeRole) in(namespace, source string) powers.Role {
	r := powers.Role{System: "kubernetes", ID: k.key(), Name: k.name, Source: source}
	if k.cluster && namespace != cluster {
		r.ID, r.Name = k.key()+"@"+namespace, k.name+" in namespace "+namespace
	}
	r.Allows = func(right string) []powers.On {
		var on []powers.On
		for _, rule := range k.rules {
			on = append(on, rule.allows(right, namespace)...)
		}
		return on
	}
	return r
}

// written makes a role of each that is written, where it is written for.
func (b *rbac) written() (out Kubernetes) {
	for _, key := range b.order {
		k := b.roles[key]
		out.Roles = append(out.Roles, k.in(k.namespace, b.where(k.at)))
	}
	return out
}

// clusterOnly are resources that stand in no namespace: a right to them that is
// bound in one allows nothing. Roles of the cluster are bound in namespaces too.
var clusterOnly = []string{"/users", "/groups", "/nodes/proxy", "/persistentvolumes", "certificates.k8s.io/certificatesigningrequests/approval", "certificates.k8s.io/signers", rbacGroup + "/clusterrolebindings"}

// allows tells where a rule allows "verb group/resource", as the API server
// matches rules: "pods/*" is no pattern, "*/exec" is.
func (p policyRule) allows(right, namespace string) []powers.On {
	verb, resource, _ := strings.Cut(right, " ")
	group, rest, _ := strings.Cut(resource, "/")
	if right == "* */*" {
		if !slices.Contains(p.verbs, "*") || !slices.Contains(p.groups, "*") || !slices.Contains(p.resources, "*") {
			return nil
		}
		return p.where(namespace, false)
	}
	_, sub, hasSub := strings.Cut(rest, "/")
	fits := slices.Contains(p.resources, "*") || slices.Contains(p.resources, rest) || (hasSub && slices.Contains(p.resources, "*/"+sub))
	alone := slices.Contains(clusterOnly, resource) || group == "admissionregistration.k8s.io"
	switch {
	case !fits,
		!slices.Contains(p.verbs, "*") && !slices.Contains(p.verbs, verb),
		!slices.Contains(p.groups, "*") && !slices.Contains(p.groups, group),
		alone && namespace != cluster:
		return nil
	}
	return p.where(namespace, verb == "create" && !hasSub)
}

// where is the place of a right, and the names it is for. What is being created
// has no name yet, so that a rule with names never allows it.
func (p policyRule) where(namespace string, nameless bool) []powers.On {
	place := "in namespace " + namespace
	if namespace == cluster {
		place = "in the cluster"
	}
	if len(p.names) == 0 {
		return []powers.On{{ID: namespace + "/*", Text: place}}
	}
	if nameless {
		return nil
	}
	var on []powers.On
	for _, name := range p.names {
		on = append(on, powers.On{ID: namespace + "/" + name, Text: "named " + name + " " + place})
	}
	return on
}

// bind joins subjects to what is bound to them. A role that is not in the file
// is a problem: what it allows would be missing from every path.
func (b *rbac) bind(out *Kubernetes) {
	subjects, made := map[string]bool{}, map[string]bool{}
	for _, k := range b.bindings {
		role, ok := b.roles[k.to]
		if !ok {
			b.at(k.at, "binds %s, which is not in this file: export roles and bindings together", access.Brief(k.to))
			continue
		}
		held := role.in(k.namespace, b.where(k.at))
		if role.cluster && !k.cluster && !made[held.ID] {
			made[held.ID] = true
			out.Roles = append(out.Roles, held)
		}
		for _, s := range k.subjects {
			if !subjects[s.ID] {
				subjects[s.ID] = true
				out.Links.Nodes = append(out.Links.Nodes, s)
			}
			out.Links.Edges = append(out.Links.Edges, powers.Edge{From: s.Ref(), Kind: powers.Holds, To: held.Ref(), Rule: "kubernetes.binding", Source: b.where(k.at)})
		}
	}
	b.groups(out)
}

// groups puts subjects into the groups the API server puts everybody into.
func (b *rbac) groups(out *Kubernetes) {
	var bound []powers.Node
	for _, n := range out.Links.Nodes {
		if strings.HasPrefix(n.ID, "kubernetes:group/*/system:") {
			bound = append(bound, n)
		}
	}
	for _, g := range bound {
		of := strings.TrimPrefix(g.ID, "kubernetes:group/*/")
		for _, n := range out.Links.Nodes {
			kind, rest, _ := strings.Cut(strings.TrimPrefix(n.ID, "kubernetes:"), "/")
			ns, _, _ := strings.Cut(rest, "/")
			in := (of == "system:authenticated" && kind != "group") ||
				(kind == "sa" && (of == "system:serviceaccounts" || of == "system:serviceaccounts:"+ns))
			if in {
				out.Links.Edges = append(out.Links.Edges, powers.Edge{From: n.Ref(), Kind: powers.CanBecome, To: g.Ref(), Rule: "kubernetes.group"})
			}
		}
	}
}

// Parts applies the rules, and joins whom they say one can become to the subjects
// of the file: service accounts of a namespace are each of them. A subject that is
// named in the file is worth what is bound to it; one that is not, is not known,
// and keeps the class the rule gives.
func (k Kubernetes) Parts(order []string) powers.Parts {
	p := powers.Analyse(order, k.Roles...)
	subjects := map[powers.Ref]powers.Node{}
	for _, n := range k.Links.Nodes {
		subjects[n.Ref()] = n
	}
	for i, n := range p.Nodes {
		if n.Kind != powers.Identity {
			continue
		}
		if s, known := subjects[n.Ref()]; known {
			p.Nodes[i] = s
			continue
		}
		for _, s := range k.Links.Nodes {
			if matches(n.ID, s.ID) {
				p.Edges = append(p.Edges, powers.Edge{From: n.Ref(), Kind: powers.CanBecome, To: s.Ref(), Rule: "kubernetes.subject"})
			}
		}
	}
	p.Join(k.Links)
	return p
}

// matches tells whether an identity of the rules, such as sa/prod/*, stands for a
// subject, part by part.
func matches(pattern, id string) bool {
	a, b := strings.SplitN(pattern, "/", 3), strings.SplitN(id, "/", 3)
	return len(a) == 3 && len(b) == 3 && a[0] == b[0] && (a[1] == "*" || a[1] == b[1]) && (a[2] == "*" || a[2] == b[2])
}
