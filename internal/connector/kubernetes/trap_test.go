package kubernetes

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

// What is written is found again by whoever knows the two names, for ever: the name,
// the labels and the annotations are a promise.
func TestBindingAsWritten(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "written")
	object := w.role(t, object{ns, role, "reader"})
	apply(t, c, add("user:ann@example.org", object))
	var got map[string]any
	path := "/apis/rbac.authorization.k8s.io/v1/namespaces/written/rolebindings/lessor-e4bc65e4e9ee53dd4a9a412e76b71c53342cd27e"
	decode(t, w.Must(t, http.MethodGet, path, nil), &got)
	meta := got["metadata"].(map[string]any)
	for _, of := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields"} {
		delete(meta, of)
	}
	var want map[string]any
	decode(t, []byte(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{
		"name":"lessor-e4bc65e4e9ee53dd4a9a412e76b71c53342cd27e","namespace":"written",
		"labels":{"app.kubernetes.io/managed-by":"lessor","lessor-iam.github.io/account":"470cecc6ea96f75e8d6f0c16f4bcf44ae76ed72d","lessor-iam.github.io/object":"e9d69335adf200059bcacb667cc3bbdcba07defa"},
		"annotations":{"lessor-iam.github.io/account":"user:ann@example.org","lessor-iam.github.io/object":"written/role/reader"}},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"reader"},
		"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"ann@example.org"}]}`), &want)
	if !reflect.DeepEqual(got, want) {
		raw, _ := json.MarshalIndent(got, "", " ")
		t.Errorf("written:\n%s", raw)
	}
	for account, kind := range map[string]string{"group:devs": "Group", w.robot(t, ns, "robot"): "ServiceAccount"} {
		apply(t, c, add(account, object))
		if b := w.read(t, must(t, account, object).binding()); b == nil || b.Subjects[0].Kind != kind {
			t.Errorf("%s: %+v", account, b)
		}
	}
	if got := w.members(t, must(t, "group:devs", object).object); !slices.Equal(got, []string{"group:devs", "serviceaccount:written/robot", "user:ann@example.org"}) {
		t.Errorf("bound: %q", got)
	}
}

// Each way in which access stays although our binding is gone is found, named, and
// not called gone; and is gone once it is taken away.
func TestSecondPath(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "second")
	robot := w.robot(t, ns, "robot")
	reader, viewer := object{ns, role, "second-reader"}, object{"", clusterRole, "second-viewer"}
	w.role(t, reader)
	w.role(t, viewer)
	here := object{ns, clusterRole, viewer.name}
	w.bare(t, object{ns, role, "second-double"}, rulesOf(reader))
	w.bare(t, object{"", clusterRole, "second-all"}, []rule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}})
	to := func(kind, name string) func(*binding) {
		return func(b *binding) { b.Subjects = []subject{{Kind: kind, APIGroup: rbac, Name: name}} }
	}
	of := func(o object) func(*binding) {
		return func(b *binding) {
			b.RoleRef = roleRef{rbac, o.kind, o.name}
			if o.namespace == "" {
				b.Kind, b.Metadata.Namespace = clusterRole+"Binding", ""
			}
		}
	}
	for name, x := range map[string]struct {
		account string
		object  object
		other   []func(*binding)
		says    string
	}{
		"another's binding":             {"user:bob", reader, nil, `RoleBinding "another's binding/second" to user:bob, made by others`},
		"the whole cluster's":           {"user:bob", here, []func(*binding){of(viewer)}, `ClusterRoleBinding "the whole cluster's" to user:bob, made by others`},
		"a cluster role's":              {"user:bob", viewer, nil, `ClusterRoleBinding "a cluster role's" to user:bob`},
		"a namespace's robots":          {robot, reader, []func(*binding){to(group, "system:serviceaccounts:second")}, "to group:system:serviceaccounts:second, which it is in"},
		"all robots":                    {robot, reader, []func(*binding){to(group, "system:serviceaccounts")}, "to group:system:serviceaccounts, which it is in"},
		"everybody":                     {"user:bob", reader, []func(*binding){to(group, "system:authenticated")}, "to group:system:authenticated, which it is in"},
		"a robot's second name":         {robot, reader, []func(*binding){to(user, "system:serviceaccount:second:robot")}, "to serviceaccount:second/robot"},
		"a role that lets do the same":  {"user:bob", reader, []func(*binding){of(object{ns, role, "second-double"})}, `can do the same all the same, allowed by RoleBinding "a role that lets do the same/second" of Role "second-double"`},
		"a role that lets do all":       {"user:bob", reader, []func(*binding){of(object{"", clusterRole, "second-all"})}, `allowed by ClusterRoleBinding "a role that lets do all" of ClusterRole "second-all"`},
		"a role for a group of a robot": {robot, reader, []func(*binding){of(object{ns, role, "second-double"}), to(group, "system:serviceaccounts")}, `to Group "system:serviceaccounts"`},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: everybody's would be all's
			o := x.object.String()
			sees(t, c, x.account, o, false, false)
			apply(t, c, add(x.account, o))
			other := w.bind(t, x.account, o, append([]func(*binding){others(name)}, x.other...)...)
			apply(t, c, remove(x.account, o))
			sees(t, c, x.account, o, false, true, x.says)
			if w.read(t, other) == nil {
				t.Error("somebody else's binding was deleted")
			}
			w.unbind(t, other)
			sees(t, c, x.account, o, false, false)
		})
	}
}

// No API server knows who is in a group of the authenticator's: the look says what it
// does not know. Dora, whose token puts her in devs, can.
func TestGroupOfTheAuthenticator(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "groups")
	object := w.role(t, object{ns, role, "reader"})
	w.bind(t, "group:devs", object, others("developers"))
	for _, who := range []string{"user:dora", "user:ann"} {
		sees(t, c, who, object, false, false, `possibly RoleBinding "developers/groups" to group:devs, if the authenticator puts the account in it`)
	}
	for who, want := range map[string]int{"dora": http.StatusNotFound, "ann": http.StatusForbidden} {
		if code, out, err := w.Ask(who, http.MethodGet, "/api/v1/namespaces/groups/configmaps/reader", nil); err != nil || code != want {
			t.Errorf("%s: %d %s %v, want %d", who, code, out, err, want)
		}
	}
	sees(t, c, "group:devs", object, false, true, "to group:devs, made by others")
	sees(t, c, w.robot(t, ns, "robot"), object, false, false)
	if got := observe(t, c, object); !slices.Equal(got, []connector.Ref{{Account: "group:devs", Object: object}}) {
		t.Errorf("observed: %v", got)
	}
}

// Drift made by hand, with what kubectl edit, delete and create send.
func TestTamperedBinding(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "tampered")
	const ann, eve = "user:ann", "user:eve"
	mallory := subject{Kind: user, APIGroup: rbac, Name: "eve"}
	w.bare(t, object{ns, role, "power"}, rulesOf(object{ns, role, "power"}))
	for name, x := range map[string]struct {
		edit              func(*binding)
		anew              bool // not edited: deleted and created
		direct, effective bool
		says              []string
		holders           []string // as Observe sees them
	}{
		"a name more": {func(b *binding) { b.Subjects = append(b.Subjects, mallory) }, false, false, true,
			[]string{"to user:ann, which is ours and was changed: it names [user:ann user:eve]"}, []string{ann, eve}},
		"another name": {func(b *binding) { b.Subjects = []subject{mallory} }, false, false, false,
			[]string{"is ours and does not name the account any more: it was tampered with"}, []string{eve}},
		"no name": {func(b *binding) { b.Subjects = nil }, false, false, false,
			[]string{"is ours and does not name the account any more"}, nil},
		"another role": {func(b *binding) { b.RoleRef.Name = "power" }, true, false, false,
			[]string{"gives another role: it was tampered with"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := object{ns, role, strings.ReplaceAll(name, " ", "-")}
			object := w.role(t, o)
			tamper := func() {
				b := w.read(t, must(t, ann, object).binding())
				x.edit(b)
				if x.anew {
					w.unbind(t, *b)
					b.Metadata.UID = ""
					w.Must(t, http.MethodPost, o.bindings(), encode(t, b))
					return
				}
				w.Must(t, http.MethodPut, b.path(), encode(t, b))
			}
			// 1. It is seen, by the look and by the inventory.
			apply(t, c, add(ann, object))
			sees(t, c, ann, object, true, true)
			tamper()
			sees(t, c, ann, object, x.direct, x.effective, x.says...)
			var holders []string
			for _, r := range observe(t, c, object) {
				holders = append(holders, r.Account)
			}
			if !slices.Equal(holders, x.holders) {
				t.Errorf("observed: %q, want %q", holders, x.holders)
			}
			// 2. Asked for again, it is as it was.
			apply(t, c, add(ann, object))
			sees(t, c, ann, object, true, true)
			if got := w.members(t, o); !slices.Equal(got, []string{ann}) {
				t.Errorf("bound: %q", got)
			}
			// 3. Asked away, it is gone, whatever had become of it.
			tamper()
			apply(t, c, remove(ann, object))
			sees(t, c, ann, object, false, false)
			if b := w.read(t, must(t, ann, object).binding()); b != nil {
				t.Errorf("left: %+v", b)
			}
		})
	}
}

// Without the label it is not ours: seen as another's, and not touched.
func TestBindingWithoutOurLabel(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "unlabelled")
	object := w.role(t, object{ns, role, "reader"})
	b := w.bind(t, "user:ann", object, func(b *binding) { b.Metadata.Labels = nil })
	sees(t, c, "user:ann", object, false, true, "made by others")
	for _, ch := range []connector.Change{add("user:ann", object), remove("user:ann", object)} {
		fails(t, c, ch, connector.ErrRefused, "without the label app.kubernetes.io/managed-by=lessor")
	}
	if w.read(t, b) == nil {
		t.Error("it was deleted")
	}
}

// Between the read and the deletion somebody may put another binding in its place:
// that one stays.
func TestBindingReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	object := w.role(t, object{w.space(t, "replaced"), role, "reader"})
	h := must(t, "user:ann", object)
	read := w.read(t, w.bind(t, "user:ann", object))
	w.unbind(t, *read)
	anew := w.bind(t, "user:ann", object)
	if err := c.drop(t.Context(), h, read); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "made anew meanwhile") {
		t.Errorf("%v, want %q", err, connector.ErrRefused)
	}
	if w.read(t, anew) == nil {
		t.Error("it was deleted")
	}
	w.unbind(t, anew)
	if err := c.drop(t.Context(), h, read); err != nil {
		t.Errorf("of what is gone: %v", err)
	}
}

// A finalizer keeps a deleted binding, and the authorizer goes by it: not gone.
func TestBindingKeptByAFinalizer(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "kept")
	object := w.role(t, object{ns, role, "reader"})
	b := w.bind(t, "user:ann", object, func(b *binding) { b.Metadata.Finalizers = []string{"example.org/keep"} })
	apply(t, c, remove("user:ann", object))
	sees(t, c, "user:ann", object, true, true)
	if s := look(t, c, "user:ann", object); !strings.Contains(s.Path, `kept by the finalizers ["example.org/keep"]`) {
		t.Errorf("path %q", s.Path)
	}
	w.await(t, must(t, "user:ann", object).rights(rulesOf(must(t, "user:ann", object).object))[0], true)
	fails(t, c, add("user:ann", object), connector.ErrRefused, "already exists")
	kept := w.read(t, b)
	kept.Metadata.Finalizers = nil
	w.Must(t, http.MethodPut, b.path(), encode(t, kept))
	sees(t, c, "user:ann", object, false, false)
}

// A role, or a service account, that goes leaves its bindings, and they work again
// for whatever is made under its name.
func TestWhatIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	ns := w.space(t, "anew")
	robot := w.robot(t, ns, "robot")
	o := object{ns, role, "reader"}
	object := w.role(t, o)
	apply(t, c, add("user:ann", object), add(robot, object))
	w.Must(t, http.MethodDelete, must(t, robot, object).account.path(), nil)
	sees(t, c, robot, object, false, false, "not held while there is no "+robot+", but our binding is there and gives it again")
	w.Must(t, http.MethodDelete, o.path(), nil)
	sees(t, c, "user:ann", object, false, false, "not held while there is no "+object)
	if got := observe(t, c, object); len(got) > 0 {
		t.Errorf("observed of a role that is not there: %v", got)
	}
	w.bare(t, o, rulesOf(o))
	w.robot(t, ns, "robot")
	for _, who := range []string{"user:ann", robot} {
		sees(t, c, who, object, true, true)
	}
	// The end of a lease removes the binding, though there is no role.
	w.Must(t, http.MethodDelete, o.path(), nil)
	apply(t, c, remove("user:ann", object), remove(robot, object))
	w.bare(t, o, rulesOf(o))
	for _, who := range []string{"user:ann", robot} {
		sees(t, c, who, object, false, false)
	}
}

// Whoever leases a role to everybody has no leases.
func TestNobodyIsEverybody(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	object := w.role(t, object{w.space(t, "everybody"), role, "reader"})
	for _, who := range []string{"group:system:authenticated", "group:system:unauthenticated", "group:system:serviceaccounts", "user:system:anonymous"} {
		fails(t, c, add(who, object), connector.ErrRefused, "everybody")
		// Bound by hand it is seen, and its removal is nobody's but theirs who did it.
		b := w.bind(t, who, object, others("by hand"))
		sees(t, c, who, object, false, true, "made by others")
		apply(t, c, remove(who, object))
		sees(t, c, who, object, false, true, "made by others")
		w.unbind(t, b)
	}
}
