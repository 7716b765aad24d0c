package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Look asks the server two ways. Directly: does the group's member attribute hold
// the account (compare)? And from the other side: which groups list the account
// (search by member), which groups list those, and what does the account's own
// memberOf say, where there is one?
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	at := c.now() // before the first read: nothing seen is older than this
	if err := c.ready(ctx); err != nil {
		return blind(refs, at, err)
	}
	who, what := make([]string, len(refs)), make([]string, len(refs))
	for i, r := range refs {
		who[i], what[i] = r.Account, r.Object
	}
	k := c.accountKind()
	k.attributes = append(k.attributes, "memberOf")
	g := c.groupKind()
	if c.dialect.windows {
		k.attributes = append(k.attributes, tokenAttributes...)
		g.attributes = append(g.attributes, sidAttr, "groupType")
	}
	l := &look{c: c, groups: c.find(ctx, g, what), accounts: c.find(ctx, k, who)}
	seen := make([]connector.Seen, len(refs))
	// 1. Directly, each by itself, unless that is dear.
	l.askTogether(ctx, refs)
	c.each(len(refs), func(i int) {
		seen[i] = l.direct(ctx, refs[i])
		seen[i].Ref, seen[i].At = refs[i], at
	})
	// 2. From the other side, together: the climb is shared.
	l.readTokens(ctx, seen)
	l.followChains(ctx, seen)
	l.climb(ctx, seen)
	for i := range seen {
		l.around(&seen[i])
	}
	return seen
}

// blind is the answer where nothing could be asked.
func blind(refs []connector.Ref, at time.Time, err error) []connector.Seen {
	seen := make([]connector.Seen, len(refs))
	for i, r := range refs {
		seen[i] = connector.Seen{Ref: r, At: at, Err: err}
	}
	return seen
}

// look is what one call has read.
type look struct {
	c        *Connector
	groups   map[string]found
	accounts map[string]found
	ghosts   sync.Map // group DN -> func() ([]string, error): its members, read once

	together map[string]listing // by account DN: what lists it, where that was asked at once

	tokens map[string]token  // by the account's DN
	above  map[string][]node // by DN key: the groups that list it
	err    error             // the climb failed
}

// node is a group, by the word of its member list or of the account alone.
type node struct {
	dn, key string
	said    bool
}

// direct compares. What cannot be there is seen absent: a group or an account
// that is not, below a base that is.
func (l *look) direct(ctx context.Context, r connector.Ref) (s connector.Seen) {
	g, who := l.groups[r.Object], l.accounts[r.Account]
	switch {
	case errors.Is(g.err, connector.ErrNoObject):
		s.Path = "no such group"
		return s
	case g.err != nil:
		s.Err = g.err
		return s
	case errors.Is(who.err, connector.ErrNoObject):
		s.Path = strings.TrimSuffix("no such account; read "+g.is.DN+"; "+l.c.tombstone(ctx, r.Account), "; ")
		return l.ghost(ctx, g.is.DN, r.Account, s)
	case who.err != nil:
		s.Err = who.err
		return s
	}
	if s.Path = "compare " + g.is.DN; !l.c.dialect.compares {
		s.Path = "search " + g.is.DN + " for the member"
	}
	if at, once := l.together[who.is.DN]; once {
		s.Path = "search " + l.c.groups.text + " for what lists the account"
		s.Direct, s.Err = at.groups[g.is.DN], at.err
	} else {
		s.Direct, s.Err = l.c.lists(ctx, g.is.DN, who.is.DN)
	}
	if errors.Is(s.Err, connector.ErrNoObject) {
		s.Path, s.Err = "no such group", nil // it went away since it was found
	}
	s.Effective = s.Direct
	return s
}

// listing is what lists one account.
type listing struct {
	groups map[string]bool // by DN
	err    error
}

// fewRefs is up to how many groups each is asked about one account by itself.
const fewRefs = 8

// askTogether asks once for all groups that list an account, where it is looked
// at in many of them and the server has no compare that can be trusted.
func (l *look) askTogether(ctx context.Context, refs []connector.Ref) {
	if l.c.dialect.compares {
		return
	}
	many := map[string]int{}
	var accounts []string
	for _, r := range refs {
		if who := l.accounts[r.Account].is; who != nil {
			if many[who.DN]++; many[who.DN] == fewRefs+1 {
				accounts = append(accounts, who.DN)
			}
		}
	}
	got := make([]listing, len(accounts))
	l.c.each(len(accounts), func(i int) {
		entries, err := l.c.all(ctx, l.c.groups, "(&"+l.c.groupFilter()+eq(l.c.memberAttr, accounts[i])+")", noAttributes)
		got[i] = listing{map[string]bool{}, err}
		for _, e := range entries {
			got[i].groups[e.DN] = true
		}
	})
	l.together = map[string]listing{}
	for i, a := range accounts {
		l.together[a] = got[i]
	}
}

// ghost looks for the membership of an account that is gone.
func (l *look) ghost(ctx context.Context, group, account string, s connector.Seen) connector.Seen {
	read, _ := l.ghosts.LoadOrStore(group, sync.OnceValues(func() ([]string, error) {
		return l.c.members(ctx, l.c.ask, group)
	}))
	members, err := read.(func() ([]string, error))()
	if err == nil {
		members, err = l.c.ghosts(ctx, group, members, account)
	}
	switch {
	case errors.Is(err, connector.ErrNoObject):
		return s // the group went away in between
	case err != nil:
		s.Err = err
	}
	for _, m := range members {
		s.Direct, s.Effective = true, true
		s.Residual = append(s.Residual, "the group still lists "+m+", an account that "+l.c.lost(m))
	}
	return s
}

// climb reads which groups list the accounts seen, and which list those, until
// nothing new is above.
func (l *look) climb(ctx context.Context, seen []connector.Seen) {
	level := map[string]string{} // key -> DN
	for _, s := range seen {
		if who := l.accounts[s.Account]; s.Err == nil && who.is != nil {
			level[keyOf(who.is.DN)] = who.is.DN
		}
	}
	l.above = map[string][]node{}
	for first := true; len(level) > 0 && l.err == nil; first = false {
		var found []node
		if found, l.err = l.step(ctx, level, first); l.err != nil {
			return
		}
		if first {
			found = slices.Concat(found, l.primaries(), l.said(seen))
		}
		clear(level)
		for _, n := range found {
			if _, known := l.above[n.key]; !known {
				level[n.key] = n.dn
			}
		}
		if len(l.above)+len(level) > maxNested+len(seen) {
			l.err = fmt.Errorf("%w: more than %d groups are around these accounts", connector.ErrRefused, maxNested)
		}
	}
}

// step reads what lists each of the level's names. An account is most likely in
// some group, a group most likely in none: so groups are asked about together
// first, and each by itself only where there was an answer.
func (l *look) step(ctx context.Context, level map[string]string, accounts bool) ([]node, error) {
	names := make([]node, 0, len(level))
	for key, dn := range level {
		names = append(names, node{dn: dn, key: key})
		l.above[key] = nil
	}
	if !accounts {
		var err error
		if names, err = l.nested(ctx, names); err != nil {
			return nil, err
		}
	}
	got := make([][]node, len(names))
	errs := make([]error, len(names))
	l.c.each(len(names), func(i int) { got[i], errs[i] = l.listers(ctx, names[i:i+1]) })
	var all []node
	for i, n := range names {
		if errs[i] != nil {
			return nil, errs[i]
		}
		l.above[n.key] = got[i]
		all = append(all, got[i]...)
	}
	return all, nil
}

// nested keeps those chunks of groups of which some group lists one.
func (l *look) nested(ctx context.Context, names []node) ([]node, error) {
	chunks := slices.Collect(slices.Chunk(names, namesAsked))
	keep := make([]bool, len(chunks))
	errs := make([]error, len(chunks))
	l.c.each(len(chunks), func(i int) {
		var found []node
		found, errs[i] = l.listers(ctx, chunks[i])
		keep[i] = len(found) > 0
	})
	var kept []node
	for i, some := range chunks {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if keep[i] {
			kept = append(kept, some...)
		}
	}
	return kept, nil
}

// listers gives the groups that list any of the names.
func (l *look) listers(ctx context.Context, names []node) ([]node, error) {
	dns := make([]string, len(names))
	for i, n := range names {
		dns[i] = n.dn
	}
	entries, err := l.c.all(ctx, l.c.top, "(&"+l.c.groupFilter()+anyOf(l.c.memberAttr, dns)+")", noAttributes)
	if err != nil {
		return nil, err
	}
	found := make([]node, len(entries))
	for i, e := range entries {
		found[i] = node{dn: e.DN, key: keyOf(e.DN)}
	}
	return found, nil
}

// around adds to what was seen directly what leads there by another way.
func (l *look) around(s *connector.Seen) {
	g, who := l.groups[s.Object], l.accounts[s.Account]
	if s.Err != nil || g.is == nil || who.is == nil {
		return
	}
	if l.err != nil {
		s.Err = l.err
		return
	}
	s.Path += "; search " + l.c.top.text + " by " + l.c.memberAttr
	target := node{dn: g.is.DN, key: keyOf(g.is.DN)}
	listed := false
	for _, in := range l.above[keyOf(who.is.DN)] {
		if in.key == target.key {
			listed = listed || !in.said
		} else if way := l.way(in, target); way != nil {
			s.Residual = append(s.Residual, "through "+strings.Join(way, " > "))
		}
	}
	if listed && !s.Direct {
		s.Residual = append(s.Residual, "the search finds the group by this member, though compare denies it")
	}
	if says, there := l.memberOf(who.is, target); there {
		s.Path += "; memberOf"
		if says && !s.Direct && len(s.Residual) == 0 { // some servers follow nested groups in it
			s.Residual = append(s.Residual, "the account's memberOf names the group, though the group does not list it")
		}
	}
	l.tokenWays(s, g.is, who.is, target)
	slices.Sort(s.Residual)
	s.Effective = s.Direct || len(s.Residual) > 0
}

// memberOf says whether the account's own attribute names the group, and whether
// the attribute is there at all: without an overlay that keeps it, it is not.
func (l *look) memberOf(account *goldap.Entry, target node) (says, there bool) {
	values := account.GetEqualFoldAttributeValues("memberOf")
	for _, v := range values {
		if v == target.dn || keyOf(v) == target.key {
			return true, true
		}
	}
	return false, len(values) > 0
}

// way gives the DNs from one group up to another, nil if no way leads there.
func (l *look) way(from, to node) []string {
	below := map[string]node{from.key: {}} // how each was reached
	for todo := []node{from}; len(todo) > 0; todo = todo[1:] {
		if todo[0].key == to.key {
			var way []string
			for at := todo[0]; at.key != ""; at = below[at.key] {
				way = append(way, at.dn)
			}
			slices.Reverse(way)
			return way
		}
		for _, up := range l.above[todo[0].key] {
			if _, known := below[up.key]; !known {
				below[up.key] = todo[0]
				todo = append(todo, up)
			}
		}
	}
	return nil
}
