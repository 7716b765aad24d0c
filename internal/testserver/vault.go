package testserver

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// VaultServer is a real Vault in memory, with a KV version 2 engine at secret and one of
// version 1 at old.
type VaultServer struct {
	URL string
	Paper
	Root   string // a token that may everything
	client *http.Client
}

// Vault runs one until the test ends. It is built from source, which takes many minutes,
// so it is missing more often than other servers, and only LESSOR_TEST_LONG insists on it.
func Vault(t testing.TB) *VaultServer {
	t.Helper()
	bin := filepath.Join(moduleRoot(t), ".tools", "vault", "vault")
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("LESSOR_TEST_LONG") != "" {
			t.Fatal("vault is missing; scripts/build-vault builds it")
		}
		t.Skip("NOT TESTED: vault is missing; scripts/build-vault builds it, in minutes")
	}
	// 1. In memory, unsealed by itself, over TLS beside its own plain listener.
	dir := t.TempDir()
	paper, err := certify(dir, net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	port, plain := Port(t), Port(t)
	v := &VaultServer{URL: fmt.Sprintf("https://127.0.0.1:%d", port), Paper: paper, Root: rand.Text()}
	conf := fmt.Sprintf("disable_mlock = true\nlistener \"tcp\" {\n  address = \"127.0.0.1:%d\"\n  tls_cert_file = \"%[2]s/server.pem\"\n  tls_key_file = \"%[2]s/server.key\"\n}\n", port, dir)
	file := filepath.Join(dir, "vault.hcl")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "server", "-dev", "-dev-no-store-token", "-dev-root-token-id="+v.Root, fmt.Sprintf("-dev-listen-address=127.0.0.1:%d", plain), "-config="+file)
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	Start(t, cmd)
	// 2. Ready when its own engine is there.
	v.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: v.CA}, ForceAttemptHTTP2: true}, Timeout: time.Minute}
	Await(t, "vault", 2*time.Minute, func() error {
		code, _, err := v.Ask(v.Root, http.MethodGet, "/sys/internal/ui/mounts/secret", nil)
		if err == nil && code != http.StatusOK {
			err = errors.New(http.StatusText(code))
		}
		return err
	})
	v.Must(t, http.MethodPost, "/sys/mounts/old", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	return v
}

// Ask sends a request below /v1 with a token.
func (v *VaultServer) Ask(token, method, path string, body any) (code int, answer []byte, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequest(method, v.URL+"/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("X-Vault-Token", token)
	resp, err := v.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// Must sends a request of the root token's that must be answered with success.
func (v *VaultServer) Must(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	code, answer, err := v.Ask(v.Root, method, path, body)
	if err != nil || code/100 != 2 {
		t.Fatalf("%s %s: %d %s %v", method, path, code, answer, err)
	}
	return answer
}

// Token makes one that may what the policy says, and nothing else.
func (v *VaultServer) Token(t testing.TB, name, policy string) string {
	t.Helper()
	v.Must(t, http.MethodPut, "/sys/policies/acl/"+name, map[string]string{"policy": policy})
	var got struct {
		Auth struct {
			Token string `json:"client_token"`
		}
	}
	answer := v.Must(t, http.MethodPost, "/auth/token/create", map[string]any{"policies": []string{name}, "no_default_policy": true})
	if err := json.Unmarshal(answer, &got); err != nil || got.Auth.Token == "" {
		t.Fatalf("%s %v", answer, err)
	}
	return got.Auth.Token
}
