package testserver

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed oidc/provider.mjs
var oidcProgram string

// OIDCServer is a certified OpenID provider on Node: the engine is oidc-provider,
// who is known there is oidc/provider.mjs. Each test has one of its own.
type OIDCServer struct {
	Issuer string
	Client string
	Secret string
}

// OIDC runs it until the test ends, for one client at that address of ours. People
// are claims by subject; whoever signs in there types the subject.
func OIDC(t testing.TB, address, provider string, people map[string]map[string]any) *OIDCServer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "node")
	}
	modules := filepath.Join(moduleRoot(t), ".tools", "oidc")
	if _, err := os.Stat(filepath.Join(modules, "node_modules", "oidc-provider")); err != nil {
		Missing(t, "the OpenID provider oidc-provider (.tools/oidc)")
	}
	port := Port(t)
	s := &OIDCServer{Issuer: fmt.Sprintf("http://127.0.0.1:%d", port), Client: "lessor", Secret: "a-client-secret-of-a-test-4471"}
	clients, err := json.Marshal([]map[string]any{{
		"client_id": s.Client, "client_secret": s.Secret, "redirect_uris": []string{address + "/sign-in/back/" + provider},
		"post_logout_redirect_uris": []string{address + "/sign-in"}, "backchannel_logout_uri": address + "/sign-in/ended/" + provider, "backchannel_logout_session_required": true,
	}, {"client_id": "another", "client_secret": s.Secret, "redirect_uris": []string{"https://another.example/back"}}})
	if err != nil {
		t.Fatal(err)
	}
	who, err := json.Marshal(people)
	if err != nil {
		t.Fatal(err)
	}
	// Given by -e, the program finds its modules from the working directory.
	cmd := exec.Command(node, "--input-type=module", "-e", oidcProgram)
	cmd.Dir = modules
	cmd.Env = append(os.Environ(), fmt.Sprintf("OIDC_PORT=%d", port), "OIDC_CLIENTS="+string(clients), "OIDC_PEOPLE="+string(who))
	Start(t, cmd)
	Await(t, "oidc-provider", 60*time.Second, func() error {
		res, err := http.Get(s.Issuer + "/.well-known/openid-configuration")
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	})
	return s
}
