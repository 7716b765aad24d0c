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
	// Ids in the order they were made, so that pages stay in place.
	userOrder, groupOrder []string
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
	id := newID()
	t.users[id] = &user{name: name, attrs: attrs}
	t.userOrder = append(t.userOrder, id)
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
	return t.addGroup(g), nil
}

func (t *Target) addGroup(g *group) string {
	id := newID()
	t.groups[id] = g
	t.groupOrder = append(t.groupOrder, id)
	return id
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

// DeleteGroup removes the group, also from groups it is in. Its name must be its alone.
func (t *Target) DeleteGroup(displayName string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	id, err := t.groupID(displayName)
	if err == nil {
		t.deleteGroup(id)
	}
	return err
}

// AddMembers puts the users into the group.
func (t *Target) AddMembers(displayName string, userNames ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	gid, err := t.groupID(displayName)
	if err != nil {
		return err
	}
	for _, n := range userNames {
		id, ok := t.userID(n)
		if !ok {
			return fmt.Errorf("scimtarget: no user %q", n)
		}
		t.groups[gid].add(id)
	}
	return nil
}

// Nest puts the inner group into the outer one.
func (t *Target) Nest(outer, inner string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	out, err := t.groupID(outer)
	if err != nil {
		return err
	}
	in, err := t.groupID(inner)
	if err == nil {
		t.groups[out].add(in)
	}
	return err
}

// groupID gives the one group of that name.
func (t *Target) groupID(displayName string) (string, error) {
	id, hits := "", 0
	for gid, g := range t.groups {
		if g.name == displayName {
			id = gid
			hits++
		}
	}
	if hits != 1 {
		return "", fmt.Errorf("scimtarget: %d groups are called %q", hits, displayName)
	}
	return id, nil
}

func (t *Target) deleteUser(id string) {
	delete(t.users, id)
	t.userOrder = without(t.userOrder, id)
	t.leave(id)
}

func (t *Target) deleteGroup(id string) {
	delete(t.groups, id)
	t.groupOrder = without(t.groupOrder, id)
	t.leave(id)
}

func without(ids []string, id string) []string {
	return slices.DeleteFunc(ids, func(o string) bool { return o == id })
}

// leave drops the id from every group.
func (t *Target) leave(id string) {
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

func newID() string { return strings.ToLower(rand.Text()) }

func (g *group) add(id string) {
	if !g.has[id] {
		g.has[id] = true
		g.members = append(g.members, id)
	}
}

func (g *group) remove(id string) {
	if g.has[id] {
		delete(g.has, id)
		g.members = without(g.members, id)
	}
}

func (g *group) clone() *group {
	return &group{name: g.name, members: slices.Clone(g.members), has: maps.Clone(g.has)}
}

func (g *group) clear() { g.members, g.has = nil, map[string]bool{} }
