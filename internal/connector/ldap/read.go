package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

const anything = "(objectClass=*)"

// noAttributes asks for an entry's name alone (RFC 4511, 4.5.1.8).
var noAttributes = []string{"1.1"}

func searchRequest(base string, scope int, filter string, attributes []string) *goldap.SearchRequest {
	return goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil)
}

// search asks once. A continuation reference is an error: part of the answer
// lies where we were not told to go.
func search(ctx context.Context, ask asker, req *goldap.SearchRequest) (*goldap.SearchResult, error) {
	var res *goldap.SearchResult
	err := ask(ctx, func(conn *goldap.Conn) (err error) {
		res, err = conn.Search(req)
		return err
	})
	if err == nil && len(res.Referrals) > 0 {
		err = fmt.Errorf("%w: the answer refers to another server", connector.ErrRefused)
	}
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", req.BaseDN, err)
	}
	return res, nil
}

// entry reads one entry by name, if it matches the filter.
func entry(ctx context.Context, ask asker, name, filter string, attributes []string) (*goldap.Entry, error) {
	res, err := search(ctx, ask, searchRequest(name, goldap.ScopeBaseObject, filter, attributes))
	switch {
	case err != nil:
		return nil, err
	case len(res.Entries) == 0:
		return nil, fmt.Errorf("%w: %s does not match %s", connector.ErrNoObject, name, filter)
	case len(res.Entries) > 1:
		return nil, fmt.Errorf("%w: search %s: %d entries bear that name", connector.ErrRefused, name, len(res.Entries))
	}
	return res.Entries[0], nil
}

// pages reads a subtree page by page over one connection, because a server keeps
// its place in the list for that connection alone.
func (c *Connector) pages(ctx context.Context, base dn, filter string, attributes []string,
	take func(ask asker, entries []*goldap.Entry) error, controls ...goldap.Control) error {
	return c.borrow(ctx, func(l *line) error { return c.turn(ctx, l, base, filter, attributes, take, controls) })
}

// turn turns the pages.
func (c *Connector) turn(ctx context.Context, l *line, base dn, filter string, attributes []string,
	take func(ask asker, entries []*goldap.Entry) error, controls []goldap.Control) error {
	ask := c.over(l)
	paging := goldap.NewControlPaging(uint32(c.pageSize))
	req := c.subtree(base, filter, attributes, append([]goldap.Control{paging}, controls...)...)
	for {
		res, err := search(ctx, ask, req)
		if errors.Is(err, connector.ErrNoObject) {
			return c.unseen(base)
		}
		if err != nil {
			return err
		}
		more, _ := goldap.FindControl(res.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		done := more == nil || len(more.Cookie) == 0
		if err := take(ask, res.Entries); err != nil {
			l.spent = l.spent || !done // the server holds a place in the list
			return err
		}
		if done {
			return nil
		}
		paging.SetCookie(more.Cookie)
	}
}

// all reads a subtree at once, page by page.
func (c *Connector) all(ctx context.Context, base dn, filter string, attributes []string) ([]*goldap.Entry, error) {
	var entries []*goldap.Entry
	err := c.pages(ctx, base, filter, attributes, func(_ asker, page []*goldap.Entry) error {
		entries = append(entries, page...)
		return nil
	})
	return entries, err
}

// visible says, as nil, that the base can be seen. Only below a base that can is
// what was not found absent; a server says "no such object" too of what the bind
// account may not know of.
func (c *Connector) visible(ctx context.Context, base dn) error {
	_, err := entry(ctx, c.ask, base.text, anything, noAttributes)
	if errors.Is(err, connector.ErrNoObject) {
		return c.unseen(base)
	}
	return err
}

// unseen says that nothing is known of what is below the base.
func (c *Connector) unseen(base dn) error {
	return fmt.Errorf("%w: base %s is not there, or %s may not see it", connector.ErrRefused, base.text, c.bindDN)
}

// groupFilter is what every group matches.
func (c *Connector) groupFilter() string { return "(objectClass=" + c.class + ")" }

// members reads all values of a group's member attribute.
func (c *Connector) members(ctx context.Context, ask asker, group string) ([]string, error) {
	e, err := entry(ctx, ask, group, c.groupFilter(), []string{c.membersFrom("0")})
	if err != nil {
		return nil, err
	}
	return c.membersOf(ctx, ask, e)
}

// membersFrom is the attribute with the members from that one on.
func (c *Connector) membersFrom(first string) string {
	n, err := strconv.Atoi(first)
	switch {
	case c.dialect.windows && c.atOnce > 0 && err == nil:
		return fmt.Sprintf("%s;range=%d-%d", c.memberAttr, n, n+c.atOnce-1)
	case n == 0:
		return c.memberAttr
	}
	return c.memberAttr + ";range=" + first + "-*"
}

// membersOf gives the members an entry shows, and asks for the rest where the
// server gives them range by range ("member;range=0-1499").
func (c *Connector) membersOf(ctx context.Context, ask asker, e *goldap.Entry) ([]string, error) {
	var values []string
	for {
		got, next, err := c.shown(e)
		if err != nil {
			return nil, err
		}
		values = append(values, got...)
		if next == "" {
			break
		}
		if e, err = entry(ctx, ask, e.DN, anything, []string{c.membersFrom(next)}); err != nil {
			return nil, err
		}
		if rest, again, err := c.shown(e); err == nil && (len(rest) == 0 || again == next) {
			return nil, fmt.Errorf("%w: %s gives no members from %s on, where there should be some", connector.ErrRefused, e.DN, next)
		}
	}
	if len(values) == 0 && c.placeholder.text != "" {
		// The class demands a member, so there is one that we may not see.
		return nil, fmt.Errorf("%w: %s shows no %s: %s may not read it", connector.ErrRefused, e.DN, c.memberAttr, c.bindDN)
	}
	return values, nil
}

// shown gives the member values in the entry, and where the next range begins.
func (c *Connector) shown(e *goldap.Entry) (values []string, next string, err error) {
	for _, a := range e.Attributes {
		name, option, _ := strings.Cut(a.Name, ";")
		if !strings.EqualFold(name, c.memberAttr) {
			continue
		}
		values = append(values, a.Values...)
		bounds, ranged := strings.CutPrefix(strings.ToLower(option), "range=")
		if !ranged {
			continue
		}
		_, high, ok := strings.Cut(bounds, "-")
		if high == "*" {
			continue
		}
		last, err := strconv.ParseUint(high, 10, 32)
		if !ok || err != nil || len(a.Values) == 0 {
			return nil, "", fmt.Errorf("%w: %s answers with %q", connector.ErrRefused, e.DN, a.Name)
		}
		next = strconv.FormatUint(last+1, 10)
	}
	return values, next, nil
}

// isPlaceholder says whether a member value is the one that stands for nobody.
func (c *Connector) isPlaceholder(value string) bool {
	return c.placeholder.text != "" && (value == c.placeholder.text || keyOf(value) == c.placeholder.key())
}

// ghosts gives the member values that stand for an account whose entry is gone:
// servers without referential integrity keep them.
func (c *Connector) ghosts(ctx context.Context, group string, members []string, account string) ([]string, error) {
	if c.dialect.windows && strings.HasPrefix(account, GUIDPrefix) {
		return c.ghostByGUID(ctx, group, account)
	}
	byDN, named := strings.CutPrefix(account, DNPrefix)
	var found []string
	for _, m := range members {
		if named && keyOf(m) != keyOf(byDN) || !named && !c.leftBy(m, account) || c.isPlaceholder(m) {
			continue
		}
		// The name may live on elsewhere: it is a ghost only if it leads nowhere.
		_, err := entry(ctx, c.ask, m, anything, noAttributes)
		switch {
		case errors.Is(err, connector.ErrNoObject):
			found = append(found, m)
		case err != nil:
			return nil, err
		}
	}
	return slices.Clip(found), nil
}

// leftBy says whether a member value is named as that account's entry was.
func (c *Connector) leftBy(member, account string) bool {
	attr, value, ok := leaf(member)
	if !ok || !strings.EqualFold(attr, c.accountAttr) || fold(value) != fold(account) {
		return false
	}
	d, err := parseDN(member)
	return err == nil && d.below(c.people)
}
