package inventory_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// rootMayAll lets whoever is in the group root write all of the directory.
const rootMayAll = `access to dn.subtree="dc=example,dc=org" by group.exact="cn=root,ou=groups,dc=example,dc=org" write by * break`

// AB-51, in a real OpenLDAP and by the clock on the wall, for the directory dates what
// was made: whoever holds the group of its administrators makes a group and lets a
// friend in. When that is over both are named; what she made before she held it is not.
func TestAB51AccessUsedToMakeMoreAccessInLDAP(t *testing.T) {
	t.Parallel()
	const secret = "Eve-31c5"
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Access: rootMayAll})
	eve, nora := s.Person(t, "eve"), s.Person(t, "nora")
	s.Modify(t, eve, "userPassword", []string{secret}, nil)
	wiki, root := s.Group(t, "wiki"), s.Group(t, "root")
	hers, err := goldap.DialURL(s.PlainURL)
	if err != nil {
		t.Fatal(err)
	}
	defer hers.Close()
	if err := hers.Bind(eve, secret); err != nil {
		t.Fatal(err)
	}
	tree := testserver.Tree{Admin: hers}
	group := map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"old"}, "member": {nora}}
	s.Modify(t, root, "member", []string{eve}, nil)
	tree.Add(t, s.GroupDN("old"), group)
	s.Modify(t, root, "member", nil, []string{eve})

	pace := enginetest.Pace
	pace.Confirm = 10 * time.Millisecond
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) { o.Now, o.Pace = time.Now, pace })
	target, err := ldap.New(ldap.Config{URL: s.URL, CA: s.CA, BindDN: testserver.SlapdAdmin, Password: func() string { return testserver.SlapdAdminSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, AccessLog: "cn=accesslog", Lineage: true, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	r := inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: target, Now: f.Now,
		Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
	lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: "slapd", Pace: pace, Backstop: time.Minute, Now: f.Now})
	until := func(what string, state access.AssignmentState, id string) {
		t.Helper()
		testserver.Await(t, what, time.Minute, func() error {
			_, err := lane.Once(t.Context())
			if job := f.Job(id); err == nil && job.State != state {
				return fmt.Errorf("it is %s", job.State)
			}
			return err
		})
	}
	// 1. What was made before is dated before: the directory remembers the second.
	made := time.Now()
	read(t, r)
	testserver.Await(t, "the next second", time.Minute, func() error {
		if time.Since(made) < 1100*time.Millisecond {
			return errors.New("not yet")
		}
		return nil
	})
	// 2. Root, well used.
	g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:root"}, Term: access.Term(time.Hour), Reason: "work"}, "mia", "otto")
	until("root", access.Held, g.Assignment)
	group["cn"] = []string{"door"}
	tree.Add(t, s.GroupDN("door"), group)
	tree.Modify(t, wiki, "member", []string{nora}, nil)
	if err := f.Engine.Return(t.Context(), f.As("eve"), g.ID, "done"); err != nil {
		t.Fatal(err)
	}
	until("no root", access.Absent, g.Assignment)
	// 3. Both are named, and nothing else.
	if left, err := r.Lineage(t.Context(), g.Assignment); err != nil || left != 2 {
		t.Fatalf("%d are left behind: %v", left, err)
	}
	one := finding(f, "left_behind")
	for _, what := range []string{"created " + s.GroupDN("door"), "let " + nora + " into " + wiki} {
		if one.Subject != g.ID || !strings.Contains(one.Text, what) {
			t.Errorf("%s is not in %q", what, one.Text)
		}
	}
	if strings.Contains(one.Text, "cn=old") {
		t.Errorf("what was there before is in %q", one.Text)
	}
	// 4. Undone, it is over.
	s.Delete(t, s.GroupDN("door"))
	s.Modify(t, wiki, "member", nil, []string{nora})
	if read(t, r); finding(f, "left_behind").ID != "" {
		t.Errorf("still there: %q", finding(f, "left_behind").Text)
	}
}
