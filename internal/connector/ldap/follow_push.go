package ldap

import (
	"context"
	"errors"
	"fmt"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// Directories that tell by themselves.

// streamBuffer is how many answers wait before the server is made to.
const streamBuffer = 64

// synchronize asks for content synchronization (RFC 4533). Of groups all names are
// read first, with the ids of their entries, for of a group that gets another name
// only the new one is told. Of accounts only what happens from now on is asked for.
func (c *Connector) synchronize(ctx context.Context, l *line) ([]stream, error) {
	k := c.accountKind()
	cookie, err := c.cookie(ctx, l)
	if err != nil {
		return nil, err
	}
	begin := func(base dn, filter, attribute string, cookie []byte) goldap.Response {
		return l.conn.Syncrepl(ctx, c.subtree(base, filter, []string{attribute}), streamBuffer, goldap.SyncRequestModeRefreshAndPersist, cookie, false)
	}
	g := &syncedGroups{c: c, known: map[string]string{}}
	return []stream{
		{Response: begin(c.groups, c.groupFilter(), "cn", nil), read: g.read},
		{Response: begin(k.base, "("+k.attr+"=*)", "memberOf", cookie), read: syncedAccount},
	}, nil
}

// cookie stands for now: the end of a synchronization of nothing at all.
func (c *Connector) cookie(ctx context.Context, l *line) ([]byte, error) {
	var cookie []byte
	req := c.subtree(c.groups, "(&"+c.groupFilter()+"(!"+c.groupFilter()+"))", noAttributes)
	err := c.over(l)(ctx, func(conn *goldap.Conn) error {
		r := conn.Syncrepl(ctx, req, streamBuffer, goldap.SyncRequestModeRefreshOnly, nil, false)
		for r.Next() {
			if done, ok := goldap.FindControl(r.Controls(), goldap.ControlTypeSyncDone).(*goldap.ControlSyncDone); ok {
				cookie = done.Cookie
			}
		}
		return r.Err()
	})
	if said(err, []uint16{goldap.LDAPResultUnavailableCriticalExtension}) {
		return nil, fmt.Errorf("%w: the database of %s has no overlay syncprov: %w", errors.ErrUnsupported, c.groups.text, err)
	}
	return cookie, err
}

// refreshed says that the server has told what there was, and tells what comes.
func refreshed(controls []goldap.Control) bool {
	i, ok := goldap.FindControl(controls, goldap.ControlTypeSyncInfo).(*goldap.ControlSyncInfo)
	return ok && (i.RefreshDelete != nil && i.RefreshDelete.RefreshDone || i.RefreshPresent != nil && i.RefreshPresent.RefreshDone)
}

// syncedGroups knows what the groups are called.
type syncedGroups struct {
	c     *Connector
	known map[string]string // entryUUID -> DN
	begun bool
}

func (g *syncedGroups) read(e *goldap.Entry, controls []goldap.Control) (*change, bool) {
	state, ok := goldap.FindControl(controls, goldap.ControlTypeSyncState).(*goldap.ControlSyncState)
	if e == nil || !ok {
		g.begun = g.begun || refreshed(controls)
		return nil, g.begun
	}
	ch, id := g.c.groupChange(e), state.EntryUUID.String()
	if was := g.known[id]; was != e.DN {
		ch.was = was
	}
	if g.known[id] = e.DN; state.State == goldap.SyncStateDelete {
		delete(g.known, id)
	}
	if !g.begun { // it is there, and no news
		return nil, false
	}
	return &ch, true
}

func syncedAccount(e *goldap.Entry, controls []goldap.Control) (*change, bool) {
	state, ok := goldap.FindControl(controls, goldap.ControlTypeSyncState).(*goldap.ControlSyncState)
	switch {
	case e == nil || !ok:
		return nil, refreshed(controls)
	case state.State == goldap.SyncStatePresent:
		return nil, false
	}
	return &change{dn: e.DN, gone: state.State == goldap.SyncStateDelete, memberOf: e.GetEqualFoldAttributeValues("memberOf")}, false
}

// What a persistent search asks for (draft-ietf-ldapext-psearch): additions,
// deletions, changes and new names, those to come alone, each with what it was.
const (
	persistentTypes = 1 | 2 | 4 | 8
	changeNotice    = "2.16.840.1.113730.3.4.7"
)

// persist asks for persistent searches. The server does not say when it has begun to
// listen; that it answers the next request over the same connection says nearly so,
// and the reading that follows begins later still.
func (c *Connector) persist(ctx context.Context, l *line) ([]stream, error) {
	k := c.accountKind()
	begin := func(base dn, filter string, attributes ...string) goldap.Response {
		req := c.subtree(base, filter, attributes, goldap.NewControlString(persistentSearch, true, persistentValue()))
		return l.conn.SearchAsync(ctx, req, streamBuffer)
	}
	groups := begin(c.groups, c.groupFilter(), "cn")
	people := begin(k.base, "("+k.attr+"=*)", "memberOf")
	if _, err := search(ctx, c.over(l), searchRequest("", goldap.ScopeBaseObject, anything, noAttributes)); err != nil {
		return nil, err
	}
	return []stream{
		{Response: groups, begun: true, read: func(e *goldap.Entry, controls []goldap.Control) (*change, bool) {
			if e == nil {
				return nil, true
			}
			ch := c.groupChange(e)
			ch.was = previousDN(controls)
			return &ch, true
		}},
		{Response: people, begun: true, read: func(e *goldap.Entry, controls []goldap.Control) (*change, bool) {
			if e == nil {
				return nil, true
			}
			return &change{dn: e.DN, was: previousDN(controls), memberOf: e.GetEqualFoldAttributeValues("memberOf")}, true
		}},
	}, nil
}

func persistentValue() string {
	v := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "persistent search")
	v.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(persistentTypes), "change types"))
	v.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, "changes only"))
	v.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, "return notices"))
	return string(v.Bytes())
}

// previousDN is what the entry was called before it got another name.
func previousDN(controls []goldap.Control) string {
	notice, ok := goldap.FindControl(controls, changeNotice).(*goldap.ControlString)
	if !ok {
		return ""
	}
	v, err := ber.DecodePacketErr([]byte(notice.ControlValue))
	if err != nil {
		return ""
	}
	for _, part := range v.Children {
		if part.Tag == ber.TagOctetString {
			return string(part.ByteValue)
		}
	}
	return ""
}
