package ldap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// The server's two accounts of one membership may differ; either may let someone in.
func TestMemberOfAlone(t *testing.T) {
	t.Parallel()
	ldif := "dn: cn=eng," + testserver.SlapdGroups + "\nobjectClass: groupOfNames\ncn: eng\nmember: " + testserver.SlapdPlaceholder + "\n\n" +
		"dn: uid=ann," + testserver.SlapdPeople + "\nobjectClass: inetOrgPerson\nuid: ann\ncn: a\nsn: a\nmemberOf: CN=Eng, " + testserver.SlapdGroups + "\n\n"
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, LDIF: ldif})
	c := connect(t, config(s))
	seen := lookAt(t, c, "ann", "eng")
	if seen.Err != nil || seen.Direct || !seen.Effective || len(seen.Residual) != 1 || !strings.HasSuffix(seen.Path, "memberOf") {
		t.Errorf("look: %+v, want it held by memberOf alone", seen)
	}
	for _, res := range c.Apply(t.Context(), []connector.Change{{Ref: connector.Ref{Account: "ann", Object: "eng"}}}) {
		if res.Err != nil {
			t.Errorf("remove: %v", res.Err)
		}
	}
	if seen := sees(t, c, "ann", "eng", false, false); seen.Residual != nil {
		t.Errorf("look after the removal: %+v, want it held by nothing", seen)
	}
	s.Person(t, "bob")
	if seen := lookAt(t, c, "bob", "eng"); strings.Contains(seen.Path, "memberOf") {
		t.Errorf("look: path %q names memberOf, which is not there", seen.Path)
	}
}

// What the server cut short or keeps elsewhere is not the whole.
func TestPartIsNotTheWhole(t *testing.T) {
	t.Parallel()
	t.Run("size limit", func(t *testing.T) {
		t.Parallel()
		s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, SizeLimit: 5})
		s.Person(t, "ann")
		for i := range 8 {
			s.Group(t, fmt.Sprintf("g%d", i), s.PersonDN("ann"))
		}
		for _, page := range []int{2, 500} {
			cfg := config(s)
			cfg.PageSize = page
			c := connect(t, cfg)
			err := c.Observe(t.Context(), nil, func(connector.Holding) error { return nil })
			if !errors.Is(err, connector.ErrRefused) || !goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) {
				t.Errorf("Observe in pages of %d: %v, want the limit (4)", page, err)
			}
			if seen := lookAt(t, c, "ann", "g1"); seen.Err == nil {
				t.Errorf("look in pages of %d: %+v, want an error", page, seen)
			}
		}
	})
	t.Run("referral", func(t *testing.T) {
		t.Parallel()
		s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
		s.Person(t, "ann")
		far := "cn=far," + testserver.SlapdGroups
		s.Add(t, far, map[string][]string{
			"objectClass": {"referral", "extensibleObject"}, "cn": {"far"},
			"ref": {"ldap://127.0.0.1:1/" + far},
		})
		c := connect(t, config(s))
		cfg := config(s)
		cfg.BindDN, cfg.Password = testserver.SlapdAdmin, func() string { return testserver.SlapdAdminSecret }
		all := connect(t, cfg) // the service account may not see that there is a reference
		if err := all.Observe(t.Context(), nil, func(connector.Holding) error { return nil }); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("Observe over a reference: %v", err)
		}
		if seen := lookAt(t, c, "ann", far); !errors.Is(seen.Err, connector.ErrRefused) {
			t.Errorf("look at a referral: %+v", seen)
		}
		if err := c.Apply(t.Context(), []connector.Change{add("ann", far)})[0].Err; !errors.Is(err, connector.ErrRefused) {
			t.Errorf("add to a referral: %v", err)
		}
	})
}

// What the bind account may not see is not absent.
func TestHiddenIsNotAbsent(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	s.Group(t, "eng", s.Person(t, "ann"))
	// By DN nothing is searched for below the base, and yet it must be seen.
	cfg := config(s)
	cfg.GroupsBase = "ou=svc," + testserver.SlapdBase
	byDN := connect(t, cfg)
	if seen := lookAt(t, byDN, "ann", "cn=eng,"+cfg.GroupsBase); seen.Err == nil {
		t.Errorf("a hidden group by DN: look: %+v, want an error", seen)
	}
	if err := byDN.Apply(t.Context(), []connector.Change{remove("ann", "cn=eng,"+cfg.GroupsBase)})[0].Err; err == nil {
		t.Error("a hidden group by DN: a removal is answered without an error")
	}
	for name, bend := range map[string]func(*Config){
		"groups":       func(c *Config) { c.GroupsBase = "ou=svc," + testserver.SlapdBase },
		"people":       func(c *Config) { c.PeopleBase = "ou=svc," + testserver.SlapdBase },
		"no such base": func(c *Config) { c.PeopleBase = "ou=nowhere," + testserver.SlapdBase },
		"members":      func(c *Config) { c.MemberAttribute = "owner" },
	} {
		cfg := config(s)
		bend(&cfg)
		c := connect(t, cfg)
		if seen := lookAt(t, c, "ann", "eng"); seen.Err == nil {
			t.Errorf("%s hidden: look: %+v, want an error", name, seen)
		}
		if err := c.Apply(t.Context(), []connector.Change{remove("ann", "eng")})[0].Err; err == nil {
			t.Errorf("%s hidden: a removal is answered without an error", name)
		}
		if err := c.Observe(t.Context(), nil, func(connector.Holding) error { return nil }); err == nil {
			t.Errorf("%s hidden: Observe gives no error", name)
		}
	}
}

// Members are read range by range where the server gives them so.
func TestRanges(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	p := newProxy(t, s)
	p.ranges = 7
	cfg := config(s)
	cfg.URL = p.url
	c := connect(t, cfg)
	for _, n := range []int{6, 7, 8, 14, 30} {
		cn := fmt.Sprintf("g%d", n)
		var dns, want []string
		for i := range n {
			uid := fmt.Sprintf("%s-p%02d", cn, i)
			dns, want = append(dns, s.Person(t, uid)), append(want, cn+": "+uid)
		}
		s.Group(t, cn, dns...)
		equal(t, "Observe", observe(t, c, cn), want...)
		apply(t, c, remove(cn+"-p00", cn), remove(fmt.Sprintf("%s-p%02d", cn, n-1), cn))
		equal(t, "members", s.Members(t, s.GroupDN(cn)), dns[1:n-1]...)
	}
	if got := observe(t, c); len(got) != 6+7+8+14+30-2*5 {
		t.Errorf("Observe of all gave %d", len(got))
	}
}

// How much is asked of the server must not grow with the groups' sizes.
func TestRequestsAreFew(t *testing.T) {
	t.Parallel()
	ldif, members := crowd()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, LDIF: ldif})
	p := newProxy(t, s)
	cfg := config(s)
	cfg.URL = p.url
	c := connect(t, cfg)
	var out []connector.Change
	var refs []connector.Ref
	for g, uids := range members {
		for _, uid := range uids[:20] {
			out = append(out, remove(uid, fmt.Sprintf("g%02d", g)))
			refs = append(refs, out[len(out)-1].Ref)
		}
	}
	spent := func() map[ber.Tag]int {
		p.mu.Lock()
		defer p.mu.Unlock()
		n := maps.Clone(p.count)
		clear(p.count)
		return n
	}
	apply(t, c, out...)
	n := spent()
	if n[goldap.ApplicationModifyRequest] != len(members) || n[goldap.ApplicationSearchRequest] > 100 || n[goldap.ApplicationCompareRequest] > 0 {
		t.Errorf("1,000 removals from 50 groups took %d modifies, %d searches, %d compares",
			n[goldap.ApplicationModifyRequest], n[goldap.ApplicationSearchRequest], n[goldap.ApplicationCompareRequest])
	}
	for _, seen := range c.Look(t.Context(), refs) {
		if seen.Err != nil || seen.Effective {
			t.Fatalf("%+v", seen)
		}
	}
	if n = spent(); n[goldap.ApplicationCompareRequest] != len(refs) || n[goldap.ApplicationSearchRequest] > 1100 {
		t.Errorf("a look at 1,000 took %d searches, %d compares", n[goldap.ApplicationSearchRequest], n[goldap.ApplicationCompareRequest])
	}
}

// A server that takes everything in and says nothing: no call may outlive its deadline.
func TestDeadline(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	s.Group(t, "eng", s.Person(t, "ann"))
	p := newProxy(t, s)
	cfg := config(s)
	cfg.URL = p.url
	c := connect(t, cfg)
	silent := func(mute bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.mute = mute
	}
	for _, warm := range []bool{false, true} {
		if warm {
			silent(false)
			if seen := lookAt(t, c, "ann", "eng"); !seen.Direct {
				t.Fatalf("%+v", seen)
			}
		}
		silent(true)
		for name, call := range map[string]func(context.Context) error{
			"Apply": func(ctx context.Context) error {
				err := c.Apply(ctx, []connector.Change{remove("ann", "eng")})[0].Err
				if !errors.Is(err, connector.ErrUnreachable) {
					t.Errorf("Apply that sent nothing: %v", err)
				}
				return err
			},
			"Look": func(ctx context.Context) error {
				return c.Look(ctx, []connector.Ref{{Account: "ann", Object: "eng"}})[0].Err
			},
			"Observe": func(ctx context.Context) error {
				return c.Observe(ctx, nil, func(connector.Holding) error { return nil })
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			began := time.Now()
			if err := call(ctx); err == nil {
				t.Errorf("%s without an answer gave no error", name)
			}
			cancel()
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("%s took %s of the 300ms it had", name, took)
			}
		}
	}
}

// A connection that died while nobody used it is nobody's trouble.
func TestDeadConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	eng := s.Group(t, "eng", s.Person(t, "ann"))
	p := newProxy(t, s)
	cfg := config(s)
	cfg.URL = p.url
	c := connect(t, cfg)
	for range 20 {
		if seen := lookAt(t, c, "ann", "eng"); seen.Err != nil || !seen.Direct {
			t.Fatalf("%+v", seen)
		}
		p.cutAll()
	}
	apply(t, c, remove("ann", "eng"))
	equal(t, "members", s.Members(t, eng))
}
