package inventory_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/connector/postgres"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// estate is an OpenLDAP as the fixture's system dir and a PostgreSQL as its system git,
// with problems planted by their own tools, and as many workloads beside them that
// are as they should be.
type estate struct {
	t       *testing.T
	f       *enginetest.Fixture
	slapd   *testserver.SlapdServer
	pg      *testserver.PGTarget
	readers []*inventory.Reader
	ldif    strings.Builder
	sql     strings.Builder
	bots    []access.Identity
	want    map[string]bool // "KIND SUBJECT"
	bound   []string        // entries that somebody binds as before the first reading, and nobody after
	open    []string        // "ACCOUNT PROGRAM" of sessions to be opened
	leaked  []string        // workloads whose credential has leaked
	stray   []string        // "SYSTEM ACCOUNT" of credentials that nobody answers for
}

const estateSecret = "estate-4c1f"

// estateEnds is when the passwords end of what is as it should be.
const estateEnds = "2035-01-01T00:00:00Z"

// TestEstate plants twelve kinds of problems and looks for them: all are found, none
// that nobody planted, each with an owner. LESSOR_TEST_LONG plants 238.
func TestEstate(t *testing.T) {
	t.Parallel()
	n := 2
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		n = 14
	}
	e := openEstate(t, testserver.PGTargetVersions[0])
	for i := range n {
		e.plant(i)
	}
	e.build()
	// 1. A first reading, and another after 100 days: what was not rotated is overdue then,
	// and what was used at the first is unused for long.
	e.read()
	e.f.Clock.Pass(100 * 24 * time.Hour)
	e.sessions()
	e.read()
	e.leak()
	e.judge()
	e.orphans()
	// 2. All of it, and nothing else; the server's own superuser is nobody's, indeed.
	e.holds(func(x access.Finding) bool { return !strings.Contains(x.Text, "account postgres)") })
	e.f.Check()
}

// judge has all workloads judged.
func (e *estate) judge() {
	e.t.Helper()
	for {
		judged, err := e.f.Engine.JudgeWorkloads(e.t.Context())
		if err != nil {
			e.t.Fatal(err)
		}
		if judged.Waiting == 0 {
			return
		}
	}
}

// holds checks that what was planted is found and nothing else, of those findings that are ours.
func (e *estate) holds(ours func(access.Finding) bool) {
	t, found := e.t, map[string]bool{}
	t.Helper()
	for _, x := range e.f.Findings(true) {
		if _, judged := access.WorkloadKinds[x.Kind]; !judged && !slices.Contains([]string{access.WorkloadUnregistered, "credential_compromised", "credential_orphan"}, x.Kind) || !ours(x) {
			continue
		}
		what := x.Kind + " " + x.Subject
		if found[what] = true; !e.want[what] {
			t.Errorf("nobody planted %s: %s", what, x.Text)
		}
		if x.Owner == "" || x.Kind == access.WorkloadUnregistered && !strings.Contains(x.Text, "Proposed owner: "+x.Owner+", because ") {
			t.Errorf("%s is for %q, and nobody is proposed: %s", what, x.Owner, x.Text)
		}
	}
	for what := range e.want {
		if !found[what] {
			t.Errorf("not found: %s", what)
		}
	}
	t.Logf("%d problems planted beside %d workloads, %d found", len(e.want), len(e.bots), len(found))
}

// openEstate begins one; roles are a whole server's, so each estate has a version of PostgreSQL for itself.
func openEstate(t *testing.T, version string) *estate {
	t.Helper()
	e := &estate{t: t, want: map[string]bool{}}
	e.slapd = testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Main: "lastbind on"})
	e.pg = testserver.PostgresTarget(t, version)
	for _, p := range []string{"eve", "bob", "nora"} {
		e.slapd.Person(t, p)
	}
	for _, g := range []string{"wiki", "reports", "pay", "audit", "lobby", "root"} {
		e.slapd.Group(t, g)
	}
	e.f = enginetest.Open(t, store.SQLite)
	e.f.Clock.To(time.Now().UTC().Truncate(time.Second)) // as the servers have it
	e.sql.WriteString(`create role "svc-estate" login password '` + estateSecret + `'; grant pg_read_all_stats to "svc-estate"; create role estate_app; create role estate_live;
create schema if not exists lessor; drop view if exists lessor.passwords; create view lessor.passwords as select oid, rolpassword like 'md5%' as weak from pg_authid where rolpassword is not null;
grant usage on schema lessor to "svc-estate"; grant select on lessor.passwords to "svc-estate";
`)
	directory := func() *access.Directory { return e.f.WorldAt(e.f.Now()).Directory }
	reader := func(system string, c connector.Connector, err error) {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		e.readers = append(e.readers, inventory.New(inventory.Config{Door: e.f.Engine, System: system, Connector: c, Now: e.f.Now, Directory: directory, Log: slog.New(slog.DiscardHandler)}))
	}
	c, err := ldap.New(ldap.Config{URL: e.slapd.URL, CA: e.slapd.CA, BindDN: testserver.SlapdAdmin, Password: func() string { return testserver.SlapdAdminSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, Timeout: 30 * time.Second})
	reader("dir", c, err)
	p, err := postgres.New(postgres.Config{URL: "postgres://" + e.pg.Address, CA: e.pg.CA, User: "svc-estate", Password: func() string { return estateSecret }, Timeout: 30 * time.Second})
	reader("git", p, err)
	return e
}

// bot is a workload as it should be, with one account; change makes it otherwise.
func (e *estate) bot(kind, system, id string, change func(*access.Identity)) {
	i := access.Identity{ID: id, Kind: access.Workload, Name: "Bot " + id, Owner: "eve", Accounts: map[string]string{system: id},
		Contract: &access.Contract{Purpose: "does its work", Environment: "test", Consumers: []string{"app-" + id}, Systems: []string{system},
			RotateEvery: 200 * 24 * access.Term(time.Hour), Reviewed: e.f.Now(), ReviewEvery: 200 * 24 * access.Term(time.Hour), RetiresWhen: "nobody needs it"}}
	if change != nil {
		change(&i)
	}
	e.bots = append(e.bots, i)
	if kind != "" {
		e.want[kind+" "+id] = true
	}
}

// entry is one of a program in the directory.
func (e *estate) entry(id string) {
	fmt.Fprintf(&e.ldif, "dn: uid=%s,%s\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: %s\nuserPassword: %s\n\n", id, testserver.SlapdPeople, id, estateSecret)
}

func (e *estate) member(id, group string) {
	fmt.Fprintf(&e.ldif, "dn: %s\nchangetype: modify\nadd: member\nmember: uid=%s,%s\n\n", e.slapd.GroupDN(group), id, testserver.SlapdPeople)
}

func (e *estate) role(id, ends string) {
	valid := ""
	if ends != "" {
		valid = " valid until '" + ends + "'"
	}
	fmt.Fprintf(&e.sql, "create role %q login password '%s'%s;\n", id, estateSecret, valid)
}

// plant plants one of each kind at each system that tells of it, and healthy ones.
func (e *estate) plant(n int) {
	id := func(what string) string { return fmt.Sprintf("es-%s-%d", what, n) }
	// at makes a workload with an account at both systems, each its own.
	at := func(what, kind string, change func(*access.Identity)) (dir, git string) {
		dir, git = id(what+"-l"), id(what+"-p")
		e.bot(kind, "dir", dir, change)
		e.entry(dir)
		e.bot(kind, "git", git, change)
		e.role(git, estateEnds)
		return dir, git
	}
	none := func(*access.Identity) {}
	// As it should be; the second of them is connected, by the program that it is for.
	_, healthy := at("healthy", "", none)
	e.open = append(e.open, healthy+" app-"+healthy)
	// 1. Nobody has written it down.
	e.entry("svc-" + id("stray"))
	e.role("svc-"+id("stray"), estateEnds)
	e.want[access.WorkloadUnregistered+" dir svc-"+id("stray")] = true
	e.want[access.WorkloadUnregistered+" git svc-"+id("stray")] = true
	e.stray = append(e.stray, "git svc-"+id("stray"))
	// 2. Its owner has left.
	_, left := at("left", access.WorkloadUnowned, func(i *access.Identity) { i.Owner = "zoe" })
	e.stray = append(e.stray, "git "+left)
	// 3. Nothing uses it.
	e.bot(access.WorkloadUnused, "dir", id("idle"), nil)
	e.entry(id("idle"))
	e.bound = append(e.bound, id("idle"))
	// 4. It holds more than its contract allows.
	l, p := at("over", access.WorkloadOverpowered, func(i *access.Identity) { i.Contract.Entitlements = []string{"dir:wiki", "git:deploy"} })
	e.member(l, "reports")
	fmt.Fprintf(&e.sql, "grant estate_app to %q;\n", p)
	// 5. Another program uses it, too.
	e.bot(access.WorkloadShared, "git", id("shared"), nil)
	e.role(id("shared"), estateEnds)
	e.open = append(e.open, id("shared")+" app-"+id("shared"), id("shared")+" billing")
	// 6. A person uses it.
	e.bot(access.WorkloadByPerson, "git", id("human"), nil)
	e.role(id("human"), estateEnds)
	e.open = append(e.open, id("human")+" ") // psql, as it calls itself
	// 7. It is of test, and reaches production.
	l, p = at("prod", access.WorkloadProduction, none)
	e.member(l, "pay")
	fmt.Fprintf(&e.sql, "grant estate_live to %q;\n", p)
	// 8. It is somebody else's, and nobody has looked at it for long.
	at("third", access.WorkloadThirdParty, func(i *access.Identity) {
		i.Contract.ThirdParty, i.Contract.Reviewed = "Acme", e.f.Now().Add(-150*24*time.Hour)
	})
	// 9. Its password never ends.
	e.bot(access.WorkloadUnending, "git", id("ever"), nil)
	e.role(id("ever"), "")
	// 10. Its password should have been changed.
	e.bot(access.WorkloadOverdue, "git", id("old"), func(i *access.Identity) { i.Contract.RotateEvery = 30 * 24 * access.Term(time.Hour) })
	e.role(id("old"), estateEnds)
	// 11. Its password is kept as MD5.
	e.bot(access.WorkloadWeak, "git", id("weak"), nil)
	e.sql.WriteString("set password_encryption = 'md5';\n")
	e.role(id("weak"), estateEnds)
	e.sql.WriteString("reset password_encryption;\n")
	// 12. Somebody says that its password has leaked.
	e.bot("", "git", id("leaked"), nil)
	e.role(id("leaked"), estateEnds)
	e.leaked = append(e.leaked, id("leaked"))
}

// leak has the owner say of what was found that it stood in a log.
func (e *estate) leak() {
	e.t.Helper()
	for _, id := range e.leaked {
		list, err := e.f.Engine.Workload(e.t.Context(), e.f.As("eve"), id)
		if err != nil || len(list.Credentials) != 1 {
			e.t.Fatalf("%s has %d credentials, %v", id, len(list.Credentials), err)
		}
		found := list.Credentials[0].ID
		if _, err := e.f.Engine.Compromised(e.t.Context(), e.f.As("eve"), engine.Deed{Credential: found, Reason: "it stood in a build log"}); err != nil {
			e.t.Fatal(err)
		}
		e.want["credential_compromised "+found] = true
	}
}

// build has the tools plant all of it.
func (e *estate) build() {
	e.t.Helper()
	e.f.Change(func(c *enginetest.Company) {
		delete(c.People, "robot") // it has accounts that are not at these servers
		delete(c.People, "pilot")
		for _, i := range e.bots {
			c.People[i.ID] = i
		}
		deploy := c.Entitlements["git:deploy"]
		deploy.Object = "estate_deploy"
		c.Entitlements["git:deploy"] = deploy
		for _, name := range []string{"app", "live"} {
			made := deploy
			made.ID, made.Name, made.Object = "git:"+name, name, "estate_"+name
			c.Entitlements[made.ID] = made
		}
		for _, id := range []string{"dir:pay", "git:live"} {
			ent := c.Entitlements[id]
			ent.Environment = access.Production
			c.Entitlements[id] = ent
		}
	})
	e.sql.WriteString("create role estate_deploy;\n")
	e.tool(nil, e.ldif.String(), "ldapadd", "-x", "-H", e.slapd.PlainURL, "-D", testserver.SlapdAdmin, "-w", testserver.SlapdAdminSecret)
	for _, id := range e.bound {
		e.tool(nil, "", "ldapwhoami", "-x", "-H", e.slapd.PlainURL, "-D", "uid="+id+","+testserver.SlapdPeople, "-w", estateSecret)
	}
	e.tool(nil, e.sql.String(), "psql", "-q", "-v", "ON_ERROR_STOP=1", e.pg.URL("postgres", testserver.PGTargetSecret, "postgres"))
	e.t.Cleanup(func() { // others have the server, too
		var drop strings.Builder
		for _, line := range strings.Split(e.sql.String(), "\n") {
			if name, ok := strings.CutPrefix(line, "create role \"es-"); ok {
				fmt.Fprintf(&drop, "drop role if exists \"es-%s;\n", name[:strings.Index(name, "\"")+1])
			}
		}
		e.pg.Exec(e.t, drop.String())
	})
}

func (e *estate) tool(env []string, in, name string, args ...string) {
	e.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testserver.Missing(e.t, name)
	}
	c := exec.CommandContext(e.t.Context(), path, args...)
	c.Stdin, c.Env = strings.NewReader(in), append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		e.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// sessions opens what uses accounts, with psql, and waits until the server shows them.
func (e *estate) sessions() {
	e.t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		testserver.Missing(e.t, "psql")
	}
	for _, s := range e.open {
		account, program, _ := strings.Cut(s, " ")
		c := exec.Command(path, "-q", e.pg.URL(account, estateSecret, "postgres"))
		c.Env = os.Environ()
		if program != "" {
			c.Env = append(c.Env, "PGAPPNAME="+program)
		}
		in, err := c.StdinPipe() // open as long as this is
		if err != nil {
			e.t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			e.t.Fatal(err)
		}
		e.t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	}
	ctx, cancel := context.WithTimeout(e.t.Context(), 2*time.Minute)
	defer cancel()
	for open := 0; open < len(e.open); {
		if err := e.pg.Admin.QueryRow(ctx, `select count(*) from pg_stat_activity, pg_sleep(0.1) where usename like 'es-%' and state = 'idle' or usename like 'es-%' and state is null`).Scan(&open); err != nil {
			e.t.Fatalf("%d of %d sessions: %v", open, len(e.open), err)
		}
	}
}

func (e *estate) read() {
	e.t.Helper()
	for _, r := range e.readers {
		if _, err := r.Read(e.t.Context()); err != nil {
			e.t.Fatal(err)
		}
	}
}

// orphans adds to what is wanted what was found to let nobody in who is known, by the id
// it was found under.
func (e *estate) orphans() {
	e.t.Helper()
	err := e.f.DB.Read(e.t.Context(), func(tx *store.Tx) error {
		for _, s := range e.stray {
			system, account, _ := strings.Cut(s, " ")
			list, err := tx.CredentialsOf(e.t.Context(), system, account)
			if err != nil || len(list) != 1 {
				return fmt.Errorf("%s has %d credentials: %w", s, len(list), err)
			}
			e.want["credential_orphan "+list[0].ID] = true
		}
		return nil
	})
	if err != nil {
		e.t.Fatal(err)
	}
}
