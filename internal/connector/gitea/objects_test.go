package gitea

import (
	"errors"
	"net/http"
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

// A team is worth its permission or its units, a collaborator's place its level; a
// team without any is worth nothing.
func TestObjects(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.org(t, "Obj-Org")
	const org = "obj-org"
	web := w.repo(t, org, "web")
	w.Must(t, http.MethodPatch, web.path(), dict{"description": "The web shop"})
	w.team(t, org, "readers", dict{"repo.code": "read", "repo.issues": "read"})
	w.team(t, org, "writers", dict{"repo.code": "read", "repo.wiki": "write"})
	w.adminTeam(t, org, "admins")
	w.Must(t, http.MethodPost, "/orgs/"+org+"/teams", dict{"name": "makers", "permission": "read", "units_map": dict{"repo.code": "read"}, "can_create_org_repo": true})
	w.Must(t, http.MethodPost, "/orgs/"+org+"/teams", dict{"name": "Nothing", "permission": "read", "description": "Has nothing; yet", "units_map": dict{"repo.code": "none"}})
	for i := range 9 { // more than a page
		w.team(t, org, "more-"+string(rune('a'+i)), dict{"repo.code": "read"})
	}
	all := "admin grant read write"
	want := map[string]struct{ powers, why, description string }{
		org + "/team/nothing":   {"", "", "Has nothing; yet"},
		org + "/team/readers":   {"read", "read of repo.code, read of repo.issues", ""},
		org + "/team/writers":   {"read write", "read of repo.code, write of repo.wiki", ""},
		org + "/team/makers":    {"read write", "read of repo.code, may create repositories", ""},
		org + "/team/admins":    {all, "permission admin", ""},
		org + "/team/owners":    {all, "permission owner", ""},
		org + "/team/more-i":    {"read", "read of repo.code", ""},
		web.String() + ":read":  {"read", "collaborator with read", "The web shop"},
		web.String() + ":write": {"read write", "collaborator with write", "The web shop"},
		web.String() + ":admin": {all, "collaborator with admin", "The web shop"},
	}
	ask := []string{org + "/team/nobody", org + "/nobody:read", "no-such-org/team/any", "Not/An:Object", org + "/team/admins"}
	for name := range want {
		ask = append(ask, name)
	}
	got := told(t, c, ask...)
	for name, x := range want {
		if o, is := got[name]; !is || strings.Join(o.Powers, " ") != x.powers || o.Why != x.why || o.Description != x.description {
			t.Errorf("%s: %+v, want %+v", name, o, x)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d are told, want %d: %+v", len(got), len(want), got)
	}
	// An organization that shows Lessor's account nothing is an error, and no empty answer.
	w.Must(t, http.MethodPost, "/orgs", dict{"username": "obj-hidden", "visibility": "private"})
	w.Must(t, http.MethodPost, "/orgs/obj-hidden/repos", dict{"name": "web", "private": true})
	for _, hidden := range []string{"obj-hidden/team/owners", "obj-hidden/web:read"} {
		if err := c.Objects(t.Context(), []string{hidden}, func(o connector.Object) error { t.Errorf("told %+v", o); return nil }); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("%s: %v, want %q", hidden, err, connector.ErrRefused)
		}
	}
}
