package crash

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/gitea"
	"github.com/lessor-iam/lessor/internal/connector/kubernetes"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/connector/postgres"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// keyedTargets are the real systems.
func keyedTargets() map[string]keyedTarget {
	return map[string]keyedTarget{
		"postgres":   {postgresAccount, openPostgres, psql, false},
		"openldap":   {ldapAccount, openLDAP, ldapwhoami, false},
		"gitea":      {giteaAccount, openGitea, curlGitea, false},
		"kubernetes": {robotAccount, openKubernetes, curlKubernetes, true},
	}
}

// postgresAccount is a role of its own on a server that all share.
func postgresAccount(t *testing.T, n int) keyed {
	t.Helper()
	s := testserver.PostgresTarget(t, "15")
	name := fmt.Sprintf("robot_%d_%d", n, time.Now().UnixNano())
	s.Exec(t, "create role "+name+" login")
	return keyed{Name: "postgres", Kind: "password", Address: s.Address, CA: s.CAFile, Account: name}
}

func openPostgres(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := postgres.New(postgres.Config{URL: "postgres://" + k.Address, CA: roots(t, k.CA), User: "postgres",
		Password: func() string { return testserver.PGTargetSecret }, Timeout: rotationPace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// psql signs in as whoever has the worth would.
func psql(t *testing.T, k keyed, worth string) bool {
	t.Helper()
	host, port, _ := strings.Cut(k.Address, ":")
	cmd := exec.CommandContext(t.Context(), "psql", fmt.Sprintf("host=%s port=%s user=%s dbname=postgres sslmode=verify-full sslrootcert=%s connect_timeout=20", host, port, k.Account, k.CA), "-Atc", "select 1")
	cmd.Env = append(os.Environ(), "PGPASSWORD="+worth)
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "password authentication failed") {
		t.Errorf("psql: %v: %s", err, out)
	}
	return err == nil
}

func roots(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", file)
	}
	return pool
}

// ldapAccount is an entry of its own on a server of the test's.
func ldapAccount(t *testing.T, n int) keyed {
	t.Helper()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Access: `access to dn.subtree="ou=people,dc=example,dc=org" attrs=userPassword
  by dn.exact="cn=svc-lessor,ou=svc,dc=example,dc=org" =w
  by anonymous auth
  by * none`})
	name := fmt.Sprintf("robot%d", n)
	s.Person(t, name)
	return keyed{Name: "openldap", Kind: "password", Address: s.URL, CA: s.CAFile, Account: name}
}

func openLDAP(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := ldap.New(ldap.Config{URL: k.Address, CA: roots(t, k.CA), BindDN: testserver.SlapdService, Password: func() string { return testserver.SlapdServiceSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, Timeout: rotationPace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ldapwhoami(t *testing.T, k keyed, worth string) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "worth")
	if err := os.WriteFile(file, []byte(worth), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ldapwhoami", "-x", "-H", k.Address, "-D", "uid="+k.Account+","+testserver.SlapdPeople, "-y", file)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+k.CA)
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "Invalid credentials (49)") {
		t.Errorf("ldapwhoami: %v: %s", err, out)
	}
	return err == nil
}

// giteaAccount is a user of its own on a server that all share.
func giteaAccount(t *testing.T, n int) keyed {
	t.Helper()
	s := testserver.Gitea(t)
	name := fmt.Sprintf("robot-%d-%d", n, time.Now().UnixNano())
	s.Must(t, http.MethodPost, "/admin/users", map[string]any{"username": name, "email": name + "@example.com", "password": testserver.GiteaPassword, "must_change_password": false})
	return keyed{Name: "gitea", Kind: "access token", Address: s.URL, CA: s.CAFile, Account: name, Token: s.Token, Scopes: []string{"read:user"}}
}

func openGitea(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := gitea.New(gitea.Config{URL: k.Address, CA: roots(t, k.CA), Token: func() string { return k.Token }, IssuerToken: func() string { return k.Token }, Timeout: rotationPace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func curlGitea(t *testing.T, k keyed, worth string) bool {
	t.Helper()
	return curl(t, k, "200", "Authorization: token "+worth, k.Address+"/api/v1/user", "")
}

// robotAccount is a service account in a namespace of its own on a server that all share.
func robotAccount(t *testing.T, n int) keyed {
	t.Helper()
	s := testserver.Kubernetes(t)
	name := fmt.Sprintf("robot-%d-%d", n, time.Now().UnixNano())
	s.Must(t, http.MethodPost, "/api/v1/namespaces", []byte(`{"metadata":{"name":"`+name+`"}}`))
	s.Must(t, http.MethodPost, "/api/v1/namespaces/"+name+"/serviceaccounts", []byte(`{"metadata":{"name":"app"}}`))
	return keyed{Name: "kubernetes", Kind: "service account token", Address: s.URL, CA: s.CAFile, Account: "serviceaccount:" + name + "/app",
		Token: testserver.KubernetesAdmin + testserver.KubernetesToken}
}

func openKubernetes(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := kubernetes.New(kubernetes.Config{URL: k.Address, CA: roots(t, k.CA), Token: func() string { return k.Token }, Timeout: rotationPace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func curlKubernetes(t *testing.T, k keyed, worth string) bool {
	t.Helper()
	return curl(t, k, "201", "Authorization: Bearer "+worth, k.Address+"/apis/authentication.k8s.io/v1/selfsubjectreviews", `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`)
}

// curl tells whether a call with that header is let in; 401 is the only no.
func curl(t *testing.T, k keyed, good, header, at, send string) bool {
	t.Helper()
	args := []string{"-sS", "--cacert", k.CA, "-o", os.DevNull, "-w", "%{http_code}", "-K", "-", at}
	if send != "" {
		args = append(args, "-H", "Content-Type: application/json", "-d", send)
	}
	cmd := exec.CommandContext(t.Context(), "curl", args...)
	cmd.Stdin = strings.NewReader("header = \"" + header + "\"\n")
	out, err := cmd.Output()
	if err != nil || string(out) != good && string(out) != "401" {
		t.Errorf("curl %s: %v %s", at, err, out)
	}
	return string(out) == good
}
