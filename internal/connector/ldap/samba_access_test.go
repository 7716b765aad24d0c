package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const userSecret = "Use-55aa!x"

// bind opens a connection as that user, over TLS.
func bind(t *testing.T, s *testserver.SambaServer, dn, secret string) (*goldap.Conn, error) {
	t.Helper()
	conn, err := goldap.DialURL(s.URL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: s.CA, MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.Bind(dn, secret)
}

func describe(conn *goldap.Conn, dn, text string) error {
	req := goldap.NewModifyRequest(dn, nil)
	req.Replace("description", []string{text})
	return conn.Modify(req)
}

// lane is Lessor's loop over an area, where the company's eve is a user and wiki a group.
type lane struct {
	*sambaWorld
	f    *enginetest.Fixture
	work func()
	wiki string
}

func newLane(t *testing.T) *lane {
	t.Helper()
	l := &lane{sambaWorld: newSambaWorld(t, "eve", "bob"), f: enginetest.Open(t, store.SQLite)}
	l.wiki = l.Group(t, "wiki")
	cfg := sambaConfig(l.SambaArea)
	cfg.AccountAttribute = "uid"
	r := reconcile.New(reconcile.Config{Door: l.f.Engine, System: "dir", Connector: connect(t, cfg), Holder: "samba",
		Pace: enginetest.Pace, Backstop: time.Minute, Now: l.f.Now})
	l.work = func() {
		t.Helper()
		for n := 1; n > 0; {
			var err error
			if n, err = r.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return l
}

// An open connection keeps the groups it had when it was bound, and no server can
// be told to end it: the receipt says how long that may go on.
func TestAB47SambaBoundConnectionKeepsItsGroups(t *testing.T) {
	t.Parallel()
	l := newLane(t)
	page := l.Person(t, "page") // whoever is in wiki may write its description
	script := "SID=$(samba-tool group show '" + l.Values(t, l.wiki, "sAMAccountName")[0] + "' --attributes=objectSid | sed -n 's/^objectSid: //p')\n" +
		"samba-tool dsacl set --objectdn='" + page + "' --sddl=\"(OA;;WP;bf967950-0de6-11d0-a285-00aa003049e2;;$SID)\""
	if out, err := l.Shell(script); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l.Password(t, l.dn["eve"], userSecret)

	// 1. Eve has the group for an hour, and opens a connection.
	g := l.f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour)}, "mia")
	l.work()
	if job := l.f.Job(g.Assignment); job.State != access.Held {
		t.Fatalf("the assignment is %s (%s), want held", job.State, job.Work.Trouble)
	}
	eve, err := bind(t, l.SambaServer, l.dn["eve"], userSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := describe(eve, page, "while it is hers"); err != nil {
		t.Fatal(err)
	}

	// 2. The hour is over. No member list, no token names her; her connection writes on.
	l.f.Clock.Pass(2 * time.Hour)
	l.work()
	if got := l.Members(t, l.wiki); len(got) > 0 {
		t.Fatalf("still members: %q", got)
	}
	if err := describe(eve, page, "long after"); err != nil {
		t.Fatalf("this server ends such access by itself, or something else did: %v", err)
	}
	if again, err := bind(t, l.SambaServer, l.dn["eve"], userSecret); err != nil || describe(again, page, "anew") == nil {
		t.Errorf("a new connection may still write, or eve cannot log on (%v)", err)
	}

	// 3. So it is gone, and may last as long as a ticket does.
	if job := l.f.Job(g.Assignment); job.State != access.Absent {
		t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
	}
	looks := l.f.Receipts(g.Assignment)
	if last := looks[len(looks)-1]; !last.Until.Equal(last.At.Add(ticketLife)) {
		t.Errorf("the receipt says %+v, want that it may last %s", last, ticketLife)
	}
	l.f.Check()

	// 4. Disabling the whole account would not have ended it either.
	l.Replace(t, l.dn["eve"], "userAccountControl", "514")
	if err := describe(eve, page, "disabled"); err != nil {
		t.Errorf("a disabled account's connection no longer writes (%v): the documentation says it does", err)
	}
}

// A second way in keeps the removal from being called done.
func TestAB56SambaSecondWayIn(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct {
		open, shut func(l *lane, t *testing.T)
		says       string
	}{
		"a nested group": {
			func(l *lane, t *testing.T) {
				l.Modify(t, l.wiki, "member", []string{l.Group(t, "inner", l.dn["eve"])}, nil)
			},
			func(l *lane, t *testing.T) { l.Delete(t, l.GroupDN("inner")) }, "CN=inner",
		},
		"the primary group": {
			func(l *lane, t *testing.T) {
				l.Replace(t, l.dn["eve"], "primaryGroupID", l.Values(t, l.wiki, "primaryGroupToken")[0])
			},
			func(l *lane, t *testing.T) { l.Replace(t, l.dn["eve"], "primaryGroupID", "513") }, "primary group",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLane(t)
			g := l.f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour)}, "mia")
			l.work()
			way.open(l, t)
			l.f.Clock.Pass(2 * time.Hour)
			l.work()
			job := l.f.Job(g.Assignment)
			looks := l.f.Receipts(g.Assignment)
			last := looks[len(looks)-1]
			if job.State != access.Removing || !strings.Contains(strings.Join(last.Residual, "; "), way.says) {
				t.Fatalf("the assignment is %s, the receipt names %q; want removing, and %q named", job.State, last.Residual, way.says)
			}
			way.shut(l, t)
			l.f.Clock.Pass(time.Hour)
			l.work()
			if job := l.f.Job(g.Assignment); job.State != access.Absent {
				t.Errorf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
			}
			l.f.Check()
		})
	}
}

// The account that the page tells people to make may do what it must, and no more.
func TestSambaLeastPrivilege(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/ldap.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```sh\n"+testserver.SambaAccount+"\n```") {
		t.Errorf("the page does not say:\n%s", testserver.SambaAccount)
	}
	w := newSambaWorld(t, "ann")
	wiki := w.Group(t, "wiki")
	svc, err := bind(t, w.SambaServer, testserver.SambaService, testserver.SambaServiceSecret)
	if err != nil {
		t.Fatal(err)
	}
	put := func(group string) error {
		req := goldap.NewModifyRequest(group, nil)
		req.Add("member", []string{w.dn["ann"]})
		return svc.Modify(req)
	}
	if err := put(wiki); err != nil {
		t.Errorf("member of a group below OU=groups: %v", err)
	}
	elsewhere := "CN=elsewhere," + w.People
	w.Add(t, elsewhere, map[string][]string{"objectClass": {"group"}})
	group := goldap.NewAddRequest(w.GroupDN("new"), nil)
	group.Attribute("objectClass", []string{"group"})
	reset := goldap.NewModifyRequest(w.dn["ann"], nil)
	reset.Replace("userAccountControl", []string{"512"})
	for what, err := range map[string]error{
		"member of a group elsewhere":     put(elsewhere),
		"member of Domain Admins":         put("CN=Domain Admins,CN=Users," + testserver.SambaBase),
		"another attribute of the group":  describe(svc, wiki, "x"),
		"an attribute of a person":        describe(svc, w.dn["ann"], "x"),
		"a person's userAccountControl":   svc.Modify(reset),
		"a group made":                    svc.Add(group),
		"a group deleted":                 svc.Del(goldap.NewDelRequest(wiki, nil)),
		"an attribute of the OU":          describe(svc, w.Groups, "x"),
		"an attribute of its own account": describe(svc, testserver.SambaService, "x"),
	} {
		if !goldap.IsErrorWithCode(err, goldap.LDAPResultInsufficientAccessRights) {
			t.Errorf("%s: %v, want that it may not (50)", what, err)
		}
	}
	// What it may not write is refused, and said so.
	cfg := sambaConfig(w.SambaArea)
	cfg.GroupsBase = w.People
	if err := connect(t, cfg).Apply(t.Context(), []connector.Change{add(w.guid["ann"], elsewhere)})[0].Err; !errors.Is(err, connector.ErrRefused) {
		t.Errorf("a group that was not delegated: %v", err)
	}
}

// Whom we speak to, and why not.
func TestSambaDoor(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann", "off", "old")
	wiki := w.Group(t, "wiki", w.dn["ann"])
	for _, cn := range []string{"off", "old"} {
		w.Password(t, w.dn[cn], userSecret)
	}
	w.Replace(t, w.dn["off"], "userAccountControl", "514")
	past := time.Now().Add(-time.Hour).Sub(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC))
	w.Replace(t, w.dn["old"], "accountExpires", strconv.FormatInt(116444736000000000+past.Nanoseconds()/100, 10))
	for name, x := range map[string]struct {
		bend func(*Config)
		want error
		says string
	}{
		"ldaps":         {func(*Config) {}, nil, ""},
		"StartTLS":      {func(c *Config) { c.URL = w.PlainURL }, nil, ""},
		"another CA":    {func(c *Config) { c.CA = x509.NewCertPool() }, connector.ErrUnreachable, "certificate"},
		"another name":  {func(c *Config) { c.URL = "ldaps://127.0.0.1.nip.invalid" }, connector.ErrUnreachable, "127.0.0.1.nip.invalid"},
		"wrong secret":  {func(c *Config) { c.Password = func() string { return "wr0ng-s3cret" } }, connector.ErrRefused, "the password is wrong"},
		"disabled":      {func(c *Config) { c.BindDN, c.Password = w.dn["off"], func() string { return userSecret } }, connector.ErrRefused, "the account is disabled"},
		"expired":       {func(c *Config) { c.BindDN, c.Password = w.dn["old"], func() string { return userSecret } }, connector.ErrRefused, "the account has expired"},
		"nobody":        {func(c *Config) { c.BindDN = "CN=x," + w.People }, connector.ErrRefused, "bind as"},
		"no such base":  {func(c *Config) { c.GroupsBase = "OU=nowhere," + testserver.SambaBase }, connector.ErrRefused, "nowhere"},
		"no such base,": {func(c *Config) { c.PeopleBase = "OU=nowhere," + testserver.SambaBase; c.AccountAttribute = "uid" }, connector.ErrRefused, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := sambaConfig(w.SambaArea)
			x.bend(&cfg)
			c := connect(t, cfg)
			account, object := w.guid["ann"], wiki
			if cfg.AccountAttribute == "uid" {
				account = "ann"
			}
			if strings.Contains(cfg.GroupsBase, "nowhere") {
				object = "wiki"
			}
			s := lookAt(t, c, account, object)
			applied := c.Apply(t.Context(), []connector.Change{add(account, object)})[0].Err
			if x.want == nil {
				if s.Err != nil || !s.Direct || applied != nil {
					t.Errorf("%+v, %v", s, applied)
				}
				return
			}
			for _, err := range []error{s.Err, applied} {
				if !errors.Is(err, x.want) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), "wr0ng") {
					t.Errorf("%v, want %v and %q", err, x.want, x.says)
				}
			}
		})
	}
}

// What somebody does with the domain's own tool is seen.
func TestSambaDrift(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann", "bob")
	wiki := w.Group(t, "wiki", w.dn["ann"])
	c := connect(t, sambaConfig(w.SambaArea))
	logon := func(dn string) string { return "'" + w.Values(t, dn, "sAMAccountName")[0] + "'" }
	for _, step := range []struct {
		says string
		want []string
	}{
		{"addmembers " + logon(wiki) + " " + logon(w.dn["bob"]), []string{"ann", "bob"}},
		{"removemembers " + logon(wiki) + " " + logon(w.dn["ann"]), []string{"bob"}},
	} {
		if out, err := w.Shell("samba-tool group " + step.says); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var want []string
		for _, cn := range step.want {
			want = append(want, wiki+": "+w.guid[cn])
		}
		equal(t, step.says, observe(t, c, wiki), want...)
		for _, cn := range []string{"ann", "bob"} {
			in := slices.Contains(step.want, cn)
			sees(t, c, w.guid[cn], wiki, in, in)
		}
	}
}
