package crash

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/gitea"
	"github.com/lessor-iam/lessor/internal/connector/kubernetes"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/connector/postgres"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// keyedTargets are the real systems, and where what they make is kept.
func keyedTargets() map[string]keyedTarget {
	return map[string]keyedTarget{
		"postgres":             {begin: postgresAccount, open: openPostgres, signIn: psql, store: "age"},
		"postgres, in Secrets": {begin: postgresAccount, open: openPostgres, signIn: psql, store: "kubernetes", slow: true},
		"postgres, in Vault":   {begin: postgresAccount, open: openPostgres, signIn: psql, store: "vault", slow: true},
		"openldap":             {begin: ldapAccount, open: openLDAP, signIn: ldapsearch, store: "age"},
		"samba":                {begin: sambaAccount, open: openSamba, signIn: ldapsearch, store: "age", slow: true, pace: domainPace, later: anHourLater},
		"gitea":                {begin: giteaAccount, open: openGitea, signIn: curlGitea, store: "age", pace: forgePace},
		"gitea, in Vault":      {begin: giteaAccount, open: openGitea, signIn: curlGitea, store: "vault", slow: true},
		"kubernetes":           {begin: robotAccount, open: openKubernetes, signIn: curlKubernetes, store: "age", slow: true},
	}
}

// postgresAccount is a role of its own on a server that all share.
func postgresAccount(t *testing.T, n int) keyed {
	t.Helper()
	s := testserver.PostgresTarget(t, "15")
	name := fmt.Sprintf("robot_%d_%d", n, time.Now().UnixNano())
	s.Exec(t, "create role "+name+" login")
	return keyed{Kind: "password", Address: s.Address, CA: s.CAFile, Account: name}
}

func openPostgres(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := postgres.New(postgres.Config{URL: "postgres://" + k.Address, CA: roots(t, k.CA), User: "postgres",
		Password: func() string { return testserver.PGTargetSecret }, Timeout: domainPace.Call})
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
	return keyed{Kind: "password", Address: s.URL, CA: s.CAFile, Account: name, Entry: "uid=" + name + "," + testserver.SlapdPeople}
}

func openLDAP(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := ldap.New(ldap.Config{URL: k.Address, CA: roots(t, k.CA), BindDN: testserver.SlapdService, Password: func() string { return testserver.SlapdServiceSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, Timeout: domainPace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ldapsearch binds as whoever has the worth would, and reads what every server shows.
func ldapsearch(t *testing.T, k keyed, worth string) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "worth")
	if err := os.WriteFile(file, []byte(worth), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ldapsearch", "-x", "-H", k.Address, "-D", k.Entry, "-y", file, "-b", "", "-s", "base", "1.1")
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+k.CA)
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "Invalid credentials (49)") {
		t.Errorf("ldapsearch: %v: %s", err, out)
	}
	return err == nil
}

// sambaDomain is the area of a domain in which the accounts of all cases are, with the
// right that the connector's page gives there.
var sambaDomain struct {
	sync.Once
	*testserver.SambaArea
}

// sambaAccount is a user of its own in a domain that all share.
func sambaAccount(t *testing.T, n int) keyed {
	t.Helper()
	s := testserver.Samba(t)
	sambaDomain.Do(func() {
		a := s.Area(t)
		out, err := a.Shell("set -e\nSID=$(samba-tool user show svc-lessor --attributes=objectSid | sed -n 's/^objectSid: //p')\n" +
			`samba-tool dsacl set --objectdn=` + a.People + ` --sddl="(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;$SID)"`)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		sambaDomain.SambaArea = a
	})
	entry := sambaDomain.Login(t, fmt.Sprintf("robot-%d-%d", n, time.Now().UnixNano()))
	return keyed{Kind: "password", Address: s.URL, CA: s.CAFile, Account: ldap.DNPrefix + entry, Entry: entry, Dir: s.Dir}
}

func openSamba(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := ldap.New(ldap.Config{URL: k.Address, CA: roots(t, k.CA), BindDN: testserver.SambaService, Password: func() string { return testserver.SambaServiceSecret },
		PeopleBase: "OU=people," + testserver.SambaBase, GroupsBase: "OU=groups," + testserver.SambaBase, Timeout: domainPace.Call})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// anHourLater has the domain take no password but the present one.
func anHourLater(t *testing.T, k keyed) {
	t.Helper()
	if err := testserver.SambaAges(k.Dir, k.Entry, 61*time.Minute); err != nil {
		t.Fatal(err)
	}
}

// giteaAccount is a user of its own on a server that all share.
func giteaAccount(t *testing.T, n int) keyed {
	t.Helper()
	s := testserver.Gitea(t)
	name := fmt.Sprintf("robot-%d-%d", n, time.Now().UnixNano())
	s.Must(t, http.MethodPost, "/admin/users", map[string]any{"username": name, "email": name + "@example.com", "password": testserver.GiteaPassword, "must_change_password": false})
	return keyed{Kind: "access token", Address: s.URL, CA: s.CAFile, Account: name, Token: s.Token, Scopes: []string{"read:user"}}
}

func openGitea(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := gitea.New(gitea.Config{URL: k.Address, CA: roots(t, k.CA), Token: func() string { return k.Token }, IssuerToken: func() string { return k.Token }, Timeout: domainPace.Call})
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
	return keyed{Kind: "service account token", Address: s.URL, CA: s.CAFile, Account: "serviceaccount:" + name + "/app",
		Token: testserver.KubernetesAdmin + testserver.KubernetesToken}
}

func openKubernetes(t *testing.T, k keyed) connector.Issuer {
	t.Helper()
	c, err := kubernetes.New(kubernetes.Config{URL: k.Address, CA: roots(t, k.CA), Token: func() string { return k.Token }, Timeout: domainPace.Call})
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
	// A no is a no, though the server ends the connection before all of its words are through.
	if string(out) != "401" && (err != nil || string(out) != good) {
		t.Errorf("curl %s: %v %s", at, err, out)
	}
	return string(out) == good
}
