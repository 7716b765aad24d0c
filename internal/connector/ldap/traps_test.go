package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

func add(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}, Want: true}
}

func remove(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}}
}

func apply(t *testing.T, c *Connector, changes ...connector.Change) {
	t.Helper()
	for i, r := range c.Apply(t.Context(), changes) {
		if r.Err != nil {
			t.Errorf("%+v: %v", changes[i], r.Err)
		}
	}
}

func lookAt(t *testing.T, c *Connector, account, object string) connector.Seen {
	t.Helper()
	return c.Look(t.Context(), []connector.Ref{{Account: account, Object: object}})[0]
}

func observe(t *testing.T, c *Connector, objects ...string) []string {
	t.Helper()
	var list []string
	err := c.Observe(t.Context(), objects, func(h connector.Holding) error {
		object := h.Object
		if len(objects) == 0 { // known by DN
			object = strings.TrimSuffix(strings.TrimPrefix(object, "cn="), ","+testserver.SlapdGroups)
		}
		list = append(list, object+": "+h.Account)
		return nil
	})
	if err != nil {
		t.Errorf("Observe: %v", err)
	}
	return slices.Sorted(slices.Values(list))
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Others write between our reading of a group and our modify: then the server
// answers 16, 20 or 65, and everything asked for must still become so.
func TestOthersWriteMeanwhile(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	dn := map[string]string{"nobody": testserver.SlapdPlaceholder}
	for _, p := range []string{"ann", "bob", "cat", "dan"} {
		dn[p] = s.Person(t, p)
	}
	for name, c := range map[string]struct {
		has, changes string // changes: +name, -name
		meanwhile    string
		want         string // placeholder included
	}{
		"(16) a removal is done already":       {"ann bob cat", "-ann -bob +dan", "-ann", "cat dan"},
		"(20) an add is done already":          {"ann bob cat", "-ann -bob +dan", "+dan", "cat dan"},
		"(16, 20) both":                        {"ann bob cat", "-ann -bob +dan", "-bob +dan", "cat dan"},
		"(65) ours is the last now":            {"ann bob", "-ann", "-bob", "nobody"},
		"(65) ours are the last now":           {"ann bob cat", "-ann -bob", "-cat", "nobody"},
		"(16) the placeholder is gone already": {"nobody", "+ann", "-nobody +bob", "ann bob"},
		"(20) the placeholder is there":        {"ann", "-ann", "+nobody", "nobody"},
		"(16) all is done already":             {"ann", "-ann", "-ann +nobody", "nobody"},
		"one for the other, done already":      {"ann", "-ann +bob", "-ann +bob", "bob"},
		"one for the other, both undone":       {"ann", "-ann +bob", "+cat", "bob cat"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names := func(list string) (dns []string) {
				for _, n := range strings.Fields(list) {
					dns = append(dns, dn[n])
				}
				return dns
			}
			signed := func(list string) (plus, minus []string) {
				for _, n := range strings.Fields(list) {
					if n[0] == '+' {
						plus = append(plus, n[1:])
					} else {
						minus = append(minus, n[1:])
					}
				}
				return plus, minus
			}
			group := s.Group(t, name, names(c.has)...)
			p := newProxy(t, s)
			once := true
			p.before = func(op *ber.Packet) {
				if op.Tag == goldap.ApplicationModifyRequest && once {
					once = false
					plus, minus := signed(c.meanwhile)
					s.Modify(t, group, "member", names(strings.Join(plus, " ")), names(strings.Join(minus, " ")))
				}
			}
			cfg := config(s)
			cfg.URL = p.url
			var changes []connector.Change
			plus, minus := signed(c.changes)
			for _, n := range plus {
				changes = append(changes, add(n, name))
			}
			for _, n := range minus {
				changes = append(changes, remove(n, name))
			}
			apply(t, connect(t, cfg), changes...)
			equal(t, "members", s.Values(t, group, "member"), names(c.want)...)
			if once {
				t.Error("nothing was written: the test tests nothing")
			}
		})
	}
}

// One value that the server will not have must not keep the others from becoming so.
func TestOneRefusedAmongMany(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{
		NoSync: true, Global: "moduleload constraint",
		Main: "overlay constraint\nconstraint_attribute member regex ^(cn=|uid=p)",
	})
	var in, out []connector.Change
	var members []string
	for i := range 20 {
		uid := fmt.Sprintf("p%02d", i)
		members = append(members, s.Person(t, uid))
		in, out = append(in, add(uid, "eng")), append(out, remove(uid, "eng"))
	}
	s.Person(t, "vip")
	eng := s.Group(t, "eng", members[:10]...)
	changes := slices.Concat(in[10:15], []connector.Change{add("vip", "eng")}, in[15:], out[:10])
	c := connect(t, config(s))
	for i, r := range c.Apply(t.Context(), changes) {
		if vip := r.Account == "vip"; vip != errors.Is(r.Err, connector.ErrRefused) || !vip && r.Err != nil {
			t.Errorf("%+v: %v", changes[i], r.Err)
		}
	}
	equal(t, "members", s.Members(t, eng), members[10:]...)
}

// A server without referential integrity keeps members whose entries are gone.
func TestDangling(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, NoOverlays: true})
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	elsewhere := "uid=ann,ou=svc," + testserver.SlapdBase // gone too, but never was the account ann
	eng := s.Group(t, "eng", ann, bob, elsewhere)
	c := connect(t, config(s))
	s.Delete(t, ann)
	seen := lookAt(t, c, "ann", "eng")
	if seen.Err != nil || !seen.Direct || !seen.Effective || len(seen.Residual) != 1 || !strings.Contains(seen.Residual[0], ann) {
		t.Errorf("look at a dangling member: %+v", seen)
	}
	equal(t, "Observe", observe(t, c), "eng: dn:"+ann, "eng: bob", "eng: dn:"+elsewhere)
	equal(t, "Observe of one", observe(t, c, "eng"), "eng: dn:"+ann, "eng: bob", "eng: dn:"+elsewhere)
	if err := c.Apply(t.Context(), []connector.Change{add("ann", "eng")})[0].Err; !errors.Is(err, connector.ErrNoObject) {
		t.Errorf("add of an account that is gone: %v", err)
	}
	apply(t, c, remove("ann", "eng"))
	equal(t, "members", s.Members(t, eng), bob, elsewhere)
	if seen := lookAt(t, c, "ann", "eng"); seen.Err != nil || seen.Direct || seen.Effective {
		t.Errorf("look after the removal: %+v", seen)
	}
	apply(t, c, remove("dn:"+strings.ToUpper(elsewhere), "eng"))
	equal(t, "members", s.Members(t, eng), bob)
}

// The same name may be written in many ways.
func TestSpellings(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, NoOverlays: true})
	s.Person(t, "ann")
	odd := "UID=Ann ,  OU=People,DC=Example,dc=org"
	for i, object := range []string{"eng", s.GroupDN("eng1"), "dn:" + s.GroupDN("eng2"), "CN=Eng3 , " + testserver.SlapdGroups} {
		cn := []string{"eng", "eng1", "eng2", "eng3"}[i]
		group := s.Group(t, cn, odd, testserver.SlapdPlaceholder)
		stored := s.Values(t, group, "member")
		c := connect(t, config(s))
		if seen := lookAt(t, c, "ann", object); seen.Err != nil || !seen.Direct {
			t.Errorf("%s: look: %+v", object, seen)
		}
		equal(t, "Observe", observe(t, c, object), object+": ann")
		apply(t, c, add("ann", object))
		equal(t, "after an add", s.Values(t, group, "member"), stored...)
		apply(t, c, remove("ann", object))
		equal(t, "after a removal", s.Values(t, group, "member"), testserver.SlapdPlaceholder)
		s.Delete(t, group)
	}
}

// Where the server tells names apart that read the same to us, it is right.
func TestServerKnowsNamesBetter(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	person := func(uid, uri string) string { // labeledURI is case-sensitive
		dn := "labeledURI=" + uri + "," + testserver.SlapdPeople
		s.Add(t, dn, map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {uid}, "labeledURI": {uri}, "cn": {"x"}, "sn": {"x"}})
		return dn
	}
	lower, upper := person("lower", "name"), person("upper", "NAME")
	eng := s.Group(t, "eng", lower)
	c := connect(t, config(s))
	if seen := lookAt(t, c, "upper", "eng"); seen.Err != nil || seen.Direct || seen.Effective {
		t.Errorf("look: %+v", seen)
	}
	apply(t, c, remove("upper", "eng"))
	equal(t, "after a removal", s.Members(t, eng), lower)
	apply(t, c, add("upper", "eng"))
	equal(t, "after an add", s.Members(t, eng), lower, upper)
	equal(t, "Observe", observe(t, c), "eng: lower", "eng: upper")
	apply(t, c, remove("lower", "eng"))
	equal(t, "after a removal", s.Members(t, eng), upper)
}

// Two spellings of one group in one batch must not cross, and of two opposite
// changes the last one counts.
func TestOneGroupTwoNames(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	eng := s.Group(t, "eng", ann)
	p := newProxy(t, s)
	cfg := config(s)
	cfg.URL = p.url
	apply(t, connect(t, cfg), remove("ann", "eng"), add("bob", eng), add("dn:"+ann, "dn:"+eng), remove("ann", eng))
	equal(t, "members", s.Values(t, eng, "member"), bob)
	if n := p.count[goldap.ApplicationModifyRequest]; n != 1 {
		t.Errorf("%d modifies, want 1", n)
	}
}

// The class demands a member: the placeholder comes and goes with the last and
// the first, and is nobody.
func TestPlaceholder(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	eng := s.Group(t, "eng", ann)
	c := connect(t, config(s))
	for _, step := range []struct {
		changes []connector.Change
		want    []string
	}{
		{[]connector.Change{remove("ann", "eng")}, []string{testserver.SlapdPlaceholder}},
		{[]connector.Change{add("ann", "eng"), add("bob", "eng")}, []string{ann, bob}},
		{[]connector.Change{remove("ann", "eng"), remove("bob", "eng")}, []string{testserver.SlapdPlaceholder}},
		{[]connector.Change{add("bob", "eng")}, []string{bob}},
		{[]connector.Change{add("ann", "eng"), remove("bob", "eng")}, []string{ann}},
	} {
		apply(t, c, step.changes...)
		equal(t, fmt.Sprint(step.changes), s.Values(t, eng, "member"), step.want...)
	}
	// The server's own integrity leaves the placeholder when the last one is deleted.
	s.DeletePerson(t, ann)
	equal(t, "after refint", s.Values(t, eng, "member"), testserver.SlapdPlaceholder)
	equal(t, "Observe", observe(t, c))
	nobody := "dn:" + testserver.SlapdPlaceholder
	if seen := lookAt(t, c, nobody, "eng"); seen.Err != nil || seen.Direct {
		t.Errorf("the placeholder is seen: %+v", seen)
	}
	apply(t, c, remove(nobody, "eng"))
	equal(t, "after its removal was asked for", s.Values(t, eng, "member"), testserver.SlapdPlaceholder)
}

// What is no account may not be let in; what is there already may be taken out.
func TestOnlyAccountsAreAdded(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	ann := s.Person(t, "ann")
	inner, outer := s.Group(t, "inner", ann), s.Group(t, "outer", ann)
	c := connect(t, config(s))
	for account, want := range map[string]error{
		"dn:" + inner:                    connector.ErrRefused,
		"dn:" + testserver.SlapdPeople:   connector.ErrRefused,
		"dn:" + testserver.SlapdGroups:   connector.ErrRefused,
		"dn:" + testserver.SlapdService:  connector.ErrNoObject, // the service account may not even see itself
		"dn:uid=nn,ou=people,dc=x":       connector.ErrNoObject,
		"dn:nonsense":                    connector.ErrRefused,
		"dn:":                            connector.ErrRefused,
		"dn:" + s.GroupDN("inner") + ",": connector.ErrRefused,
	} {
		if err := c.Apply(t.Context(), []connector.Change{add(account, "outer")})[0].Err; !errors.Is(err, want) {
			t.Errorf("add of %q: %v, want %v", account, err, want)
		}
	}
	equal(t, "members", s.Members(t, outer), ann)
	s.Modify(t, outer, "member", []string{inner}, nil)
	equal(t, "Observe", observe(t, c, "outer"), "outer: ann", "outer: dn:"+inner)
	apply(t, c, remove("dn:"+inner, "outer"))
	equal(t, "members", s.Members(t, outer), ann)
	for _, object := range []string{"dn:" + testserver.SlapdService, "dn:cn=x,dc=example,dc=org"} {
		if err := c.Apply(t.Context(), []connector.Change{add("ann", object)})[0].Err; !errors.Is(err, connector.ErrRefused) {
			t.Errorf("add to %q: %v", object, err)
		}
	}
}

// A name that several entries bear, or that is spelled otherwise, is nobody's to guess.
func TestNamesMustBeExact(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	ann := s.Person(t, "ann")
	s.Add(t, "ou=lab,"+testserver.SlapdPeople, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"lab"}})
	person := func(uid ...string) string {
		dn := "cn=" + uid[0] + ",ou=lab," + testserver.SlapdPeople
		s.Add(t, dn, map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": uid, "cn": {uid[0]}, "sn": {"x"}})
		return dn
	}
	twin, bob, cat := person("ANN"), person("bob"), person("cat", "catherine")
	eng := s.Group(t, "eng", ann, twin, bob, cat)
	c := connect(t, config(s))
	for _, account := range []string{"ann", "ANN", "Ann", "BOB", "bob "} {
		seen := lookAt(t, c, account, "eng")
		if !errors.Is(seen.Err, connector.ErrRefused) {
			t.Errorf("look at %q: %+v, want it refused", account, seen)
		}
		for _, ch := range []connector.Change{add(account, "eng"), remove(account, "eng")} {
			if err := c.Apply(t.Context(), []connector.Change{ch, remove("nn", "eng")})[0].Err; !errors.Is(err, connector.ErrRefused) {
				t.Errorf("%+v: %v, want it refused", ch, err)
			}
		}
	}
	want := []string{"eng: dn:" + ann, "eng: dn:" + twin, "eng: bob", "eng: dn:" + cat}
	equal(t, "Observe", observe(t, c), want...)
	equal(t, "Observe of one", observe(t, c, "eng"), want...)
	apply(t, c, remove("catherine", "eng"), remove("dn:"+twin, "eng"))
	equal(t, "members", s.Members(t, eng), ann, bob)
	if err := c.Apply(t.Context(), []connector.Change{add("bob", "ENG")})[0].Err; !errors.Is(err, connector.ErrRefused) {
		t.Errorf("a group spelled otherwise: %v", err)
	}
}

// A group may be named by its cn, whatever that is, if it is spelled so and the only one.
func TestGroupsByName(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	c := connect(t, config(s))
	names := []string{"*", "a,b", "a+b=c", ")(cn=*", `a\b`, "#1", "é", " lead", "uid=x,ou=people", "cn=x,dc=example,dc=org", "a  b", "dn", "=", "名前"}
	var in []connector.Change
	for _, n := range names {
		s.Group(t, n, bob)
		in = append(in, add("ann", n))
	}
	apply(t, c, in...)
	for _, n := range names {
		equal(t, "members", s.Members(t, s.GroupDN(n)), ann, bob)
		equal(t, "Observe", observe(t, c, n), n+": ann", n+": bob")
		if seen := lookAt(t, c, "ann", n); seen.Err != nil || !seen.Direct {
			t.Errorf("look at %q: %+v", n, seen)
		}
	}
	s.Add(t, "ou=lab,"+testserver.SlapdGroups, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"lab"}})
	for _, dn := range []string{"cn=twin,ou=lab," + testserver.SlapdGroups, "cn=Twin," + testserver.SlapdGroups} {
		cn := dn[3:7]
		s.Add(t, dn, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}, "member": {ann}})
	}
	for _, n := range []string{"twin", "Twin", "A,B"} {
		if seen := lookAt(t, c, "ann", n); !errors.Is(seen.Err, connector.ErrRefused) {
			t.Errorf("look at %q: %+v, want it refused", n, seen)
		}
	}
	twin := "cn=twin,ou=lab," + testserver.SlapdGroups
	if seen := lookAt(t, c, "ann", twin); seen.Err != nil || !seen.Direct {
		t.Errorf("look by DN: %+v", seen)
	}
}
