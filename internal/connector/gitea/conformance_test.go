package gitea

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

// Members of teams.
func TestConformanceTeams(t *testing.T) {
	t.Parallel()
	w := open(t)
	connectortest.Run(t, func(t *testing.T) connectortest.Target {
		g, org := newTarget(t, w)
		g.Object = func(t testing.TB, name string) string {
			return w.team(t, org, "t-"+digest(name), dict{code: "write"})
		}
		g.DropObject = func(t testing.TB, object string) { w.Must(t, http.MethodDelete, teamPath(w.teamID(t, object)), nil) }
		g.Put = w.put(g, func(t testing.TB, object string) func(account string) (string, any) {
			id := w.teamID(t, object)
			return func(account string) (string, any) { return memberPath(id, account), nil }
		})
		return g
	})
}

// Collaborators of an organization's repositories.
func TestConformanceCollaborators(t *testing.T) {
	t.Parallel()
	w := open(t)
	connectortest.Run(t, func(t *testing.T) connectortest.Target {
		g, org := newTarget(t, w)
		g.Connector.(*Connector).issuer = nil // tokens are no different here
		g.NameLimit = 9                       // as every name is a digest here, what counts is that there are not too many
		g.Object = func(t testing.TB, name string) string {
			w.Must(t, http.MethodPost, "/orgs/"+org+"/repos", dict{"name": "r-" + digest(name), "private": true})
			return object{place: place{org, "r-" + digest(name)}, level: write}.String()
		}
		g.DropObject = func(t testing.TB, object string) { w.Must(t, http.MethodDelete, must(t, object).place.path(), nil) }
		g.Put = w.put(g, func(t testing.TB, object string) func(account string) (string, any) {
			p := must(t, object).place
			return func(account string) (string, any) { return p.collaborator(account), dict{"permission": "write"} }
		})
		return g
	})
}

var targets atomic.Int64

// newTarget is what both have in common, with an organization of its own.
func newTarget(t testing.TB, w world) (connectortest.Target, string) {
	t.Helper()
	org := w.org(t, fmt.Sprintf("conform-%d", targets.Add(1)))
	c, l := onLine(t, w)
	c.page = 20
	return connectortest.Target{
		Connector: c,
		Account:   func(t testing.TB, name string) string { return w.person(t, "u-"+digest(org+name)) },
		DropAccount: func(t testing.TB, account string) {
			w.Must(t, http.MethodDelete, "/admin/users/"+account+"?purge=true", nil)
		},
		Members: w.members,
		Enter:   w.enter,
		Scopes:  []string{"read:user"},
		Break:   l.Break,
		Large:   60, // each account is one request to make, and one to put in; a removal reckons anew for all
	}, org
}

// put makes accounts hold an object, some at a time.
func (w world) put(g connectortest.Target, how func(testing.TB, string) func(string) (string, any)) func(testing.TB, string, ...string) {
	c := g.Connector.(*Connector)
	return func(t testing.TB, object string, accounts ...string) {
		t.Helper()
		path := how(t, object)
		c.each(len(accounts), func(i int) {
			to, body := path(accounts[i])
			if code, out, err := w.Ask(w.Token, http.MethodPut, to, body); err != nil || code != http.StatusNoContent {
				t.Errorf("put %s into %s: %d %s %v", accounts[i], object, code, out, err)
			}
		})
	}
}
