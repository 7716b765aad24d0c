package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	agefile "filippo.io/age"

	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/deliver/age"
	"github.com/lessor-iam/lessor/internal/deliver/kubernetes"
	"github.com/lessor-iam/lessor/internal/deliver/vault"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// kept is a place in a real secret store, as another process finds it too.
type kept struct {
	Kind, Ref          string
	Address, CA, Token string
	Folder             string
	Recipient, Own     string

	read func(t *testing.T) string // as consumers do
}

// keptStore is how one is begun, with a place for each case, and how it is opened.
type keptStore struct {
	begin func(t *testing.T) func(t *testing.T, n int) kept
	open  func(t *testing.T, k kept) deliver.Store
}

func keptStores() map[string]keptStore {
	return map[string]keptStore{
		"age":        {ageFile, openAge},
		"kubernetes": {kubernetesSecret, openSecrets},
		"vault":      {vaultSecret, openVault},
	}
}

// ageFile is a file that a consumer reads by the tool of its distribution.
func ageFile(t *testing.T) func(*testing.T, int) kept {
	t.Helper()
	if _, err := exec.LookPath("age"); err != nil {
		testserver.Missing(t, "age")
	}
	return func(t *testing.T, _ int) kept {
		t.Helper()
		dir := t.TempDir()
		consumer, err1 := agefile.GenerateX25519Identity()
		own, err2 := agefile.GenerateX25519Identity()
		k := kept{Kind: "age", Ref: "apps/robot", Folder: filepath.Join(dir, "secrets"), Recipient: consumer.Recipient().String() + "\n", Own: own.String()}
		key := filepath.Join(dir, "key")
		if err := errors.Join(err1, err2, os.Mkdir(k.Folder, 0o700), os.WriteFile(key, []byte(consumer.String()+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		k.read = func(t *testing.T) string {
			t.Helper()
			cmd := exec.CommandContext(t.Context(), "age", "--decrypt", "-i", key, filepath.Join(k.Folder, k.Ref+".age"))
			var said bytes.Buffer
			cmd.Stderr = &said
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("age: %v: %s", err, &said)
			}
			return string(out)
		}
		return k
	}
}

func openAge(t *testing.T, k kept) deliver.Store {
	t.Helper()
	s, err := age.New(age.Config{Folder: k.Folder, Identity: func() string { return k.Own }, Recipients: func() ([]byte, error) { return []byte(k.Recipient), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kubernetesSecret is a Secret in a namespace of its own, read as its pods' kubelet would.
func kubernetesSecret(t *testing.T) func(*testing.T, int) kept {
	t.Helper()
	s := testserver.Kubernetes(t)
	return func(t *testing.T, n int) kept {
		t.Helper()
		space := fmt.Sprintf("kept-%d-%d", n, time.Now().UnixNano())
		s.Must(t, http.MethodPost, "/api/v1/namespaces", []byte(`{"metadata":{"name":"`+space+`"}}`))
		return kept{Kind: "kubernetes", Ref: space + "/robot#key", Address: s.URL, CA: s.CAFile, Token: testserver.KubernetesAdmin + testserver.KubernetesToken,
			read: func(t *testing.T) string {
				t.Helper()
				var secret struct{ Data map[string][]byte }
				if err := json.Unmarshal(s.Must(t, http.MethodGet, "/api/v1/namespaces/"+space+"/secrets/robot", nil), &secret); err != nil {
					t.Fatal(err)
				}
				return string(secret.Data["key"])
			}}
	}
}

func openSecrets(t *testing.T, k kept) deliver.Store {
	t.Helper()
	s, err := kubernetes.New(kubernetes.Config{URL: k.Address, CA: roots(t, k.CA), Token: func() string { return k.Token }, Timeout: domainPace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// vaultSecret is a secret at a server of the deed's own. Lessor's token may there what
// the page of the stores says, for one reference.
func vaultSecret(t *testing.T) func(*testing.T, int) kept {
	t.Helper()
	s := testserver.Vault(t)
	return func(t *testing.T, n int) kept {
		t.Helper()
		path := fmt.Sprintf("apps/robot-%d", n)
		token := s.Token(t, fmt.Sprintf("robot-%d", n), `
path "secret/data/`+path+`"     { capabilities = ["create", "read", "update"] }
path "secret/metadata/`+path+`" { capabilities = ["read"] }
path "secret/destroy/`+path+`"  { capabilities = ["update"] }`)
		return kept{Kind: "vault", Ref: path + "#key", Address: s.URL, CA: s.CAFile, Token: token,
			read: func(t *testing.T) string {
				t.Helper()
				var secret struct {
					Data struct{ Data map[string]any }
				}
				if err := json.Unmarshal(s.Must(t, http.MethodGet, "/secret/data/"+path, nil), &secret); err != nil {
					t.Fatal(err)
				}
				worth, _ := secret.Data.Data["key"].(string)
				return worth
			}}
	}
}

func openVault(t *testing.T, k kept) deliver.Store {
	t.Helper()
	s, err := vault.New(vault.Config{URL: k.Address, CA: roots(t, k.CA), Token: func() string { return k.Token }, Timeout: domainPace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
