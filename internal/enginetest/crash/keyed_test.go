package crash

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/postgres"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// keyedTargets are the real systems.
func keyedTargets() map[string]keyedTarget {
	return map[string]keyedTarget{
		"postgres": {postgresAccount, openPostgres, psql},
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
