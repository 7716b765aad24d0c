package kubernetes

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/connector"
)

// account is who can be a subject, in the one spelling there is:
//
//	user:NAME                       as the authenticator gives it
//	group:NAME                      as the authenticator gives it
//	serviceaccount:NAMESPACE/NAME
type account struct {
	kind      string // User, Group, ServiceAccount
	namespace string // of a service account
	name      string
}

// object is what can be bound, in the one spelling there is:
//
//	clusterrole/NAME                in the whole cluster
//	NAMESPACE/role/NAME             in its namespace
//	NAMESPACE/clusterrole/NAME      in that namespace only
type object struct {
	namespace string // "": the whole cluster
	kind      string // Role, ClusterRole
	name      string
}

const (
	user, group, serviceAccount = "User", "Group", "ServiceAccount"
	role, clusterRole           = "Role", "ClusterRole"
)

// asServiceAccount begins the user name by which a service account is known, so a
// User subject of that name is the service account.
const asServiceAccount = "system:serviceaccount:"

var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
)

var errAccount = errors.New("an account is user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME")
var errObject = errors.New("an object is clusterrole/NAME, NAMESPACE/role/NAME or NAMESPACE/clusterrole/NAME")

// usable says of a name that it can stand in JSON and in a path as itself.
func usable(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsRune(name, 0)
}

func parseAccount(s string) (account, error) {
	kind, name, ok := strings.Cut(s, ":")
	robot, second := serviceAccountNamed(name)
	switch {
	case !ok || !usable(name):
	case kind == "user" && second:
		return account{}, fmt.Errorf("%q is a service account, which is spelt %s", s, robot)
	case kind == "user":
		return account{kind: user, name: name}, nil
	case kind == "group":
		return account{kind: group, name: name}, nil
	case kind == "serviceaccount":
		if in, name, ok := strings.Cut(name, "/"); ok && label.MatchString(in) && subdomain.MatchString(name) {
			return account{serviceAccount, in, name}, nil
		}
	}
	return account{}, fmt.Errorf("%.80q: %w", s, errAccount)
}

func parseObject(s string) (object, error) {
	parts := strings.Split(s, "/")
	if !usable(s) || len(parts) < 2 || !segment(parts[len(parts)-1]) {
		return object{}, fmt.Errorf("%.80q: %w", s, errObject)
	}
	switch name := parts[len(parts)-1]; {
	case len(parts) == 2 && parts[0] == "clusterrole":
		return object{"", clusterRole, name}, nil
	case len(parts) == 3 && label.MatchString(parts[0]) && parts[1] == "role":
		return object{parts[0], role, name}, nil
	case len(parts) == 3 && label.MatchString(parts[0]) && parts[1] == "clusterrole":
		return object{parts[0], clusterRole, name}, nil
	}
	return object{}, fmt.Errorf("%.80q: %w", s, errObject)
}

// segment is the API server's own rule for the names of roles.
func segment(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/%")
}

func (a account) String() string {
	switch a.kind {
	case user:
		return "user:" + a.name
	case group:
		return "group:" + a.name
	}
	return "serviceaccount:" + a.namespace + "/" + a.name
}

func (o object) String() string {
	s := strings.ToLower(o.kind) + "/" + o.name
	if o.namespace != "" {
		s = o.namespace + "/" + s
	}
	return s
}

// everybody says that the name is no account but the lack of one: whatever it holds,
// anybody does.
func (a account) everybody() bool {
	switch a.kind {
	case user:
		return a.name == "system:anonymous"
	case group:
		return a.name == "system:authenticated" || a.name == "system:unauthenticated" || a.name == "system:serviceaccounts"
	}
	return false
}

// groups are those that every API server puts the account in, whatever the
// authenticator says besides.
func (a account) groups() []string {
	switch {
	case a.kind == serviceAccount:
		return []string{"system:serviceaccounts", "system:serviceaccounts:" + a.namespace, "system:authenticated"}
	case a.kind == group && a.name == "system:unauthenticated", a.everybody() && a.kind == user:
		return []string{"system:unauthenticated"}
	case a.kind == group:
		return []string{a.name, "system:authenticated"}
	}
	return []string{"system:authenticated"}
}

// username is what the API server calls the account; a group has none.
func (a account) username() string {
	switch a.kind {
	case serviceAccount:
		return asServiceAccount + a.namespace + ":" + a.name
	case group:
		return ""
	}
	return a.name
}

const rbac = "rbac.authorization.k8s.io"

// path is where the role can be read.
func (o object) path() string {
	if o.kind == role {
		return in(o.namespace, "roles") + "/" + url.PathEscape(o.name)
	}
	return in("", "clusterroles") + "/" + url.PathEscape(o.name)
}

// bindings is where the bindings of the role stand.
func (o object) bindings() string {
	if o.namespace == "" {
		return in("", "clusterrolebindings")
	}
	return in(o.namespace, "rolebindings")
}

// in is the path of a list; without a namespace, that of the whole cluster.
func in(namespace, resource string) string {
	p := "/apis/" + rbac + "/v1/"
	if namespace != "" {
		p += "namespaces/" + url.PathEscape(namespace) + "/"
	}
	return p + resource
}

func (a account) path() string {
	return "/api/v1/namespaces/" + url.PathEscape(a.namespace) + "/serviceaccounts/" + url.PathEscape(a.name)
}

// What our bindings are known by: the label says whose they are, the other two find
// all of an account's or of an object's.
const (
	labelBy      = "app.kubernetes.io/managed-by"
	labelValue   = "lessor"
	labelAccount = "lessor-iam.github.io/account"
	labelObject  = "lessor-iam.github.io/object"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:20])
}

// holding is a Ref that was understood.
type holding struct {
	account account
	object  object
}

// parse reads it. Where wrong says something, nothing can be called that.
func parse(r connector.Ref) (h holding, wrong string) {
	o, err1 := parseObject(r.Object)
	a, err2 := parseAccount(r.Account)
	if err := cmp.Or(err1, err2); err != nil {
		return h, err.Error()
	}
	return holding{a, o}, ""
}

// bindingName is the same for the same two for ever, so that whoever asks again,
// from wherever, finds what was made before. No account's name holds a NUL.
func (h holding) bindingName() string {
	return "lessor-" + digest(h.account.String()+"\x00"+h.object.String())
}

// binding is what Apply writes.
func (h holding) binding() binding {
	b := binding{APIVersion: rbac + "/v1", Kind: role + "Binding", Metadata: meta{
		Name: h.bindingName(), Namespace: h.object.namespace,
		Labels:      map[string]string{labelBy: labelValue, labelAccount: digest(h.account.String()), labelObject: digest(h.object.String())},
		Annotations: map[string]string{labelAccount: h.account.String(), labelObject: h.object.String()},
	}, RoleRef: roleRef{rbac, h.object.kind, h.object.name}}
	if h.object.namespace == "" {
		b.Kind = clusterRole + "Binding"
	}
	s := subject{Kind: h.account.kind, APIGroup: rbac, Name: h.account.name}
	if s.Kind == serviceAccount {
		s.APIGroup, s.Namespace = "", h.account.namespace
	}
	b.Subjects = []subject{s}
	return b
}

// serviceAccountNamed reads a user name that is a service account's.
func serviceAccountNamed(username string) (account, bool) {
	rest, ok := strings.CutPrefix(username, asServiceAccount)
	namespace, name, both := strings.Cut(rest, ":")
	return account{serviceAccount, namespace, name}, ok && both && label.MatchString(namespace) && subdomain.MatchString(name)
}
