package ldap

import (
	"errors"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// sambaWorld is an area with people, of whom each is named by objectGUID.
type sambaWorld struct {
	*testserver.SambaArea
	dn, guid map[string]string
}

func newSambaWorld(t *testing.T, people ...string) *sambaWorld {
	t.Helper()
	w := &sambaWorld{testserver.Samba(t).Area(t), map[string]string{}, map[string]string{}}
	for _, p := range people {
		w.person(t, p)
	}
	return w
}

func (w *sambaWorld) person(t *testing.T, cn string) string {
	t.Helper()
	w.dn[cn] = w.Person(t, cn)
	w.guid[cn] = GUIDPrefix + w.GUID(t, w.dn[cn])
	return w.guid[cn]
}

// sees looks and checks; ways are what each way that is left must say.
func sees(t *testing.T, c *Connector, account, object string, direct, effective bool, ways ...string) connector.Seen {
	t.Helper()
	s := lookAt(t, c, account, object)
	if s.Err != nil || s.Direct != direct || s.Effective != effective || len(s.Residual) != len(ways) {
		t.Errorf("look at %s in %s: %+v; want direct %t, effective %t, %d ways left", account, object, s, direct, effective, len(ways))
		return s
	}
	for i, way := range ways {
		if !strings.Contains(s.Residual[i], way) {
			t.Errorf("look at %s in %s: the way left is %q, want %q in it", account, object, s.Residual[i], way)
		}
	}
	return s
}

// Whoever is renamed stays who he was; whoever comes under an old name is new.
func TestSambaNewNameOldNameAgain(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann", "bob")
	wiki := w.Group(t, "wiki", w.dn["ann"], w.dn["bob"])
	byGUID := GUIDPrefix + w.GUID(t, wiki)
	c := connect(t, sambaConfig(w.SambaArea))
	ann := w.guid["ann"]

	// 1. New names for the account and for the group change nothing.
	w.Rename(t, w.dn["ann"], "Ann Married")
	wiki = w.Rename(t, wiki, "Wiki 2")
	sees(t, c, ann, byGUID, true, true)
	equal(t, "Observe", observe(t, c, byGUID), byGUID+": "+ann, byGUID+": "+w.guid["bob"])
	apply(t, c, remove(ann, byGUID))
	equal(t, "members", w.Members(t, wiki), w.dn["bob"])
	sees(t, c, ann, byGUID, false, false)
	apply(t, c, add(ann, byGUID))
	sees(t, c, ann, byGUID, true, true)

	// 2. Deleted, and somebody else under the old name: two people.
	w.Delete(t, "CN=Ann Married,"+w.People)
	again := w.person(t, "Ann Married")
	if again == ann {
		t.Fatal("the server gave a GUID twice")
	}
	sees(t, c, ann, byGUID, false, false)
	sees(t, c, again, byGUID, false, false)
	if err := c.Apply(t.Context(), []connector.Change{add(ann, byGUID)})[0].Err; !errors.Is(err, connector.ErrNoObject) {
		t.Errorf("add of an account that is gone: %v", err)
	}
	apply(t, c, remove(ann, byGUID), add(again, byGUID))
	sees(t, c, ann, byGUID, false, false)
	sees(t, c, again, byGUID, true, true)

	// 3. The same for the group.
	w.Delete(t, wiki)
	w.Group(t, "Wiki 2")
	sees(t, c, again, byGUID, false, false)
	if err := c.Apply(t.Context(), []connector.Change{add(again, byGUID)})[0].Err; !errors.Is(err, connector.ErrNoObject) {
		t.Errorf("add to a group that is gone: %v", err)
	}
}

// A GUID has one spelling, and is none of our groups just because it is one.
func TestSambaGUIDs(t *testing.T) {
	t.Parallel()
	w, other := newSambaWorld(t, "ann"), newSambaWorld(t, "eve")
	wiki := w.Group(t, "wiki", w.dn["ann"])
	elsewhere := GUIDPrefix + other.GUID(t, other.Group(t, "wiki"))
	c := connect(t, sambaConfig(w.SambaArea))
	g := w.guid["ann"]
	for _, account := range []string{
		strings.ToUpper(g), GUIDPrefix + strings.ToUpper(g[len(GUIDPrefix):]), GUIDPrefix + "{" + g[len(GUIDPrefix):] + "}",
		GUIDPrefix, g + "0", g[:len(g)-1], GUIDPrefix + strings.ReplaceAll(g[len(GUIDPrefix):], "-", ""), GUIDPrefix + "*)(cn=*",
		strings.Replace(g, "-", "0", 1), g + ">;<SID=S-1-5-32-544",
	} {
		s := lookAt(t, c, account, wiki)
		if s.Direct || s.Effective || account != strings.ToUpper(g) && !errors.Is(s.Err, connector.ErrRefused) {
			t.Errorf("look at %q: %+v, want it refused", account, s)
		}
	}
	if s := lookAt(t, c, g, elsewhere); !errors.Is(s.Err, connector.ErrRefused) {
		t.Errorf("a group that is not ours: %+v", s)
	}
	for account, want := range map[string]error{
		other.guid["eve"]:                                   connector.ErrRefused, // not below our people
		GUIDPrefix + w.GUID(t, wiki):                        connector.ErrRefused, // a group
		"dn:" + testserver.SambaAdmin:                       connector.ErrRefused,
		GUIDPrefix + "00000000-0000-4000-8000-000000000000": connector.ErrNoObject,
	} {
		if err := c.Apply(t.Context(), []connector.Change{add(account, wiki)})[0].Err; !errors.Is(err, want) {
			t.Errorf("add of %s: %v, want %v", account, err, want)
		}
	}
	equal(t, "members", w.Members(t, wiki), w.dn["ann"])
}

// People and groups may lie in one container, and a group bears the names that
// accounts do; the whole domain may be the base.
func TestSambaWholeDomain(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann")
	inner := w.Group(t, "inner")
	wiki := w.Group(t, "wiki", w.dn["ann"], inner)
	cfg := sambaConfig(w.SambaArea)
	cfg.PeopleBase, cfg.GroupsBase, cfg.AccountAttribute = testserver.SambaBase, testserver.SambaBase, "sAMAccountName"
	c := connect(t, cfg)
	logon := func(dn string) string { return w.Values(t, dn, "sAMAccountName")[0] }
	sees(t, c, logon(w.dn["ann"]), wiki, true, true)
	equal(t, "Observe", observe(t, c, wiki), wiki+": "+logon(w.dn["ann"]), wiki+": dn:"+inner)
	if err := c.Apply(t.Context(), []connector.Change{add(logon(inner), wiki)})[0].Err; !errors.Is(err, connector.ErrNoObject) {
		t.Errorf("a group by an account's name: %v", err)
	}
	apply(t, c, remove(logon(w.dn["ann"]), wiki))
	equal(t, "members", w.Members(t, wiki), inner)
	cfg.BindDN, cfg.Password = testserver.SambaAdmin, func() string { return testserver.SambaAdminSecret }
	if err := connect(t, cfg).Apply(t.Context(), []connector.Change{add("Administrator", wiki)})[0].Err; !errors.Is(err, connector.ErrRefused) {
		t.Errorf("the connector's own account: %v", err)
	}
	// Every holding of the domain, built-in groups too: nothing refers elsewhere.
	n := 0
	if err := c.Observe(t.Context(), nil, func(connector.Holding) error { n++; return nil }); err != nil || n < 5 {
		t.Errorf("Observe of the domain: %d holdings, %v", n, err)
	}
}

// Where the deleted can be seen, the look says that it was a deletion. What is
// brought back is who it was, and without a recycle bin in no group.
func TestSambaTombstone(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann")
	wiki := w.Group(t, "wiki", w.dn["ann"])
	cfg := sambaConfig(w.SambaArea)
	c := connect(t, cfg)
	cfg.BindDN, cfg.Password = testserver.SambaAdmin, func() string { return testserver.SambaAdminSecret }
	all := connect(t, cfg)
	w.Delete(t, w.dn["ann"])
	ann := w.guid["ann"]
	if s := sees(t, c, ann, wiki, false, false); strings.Contains(s.Path, "deleted") {
		t.Errorf("a user like any other sees the deleted: %s", s.Path)
	}
	grave := `CN=ann\0ADEL:` + ann[len(GUIDPrefix):] + ",CN=Deleted Objects," + testserver.SambaBase
	if s := sees(t, all, ann, wiki, false, false); !strings.Contains(s.Path, grave) {
		t.Errorf("path %q, want %q in it", s.Path, grave)
	}
	apply(t, c, remove(ann, wiki))
	for _, account := range []string{"dn:" + grave, ann} {
		if err := all.Apply(t.Context(), []connector.Change{add(account, wiki)})[0].Err; !errors.Is(err, connector.ErrNoObject) {
			t.Errorf("add of a tombstone: %v", err)
		}
	}
	back := goldap.NewModifyRequest(grave, []goldap.Control{goldap.NewControlMicrosoftShowDeleted()})
	back.Delete("isDeleted", nil)
	back.Replace("distinguishedName", []string{w.dn["ann"]})
	if err := w.Admin.Modify(back); err != nil {
		t.Fatal(err)
	}
	sees(t, c, ann, wiki, false, false)
	apply(t, c, add(ann, wiki))
	sees(t, c, ann, wiki, true, true)
}

func FuzzGUID(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "x")
	f.Add([]byte{}, GUIDPrefix+"5a44bdfd-76c2-4fd8-b430-84ef7d68b883")
	f.Fuzz(func(t *testing.T, raw []byte, s string) {
		if name, ok := guidName(raw); ok != (len(raw) == 16) {
			t.Errorf("%d bytes: %q", len(raw), name)
		} else if _, err := guidBase(name); ok && err != nil {
			t.Errorf("%q: %v", name, err)
		}
		base, err := guidBase(s)
		if err == nil && (base != "<GUID="+strings.TrimPrefix(s, GUIDPrefix)+">" || strings.ContainsAny(base[1:len(base)-1], "<>;,*()\\")) {
			t.Errorf("%q gives %q", s, base)
		}
	})
}
