package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const svc = testserver.KubernetesService

// The page the reader gets: what it tells him to apply is what the tests run with.
const pageRead = "../../../docs/connectors/kubernetes.md"

// manifests gives the documents of the page's nth block of YAML that begins with apiVersion.
func manifests(t testing.TB, n int) []string {
	t.Helper()
	text, err := os.ReadFile(pageRead)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\napiVersion:")
	if len(blocks) <= n+1 {
		t.Fatalf("the page has %d blocks of manifests", len(blocks)-1)
	}
	block, _, ok := strings.Cut(blocks[n+1], "\n```")
	if !ok {
		t.Fatal("the block never ends")
	}
	return strings.Split("apiVersion:"+block, "\n---\n")
}

// Which block is which.
const (
	blockAccount = iota // what the account may do at all
	blockCluster        // … and which ClusterRoles it may lease
	blockSpace          // … or which in one namespace only
	blockPolicy         // its own bindings, and no others
)

// world is the server, with the documented account on it.
type world struct{ *testserver.KubernetesServer }

var prepared sync.Once

// open gives the server; the account is made once in a process.
func open(t testing.TB) world {
	t.Helper()
	w := world{testserver.Kubernetes(t)}
	prepared.Do(func() {
		w.write(t, manifests(t, blockAccount)...)
		for i, kind := range []string{"policies", "policybindings"} {
			w.Must(t, http.MethodPost, "/apis/admissionregistration.k8s.io/v1/validatingadmission"+kind, []byte(manifests(t, blockPolicy)[i]))
		}
		w.await(t, reviewSpec{User: svc, Resource: &resourceRight{"", "create", "authorization.k8s.io", "subjectaccessreviews", "", ""}}, true)
	})
	return w
}

// write creates what manifests say, as they stand.
func (w world) write(t testing.TB, documents ...string) {
	t.Helper()
	for _, d := range documents {
		kind := field(t, d, "kind")
		path := in("", strings.ToLower(kind)+"s")
		if ns := field(t, d, "namespace"); ns != "" && !strings.HasPrefix(kind, clusterRole) {
			path = in(ns, strings.ToLower(kind)+"s")
		}
		w.Must(t, http.MethodPost, path, []byte(d))
	}
}

// field is the first of that name in a manifest.
func field(t testing.TB, document, name string) string {
	t.Helper()
	for line := range strings.SplitSeq(document, "\n") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+": "); ok {
			return v
		}
	}
	return ""
}

// config is for a connector as the documented account.
func (w world) config() Config {
	return Config{URL: w.URL, CA: w.CA, Token: func() string { return svc + testserver.KubernetesToken }}
}

func connect(t testing.TB, cfg Config) *Connector {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// space makes a namespace.
func (w world) space(t testing.TB, name string) string {
	t.Helper()
	w.Must(t, http.MethodPost, "/api/v1/namespaces", encode(t, map[string]any{"metadata": meta{Name: name}}))
	return name
}

// robot makes a service account.
func (w world) robot(t testing.TB, namespace, name string) string {
	t.Helper()
	w.Must(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts", encode(t, map[string]any{"metadata": meta{Name: name}}))
	return "serviceaccount:" + namespace + "/" + name
}

// role makes one that lets read one ConfigMap, named like the role, so that no other
// role lets do the same, and lets the connector's account lease it.
func (w world) role(t testing.TB, o object) string {
	t.Helper()
	w.bare(t, o, rulesOf(o))
	w.lease(t, o)
	return o.String()
}

func rulesOf(o object) []rule {
	return []rule{{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{o.name}}}
}

func (w world) bare(t testing.TB, o object, rules []rule) {
	t.Helper()
	path := strings.TrimSuffix(o.path(), "/"+url.PathEscape(o.name))
	w.Must(t, http.MethodPost, path, encode(t, powers{Metadata: meta{Name: o.name}, Rules: rules}))
}

// lease applies the documented statements for one role, and waits until the server's
// authorizer, which is a little behind, knows.
func (w world) lease(t testing.TB, o object) {
	t.Helper()
	block, was, resource := blockCluster, "[view]", "clusterroles"
	names := []string{"name: lessor-leases", "name: lessor-leases-" + digest(o.String())}
	if o.namespace != "" {
		block, was = blockSpace, "[deployer]"
		names = append(names, "namespace: shop", "namespace: "+o.namespace)
		if o.kind == role {
			resource = "roles"
		}
		names = append(names, "resources: [roles]", "resources: ["+resource+"]")
	}
	for _, d := range manifests(t, block) {
		w.write(t, strings.NewReplacer(append(names, was, "["+strconv.QuoteToASCII(o.name)+"]")...).Replace(d))
	}
	w.await(t, reviewSpec{User: svc, Resource: &resourceRight{o.namespace, "bind", rbac, resource, "", o.name}}, true)
}

// await waits until the authorizer says so.
func (w world) await(t testing.TB, spec reviewSpec, allowed bool) {
	t.Helper()
	testserver.Await(t, fmt.Sprintf("the authorizer's %t", allowed), time.Minute, func() error {
		if got := w.review(t, spec); got.Allowed != allowed {
			return errors.New("it says otherwise: " + got.Reason)
		}
		return nil
	})
}

func (w world) review(t testing.TB, spec reviewSpec) reviewStatus {
	t.Helper()
	r := review{Spec: spec}
	decode(t, w.Must(t, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", encode(t, r)), &r)
	return r.Status
}

// bind makes a binding of anybody's: what the words say, in the shape that Apply
// writes. Change it on its way.
func (w world) bind(t testing.TB, account, object string, change ...func(*binding)) binding {
	t.Helper()
	h := must(t, account, object)
	b := h.binding()
	for _, do := range change {
		do(&b)
	}
	w.Must(t, http.MethodPost, b.role().bindings(), encode(t, b))
	return b
}

// others makes it somebody else's.
func others(name string) func(*binding) {
	return func(b *binding) { b.Metadata = meta{Name: name, Namespace: b.Metadata.Namespace} }
}

func (w world) unbind(t testing.TB, b binding) {
	t.Helper()
	w.Must(t, http.MethodDelete, b.path(), nil)
}

func (b binding) path() string { return b.role().bindings() + "/" + url.PathEscape(b.Metadata.Name) }

// read is a binding as it stands; nil if it does not.
func (w world) read(t testing.TB, b binding) *binding {
	t.Helper()
	code, out, err := w.Ask(testserver.KubernetesAdmin, http.MethodGet, b.path(), nil)
	switch {
	case err == nil && code == http.StatusNotFound:
		return nil
	case err != nil || code != http.StatusOK:
		t.Fatalf("%d %s %v", code, out, err)
	}
	got := new(binding)
	decode(t, out, got)
	return got
}

// members lists who is bound to a role, whoever did it.
func (w world) members(t testing.TB, o object) []string {
	t.Helper()
	var got struct {
		Items []struct {
			RoleRef  roleRef
			Subjects []struct{ Kind, Name, Namespace string }
		}
	}
	decode(t, w.Must(t, http.MethodGet, o.bindings(), nil), &got)
	var names []string
	for _, b := range got.Items {
		if b.RoleRef.Kind != o.kind || b.RoleRef.Name != o.name {
			continue
		}
		for _, s := range b.Subjects {
			if s.Kind == "ServiceAccount" {
				s.Name = s.Namespace + "/" + s.Name
			}
			names = append(names, strings.ToLower(s.Kind)+":"+s.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func must(t testing.TB, account, object string) holding {
	t.Helper()
	h, wrong := parse(connector.Ref{Account: account, Object: object})
	if wrong != "" {
		t.Fatal(wrong)
	}
	return h
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func decode(t testing.TB, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
}

func add(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}, Want: true}
}

func remove(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}}
}

// look looks at one holding, which must succeed.
func look(t testing.TB, c *Connector, account, object string) connector.Seen {
	t.Helper()
	s := c.Look(t.Context(), []connector.Ref{{Account: account, Object: object}})[0]
	if s.Err != nil {
		t.Fatalf("look at %s in %s: %v", account, object, s.Err)
	}
	return s
}

// sees looks and says what must be seen, and what one of the residual ways must say.
func sees(t testing.TB, c *Connector, account, object string, direct, effective bool, says ...string) {
	t.Helper()
	s := look(t, c, account, object)
	if s.Direct != direct || s.Effective != effective {
		t.Errorf("look at %s in %s: direct %t, effective %t, want %t, %t (%s) %q", account, object, s.Direct, s.Effective, direct, effective, s.Path, s.Residual)
	}
	for _, what := range says {
		if !slices.ContainsFunc(s.Residual, func(way string) bool { return strings.Contains(way, what) }) {
			t.Errorf("look at %s in %s: residual ways %q, want one that says %q", account, object, s.Residual, what)
		}
	}
	if len(says) == 0 && len(s.Residual) > 0 {
		t.Errorf("look at %s in %s: residual ways %q, want none", account, object, s.Residual)
	}
}

// apply applies changes that must succeed.
func apply(t testing.TB, c *Connector, changes ...connector.Change) {
	t.Helper()
	for _, r := range c.Apply(t.Context(), changes) {
		if r.Err != nil {
			t.Errorf("%v: %v", r.Ref, r.Err)
		}
	}
}

// fails applies one change that must be answered with that error, which says so.
func fails(t testing.TB, c *Connector, ch connector.Change, want error, says string) {
	t.Helper()
	if err := c.Apply(t.Context(), []connector.Change{ch})[0].Err; !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v: %v, want %q that says %q", ch.Ref, err, want, says)
	}
}

func observe(t testing.TB, c *Connector, objects ...string) (refs []connector.Ref) {
	t.Helper()
	if err := c.Observe(t.Context(), objects, func(h connector.Holding) error { refs = append(refs, h.Ref); return nil }); err != nil {
		t.Fatal(err)
	}
	return refs
}
