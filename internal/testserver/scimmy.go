package testserver

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed scimmy/server.mjs
var scimmyProgram string

// ScimmyServer is a SCIM 2.0 service provider on Node: the engine is scimmy, the
// storage is scimmy/server.mjs. It may be used by several tests at once.
type ScimmyServer struct {
	BaseURL string // of SCIM
	Token   string // that every request must bear
	root    string
}

// Scimmy runs it until the test ends.
func Scimmy(t testing.TB) *ScimmyServer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "node")
	}
	modules := filepath.Join(moduleRoot(t), ".tools", "scimmy")
	if _, err := os.Stat(filepath.Join(modules, "node_modules", "scimmy")); err != nil {
		Missing(t, "the SCIM server scimmy (.tools/scimmy)")
	}
	port := Port(t)
	s := &ScimmyServer{Token: "scimmy-token", root: fmt.Sprintf("http://127.0.0.1:%d", port)}
	s.BaseURL = s.root + "/scim/v2"
	// Given by -e, the program finds its modules from the working directory.
	cmd := exec.Command(node, "--input-type=module", "-e", scimmyProgram)
	cmd.Dir = modules
	cmd.Env = append(os.Environ(), "SCIM_TOKEN="+s.Token, fmt.Sprintf("SCIM_PORT=%d", port))
	Start(t, cmd)
	Await(t, "scimmy", 2*time.Minute, func() error {
		return s.call(http.MethodGet, s.BaseURL+"/ServiceProviderConfig", nil, nil)
	})
	return s
}

// moduleRoot is the folder of go.mod: tests run in their package's.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's folder")
		}
	}
}

// ScimmyUser and ScimmyGroup are what the storage holds.
type (
	ScimmyUser struct {
		ID       string `json:"id"`
		UserName string `json:"userName"`
	}
	ScimmyGroup struct {
		ID          string         `json:"id"`
		DisplayName string         `json:"displayName"`
		Members     []ScimmyMember `json:"members"`
	}
	ScimmyMember struct {
		Value   string `json:"value"`
		Display string `json:"display"`
		Type    string `json:"type"`
	}
)

// Store reads the storage itself, past SCIM.
func (s *ScimmyServer) Store(t testing.TB) (users []ScimmyUser, groups []ScimmyGroup) {
	t.Helper()
	var all struct {
		Users  []ScimmyUser
		Groups []ScimmyGroup
	}
	s.do(t, http.MethodGet, s.root+"/store", nil, &all)
	return all.Users, all.Groups
}

// AddUser makes a user and gives its id.
func (s *ScimmyServer) AddUser(t testing.TB, userName string) string {
	t.Helper()
	return s.create(t, "/Users", map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": userName,
	})
}

// AddGroup makes a group without members and gives its id.
func (s *ScimmyServer) AddGroup(t testing.TB, displayName string) string {
	t.Helper()
	return s.create(t, "/Groups", map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": displayName,
	})
}

func (s *ScimmyServer) create(t testing.TB, endpoint string, body any) string {
	t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	s.do(t, http.MethodPost, s.BaseURL+endpoint, body, &made)
	return made.ID
}

// AddMembers adds the users or groups with these ids to a group.
func (s *ScimmyServer) AddMembers(t testing.TB, group string, ids ...string) {
	t.Helper()
	values := make([]map[string]string, len(ids))
	for i, id := range ids {
		values[i] = map[string]string{"value": id}
	}
	s.do(t, http.MethodPatch, s.BaseURL+"/Groups/"+group, map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []any{map[string]any{"op": "add", "path": "members", "value": values}},
	}, nil)
}

// Rename gives the user with that id another userName.
func (s *ScimmyServer) Rename(t testing.TB, id, userName string) {
	t.Helper()
	s.do(t, http.MethodPatch, s.BaseURL+"/Users/"+id, map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []any{map[string]any{"op": "replace", "path": "userName", "value": userName}},
	}, nil)
}

// Delete deletes "/Users/ID" or "/Groups/ID".
func (s *ScimmyServer) Delete(t testing.TB, path string) {
	t.Helper()
	s.do(t, http.MethodDelete, s.BaseURL+path, nil, nil)
}

func (s *ScimmyServer) do(t testing.TB, method, url string, body, out any) {
	t.Helper()
	if err := s.call(method, url, body, out); err != nil {
		t.Fatal(err)
	}
}

func (s *ScimmyServer) call(method, url string, body, out any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, got)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(got, out)
}
