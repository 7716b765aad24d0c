package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// A directory that is asked: Active Directory, by DirSync (MS-ADTS 3.1.1.3.4.1.3).

const (
	pollEvery = 2 * time.Second
	// dirSyncAttributes is the most a domain controller may give at once: with few,
	// Samba gives much of it again.
	dirSyncAttributes = 1000000
)

// asking is one question that is asked over and over: what has changed since.
type asking struct {
	group      bool
	filter     string
	attributes []string // a change of others is none
	cookie     []byte
}

// poll asks every two seconds. What is asked is the whole domain, as it must be.
//
// With the right to replicate changes a server may tell more; without it, it tells
// what the account may see, which the deleted are not.
func (c *Connector) poll(ctx context.Context, changed func([]string)) error {
	k := c.accountKind()
	people := asking{filter: k.named, attributes: []string{guidAttr, "name", "isDeleted", "lastKnownParent"}}
	if !c.byGUID() {
		people.attributes = append(people.attributes, c.accountAttr)
	}
	both := []asking{{group: true, filter: c.groupFilter(), attributes: []string{c.memberAttr, guidAttr, "name", "isDeleted"}}, people}
	// 1. Where it begins: after everything, of which nothing is asked for.
	flags := goldap.DirSyncIncrementalValues
	_, err := c.since(ctx, flags, &both[0], true)
	if said(err, []uint16{goldap.LDAPResultInsufficientAccessRights}) {
		flags |= goldap.DirSyncObjectSecurity
		_, err = c.since(ctx, flags, &both[0], true)
	}
	if said(err, []uint16{goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultUnwillingToPerform}) {
		return fmt.Errorf("%w: %s may not ask what has changed; give it the right Replicating Directory Changes on %s: %w", errors.ErrUnsupported, c.bindDN, c.top.text, err)
	}
	if err == nil {
		_, err = c.since(ctx, flags, &both[1], true)
	}
	if err != nil {
		return err
	}
	changed(nil)
	// 2. What came since.
	next := time.NewTicker(pollEvery)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		var list []change
		for i := range both {
			some, err := c.since(ctx, flags, &both[i], false)
			if err != nil {
				return err
			}
			list = append(list, some...)
		}
		if err := c.tell(ctx, list, changed); err != nil {
			return err
		}
	}
}

// since asks what has changed since the cookie, which it moves on; or only moves it.
func (c *Connector) since(ctx context.Context, flags int64, a *asking, skip bool) (list []change, err error) {
	filter := a.filter
	if skip {
		filter = "(&" + filter + "(!" + filter + "))"
	}
	for more := true; more; {
		var res *goldap.SearchResult
		err := c.ask(ctx, func(conn *goldap.Conn) (err error) {
			res, err = conn.DirSync(searchRequest(c.top.text, goldap.ScopeWholeSubtree, filter, a.attributes), flags, dirSyncAttributes, a.cookie)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, e := range res.Entries {
			if ch, matters := c.polled(a.group, e); matters {
				list = append(list, ch)
			}
		}
		control, ok := goldap.FindControl(res.Controls, dirSync).(*goldap.ControlDirSync)
		if !ok || len(control.Cookie) == 0 {
			return nil, fmt.Errorf("%w: the server gives no cookie to ask on with", connector.ErrRefused)
		}
		a.cookie, more = control.Cookie, control.Flags != 0
	}
	return list, nil
}

// polled makes a change of what was answered, unless it lies elsewhere in the domain.
// What was deleted lies elsewhere, too, and has no name any more, only its id.
func (c *Connector) polled(group bool, e *goldap.Entry) (ch change, matters bool) {
	ch = change{group: group, dn: e.DN}
	ch.guid, _ = guidName(e.GetEqualFoldRawAttributeValue(guidAttr))
	ch.gone = e.GetEqualFoldAttributeValue("isDeleted") == "TRUE"
	d, err := parseDN(e.DN)
	switch {
	case group && ch.gone:
		ch.dn = ""
		return ch, true // told by the names its id was asked for by, if by any
	case group:
		return ch, err == nil && d.below(c.groups) || len(c.called.of(ch.guid)) > 0
	case ch.gone:
		_, last, _ := strings.Cut(e.GetEqualFoldAttributeValue("lastKnownParent"), ";") // after the parent's own id
		parent, err := parseDN(last)
		return ch, err != nil || parent.key() == c.people.key() || parent.below(c.people)
	}
	return ch, true
}
