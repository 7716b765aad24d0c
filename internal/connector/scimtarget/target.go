// Package scimtarget is a small SCIM 2.0 service provider held in memory: users,
// groups, and who is in them. The demo runs it as the system that access is
// granted in, and tests read it directly to see what is really so.
//
// It is an honest server: protocol, schemas and filters are those of the SCIM
// library, and it has no switch that makes it fail or lie. It keeps nothing on
// disk and knows nothing of grants.
package scimtarget

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
)

const maxBody = 32 << 20

// Config may be wrong; New says how.
type Config struct {
	// Token is the bearer token every request must carry.
	Token string
	// PageSize is the most resources one page holds. Zero means 100.
	PageSize int
}

// Target is one service provider. All methods may be called concurrently.
type Target struct {
	token  string
	server scim.Server

	mu     sync.Mutex
	users  map[string]*user
	groups map[string]*group
	order  []string // ids as they were made: pages stay in place
}

type user struct {
	name  string
	attrs scim.ResourceAttributes
}

type group struct {
	name    string
	members []string // ids, each once, as they came
	has     map[string]bool
}

// New gives an empty service provider.
func New(cfg Config) (*Target, error) {
	if cfg.Token == "" {
		return nil, errors.New("scimtarget: Token is required")
	}
	if cfg.PageSize < 0 {
		return nil, fmt.Errorf("scimtarget: PageSize %d is negative", cfg.PageSize)
	}
	t := &Target{token: cfg.Token, users: map[string]*user{}, groups: map[string]*group{}}
	server, err := scim.NewServer(&scim.ServerArgs{
		ServiceProviderConfig: &scim.ServiceProviderConfig{
			MaxResults: cfg.PageSize, SupportFiltering: true, SupportPatch: true,
			AuthenticationSchemes: []scim.AuthenticationScheme{{
				Type: scim.AuthenticationTypeOauthBearerToken, Name: "Bearer token",
				Description: "the token given at start", Primary: true,
			}},
		},
		ResourceTypes: []scim.ResourceType{
			{ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: schema.CoreUserSchema(), Handler: userHandler{t}},
			{ID: optional.NewString("Group"), Name: "Group", Endpoint: "/Groups", Schema: schema.CoreGroupSchema(), Handler: groupHandler{t}},
		},
	})
	t.server = server
	return t, err
}

// ServeHTTP answers SCIM requests below "/" or "/v2".
func (t *Target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given := []byte(r.Header.Get("Authorization"))
	if subtle.ConstantTimeCompare(given, []byte("Bearer "+t.token)) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"401"}`, http.StatusUnauthorized)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	t.server.ServeHTTP(w, r)
}

// AddUser makes a user and gives its id. A name is taken whatever its case.
func (t *Target) AddUser(userName string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addUser(userName, scim.ResourceAttributes{})
}

func (t *Target) addUser(name string, attrs scim.ResourceAttributes) (string, error) {
	if name == "" {
		return "", errors.New("scimtarget: a user needs a userName")
	}
	for _, u := range t.users {
		if strings.EqualFold(u.name, name) {
			return "", errTaken
		}
	}
	id := t.newID()
	t.users[id] = &user{name: name, attrs: attrs}
	return id, nil
}

// AddGroup makes a group with these users in it and gives its id. Names of
// groups need not be unique.
func (t *Target) AddGroup(displayName string, userNames ...string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := &group{name: displayName, has: map[string]bool{}}
	for _, n := range userNames {
		id, ok := t.userID(n)
		if !ok {
			return "", fmt.Errorf("scimtarget: no user %q", n)
		}
		g.add(id)
	}
	id := t.newID()
	t.groups[id] = g
	return id, nil
}

// DeleteUser removes the user, and from every group.
func (t *Target) DeleteUser(userName string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	id, ok := t.userID(userName)
	if !ok {
		return fmt.Errorf("scimtarget: no user %q", userName)
	}
	t.deleteUser(id)
	return nil
}

func (t *Target) deleteUser(id string) {
	delete(t.users, id)
	t.forget(id)
}

// forget drops the id from the order and from every group.
func (t *Target) forget(id string) {
	t.order = slices.DeleteFunc(t.order, func(o string) bool { return o == id })
	for _, g := range t.groups {
		g.remove(id)
	}
}

// Members gives the userNames in the groups of that name, sorted. It reads the
// store itself, not through SCIM.
func (t *Target) Members(displayName string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := []string{}
	for _, g := range t.groups {
		if g.name != displayName {
			continue
		}
		for _, id := range g.members {
			if u := t.users[id]; u != nil {
				names = append(names, u.name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (t *Target) userID(name string) (string, bool) {
	for id, u := range t.users {
		if u.name == name {
			return id, true
		}
	}
	return "", false
}

func (t *Target) newID() string {
	id := strings.ToLower(rand.Text())
	t.order = append(t.order, id)
	return id
}

func (g *group) add(id string) {
	if !g.has[id] {
		g.has[id] = true
		g.members = append(g.members, id)
	}
}

func (g *group) remove(id string) {
	if g.has[id] {
		delete(g.has, id)
		g.members = slices.DeleteFunc(g.members, func(m string) bool { return m == id })
	}
}

func (g *group) clone() *group {
	return &group{name: g.name, members: slices.Clone(g.members), has: maps.Clone(g.has)}
}

func (g *group) clear() { g.members, g.has = nil, map[string]bool{} }
