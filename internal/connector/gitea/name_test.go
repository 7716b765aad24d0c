package gitea

import (
	"net/url"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"ann": true, "ann.b-c_d": true, "0x": true, strings.Repeat("x", 40): true,
		"": false, "Ann": false, "ann b": false, "ann/b": false, "ann%2fb": false, "ann\n": false, "ann\x00": false, "é": false,
		".ann": false, "..": false, "-ann": false, "ann?sudo=root": false, "ann#": false, strings.Repeat("x", 41): false,
	} {
		if got, err := parseAccount(name); (err == nil) != ok || ok && got != name {
			t.Errorf("account %.60q: %v, %v", name, got, err)
		}
	}
	for name, want := range map[string]object{
		"shop/team/devs":      {team: team{"shop", "devs"}},
		"shop/team/team":      {team: team{"shop", "team"}},
		"team/team/x":         {team: team{"team", "x"}},
		"shop/web.shop:read":  {place: place{"shop", "web.shop"}, level: read},
		"shop/team:write":     {place: place{"shop", "team"}, level: write},
		"ann/.dot:admin":      {place: place{"ann", ".dot"}, level: admin},
		"":                    {},
		"shop":                {},
		"shop/team":           {},
		"shop/team/":          {},
		"shop/team/devs:read": {},
		"shop/team/a/b":       {},
		"shop/teams/devs":     {},
		"Shop/team/devs":      {},
		"shop/team/Devs":      {},
		"/team/devs":          {},
		"../team/devs":        {},
		"shop/web":            {},
		"shop/web:":           {},
		"shop/web:owner":      {},
		"shop/web:none":       {},
		"shop/web:Read":       {},
		"shop/web:read:read":  {},
		"shop/:read":          {},
		"shop/.:read":         {},
		"shop/..:read":        {},
		"shop/a/b:read":       {},
		"shop/web?x:read":     {},
		"shop/web%2f:read":    {},
		"shop/web:read ":      {},
	} {
		if got, err := parseObject(name); got != want || (err == nil) != (want != object{}) {
			t.Errorf("object %.60q: %v, %v, want %v", name, got, err, want)
		}
	}
}

// A name that is understood is spelt back as it came, so that no two name the same, and
// each stands in a path as itself.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"shop/team/devs", "shop/web:read", "a/b:admin", "../x:read", "shop/..:read", "shop/team/.."} {
		f.Add("ann", s)
	}
	f.Fuzz(func(t *testing.T, account, name string) {
		h, wrong := parse(connector.Ref{Account: account, Object: name})
		if wrong != "" {
			return
		}
		if h.account != account || h.object.String() != name {
			t.Errorf("%q, %q is read as %q, %q", account, name, h.account, h.object)
		}
		paths := []string{memberPath(7, h.account)}
		if !h.object.isTeam() {
			paths = append(paths, h.object.place.path(), h.object.place.collaborator(h.account))
		}
		for _, path := range paths {
			u, err := url.Parse("https://git.example.org/api/v1" + path)
			if err != nil || u.Path != "/api/v1"+path || u.JoinPath().Path != u.Path || u.RawQuery != "" || u.Fragment != "" {
				t.Errorf("%q: %v, %v", path, u, err)
			}
		}
	})
}

func TestPowers(t *testing.T) {
	t.Parallel()
	units := func(by ...string) powers {
		m := map[string]string{}
		for i := 0; i < len(by); i += 2 {
			m[by[i]] = by[i+1]
		}
		return teamRead{UnitsMap: m}.powers()
	}
	for name, x := range map[string]struct {
		has, need powers
		cover     bool
	}{
		"nothing":               {powers{}, read.powers(), false},
		"the same":              {units(code, "write"), write.powers(), true},
		"more":                  {powers{whole: owner}, write.powers(), true},
		"less":                  {units(code, "read"), write.powers(), false},
		"another unit":          {units("repo.issues", "write"), read.powers(), false},
		"unit is not all":       {units(code, "admin"), admin.powers(), false},
		"team in full":          {powers{whole: write}, units(code, "write", "repo.wiki", "read"), true},
		"team in part":          {units(code, "write"), units(code, "write", "repo.wiki", "read"), false},
		"two in part":           {units(code, "write").with(units("repo.wiki", "read")), units(code, "write", "repo.wiki", "read"), true},
		"none is not something": {powers{}, units(code, "none"), true},
		"an admin is no owner":  {powers{whole: admin}, teamRead{Permission: "owner"}.powers(), false},
	} {
		if got := x.has.cover(x.need); got != x.cover {
			t.Errorf("%s: %t, want %t", name, got, x.cover)
		}
	}
}
