package scim_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/connector/scim"
	"github.com/lessor-iam/lessor/internal/connector/scimtarget"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// hostile are names that break SCIM alone.
var hostile = []string{
	"nul\x00inside", "del\x7f", "bell\a", "line\u2028separator", `a\u0022b`, `\u0000`, `\`, `\\"`, `"`, `""`,
	`x" or id pr or userName eq "`, `members[value eq "x"]`, `a.b.c`, `urn:ietf:params:scim:schemas:core:2.0:User:userName`,
	`true and not (userName pr)`, `filter=userName pr&count=0`, "&amp;", `<script>`, "a+b c", `%22%20or%20id%20pr`,
	strings.Repeat("näme ", 600),
}

// The first engine runs in process, behind a real server on loopback. It lets go
// of users that are deleted, and shows each user's groups.
func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Target {
		s, err := scimtarget.New(scimtarget.Config{Token: token, PageSize: 20})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		l := newLine(t, server.URL+"/v2")
		must := func(t testing.TB, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		return connectortest.Target{
			Connector: connect(t, l.URL, token),
			Account: func(t testing.TB, name string) string {
				t.Helper()
				_, err := s.AddUser(name)
				must(t, err)
				return name
			},
			DropAccount: func(t testing.TB, account string) { t.Helper(); must(t, s.DeleteUser(account)) },
			Object: func(t testing.TB, name string) string {
				t.Helper()
				_, err := s.AddGroup(name)
				must(t, err)
				return name
			},
			DropObject: func(t testing.TB, object string) { t.Helper(); must(t, s.DeleteGroup(object)) },
			Put: func(t testing.TB, object string, accounts ...string) {
				t.Helper()
				must(t, s.AddMembers(object, accounts...))
			},
			Members: func(_ testing.TB, object string) []string { return s.Members(object) },
			Nest:    func(t testing.TB, outer, inner string) { t.Helper(); must(t, s.Nest(outer, inner)) },
			Break:   l.Break,
			Hostile: hostile,
			Rings:   true,
		}
	})
}

// The second engine runs on Node. It keeps listing users that are deleted, shows
// no user's groups, stores a member twice if asked to, and gives pages of 20.
func TestConformanceScimmy(t *testing.T) {
	shared := testserver.Scimmy(t)
	connectortest.Run(t, func(t *testing.T) connectortest.Target {
		s := shared
		if strings.HasSuffix(t.Name(), "/a_large_object") {
			s = testserver.Scimmy(t) // its hundreds of users are nobody else's to page through
		}
		l := newLine(t, s.BaseURL)
		return connectortest.Target{
			Connector:   connect(t, l.URL, s.Token),
			Account:     func(t testing.TB, name string) string { t.Helper(); s.AddUser(t, name); return name },
			DropAccount: func(t testing.TB, account string) { t.Helper(); s.Delete(t, "/Users/"+userIDs(t, s)[account]) },
			Rename: func(t testing.TB, account, name string) string {
				t.Helper()
				s.Rename(t, userIDs(t, s)[account], name)
				return name
			},
			Object:     func(t testing.TB, name string) string { t.Helper(); s.AddGroup(t, name); return name },
			DropObject: func(t testing.TB, object string) { t.Helper(); s.Delete(t, "/Groups/"+group(t, s, object).ID) },
			Put: func(t testing.TB, object string, accounts ...string) {
				t.Helper()
				ids, byName := make([]string, len(accounts)), userIDs(t, s)
				for i, a := range accounts {
					ids[i] = byName[a]
				}
				s.AddMembers(t, group(t, s, object).ID, ids...)
			},
			Members: func(t testing.TB, object string) []string {
				t.Helper()
				var names []string
				for _, m := range group(t, s, object).Members {
					if m.Type == "User" {
						names = append(names, m.Display)
					}
				}
				slices.Sort(names)
				return names
			},
			Nest: func(t testing.TB, outer, inner string) {
				t.Helper()
				s.AddMembers(t, group(t, s, outer).ID, group(t, s, inner).ID)
			},
			Break:   l.Break,
			Hostile: hostile,
			Rings:   true,
			Large:   800, // the engine needs seconds for a PATCH of a larger group
		}
	})
}

func userIDs(t testing.TB, s *testserver.ScimmyServer) map[string]string {
	t.Helper()
	users, _ := s.Store(t)
	ids := map[string]string{}
	for _, u := range users {
		ids[u.UserName] = u.ID
	}
	return ids
}

func group(t testing.TB, s *testserver.ScimmyServer, name string) testserver.ScimmyGroup {
	t.Helper()
	_, groups := s.Store(t)
	for _, g := range groups {
		if g.DisplayName == name {
			return g
		}
	}
	t.Fatalf("no group %q", name)
	return testserver.ScimmyGroup{}
}

func connect(t testing.TB, base, token string) *scim.Connector {
	t.Helper()
	c, err := scim.New(scim.Config{BaseURL: base, Token: func() string { return token }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
