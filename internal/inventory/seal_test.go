package inventory_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// AB-38 on a real OpenLDAP and a real PostgreSQL: a sealed account lies there, as
// expected as it is; somebody uses it with the server's own tools; the next reading says so.
func TestAB38_ASealUsedOnRealServers(t *testing.T) {
	t.Parallel()
	e := openEstate(t, testserver.PGTargetVersions[1])
	d := &directory{SlapdServer: e.slapd, t: t, f: e.f}
	dn := "uid=glass," + testserver.SlapdPeople
	d.slapdAdd("dn: " + dn + "\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: glass\nuserPassword: " + estateSecret + "\n")
	d.put(dn, "root")
	e.sql.WriteString(`create role deploy; create role glass login password '` + estateSecret + `'; grant deploy to glass;
`)
	e.tool(nil, e.sql.String(), "psql", "-q", "-v", "ON_ERROR_STOP=1", e.pg.URL("postgres", testserver.PGTargetSecret, "postgres"))
	seals := map[string]access.Seal{}
	for system, opens := range map[string]string{"dir": "dir:root", "git": "git:deploy"} {
		s, err := e.f.Engine.Seal(t.Context(), e.f.As("sara"), engine.Sealing{System: system, Account: "glass", Opens: []string{opens}, Custodians: []string{"ada", "nora"}, Place: "the safe"})
		if err != nil {
			t.Fatal(err)
		}
		seals[system] = s
	}
	// 1. It lies there.
	e.f.Clock.Pass(time.Second)
	e.read()
	for _, f := range e.f.Findings(true) {
		if strings.Contains(f.Text, "glass") {
			t.Errorf("while it is whole: %+v", f)
		}
	}
	// 2. Somebody binds by it, and somebody has a session by it.
	e.f.Clock.Pass(time.Second)
	e.tool(nil, "", "ldapwhoami", "-x", "-H", e.slapd.PlainURL, "-D", dn, "-w", estateSecret)
	path, err := exec.LookPath("psql")
	if err != nil {
		testserver.Missing(t, "psql")
	}
	c := exec.Command(path, "-q", e.pg.URL("glass", estateSecret, "postgres"))
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for open := 0; open == 0; {
		if err := e.pg.Admin.QueryRow(ctx, `select count(*) from pg_stat_activity, pg_sleep(0.1) where usename = 'glass'`).Scan(&open); err != nil {
			t.Fatal(err)
		}
	}
	// 3. One reading later everybody who answers for it knows.
	e.f.Clock.To(time.Now().UTC().Add(time.Minute))
	e.read()
	for system, says := range map[string]string{"dir": "somebody signed in by its account at 20", "git": "a session acts as its account: psql from "} {
		used, stray := access.Finding{}, access.Finding{}
		for _, f := range e.f.Findings(true) {
			switch {
			case f.Kind == access.SealUsed && f.Subject == seals[system].ID:
				used = f
			case f.Kind == "unexpected_access" && f.Subject == seals[system].Opens[0]:
				stray = f
			}
		}
		if !strings.Contains(used.Text, says) || used.Owner != "otto" || used.DueAt.Sub(e.f.Now()) > 6*time.Hour {
			t.Errorf("%s: finding is %+v", system, used)
		}
		if !strings.Contains(stray.Text, "what seal "+seals[system].ID+" opens, which is broken") {
			t.Errorf("%s: finding is %+v", system, stray)
		}
	}
	e.f.Check()
}

// slapdAdd adds an entry with the directory's own tool, as its administrator.
func (d *directory) slapdAdd(ldif string) {
	d.t.Helper()
	head, rest, _ := strings.Cut(ldif, "\n")
	d.modify(head + "\nchangetype: add\n" + rest)
}
