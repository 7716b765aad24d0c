package ldap

import (
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Where no token tells, the server follows the members itself: a group for
// distribution only is in none, and a contact has none.
func TestSambaInChain(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann")
	contact := "CN=contact," + w.People
	w.Add(t, contact, map[string][]string{"objectClass": {"contact"}})
	news := w.Group(t, "news")
	w.Replace(t, news, "groupType", "2")
	team := w.Group(t, "team", w.dn["ann"], contact)
	wiki := w.Group(t, "wiki")
	c := connect(t, sambaConfig(w.SambaArea))
	byGUID := GUIDPrefix + w.GUID(t, contact)
	for _, x := range []struct {
		account, object string
		chain           bool
	}{{w.guid["ann"], news, true}, {w.guid["ann"], wiki, false}, {byGUID, news, true}, {byGUID, wiki, true}} {
		s := sees(t, c, x.account, x.object, false, false)
		if strings.Contains(s.Path, "in chain") != x.chain {
			t.Errorf("path %q; want in chain %t", s.Path, x.chain)
		}
	}
	for _, outer := range []string{news, wiki} {
		w.Modify(t, outer, "member", []string{team}, nil)
		for _, account := range []string{w.guid["ann"], byGUID} {
			sees(t, c, account, outer, false, true, "through "+team+" > "+outer)
		}
	}
	// A contact is an account like any other.
	apply(t, c, add(byGUID, wiki))
	sees(t, c, byGUID, wiki, true, true, "through "+team+" > "+wiki)
	apply(t, c, remove(byGUID, wiki))
	sees(t, c, byGUID, wiki, false, true, "through "+team+" > "+wiki)
}

// A look at one account in many groups asks once for all that list it, and sees
// what looks at each by itself would.
func TestSambaManyGroups(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann")
	c := connect(t, sambaConfig(w.SambaArea))
	var refs []connector.Ref
	for i := range 2 * fewRefs {
		var members []string
		if i%2 == 0 {
			members = []string{w.dn["ann"]}
		}
		refs = append(refs, connector.Ref{Account: w.guid["ann"], Object: w.Group(t, "g"+string(rune('a'+i)), members...)})
	}
	for _, some := range [][]connector.Ref{refs, refs[:fewRefs]} {
		for i, s := range c.Look(t.Context(), some) {
			if want := i%2 == 0; s.Err != nil || s.Direct != want || s.Effective != want || strings.Contains(s.Path, "what lists the account") != (len(some) > fewRefs) {
				t.Errorf("%+v, want %t", s, want)
			}
		}
	}
}

// Somebody new under an old name has another id.
func TestSambaAccountsHaveIDs(t *testing.T) {
	t.Parallel()
	w := newSambaWorld(t, "ann", "bob")
	w.Add(t, "CN=group among people,"+w.People, map[string][]string{"objectClass": {"group"}})
	cfg := sambaConfig(w.SambaArea)
	cfg.AccountAttribute, cfg.PageSize = "cn", 1
	c := connect(t, cfg)
	ids := func() map[string]string {
		list := map[string]string{}
		if err := c.Accounts(t.Context(), func(a connector.Account) error { list[a.Name] = a.ID; return nil }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := ids()
	old := w.guid["ann"]
	w.Delete(t, w.dn["ann"])
	w.person(t, "ann")
	after := ids()
	if len(before) != 2 || before["ann"] != old || after["ann"] != w.guid["ann"] || after["ann"] == old || before["bob"] != after["bob"] {
		t.Errorf("before %v, after %v", before, after)
	}
}
