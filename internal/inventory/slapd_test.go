package inventory_test

import (
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// directory is a real OpenLDAP as the fixture's system dir, with its own lane.
type directory struct {
	*testserver.SlapdServer
	t      *testing.T
	f      *enginetest.Fixture
	reader *inventory.Reader
	lane   *reconcile.Lane
}

// open starts one with people and groups named as the company's.
func openDirectory(t *testing.T, rule string) *directory {
	t.Helper()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) {
		if rule != "" {
			o.Company.Rules["remedy.cedar"] = rule
		}
	})
	for _, p := range []string{"eve", "bob", "nora"} {
		s.Person(t, p)
	}
	for _, g := range []string{"wiki", "reports", "pay", "audit", "lobby", "root"} {
		s.Group(t, g)
	}
	target, err := ldap.New(ldap.Config{URL: s.URL, CA: s.CA, BindDN: testserver.SlapdAdmin, Password: func() string { return testserver.SlapdAdminSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, AccessLog: "cn=accesslog", Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	d := &directory{SlapdServer: s, t: t, f: f}
	d.reader = inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: target, Now: f.Now,
		Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
	d.lane = reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: "slapd", Pace: f.Engine.Pace, Backstop: time.Minute, Now: f.Now})
	return d
}

// work runs the lane until nothing is due at this moment.
func (d *directory) work() {
	d.t.Helper()
	for range 100 {
		n, err := d.lane.Once(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		if due, ok, err := d.f.Engine.NextDue(d.t.Context(), "dir"); err != nil {
			d.t.Fatal(err)
		} else if n == 0 && (!ok || due.After(d.f.Now())) {
			return
		}
	}
	d.t.Fatal("the lane finds work for ever at one moment")
}

// modify changes the directory with its own tool, as its administrator.
func (d *directory) modify(ldif string) {
	d.t.Helper()
	tool, err := exec.LookPath("ldapmodify")
	if err != nil {
		testserver.Missing(d.t, "ldapmodify")
	}
	c := exec.CommandContext(d.t.Context(), tool, "-x", "-H", d.PlainURL, "-D", testserver.SlapdAdmin, "-w", testserver.SlapdAdminSecret)
	c.Stdin = strings.NewReader(ldif)
	if out, err := c.CombinedOutput(); err != nil {
		d.t.Fatalf("ldapmodify: %v\n%s", err, out)
	}
}

// put adds somebody to a group so.
func (d *directory) put(dn, group string) {
	d.t.Helper()
	d.modify("dn: " + d.GroupDN(group) + "\nchangetype: modify\nadd: member\nmember: " + dn + "\n")
}

// members lists who is in a group, by the administrator's own means.
func (d *directory) members(group string) string {
	d.t.Helper()
	var names []string
	for _, m := range d.Members(d.t, d.GroupDN(group)) {
		names = append(names, strings.TrimSuffix(strings.TrimSuffix(m, ","+testserver.SlapdPeople), ","+testserver.SlapdGroups))
	}
	return strings.Join(names, " ")
}

// quiet asks the oracle with what the directory really holds.
func (d *directory) check(foreign ...string) {
	d.t.Helper()
	o := d.f.Oracle()
	o.Systems, o.Foreign = []string{"dir"}, map[string]bool{}
	for _, name := range foreign {
		o.Foreign["dir "+name] = true
	}
	o.Held = func(string) (list []connector.Ref) {
		for _, g := range []string{"wiki", "reports", "root"} {
			for _, m := range d.Members(d.t, d.GroupDN(g)) {
				name := strings.TrimPrefix(strings.TrimSuffix(m, ","+testserver.SlapdPeople), "uid=")
				if strings.HasSuffix(m, testserver.SlapdGroups) {
					name = ldap.DNPrefix + m
				}
				list = append(list, connector.Ref{Account: name, Object: g})
			}
		}
		return list
	}
	o.Check(d.t)
}

// AB-56, with the directory's own tools: somebody is put back half a minute after
// the removal was seen, long after every look that was due. The reading finds it,
// names the old grant and who did it, and it goes again; so it does again and again.
func TestAB56PutBackWithLdapmodify(t *testing.T) {
	t.Parallel()
	d := openDirectory(t, "")
	g := d.f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour), Reason: "work"}, "mia")
	d.work()
	if d.members("wiki") != "uid=eve" {
		t.Fatalf("granted, wiki has %s", d.members("wiki"))
	}
	for d.f.Job(g.Assignment).State != access.Absent || d.f.Job(g.Assignment).Work.Confirm {
		due, ok, err := d.f.Engine.NextDue(t.Context(), "dir")
		if err != nil || !ok {
			t.Fatal("nothing is due and it is not gone", err)
		}
		d.f.Clock.To(due)
		d.work()
	}
	for range 2 {
		d.f.Clock.Pass(30 * time.Second)
		d.put(d.PersonDN("eve"), "wiki")
		d.f.Clock.Pass(6 * time.Hour)
		if drift := read(t, d.reader); drift.Again != 1 || drift.Unexpected != 0 {
			t.Fatalf("drift is %+v", drift)
		}
		one := finding(d.f, "seen_again")
		if one.Owner != "owen" || !strings.Contains(one.Text, g.ID+" (expired ") || !strings.Contains(one.Text, "Given by "+testserver.SlapdAdmin+" at 20") {
			t.Errorf("finding is %+v", one)
		}
		d.work()
		if d.members("wiki") != "" || finding(d.f, "seen_again").ID != "" {
			t.Errorf("wiki has %q", d.members("wiki"))
		}
		d.check()
	}
}

// AB-56, by another path: the group that somebody lost is given to a group he is
// in. The reading finds that path, says who made it, and a rule has it removed.
func TestAB56PutBackThroughANestedGroup(t *testing.T) {
	t.Parallel()
	d := openDirectory(t, removeStandard)
	read(t, d.reader)
	inner := d.Group(t, "helpers", d.PersonDN("eve"))
	d.put(inner, "wiki")
	d.put(d.PersonDN("bob"), "root") // privileged: found and told, and no rule removes it
	drift := read(t, d.reader)
	if drift.Unexpected != 2 || drift.Removing != 1 {
		t.Fatalf("drift is %+v", drift)
	}
	for _, f := range d.f.Findings(true) {
		who := map[string]string{"dir:wiki": ldap.DNPrefix + inner + " (nobody we know; being removed; given by " + testserver.SlapdAdmin, "dir:root": "bob (bob; given by " + testserver.SlapdAdmin}[f.Subject]
		if f.Kind == "unexpected_access" && !strings.Contains(f.Text, who) {
			t.Errorf("finding is %+v", f)
		}
	}
	d.work()
	if d.members("wiki") != "" || d.members("root") != "uid=bob" {
		t.Errorf("wiki has %q, root has %q", d.members("wiki"), d.members("root"))
	}
	d.check()
}

// An account deleted and made anew under its name in a real directory inherits nothing.
func TestAnAccountMadeAnewInLDAP(t *testing.T) {
	t.Parallel()
	d := openDirectory(t, "")
	read(t, d.reader)
	g := d.f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(8 * time.Hour), Reason: "work"}, "mia")
	d.work()
	d.DeletePerson(t, d.PersonDN("eve"))
	d.Person(t, "eve")
	d.put(d.PersonDN("eve"), "wiki") // whoever made it helps himself
	read(t, d.reader)
	d.work()
	if d.members("wiki") != "" || d.f.Grant(g.ID).Ended != access.EndEligibilityLost || finding(d.f, "account_made_anew").Subject != "dir eve" {
		t.Errorf("wiki has %q, the grant is %+v, findings %+v", d.members("wiki"), d.f.Grant(g.ID), d.f.Findings(true))
	}
	d.check()
}
