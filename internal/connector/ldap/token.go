package ldap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Active Directory's own account of what somebody may use: the list of groups
// that goes into every session (tokenGroups), which also knows the primary group,
// that no group lists; and in-chain matching, which follows nested groups for us.

const (
	sidAttr = "objectSid"
	// inChain follows member through nested groups (LDAP_MATCHING_RULE_IN_CHAIN).
	inChain = ":1.2.840.113556.1.4.1941:="
)

var tokenAttributes = []string{sidAttr, "primaryGroupID", "objectClass"}

// token is what an account's sessions would be given now.
type token struct {
	sids    map[string]bool
	primary node
	err     error
}

// readTokens reads the token of every account seen; the server works it out for
// one entry at a time only.
func (l *look) readTokens(ctx context.Context, seen []connector.Seen) {
	if !l.c.dialect.windows {
		return
	}
	var accounts []*goldap.Entry
	l.tokens = map[string]token{}
	for _, s := range seen {
		who := l.accounts[s.Account].is
		if s.Err != nil || who == nil {
			continue
		}
		if _, known := l.tokens[who.DN]; !known {
			l.tokens[who.DN] = token{}
			accounts = append(accounts, who)
		}
	}
	tokens := make([]token, len(accounts))
	l.c.each(len(accounts), func(i int) { tokens[i] = l.c.token(ctx, accounts[i]) })
	l.namePrimaries(ctx, accounts, tokens)
	for i, a := range accounts {
		l.tokens[a.DN] = tokens[i]
	}
}

// token reads one. Contacts have none, for they cannot log on; whoever can has at
// least one group, so an empty list is one that is hidden from us.
func (c *Connector) token(ctx context.Context, account *goldap.Entry) (t token) {
	classes := account.GetEqualFoldAttributeValues("objectClass")
	sid := account.GetEqualFoldRawAttributeValue(sidAttr)
	if len(classes) == 0 {
		return token{err: fmt.Errorf("%w: %s may not read %s", connector.ErrRefused, c.bindDN, account.DN)}
	}
	user := slices.ContainsFunc(classes, func(class string) bool { return strings.EqualFold(class, "user") })
	if len(sid) == 0 && !user {
		return t
	}
	e, err := entry(ctx, c.ask, account.DN, anything, []string{"tokenGroups"})
	if errors.Is(err, connector.ErrNoObject) {
		return t // it went away since it was found
	}
	if err != nil {
		return token{err: err}
	}
	t.sids = map[string]bool{}
	for _, s := range e.GetEqualFoldRawAttributeValues("tokenGroups") {
		t.sids[string(s)] = true
	}
	if user && len(t.sids) == 0 {
		return token{err: fmt.Errorf("%w: %s shows no tokenGroups: %s may not read them", connector.ErrRefused, account.DN, c.bindDN)}
	}
	return t
}

// namePrimaries finds the groups that the accounts are in by primaryGroupID, each once.
func (l *look) namePrimaries(ctx context.Context, accounts []*goldap.Entry, tokens []token) {
	found := map[string]node{}
	for i, a := range accounts {
		sid := primarySID(a)
		if sid == "" || tokens[i].err != nil {
			continue
		}
		if _, known := found[sid]; !known {
			e, err := entry(ctx, l.c.ask, "<SID="+sid+">", anything, noAttributes)
			switch {
			case err == nil:
				found[sid] = node{dn: e.DN, key: keyOf(e.DN)}
			case errors.Is(err, connector.ErrNoObject):
				found[sid] = node{} // hidden from us; the token tells what it leads to
			default:
				tokens[i].err = err
				continue
			}
		}
		tokens[i].primary = found[sid]
	}
}

// primarySID is the SID of an account's primary group: of its own domain.
func primarySID(account *goldap.Entry) string {
	rid := account.GetEqualFoldAttributeValue("primaryGroupID")
	sid := account.GetEqualFoldRawAttributeValue(sidAttr)
	n, err := strconv.ParseUint(rid, 10, 32)
	if err != nil || len(sid) < 12 || len(sid) != 8+4*int(sid[1]) {
		return ""
	}
	// A SID: revision, count, authority (6, big-endian), then that many numbers.
	var b strings.Builder
	authority := binary.BigEndian.Uint64(append([]byte{0, 0}, sid[2:8]...))
	fmt.Fprintf(&b, "S-%d-%d", sid[0], authority)
	for at := 8; at < len(sid)-4; at += 4 {
		fmt.Fprintf(&b, "-%d", binary.LittleEndian.Uint32(sid[at:]))
	}
	return fmt.Sprintf("%s-%d", b.String(), n)
}

// primaries are the groups that some account is in without being listed.
func (l *look) primaries() (list []node) {
	for _, t := range l.tokens {
		if t.primary.key != "" {
			list = append(list, t.primary)
		}
	}
	return list
}

// said are the groups that accounts say they are in and that a search does not
// find by their members, as it does not where we may not read those.
func (l *look) said(seen []connector.Seen) (list []node) {
	if !l.c.dialect.windows {
		return nil
	}
	for _, s := range seen {
		who := l.accounts[s.Account].is
		if s.Err != nil || who == nil {
			continue
		}
		key := keyOf(who.DN)
		for _, v := range who.GetEqualFoldAttributeValues("memberOf") {
			n := node{dn: v, key: keyOf(v), said: true}
			if !slices.ContainsFunc(l.above[key], func(in node) bool { return in.key == n.key }) {
				l.above[key] = append(l.above[key], n)
				list = append(list, n)
			}
		}
	}
	return list
}

// tokenWays adds the ways that only the token knows.
func (l *look) tokenWays(s *connector.Seen, group, account *goldap.Entry, target node) {
	t, read := l.tokens[account.DN]
	chained := s.Effective && !s.Direct
	switch {
	case !read:
		return
	case t.err != nil:
		s.Err = t.err
		return
	case t.sids != nil:
		s.Path += "; tokenGroups"
	}
	if t.primary.key == target.key {
		s.Residual = append(s.Residual, "it is the account's primary group")
	} else if way := l.way(t.primary, target); t.primary.key != "" && way != nil {
		s.Residual = append(s.Residual, "through the primary group "+strings.Join(way, " > "))
	}
	if chained && len(s.Residual) == 0 {
		s.Residual = append(s.Residual, "the server finds the account among the members of the group's members, by a way that cannot be seen from here")
	}
	if t.sids[string(group.GetEqualFoldRawAttributeValue(sidAttr))] && !s.Direct && len(s.Residual) == 0 {
		s.Residual = append(s.Residual, "the account's tokenGroups name the group, by a way that cannot be seen from here")
	}
}

// followChains asks the server to follow a group's members down to the account,
// where no token tells: groups for distribution only are in none, and contacts
// have none.
func (l *look) followChains(ctx context.Context, seen []connector.Seen) {
	if !l.c.dialect.windows {
		return
	}
	l.c.each(len(seen), func(i int) {
		s := &seen[i]
		g, who := l.groups[s.Object].is, l.accounts[s.Account].is
		if s.Err != nil || s.Direct || g == nil || who == nil || l.tokens[who.DN].sids != nil && security(g) {
			return
		}
		s.Path += "; in chain"
		filter := "(" + l.c.memberAttr + inChain + goldap.EscapeFilter(who.DN) + ")"
		switch _, err := entry(ctx, l.c.ask, g.DN, filter, noAttributes); {
		case err == nil:
			s.Effective = true
		case !errors.Is(err, connector.ErrNoObject):
			s.Err = err
		}
	})
}

// security says that a group is one whose members' tokens name it.
func security(group *goldap.Entry) bool {
	n, err := strconv.ParseInt(group.GetEqualFoldAttributeValue("groupType"), 10, 64)
	return err == nil && n&0x80000000 != 0
}

// lost says what became of an account that is listed and cannot be found.
func (c *Connector) lost(value string) string {
	if strings.HasPrefix(value, "<GUID=") {
		return "cannot be seen: it is hidden from us, or of another domain"
	}
	return "is gone"
}
