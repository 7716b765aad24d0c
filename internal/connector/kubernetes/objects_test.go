package kubernetes

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

var _ connector.Objects = (*Connector)(nil)

// told reads what objects say of themselves, by name.
func told(t testing.TB, c *Connector, objects ...string) map[string]connector.Object {
	t.Helper()
	got := map[string]connector.Object{}
	if err := c.Objects(t.Context(), objects, func(o connector.Object) error {
		if _, twice := got[o.Name]; twice {
			t.Errorf("%s is told twice", o.Name)
		}
		got[o.Name] = o
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// allow makes the rule that allows verbs of resources of a group.
func allow(verbs, group, resources string, names ...string) rule {
	return rule{Verbs: strings.Fields(verbs), APIGroups: []string{group}, Resources: strings.Fields(resources), ResourceNames: names}
}

// A role says by its rules what it is worth where it is bound, and that is nothing
// where they are no more than they name.
func TestObjects(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "objects")
	cases := map[string]struct {
		rule                         rule
		powers, why, inOne, whyInOne string // in the cluster; and of the ClusterRole bound in one namespace
	}{
		"ob-none":        {rule: allow("get list watch update", "", "configmaps")},
		"ob-all":         {allow("*", "*", "*"), "admin grant read write", "may do everything", "admin grant read write", "may do everything"},
		"ob-all-of-core": {allow("*", "", "*", "one"), "admin read", "may impersonate users or groups, may impersonate service accounts, may make tokens of service accounts, may read secrets, may run commands in pods, may run containers in pods, may speak to the kubelets past the API server", "admin read", "may impersonate service accounts, may make tokens of service accounts, may read secrets, may run commands in pods, may run containers in pods"},
		"ob-escalate":    {allow("escalate", rbac, "clusterroles"), "admin grant", "may write roles that allow more than it", "admin grant", "may write roles that allow more than it"},
		"ob-bind":        {allow("bind", rbac, "roles", "deployer"), "grant", "may bind roles it does not hold", "grant", "may bind roles it does not hold"},
		"ob-bindings":    {allow("patch", rbac, "clusterrolebindings"), "grant", "may write bindings of the cluster", "", ""},
		"ob-impersonate": {allow("impersonate", "", "users"), "admin", "may impersonate users or groups", "", ""},
		"ob-secrets":     {allow("watch", "", "secrets"), "admin read", "may read secrets", "admin read", "may read secrets"},
		"ob-exec":        {allow("create", "", "*/exec"), "admin", "may run commands in pods", "admin", "may run commands in pods"},
		"ob-no-pattern":  {rule: allow("create", "", "pods/*")},
		"ob-tokens":      {allow("create", "", "serviceaccounts/token", "robot"), "admin", "may make tokens of service accounts", "admin", "may make tokens of service accounts"},
		"ob-named-pods":  {rule: allow("create", "", "pods", "one")},
		"ob-other-group": {rule: allow("*", "example.org", "secrets pods")},
	}
	var ask []string
	for name, x := range cases {
		w.bare(t, object{"", clusterRole, name}, []rule{x.rule})
		ask = append(ask, "clusterrole/"+name, ns+"/clusterrole/"+name)
	}
	described := "Deploys the shop; asks for \"secrets\""
	w.Must(t, http.MethodPost, in(ns, "roles"), encode(t, powers{Metadata: meta{Name: "deployer", Annotations: map[string]string{describedBy: described, "other": "x"}}, Rules: []rule{allow("get", "", "secrets")}}))
	ask = append(ask, ns+"/role/deployer", ns+"/role/nobody", "clusterrole/ob-nobody", "no object", ns+"/role/deployer")
	got := told(t, c, ask...)
	for name, x := range cases {
		for at, want := range map[string][2]string{"clusterrole/" + name: {x.powers, x.why}, ns + "/clusterrole/" + name: {x.inOne, x.whyInOne}} {
			if o, is := got[at]; !is || strings.Join(o.Powers, " ") != want[0] || o.Why != want[1] || o.Description != "" {
				t.Errorf("%s: %+v, want %q by %q", at, o, want[0], want[1])
			}
		}
	}
	if o := got[ns+"/role/deployer"]; o.Description != described || !slices.Equal(o.Powers, []string{"admin", "read"}) {
		t.Errorf("%+v", o)
	}
	if len(got) != 2*len(cases)+1 {
		t.Errorf("%d are told, want %d", len(got), 2*len(cases)+1)
	}
	// The server's own roles, as everybody knows them: what others are put together from.
	own := told(t, c, "clusterrole/cluster-admin", "clusterrole/system:aggregate-to-view", "clusterrole/system:aggregate-to-edit", "clusterrole/system:aggregate-to-admin")
	for name, want := range map[string]string{"cluster-admin": "admin grant read write", "system:aggregate-to-view": "", "system:aggregate-to-edit": "admin read", "system:aggregate-to-admin": "grant"} {
		if o, is := own["clusterrole/"+name]; !is || strings.Join(o.Powers, " ") != want {
			t.Errorf("%s: %+v, want %q", name, o, want)
		}
	}
}

// What is said agrees with the API server's authorizer: a right is in the table's way
// of matching where the server allows it, and not where it does not.
func TestObjectsAgreeWithTheAuthorizer(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "objectsagree")
	for name, x := range map[string]struct {
		rule  rule
		right resourceRight
	}{
		"oa-exec":    {allow("create", "", "*/exec"), resourceRight{ns, "create", "", "pods", "exec", ""}},
		"oa-pattern": {allow("create", "", "pods/*"), resourceRight{ns, "create", "", "pods", "exec", ""}},
		"oa-named":   {allow("create", "", "pods", "one"), resourceRight{ns, "create", "", "pods", "", ""}},
		"oa-token":   {allow("create", "", "serviceaccounts/token", "robot"), resourceRight{ns, "create", "", "serviceaccounts", "token", "robot"}},
		"oa-star":    {allow("*", "*", "secrets"), resourceRight{ns, "list", "", "secrets", "", ""}},
	} {
		o := object{ns, role, name}
		w.bare(t, o, []rule{x.rule, allow("get", "", "configmaps")})
		w.bind(t, "user:"+name, o.String(), others(name))
		w.await(t, reviewSpec{User: name, Resource: &resourceRight{ns, "get", "", "configmaps", "", ""}}, true) // it has heard of both rules
		says := w.review(t, reviewSpec{User: name, Resource: &x.right}).Allowed
		if all, why := lets([]rule{x.rule}, ns); says != (len(all) > 0) {
			t.Errorf("%s: the server says %t; %q by %q", name, says, all, why)
		}
	}
}
