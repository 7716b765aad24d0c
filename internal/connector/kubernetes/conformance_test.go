package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/connector/promise"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Service accounts in the roles of a namespace: here the API server knows who is there.
func TestConformance(t *testing.T) {
	t.Parallel()
	w := open(t)
	connectortest.Run(t, func(t *testing.T) connectortest.Target {
		g := newTarget(t, w, func(ns, name string) object { return object{ns, role, name} })
		w.tokens(t, g.space, "")
		g.Account = func(t testing.TB, name string) string { return w.robot(t, g.space, "sa-"+digest(name)) }
		g.Enter = func(t testing.TB, account, _ string, worth []byte) bool { return w.enter(t, account, worth) }
		g.DropAccount = func(t testing.TB, account string) {
			w.Must(t, http.MethodDelete, must(t, account, "clusterrole/any").account.path(), nil)
		}
		g.Connector = g.Connector.(*Connector).Reading(func() string { return testserver.KubernetesAdmin + testserver.KubernetesToken })
		return g.Target
	})
}

// Users, under any name there is, in ClusterRoles: of a namespace, and, where that
// makes a difference, of the whole cluster. No API server has a list of users, so no
// user is ever missing.
func TestConformanceUsers(t *testing.T) {
	t.Parallel()
	w := open(t)
	issuing := []string{"a credential is issued", "a mark finds what it made", "a credential is killed", "issuing is cut off",
		"credentials while the target is down", "hostile names have no credentials"}
	none := map[string]bool{"add for a missing account": true, "a batch with bad among good": true}
	everywhere := map[string]bool{"add and remove": true, "an object made anew under its name": true, "never touches what it was not asked about": true, "a look is never cached": true,
		"observe one, several and all": true, "names made at random": true, "names nothing can bear": true, "many calls at once": true, "an answer that is lost in a batch": true}
	hold := func(t *testing.T, p promise.Promise, whole bool) {
		t.Parallel()
		g := newTarget(t, w, func(ns, name string) object {
			if whole {
				return object{"", clusterRole, name + " everywhere"} // a ClusterRole is called one thing wherever it is bound
			}
			return object{ns, clusterRole, name}
		})
		g.Hostile = []string{"del\x7f", "line\u2028separator", `system:masters`, `system:serviceaccount:a`, `:`, `?labelSelector=x`, `;v=1`, "ﬁ", "---", "yes"}
		p.Hold(t, g.with(t, func(name string) string { return "user:" + name }))
	}
	for _, p := range promise.All() {
		if none[p.Name] || slices.Contains(issuing, p.Name) { // users have no tokens that it could give
			continue
		}
		t.Run(p.Name, func(t *testing.T) { hold(t, p, false) })
		if everywhere[p.Name] {
			t.Run(p.Name+" in the whole cluster", func(t *testing.T) { hold(t, p, true) })
		}
	}
}

// target is a Target with what its functions share.
type target struct {
	connectortest.Target
	space string
	made  sync.Map // object -> true
}

var spaces atomic.Int64

// safe replaces what no role can be called.
var safe = strings.NewReplacer("/", "∕", "%", "٪")

func newTarget(t testing.TB, w world, of func(ns, name string) object) *target {
	t.Helper()
	g := &target{space: w.space(t, fmt.Sprintf("conform-%d", spaces.Add(1)))}
	c, l := onLine(t, w)
	c.page = 20
	g.Target = connectortest.Target{
		Connector: c,
		Object: func(t testing.TB, name string) string {
			if name = safe.Replace(name); name == "." || name == ".." {
				name += "dot"
			}
			o := of(g.space, name)
			if _, again := g.made.LoadOrStore(o, true); again {
				w.clear(t, o)
				w.bare(t, o, rulesOf(o))
				return o.String()
			}
			return w.role(t, o)
		},
		DropObject: func(t testing.TB, name string) {
			w.Must(t, http.MethodDelete, must(t, "user:any", name).object.path(), nil)
		},
		Put: func(t testing.TB, object string, accounts ...string) {
			c.each(len(accounts), func(i int) {
				h, _ := parse(connector.Ref{Account: accounts[i], Object: object})
				raw, _ := json.Marshal(h.binding())
				if code, out, err := w.Ask(testserver.KubernetesAdmin, http.MethodPost, h.object.bindings(), raw); err != nil || code != http.StatusCreated {
					t.Errorf("bind %s to %s: %d %s %v", accounts[i], object, code, out, err)
				}
			})
		},
		Members: func(t testing.TB, name string) []string { return w.members(t, must(t, "user:any", name).object) },
		Break:   l.Break,
		Large:   210, // one binding each
	}
	return g
}

// clear takes away what bindings of a role's last life have left: made anew under its
// name, the role would give its rights to everybody who had them.
func (w world) clear(t testing.TB, o object) {
	t.Helper()
	var got listOf[binding]
	decode(t, w.Must(t, http.MethodGet, o.bindings(), nil), &got)
	for _, b := range got.Items {
		if b.role() == o {
			w.unbind(t, b)
		}
	}
}

// with is the target in the hands of one promise, its accounts called as name says.
func (g *target) with(t testing.TB, name func(string) string) promise.Target {
	return promise.Target{
		Connector:   g.Connector,
		Account:     name,
		DropAccount: func(string) {},
		Object:      func(n string) string { return g.Object(t, n) },
		DropObject:  func(o string) { g.DropObject(t, o) },
		Put:         func(o string, accounts ...string) { g.Put(t, o, accounts...) },
		Members:     func(o string) []string { return g.Members(t, o) },
		Break:       func(f promise.Fault) func() { return g.Break(t, f) },
		Hostile:     g.Hostile, Large: g.Large,
	}
}
