package kubernetes

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// The documented account may do what the page says, and nothing more.
func TestDocumentedAccount(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "documented")
	o := object{ns, role, "deployer"}
	w.bare(t, o, rulesOf(o))
	// 1. Nothing is leased before it may be.
	fails(t, c, add("user:ann", o.String()), connector.ErrRefused, "is attempting to grant RBAC permissions not currently held")
	w.lease(t, o)
	apply(t, c, add("user:ann", o.String()), remove("user:ann", o.String()))
	// 2. Only that role, only there, and no role of power. (Here view itself is empty: what
	// gathers others' rules into it is not the API server.)
	for _, other := range []string{ns + "/clusterrole/system:aggregate-to-view", "clusterrole/system:aggregate-to-view", "clusterrole/cluster-admin", ns + "/clusterrole/cluster-admin"} {
		fails(t, c, add("user:ann", other), connector.ErrRefused, "not currently held")
	}
	// 3. ClusterRoles by the other manifests, as they stand on the page.
	w.write(t, manifests(t, blockCluster)...)
	w.await(t, reviewSpec{User: svc, Resource: &resourceRight{Verb: "bind", Group: rbac, Resource: "clusterroles", Name: "view"}}, true)
	apply(t, c, add("user:ann", "clusterrole/view"), add("user:ann", ns+"/clusterrole/view"))
	sees(t, c, "user:ann", "clusterrole/view", true, true)
	apply(t, c, remove("user:ann", "clusterrole/view"), remove("user:ann", ns+"/clusterrole/view"))
	sees(t, c, "user:ann", "clusterrole/view", false, false)
	fails(t, c, add("user:ann", "clusterrole/system:aggregate-to-edit"), connector.ErrRefused, "not currently held")
	// 4. By hand it gets no further either.
	for _, x := range []struct{ method, path, body string }{
		{http.MethodGet, "/api/v1/secrets", ""},
		{http.MethodGet, "/api/v1/namespaces/" + ns + "/serviceaccounts", ""},
		{http.MethodPost, in(ns, "roles"), `{"metadata":{"name":"own"},"rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]}`},
		{http.MethodPut, o.path(), `{"metadata":{"name":"deployer"},"rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]}`},
		{http.MethodPost, "/api/v1/namespaces/" + ns + "/serviceaccounts/default/token", `{}`},
	} {
		if code, out, err := w.Ask(svc, x.method, x.path, []byte(x.body)); err != nil || code != http.StatusForbidden {
			t.Errorf("%s %s as the account: %d %s %v, want 403", x.method, x.path, code, out, err)
		}
	}
}

// By the documented policy the account cannot touch others' bindings, whatever RBAC
// lets it do. The server takes a moment to begin with it.
func TestDocumentedPolicy(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "policy")
	o := object{ns, role, "reader"}
	w.role(t, o)
	testserver.Await(t, "the policy", time.Minute, func() error {
		b := w.bind(t, "user:ann", o.String(), others("by hand"))
		code, out, err := w.Ask(svc, http.MethodDelete, b.path(), nil)
		if err != nil || code == http.StatusOK {
			return fmt.Errorf("the account deletes others' bindings: %v", err)
		}
		if code != http.StatusUnprocessableEntity && code != http.StatusForbidden || !strings.Contains(string(out), "may touch only what is labelled") {
			t.Errorf("%d %s", code, out)
		}
		return nil
	})
	own := must(t, "user:ann", o.String()).binding()
	bare := own
	bare.Metadata.Labels = nil
	for _, x := range []struct {
		b    binding
		made bool
	}{{bare, false}, {own, true}} {
		code, out, err := w.Ask(svc, http.MethodPost, o.bindings(), encode(t, x.b))
		if err != nil || (code == http.StatusCreated) != x.made {
			t.Errorf("create with labels %v: %d %s %v", x.b.Metadata.Labels, code, out, err)
		}
	}
}

// A client certificate in place of a token.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	w := open(t)
	object := w.role(t, object{w.space(t, "shown"), role, "reader"})
	for _, d := range manifests(t, blockAccount)[1:] {
		w.write(t, strings.NewReplacer("name: svc-lessor", "name: "+testserver.KubernetesByCertificate, "name: lessor\nroleRef", "name: lessor-shown\nroleRef").Replace(d))
	}
	cfg := w.config()
	cfg.Token, cfg.Certificate, cfg.Key = nil, func() string { return string(w.Shown) }, func() string { return string(w.ShownBy) }
	c := connect(t, cfg)
	w.await(t, reviewSpec{User: testserver.KubernetesByCertificate, Resource: &resourceRight{"", "list", rbac, "rolebindings", "", ""}}, true)
	sees(t, c, "user:ann", object, false, false)
	fails(t, c, add("user:ann", object), connector.ErrRefused, testserver.KubernetesByCertificate)
	cfg.Key = func() string { return string(w.Shown) }
	fails(t, connect(t, cfg), add("user:ann", object), connector.ErrUnreachable, "cannot be read")
	cfg.Key = func() string { return "" }
	fails(t, connect(t, cfg), add("user:ann", object), connector.ErrUnreachable, "no client certificate")
}
