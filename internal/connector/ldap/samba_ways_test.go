package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Ways that no member list of the group shows, each named.
func TestSambaOtherWays(t *testing.T) {
	t.Parallel()
	w, far := newSambaWorld(t, "ann", "bob", "cat"), newSambaWorld(t)
	c := connect(t, sambaConfig(w.SambaArea))
	wiki := w.Group(t, "wiki")
	outside := far.Group(t, "outside", w.dn["bob"])
	mail := w.Group(t, "mail", w.dn["cat"])
	w.Replace(t, mail, "groupType", "2") // for distribution only: no token names it
	for _, inner := range []string{outside, mail} {
		w.Modify(t, wiki, "member", []string{inner}, nil)
	}
	sees(t, c, w.guid["ann"], wiki, false, false)
	// 1. Nested, by a group that lies outside groups_base.
	sees(t, c, w.guid["bob"], wiki, false, true, "through "+outside+" > "+wiki)
	// 2. Nested, by a group that is in nobody's token.
	sees(t, c, w.guid["cat"], wiki, false, true, "through "+mail+" > "+wiki)
	// 3. The primary group: the server takes the account off the member list for it.
	w.Modify(t, wiki, "member", []string{w.dn["ann"]}, nil)
	rid := func(group string) string { return w.Values(t, group, "primaryGroupToken")[0] }
	w.Replace(t, w.dn["ann"], "primaryGroupID", rid(wiki))
	if slices.Contains(w.Members(t, wiki), w.dn["ann"]) {
		t.Error("this server lists whose primary group it is")
	}
	sees(t, c, w.guid["ann"], wiki, false, true, "primary group")
	apply(t, c, add(w.guid["ann"], wiki)) // (68): is so already
	if err := c.Apply(t.Context(), []connector.Change{remove(w.guid["ann"], wiki)})[0].Err; err != nil {
		t.Errorf("(53) not listed: %v", err)
	}
	sees(t, c, w.guid["ann"], wiki, false, true, "primary group")
	// 4. A primary group that is nested.
	staff := w.Group(t, "staff", w.dn["bob"])
	w.Modify(t, outside, "member", nil, []string{w.dn["bob"]})
	w.Replace(t, w.dn["bob"], "primaryGroupID", rid(staff))
	sees(t, c, w.guid["bob"], wiki, false, false)
	w.Modify(t, wiki, "member", []string{staff}, nil)
	sees(t, c, w.guid["bob"], wiki, false, true, "through the primary group "+staff+" > "+wiki)
	// 5. Back to the primary group of everybody, the server lists her again: drift that a look sees.
	w.Replace(t, w.dn["ann"], "primaryGroupID", "513")
	sees(t, c, w.guid["ann"], wiki, true, true)
	apply(t, c, remove(w.guid["ann"], wiki))
	sees(t, c, w.guid["ann"], wiki, false, false)
}

// deny takes a right away from the service account, by the domain's own tool.
func deny(t *testing.T, w *sambaWorld, dn, right, attribute string) {
	t.Helper()
	script := "SID=$(samba-tool user show svc-lessor --attributes=objectSid | sed -n 's/^objectSid: //p')\n" +
		"samba-tool dsacl set --objectdn='" + dn + "' --sddl=\"(OD;;" + right + ";" + attribute + ";;$SID)\""
	if attribute == "" {
		script = strings.NewReplacer("(OD;;", "(D;;", ";;;$SID", ";;;$SID").Replace(script)
	}
	if out, err := w.Shell(script); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

const memberGUID = "bf9679c0-0de6-11d0-a285-00aa003049e2"

// What is hidden from us is not gone. Not parallel: another test reads the whole
// domain, and must not find hidden groups in it.
func TestSambaHiddenIsNotGone(t *testing.T) {
	w := newSambaWorld(t, "ann", "bob")
	wiki := w.Group(t, "wiki", w.dn["ann"])
	open := w.Group(t, "open", w.dn["bob"])
	c := connect(t, sambaConfig(w.SambaArea))
	t.Cleanup(func() { w.Delete(t, wiki) })
	sees(t, c, w.guid["ann"], wiki, true, true)
	deny(t, w, wiki, "RP", memberGUID)
	// 1. A member list we may not read looks empty; the token tells.
	s := lookAt(t, c, w.guid["ann"], wiki)
	if s.Err == nil && !s.Effective {
		t.Errorf("a hidden member is taken for gone: %+v", s)
	}
	if err := c.Observe(t.Context(), []string{wiki}, func(connector.Holding) error { return nil }); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "may not read") {
		t.Errorf("Observe of hidden members: %v", err)
	}
	// 2. A group between that we may not read, below a group that is in no token.
	inner := w.Group(t, "inner", w.dn["ann"])
	news := w.Group(t, "news", inner)
	w.Replace(t, news, "groupType", "2")
	t.Cleanup(func() { w.Delete(t, inner) })
	deny(t, w, inner, "RP", memberGUID)
	sees(t, c, w.guid["ann"], news, false, true, "through "+inner+" > "+news)
	// 3. An account we may not read: nothing is known of it.
	deny(t, w, w.dn["bob"], "RPLCLORC", "")
	for _, account := range []string{w.guid["bob"], "dn:" + w.dn["bob"]} {
		if s := lookAt(t, c, account, open); s.Err == nil && !s.Effective {
			t.Errorf("a hidden account, %s, is taken for gone: %+v", account, s)
		}
	}
}

// Others write between our reading and our modify: (68), (53), (32).
func TestSambaOthersWriteMeanwhile(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann", "bob", "cat", "dan")
	for name, c := range map[string]struct {
		changes   []connector.Change
		meanwhile func(wiki string)
		want      string
		errs      map[int]error
	}{
		"(53) a removal is done already": {[]connector.Change{remove("ann", ""), remove("bob", ""), add("dan", "")},
			func(wiki string) { w.Modify(t, wiki, "member", nil, []string{w.dn["ann"]}) }, "cat dan", nil},
		"(68) an add is done already": {[]connector.Change{remove("ann", ""), add("dan", "")},
			func(wiki string) { w.Modify(t, wiki, "member", []string{w.dn["dan"]}, nil) }, "bob cat dan", nil},
		"(32) one to be added goes away": {[]connector.Change{remove("ann", ""), remove("bob", ""), add("gone32", ""), add("dan", "")},
			func(string) { w.Delete(t, w.dn["gone32"]) }, "cat dan", map[int]error{2: connector.ErrNoObject}},
		"(32) one to be removed goes away": {[]connector.Change{remove("ann", ""), remove("left32", ""), add("dan", "")},
			func(string) { w.Delete(t, w.dn["left32"]) }, "bob cat dan", nil},
		"(32) the group goes away": {[]connector.Change{remove("ann", ""), add("dan", "")},
			func(wiki string) { w.Delete(t, wiki) }, "", map[int]error{1: connector.ErrNoObject}},
	} {
		t.Run(name, func(t *testing.T) {
			members := []string{w.dn["ann"], w.dn["bob"], w.dn["cat"]}
			for _, ch := range c.changes {
				if strings.HasSuffix(ch.Account, "32") {
					w.person(t, ch.Account)
					if !ch.Want {
						members = append(members, w.dn[ch.Account])
					}
				}
			}
			wiki := w.Group(t, name, members...)
			p := sambaProxy(t, w.SambaServer)
			once := true
			p.before = func(op *ber.Packet) {
				if op.Tag == goldap.ApplicationModifyRequest && once {
					once = false
					c.meanwhile(wiki)
				}
			}
			cfg := sambaConfig(w.SambaArea)
			cfg.URL = strings.Replace(p.url, "127.0.0.1", "localhost", 1)
			var changes []connector.Change
			for _, ch := range c.changes {
				changes = append(changes, connector.Change{Ref: connector.Ref{Account: w.guid[ch.Account], Object: wiki}, Want: ch.Want})
			}
			for i, r := range connect(t, cfg).Apply(t.Context(), changes) {
				if want := c.errs[i]; (want == nil) != (r.Err == nil) || !errors.Is(r.Err, want) {
					t.Errorf("change %d: %v, want %v", i, r.Err, want)
				}
			}
			var want []string
			for _, cn := range strings.Fields(c.want) {
				want = append(want, w.dn[cn])
			}
			equal(t, "members", w.Members(t, wiki), want...)
			if once {
				t.Error("nothing was written: the test tests nothing")
			}
		})
	}
}

// Members are read range by range, and changed wherever in the list they stand.
func TestSambaRanges(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t)
	cfg := sambaConfig(w.SambaArea)
	cfg.MembersAtOnce, cfg.AccountAttribute, cfg.PageSize = 7, "uid", 3
	c := connect(t, cfg)
	total := 0
	for _, n := range []int{0, 6, 7, 8, 14, 30} {
		cn := fmt.Sprintf("g%d", n)
		var dns, want []string
		for i := range n {
			uid := fmt.Sprintf("%s-p%02d", cn, i)
			dns, want = append(dns, w.Person(t, uid)), append(want, uid)
		}
		wiki := w.Group(t, cn, dns...)
		got := observe(t, c, wiki)
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], wiki+": ")
		}
		equal(t, "Observe", got, want...)
		if n == 0 {
			continue
		}
		apply(t, c, remove(cn+"-p00", wiki), remove(fmt.Sprintf("%s-p%02d", cn, n-1), wiki))
		equal(t, "members", w.Members(t, wiki), dns[1:n-1]...)
		total += n - 2
	}
	if got := observe(t, c); len(got) != total {
		t.Errorf("Observe of all gave %d, want %d", len(got), total)
	}
}

// Who the server says it is, and what follows from it.
func TestDialects(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann")
	wiki := w.Group(t, "wiki", w.dn["ann"])
	slapd := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	slapd.Group(t, "eng", slapd.Person(t, "ann"))
	for name, x := range map[string]struct {
		cfg     Config
		bend    func(*Config)
		ref     connector.Ref
		lingers time.Duration
		says    string
	}{
		"Samba, asked":         {sambaConfig(w.SambaArea), func(*Config) {}, connector.Ref{Account: w.guid["ann"], Object: wiki}, ticketLife, ""},
		"Samba, told":          {sambaConfig(w.SambaArea), func(c *Config) { c.Dialect = ActiveDirectory }, connector.Ref{Account: w.guid["ann"], Object: wiki}, ticketLife, ""},
		"tickets live shorter": {sambaConfig(w.SambaArea), func(c *Config) { c.Lingers = 10 * time.Hour }, connector.Ref{Account: w.guid["ann"], Object: wiki}, 10 * time.Hour, ""},
		"slapd, asked":         {config(slapd), func(*Config) {}, connector.Ref{Account: "ann", Object: "eng"}, 0, ""},
		"slapd, told":          {config(slapd), func(c *Config) { c.Dialect = OpenLDAP }, connector.Ref{Account: "ann", Object: "eng"}, 0, ""},
		"slapd, told wrong":    {config(slapd), func(c *Config) { c.Dialect = ActiveDirectory }, connector.Ref{Account: "ann", Object: "eng"}, ticketLife, "defaultNamingContext"},
		"slapd, by objectGUID": {config(slapd), func(c *Config) { c.AccountAttribute = "objectguid" }, connector.Ref{Account: "ann", Object: "eng"}, 0, "only Active Directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x.bend(&x.cfg)
			c := connect(t, x.cfg)
			s := c.Look(t.Context(), []connector.Ref{x.ref})[0]
			applied := c.Apply(t.Context(), []connector.Change{{Ref: x.ref}, {Ref: x.ref, Want: true}})
			for _, err := range []error{s.Err, applied[0].Err, applied[1].Err} {
				if x.says == "" && err != nil || x.says != "" && (!errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), x.says)) {
					t.Errorf("%v, want %q", err, x.says)
				}
			}
			if x.says == "" && !s.Direct {
				t.Errorf("%+v, want it held", s)
			}
			if got := c.Capabilities().Lingers; got != x.lingers {
				t.Errorf("sessions linger for %s, want %s", got, x.lingers)
			}
		})
	}
	for name, bend := range map[string]func(*Config){
		"no dialect": func(c *Config) { c.Dialect = "x500" }, "objectGUID elsewhere": func(c *Config) { c.Dialect, c.AccountAttribute = OpenLDAP, "objectGUID" },
		"a negative life": func(c *Config) { c.Lingers = -1 }, "fewer than no members": func(c *Config) { c.MembersAtOnce = -1 },
	} {
		cfg := config(slapd)
		bend(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
