package ldap

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// slapdReads is what the account must be able to read; docs/feeds.md gives it to the reader.
const slapdReads = `access to dn.subtree="ou=people,dc=example,dc=org" attrs=entry,objectClass,entryUUID,uid,cn,displayName,mail,departmentNumber,manager,employeeType,pwdAccountLockedTime,shadowExpire,memberOf
  by dn.exact="cn=svc-lessor,ou=svc,dc=example,dc=org" read
  by * none
`

func slapd(t *testing.T, change ...func(*testserver.SlapdOptions)) *testserver.SlapdServer {
	t.Helper()
	o := testserver.SlapdOptions{NoSync: true, Access: slapdReads, Global: "include /etc/ldap/schema/nis.schema\nmoduleload ppolicy\n", Main: "overlay ppolicy\n"}
	for _, do := range change {
		do(&o)
	}
	return testserver.Slapd(t, o)
}

// config is for a feed from s that fills the group staff with cn=all.
func config(s *testserver.SlapdServer) Config {
	return Config{Feed: access.Feed{ID: "dir", Kind: "ldap", Groups: map[string]string{"staff": "CN=All, " + testserver.SlapdGroups}},
		URL: s.URL, CA: s.CA, BindDN: testserver.SlapdService, Password: func() string { return testserver.SlapdServiceSecret },
		Dialect: OpenLDAP, PeopleBase: testserver.SlapdPeople, Timeout: 30 * time.Second}
}

// people reads everybody, by what they sign in as.
func people(t *testing.T, cfg Config) map[string]access.Record {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]access.Record{}
	for _, r := range list {
		by[r.User] = r
	}
	if len(by) != len(list) {
		t.Fatalf("%d records of %d names", len(list), len(by))
	}
	return by
}

// refused holds that nothing at all is read, and why.
func refused(t *testing.T, cfg Config, want string) {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.Read(t.Context()); err == nil || list != nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%d records, %v; want %q", len(list), err, want)
	}
}

func person(uid string, more ...string) map[string][]string {
	a := map[string][]string{"objectClass": {"inetOrgPerson", "shadowAccount"}, "uid": {uid}, "cn": {"Called " + uid}, "sn": {"person"}}
	for i := 0; i+1 < len(more); i += 2 {
		a[more[i]] = append(a[more[i]], more[i+1])
	}
	return a
}

func TestWhatADirectorySays(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	s.Group(t, "all")
	uuid := func(uid string) string { return s.Values(t, s.PersonDN(uid), "entryUUID")[0] }
	s.Add(t, s.PersonDN("bob"), person("bob", "displayName", "Bob Boss", "employeeType", "Contractor", "shadowExpire", "20000"))
	s.Add(t, s.PersonDN("ann"), person("ann", "mail", "b@example.org", "mail", "a@example.org", "departmentNumber", "42", "manager", "UID=Bob , "+testserver.SlapdPeople))
	s.Add(t, s.PersonDN("eve"), person("eve", "pwdAccountLockedTime", "000001010000Z", "shadowExpire", "-1", "manager", testserver.SlapdService))
	s.Add(t, s.PersonDN("ned"), person("ned", "pwdAccountLockedTime", "20260101000000Z")) // wrong passwords
	inner := s.Group(t, "inner", s.PersonDN("eve"))
	s.Modify(t, s.GroupDN("all"), "member", []string{s.PersonDN("ann"), s.PersonDN("bob"), inner}, nil)

	cfg := config(s)
	all := cfg.Feed.Groups["staff"]
	got := people(t, cfg)
	want := map[string]access.Record{
		"ann": {Key: uuid("ann"), User: "ann", Name: "Called ann", Mail: "a@example.org", Department: "42", Manager: uuid("bob"), Groups: []string{all}},
		"bob": {Key: uuid("bob"), User: "bob", Name: "Bob Boss", External: true, End: time.Date(2024, 10, 4, 0, 0, 0, 0, time.UTC), Groups: []string{all}},
		"eve": {Key: uuid("eve"), User: "eve", Name: "Called eve", Inactive: true},
		"ned": {Key: uuid("ned"), User: "ned", Name: "Called ned"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}

	// By StartTLS, by what the overlay says of groups, with columns of the house's own, and but some.
	cfg.URL, cfg.GroupBy, cfg.Filter, cfg.ExternalTypes = s.PlainURL, ByMemberOf, "(|(uid=ann)(uid=eve))", []string{"none"}
	cfg.Feed.Columns = map[string]string{"name": "cn", "account:dir": "uid", "cost": "departmentNumber"}
	got = people(t, cfg)
	if a := got["ann"]; len(got) != 2 || a.Accounts["dir"] != "ann" || a.More["cost"] != "42" || !slices.Equal(a.Groups, []string{all}) || a.Manager != "" || len(got["eve"].Groups) != 0 {
		t.Errorf("%+v", got)
	}

	// What is not whole is nothing.
	cfg = config(s)
	cfg.Feed.Groups = map[string]string{"staff": s.GroupDN("none")}
	refused(t, cfg, "cn=none")
	cfg = config(s)
	cfg.Feed.Key = "employeeNumber"
	refused(t, cfg, "shows no employeeNumber")
	cfg = config(s)
	cfg.Dialect = ActiveDirectory
	refused(t, cfg, "no domain controller")
	cfg = config(s)
	cfg.PeopleBase = "ou=nowhere," + testserver.SlapdBase
	refused(t, cfg, "ou=nowhere")
	cfg = config(s)
	cfg.Feed.Columns = map[string]string{"start": "cn"}
	refused(t, cfg, "must be a date")
}

// Somebody with another name is the same person; somebody with the same name another.
func TestWhoIsWho(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	s.Group(t, "all")
	s.Add(t, s.PersonDN("ann"), person("ann"))
	s.Add(t, s.PersonDN("bob"), person("bob", "manager", s.PersonDN("ann")))
	s.Add(t, s.PersonDN("cid"), person("cid", "manager", s.PersonDN("cid")))
	s.Modify(t, s.PersonDN("ann"), "manager", []string{s.PersonDN("bob")}, nil)
	s.Modify(t, s.GroupDN("all"), "member", []string{s.PersonDN("ann")}, nil)
	cfg := config(s)

	// A circle is told as it is: who decides for whom is not the directory's to say.
	was := people(t, cfg)
	ann, bob := was["ann"], was["bob"]
	if ann.Manager != bob.Key || bob.Manager != ann.Key || was["cid"].Manager != was["cid"].Key {
		t.Errorf("%+v", was)
	}
	// Renamed: the key stays, and so does what others say of the person.
	if err := s.Admin.ModifyDN(goldap.NewModifyDNRequest(s.PersonDN("ann"), "uid=anna", true, "")); err != nil {
		t.Fatal(err)
	}
	s.Modify(t, s.PersonDN("bob"), "manager", []string{s.PersonDN("anna")}, []string{s.PersonDN("ann")})
	testserver.Await(t, "refint", 10*time.Second, func() error {
		if m := s.Members(t, s.GroupDN("all")); !slices.Contains(m, s.PersonDN("anna")) {
			return fmt.Errorf("all has %v", m)
		}
		return nil
	})
	now := people(t, cfg)
	if a := now["anna"]; a.Key != ann.Key || now["bob"].Manager != ann.Key || len(a.Groups) != 1 || len(now) != 3 {
		t.Errorf("%+v", now)
	}
	// Deleted: the manager is nobody, not whoever gets the name.
	s.DeletePerson(t, s.PersonDN("anna"))
	if now = people(t, cfg); now["bob"].Manager != "" || len(now) != 2 {
		t.Errorf("%+v", now)
	}
	s.Add(t, s.PersonDN("ann"), person("ann"))
	if now = people(t, cfg); now["ann"].Key == ann.Key || now["ann"].Key == "" || len(now["ann"].Groups) != 0 {
		t.Errorf("%+v", now["ann"])
	}
}

func TestFiveThousandPeople(t *testing.T) {
	t.Parallel()
	const many = 5000
	var ldif strings.Builder
	for n := range many {
		fmt.Fprintf(&ldif, "dn: uid=p%d,%s\nobjectClass: inetOrgPerson\nuid: p%d\ncn: Person %d\nsn: P\nmanager: uid=p%d,%s\n\n", n, testserver.SlapdPeople, n, n, n/10, testserver.SlapdPeople)
	}
	ldif.WriteString("dn: cn=all," + testserver.SlapdGroups + "\nobjectClass: groupOfNames\ncn: all\n")
	for n := range many {
		fmt.Fprintf(&ldif, "member: uid=p%d,%s\n", n, testserver.SlapdPeople)
	}
	load := func(o *testserver.SlapdOptions) { o.LDIF = ldif.String() + "\n" }
	s := slapd(t, load)
	got := people(t, config(s))
	if len(got) != many || got["p4321"].Manager != got["p432"].Key || len(got["p4999"].Groups) != 1 {
		t.Errorf("%d people, %+v", len(got), got["p4321"])
	}
	// A server that gives but a part of them has given none.
	s = slapd(t, load, func(o *testserver.SlapdOptions) { o.SizeLimit = 1200 })
	refused(t, config(s), "Size Limit Exceeded")
}

func TestTheLine(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	s.Group(t, "all")
	cfg := config(s)
	cfg.Password = func() string { return "" }
	refused(t, cfg, "nothing was sent")
	cfg = config(s)
	cfg.Password = func() string { return "wrong" }
	refused(t, cfg, "Invalid Credentials")
	for _, url := range []string{s.URL, s.PlainURL} {
		cfg = config(s)
		cfg.URL, cfg.CA = url, x509.NewCertPool()
		refused(t, cfg, "certificate")
	}
	src, err := New(config(s))
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if list, err := src.Read(ended); err == nil || list != nil {
		t.Errorf("read after its time: %v", list)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := func() Config {
		return Config{Feed: access.Feed{ID: "dir", Columns: map[string]string{}, Groups: map[string]string{}}, URL: "ldaps://ldap.example.org", BindDN: "cn=a,dc=b",
			Password: func() string { return "x" }, Dialect: OpenLDAP, PeopleBase: "ou=people,dc=b"}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"dialect must be":        func(c *Config) { c.Dialect = "" },
		"url must be scheme":     func(c *Config) { c.URL = "ldaps://u:p@h" },
		"url must begin":         func(c *Config) { c.URL = "http://h" },
		"plain is for":           func(c *Config) { c.URL, c.Plain = "ldap://ldap.example.org", true },
		"a password":             func(c *Config) { c.Password = nil },
		"bind_dn":                func(c *Config) { c.BindDN = "" },
		"people_base":            func(c *Config) { c.PeopleBase = "people" },
		"filter":                 func(c *Config) { c.Filter = "(uid=" },
		"group_by must":          func(c *Config) { c.GroupBy = "memberUid" },
		"does not go with":       func(c *Config) { c.Dialect, c.GroupBy = ActiveDirectory, ByMember },
		"group's DN":             func(c *Config) { c.Feed.Groups["staff"] = "Everybody" },
		"nobody else ever gets":  func(c *Config) { c.Feed.Key = "UID" },
		"not by a column":        func(c *Config) { c.Feed.Columns["groups"] = "memberOf" },
		"no name of an attribut": func(c *Config) { c.Feed.Columns["boss"] = "a b" },
		"page_size":              func(c *Config) { c.PageSize = 20000 },
	} {
		c := good()
		if change(&c); true {
			if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %q", err, want)
			}
		}
	}
}

func TestMoments(t *testing.T) {
	t.Parallel()
	never := time.Time{}
	for of, want := range map[string]time.Time{
		"accountExpires 0": never, "accountExpires 9223372036854775807": never, "accountExpires 133801632000000000": time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		"shadowExpire -1": never, "shadowExpire 0": time.Unix(0, 0).UTC(), "x ": never, "x 2030-12-31": time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC),
		"x 20301231235959Z": time.Date(2030, 12, 31, 23, 59, 59, 0, time.UTC), "x 203012312359+0100": time.Date(2030, 12, 31, 22, 59, 0, 0, time.UTC),
	} {
		attribute, value, _ := strings.Cut(of, " ")
		if got, err := moment(attribute, value, true); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", of, got, err, want)
		}
	}
	for _, of := range []string{"accountExpires ", "accountExpires -5", "accountExpires x", "shadowExpire x", "x 31.12.2030"} {
		attribute, value, _ := strings.Cut(of, " ")
		if got, err := moment(attribute, value, true); err == nil {
			t.Errorf("%s: %v", of, got)
		}
	}
	for of, want := range map[string]bool{"nsAccountLock true": true, "nsAccountLock ": false, "status inactive": true, "status TRUE": false, "userAccountControl 514": true, "userAccountControl 512": false} {
		attribute, value, _ := strings.Cut(of, " ")
		if got, err := inactive(attribute, value); err != nil || got != want {
			t.Errorf("%s: %v, %v", of, got, err)
		}
	}
	for _, of := range []string{"userAccountControl ", "status perhaps"} {
		attribute, value, _ := strings.Cut(of, " ")
		if _, err := inactive(attribute, value); err == nil {
			t.Errorf("%s is taken", of)
		}
	}
}

func TestSamba(t *testing.T) {
	t.Parallel()
	a := testserver.Samba(t).Area(t)
	bob, ann, eve := a.Login(t, "bob"), a.Person(t, "ann"), a.Login(t, "eve")
	a.Replace(t, ann, "manager", bob)
	a.Replace(t, bob, "employeeType", "Vendor")
	a.Replace(t, bob, "accountExpires", "133801632000000000")
	a.Replace(t, ann, "department", "Sales")
	inner := a.Group(t, "inner", ann)
	outer := a.Group(t, "outer", inner, bob)
	cfg := Config{Feed: access.Feed{ID: "ad", Kind: "ldap", Columns: map[string]string{"user": "uid", "account:ad": "objectGUID"}, Groups: map[string]string{"staff": outer}},
		URL: a.URL, CA: a.CA, BindDN: testserver.SambaService, Password: func() string { return testserver.SambaServiceSecret },
		Dialect: ActiveDirectory, PeopleBase: a.People, PageSize: 2}
	got := people(t, cfg)
	want := map[string]access.Record{
		"ann": {Key: a.GUID(t, ann), User: "ann", Name: "ann", Department: "Sales", Manager: a.GUID(t, bob), Groups: []string{outer}, Inactive: true},
		"bob": {Key: a.GUID(t, bob), User: "bob", Name: "bob", External: true, End: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), Groups: []string{outer}},
		"eve": {Key: a.GUID(t, eve), User: "eve", Name: "eve"},
	}
	for user, r := range want {
		r.Accounts = map[string]string{"ad": "objectGUID:" + r.Key}
		want[user] = r
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	// A new name and a new manager by it; a name that comes to somebody else.
	a.Rename(t, bob, "rob")
	a.Delete(t, ann)
	a.Person(t, "ann")
	now := people(t, cfg)
	if now["bob"].Key != want["bob"].Key || now["bob"].Name != "rob" || now["ann"].Key == want["ann"].Key || len(now["ann"].Groups) != 0 {
		t.Errorf("%+v", now)
	}
	cfg.Dialect = OpenLDAP
	cfg.Feed.Columns = nil
	refused(t, cfg, "domain controller")
}

func TestDS389(t *testing.T) {
	t.Parallel()
	s := testserver.DS389(t, true)
	s.Modify(t, testserver.SlapdPeople, "aci", []string{`(targetattr="objectClass || nsUniqueId || uid || cn || displayName || mail || departmentNumber || manager || employeeType || nsAccountLock || shadowExpire || memberOf")(version 3.0; acl "lessor: feed"; allow (read, search, compare) userdn="ldap:///cn=svc-lessor,ou=svc,dc=example,dc=org";)`}, nil)
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	s.Replace(t, ann, "manager", bob)
	s.Replace(t, bob, "nsAccountLock", "true")
	outer := s.Group(t, "outer", s.Group(t, "inner", ann), bob)
	cfg := Config{Feed: access.Feed{ID: "dir", Kind: "ldap", Groups: map[string]string{"staff": outer}},
		URL: s.URL, CA: s.CA, BindDN: testserver.SlapdService, Password: func() string { return testserver.SlapdServiceSecret }, Dialect: Dialect389, PeopleBase: testserver.SlapdPeople}
	got := people(t, cfg)
	if got["ann"].Key != s.Values(t, ann, "nsUniqueId")[0] || got["ann"].Manager != got["bob"].Key || !got["bob"].Inactive || got["ann"].Inactive || len(got["ann"].Groups) != 0 || len(got["bob"].Groups) != 1 {
		t.Errorf("%+v", got)
	}
	cfg.GroupBy = ByMemberOf // which its plug-in keeps through groups within groups
	if got = people(t, cfg); len(got) != 2 || len(got["ann"].Groups) != 1 || len(got["bob"].Groups) != 1 {
		t.Errorf("%+v", slices.Collect(maps.Values(got)))
	}
}

// The page gives the reader the statements that the tests run with.
func TestThePageSaysWhatTheAccountReads(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/feeds.md")
	if err != nil || !strings.Contains(string(page), "```\n"+slapdReads+"```\n") {
		t.Errorf("%v; the page does not say:\n%s", err, slapdReads)
	}
}
