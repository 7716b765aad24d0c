package kubernetes

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]account{
		"user:ann":                              {kind: user, name: "ann"},
		"user:oidc:ann@b.org":                   {kind: user, name: "oidc:ann@b.org"},
		"user: ":                                {kind: user, name: " "},
		"user:group:x":                          {kind: user, name: "group:x"},
		"user:system:node:a":                    {kind: user, name: "system:node:a"},
		"group:devs":                            {kind: group, name: "devs"},
		"group:a/b":                             {kind: group, name: "a/b"},
		"serviceaccount:shop/a.b":               {serviceAccount, "shop", "a.b"},
		"":                                      {},
		"ann":                                   {},
		"user:":                                 {},
		"user:a\x00":                            {},
		"user:\xff":                             {},
		"User:ann":                              {},
		" user:ann":                             {},
		"serviceaccount:shop":                   {},
		"serviceaccount:shop/":                  {},
		"serviceaccount:/x":                     {},
		"serviceaccount:a/b/c":                  {},
		"serviceaccount:Shop/x":                 {},
		"serviceaccount:shop/X":                 {},
		"serviceaccount:..%2f/x":                {},
		"serviceaccount:shop/..":                {},
		"serviceaccount:shop/x\n":               {},
		"serviceaccount:shop:x":                 {},
		"user:system:serviceaccount:shop":       {kind: user, name: "system:serviceaccount:shop"},
		"user:system:serviceaccount:shop:x":     {},
		"user:" + strings.Repeat("x", maxName):  {kind: user, name: strings.Repeat("x", maxName)},
		"user:x" + strings.Repeat("x", maxName): {},
	} {
		if got, err := parseAccount(name); got != want || (err == nil) != (want != account{}) {
			t.Errorf("account %.60q: %v, %v, want %v", name, got, err, want)
		}
	}
	for name, want := range map[string]object{
		"clusterrole/view":        {"", clusterRole, "view"},
		"clusterrole/system:node": {"", clusterRole, "system:node"},
		"clusterrole/ a":          {"", clusterRole, " a"},
		"shop/role/deployer":      {"shop", role, "deployer"},
		"shop/clusterrole/view":   {"shop", clusterRole, "view"},
		"clusterrole/role/x":      {"clusterrole", role, "x"},
		"role/role/x":             {"role", role, "x"},
		"":                        {},
		"view":                    {},
		"role/x":                  {},
		"clusterrole/":            {},
		"clusterrole/.":           {},
		"clusterrole/..":          {},
		"clusterrole/a%2fb":       {},
		"clusterrole/a/b":         {},
		"/clusterrole/view":       {},
		"/role/x":                 {},
		"shop/role/x/":            {},
		"Shop/role/x":             {},
		"shop/Role/x":             {},
		"sh.op/role/x":            {},
		"../role/x":               {},
		"shop/role/x\x00":         {},
		"shop/role/\xff":          {},
	} {
		if got, err := parseObject(name); got != want || (err == nil) != (want != object{}) {
			t.Errorf("object %.60q: %v, %v, want %v", name, got, err, want)
		}
	}
}

// FuzzNames holds that what was understood is spelt in one way only, and leads to one
// place: no name is another's, none leaves its segment of a path.
func FuzzNames(f *testing.F) {
	for _, n := range [][2]string{{"user:ann", "clusterrole/view"}, {"group:a/../b", "shop/role/..x"}, {"serviceaccount:shop/a.b", "shop/clusterrole/a?b#c"}, {"user:a\nb", "shop/role/a;b"}} {
		f.Add(n[0], n[1])
	}
	f.Fuzz(func(t *testing.T, a, o string) {
		h, wrong := parse(connector.Ref{Account: a, Object: o})
		if wrong != "" {
			t.Skip()
		}
		if h.account.String() != a || h.object.String() != o {
			t.Fatalf("%q, %q are spelt %q, %q", a, o, h.account, h.object)
		}
		b := h.binding()
		if b.role() != h.object || len(b.accounts()) != 1 || b.accounts()[0] != h.account {
			t.Fatalf("%q, %q are bound as %v to %v", a, o, b.accounts(), b.role())
		}
		for path, last := range map[string]string{h.object.path(): h.object.name, h.bindingPath(): h.bindingName()} {
			req, err := http.NewRequest(http.MethodGet, "https://h"+path+"?limit=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(req.URL.EscapedPath(), "/")
			got, err := url.PathUnescape(parts[len(parts)-1])
			want := 8 // "", apis, GROUP, v1, namespaces, NAMESPACE, RESOURCE, NAME
			if h.object.namespace == "" || (path == h.object.path() && h.object.kind == clusterRole) {
				want = 6
			}
			if err != nil || got != last || len(parts) != want || req.URL.RawQuery != "limit=1" {
				t.Fatalf("%q leads to %q", path, req.URL)
			}
		}
	})
}
