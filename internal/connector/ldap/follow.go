package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// How a directory says that something changed. What can be asked for, its root says.
const (
	contentSync      = goldap.ControlTypeSyncRequest // RFC 4533: OpenLDAP with the overlay syncprov
	persistentSearch = "2.16.840.1.113730.3.4.3"     // 389 Directory Server, and others of its family
	dirSync          = goldap.ControlTypeDirSync     // Active Directory
)

// together is how long changes are gathered before it is found out which groups they
// are about. A server that lets go of members by itself does so a moment after it
// has told of the entry.
const together = 300 * time.Millisecond

// atOnce is how many changes are gathered at most.
const atOnce = 1000

// change is what a directory told of one entry. It is a hint and no reading.
type change struct {
	group    bool     // it is about a group; else about whatever is below PeopleBase
	gone     bool     // deleted, and nothing is known of which groups listed it
	dn, was  string   // now; and before, where that is told
	guid     string   // as a Ref names it, where that is told
	names    []string // what it is called besides
	memberOf []string // the groups it says it is in
}

// Follow listens where the directory offers to tell: by content synchronization
// (OpenLDAP), by a persistent search (389 Directory Server, if Config.PersistentSearch),
// or by asking every two seconds what has changed since (Active Directory). Where it offers none of them
// that is errors.ErrUnsupported.
//
// A directory tells of entries. Of a group that is its name; of an account it is the
// groups that list it now; and where an account was deleted of which nobody can tell
// which groups listed it, it is all of them.
func (c *Connector) Follow(ctx context.Context, changed func(objects []string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	if err := c.ready(ctx); err != nil {
		return err
	}
	offered, err := c.offers(ctx)
	if err != nil {
		return err
	}
	switch {
	case c.dialect.windows && slices.Contains(offered, dirSync):
		err = c.poll(ctx, changed)
	case slices.Contains(offered, persistentSearch) && !c.cfg.PersistentSearch:
		err = fmt.Errorf("%w: the server offers persistent searches, which are asked for only where persistent_search is set: 389 Directory Server 2.3.1 dies when a connection with one is cut", errors.ErrUnsupported)
	case slices.Contains(offered, persistentSearch):
		err = c.hang(ctx, changed, c.persist)
	case slices.Contains(offered, contentSync):
		err = c.hang(ctx, changed, c.synchronize)
	default:
		err = fmt.Errorf("%w: the server's root names neither content synchronization (%s) nor persistent searches (%s) nor DirSync (%s)",
			errors.ErrUnsupported, contentSync, persistentSearch, dirSync)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("follow %s: %w", c.address, ctx.Err())
	}
	return fmt.Errorf("follow %s: %w", c.address, err)
}

// offers reads which controls the server knows.
func (c *Connector) offers(ctx context.Context) ([]string, error) {
	e, err := entry(ctx, c.ask, "", anything, []string{"supportedControl"})
	if errors.Is(err, connector.ErrNoObject) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what the server offers: %w", err)
	}
	return e.GetEqualFoldAttributeValues("supportedControl"), nil
}

// stream is one search that does not end: over groups, or over accounts.
type stream struct {
	goldap.Response
	begun bool // the server listens already; else it says when it does
	// read makes a change of an answer, or says that the server listens from here on;
	// neither is no news.
	read func(e *goldap.Entry, controls []goldap.Control) (ch *change, begun bool)
}

// hang listens over one connection, which is nobody else's.
func (c *Connector) hang(ctx context.Context, changed func([]string), begin func(context.Context, *line) ([]stream, error)) error {
	// 1. A connection, bound. It is cut when the context ends.
	dialing, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	l, err := c.dial(dialing)
	if err != nil {
		return err
	}
	defer l.drop()
	ctx, stop := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	context.AfterFunc(ctx, func() { _ = l.raw.SetDeadline(longAgo) })
	// 2. The searches, each read by itself.
	streams, err := begin(ctx, l)
	if err != nil {
		return err
	}
	heard, begun, ended := make(chan change), make(chan struct{}), make(chan error, len(streams))
	waiting := 0
	for _, s := range streams {
		if !s.begun {
			waiting++
		}
		reading.Go(func() { ended <- s.pass(ctx, l, heard, begun) })
	}
	// 3. Once all listen, what happened before is a whole reading's to find.
	if waiting == 0 {
		changed(nil)
	}
	for {
		select {
		case <-begun:
			if waiting--; waiting == 0 {
				changed(nil)
			}
		case ch := <-heard:
			if err := c.tell(ctx, c.gather(ctx, ch, heard), changed); err != nil {
				return err
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pass passes on what a stream says, until it ends.
func (s stream) pass(ctx context.Context, l *line, heard chan<- change, begun chan<- struct{}) error {
	for listening := s.begun; s.Next(); {
		l.raw.left.Store(maxAnswer)
		ch, now := s.read(s.Entry(), s.Controls())
		if now && !listening {
			listening = true
			select {
			case begun <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if ch == nil {
			continue
		}
		select {
		case heard <- *ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := meaning(s.Err())
	if said(err, []uint16{goldap.LDAPResultUnavailableCriticalExtension, goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultUnwillingToPerform}) {
		return fmt.Errorf("%w: the server does not tell us what changes: %w", errors.ErrUnsupported, err)
	}
	if err == nil {
		err = fmt.Errorf("%w: the server ended the search", connector.ErrUnanswered)
	}
	return err
}

// gather collects what comes soon after a change.
func (c *Connector) gather(ctx context.Context, first change, heard <-chan change) []change {
	list := []change{first}
	soon := time.NewTimer(together)
	defer soon.Stop()
	for len(list) < atOnce {
		select {
		case ch := <-heard:
			list = append(list, ch)
		case <-soon.C:
			return list
		case <-ctx.Done():
			return list
		}
	}
	return list
}

// tell finds out which groups the changes are about, and says so.
func (c *Connector) tell(ctx context.Context, list []change, changed func([]string)) error {
	names := map[string]bool{}
	var accounts []string
	for _, ch := range list {
		switch {
		case ch.gone && !ch.group:
			changed(nil)
			return nil // all of them are in that
		case ch.group:
			for _, n := range c.names(ch) {
				names[n] = true
			}
		default:
			accounts = append(accounts, ch.dn)
			if ch.was != "" {
				accounts = append(accounts, ch.was)
			}
			for _, g := range ch.memberOf {
				for _, n := range c.names(change{dn: g}) {
					names[n] = true
				}
			}
		}
	}
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)
	for some := range slices.Chunk(accounts, namesAsked) {
		groups, err := c.all(ctx, c.groups, "(&"+c.groupFilter()+anyOf(c.memberAttr, some)+")", c.groupKind().attributes)
		if err != nil {
			return err
		}
		for _, g := range groups {
			for _, n := range c.names(c.groupChange(g)) {
				names[n] = true
			}
		}
	}
	if len(names) == 0 {
		return nil // it is in no group, and nobody's to read
	}
	objects := make([]string, 0, len(names))
	for n := range names {
		objects = append(objects, n)
	}
	changed(objects)
	return nil
}

// groupChange is a change of a group, of what an entry shows of it.
func (c *Connector) groupChange(e *goldap.Entry) change {
	ch := change{group: true, dn: e.DN, names: e.GetEqualFoldAttributeValues("cn")}
	ch.guid, _ = guidName(e.GetEqualFoldRawAttributeValue(guidAttr))
	return ch
}

// names lists all that a group may be called by a Ref: as the server spells it
// and as it has been asked for.
func (c *Connector) names(ch change) (list []string) {
	list = slices.Clone(ch.names)
	keys := []string{ch.guid}
	for _, name := range []string{ch.dn, ch.was} {
		if name == "" {
			continue
		}
		list, keys = append(list, name, DNPrefix+name), append(keys, keyOf(name))
		if attr, value, ok := leaf(name); ok && fold(attr) == "cn" {
			list = append(list, value)
		}
	}
	if ch.guid != "" {
		list = append(list, ch.guid)
	}
	return append(list, c.called.of(keys...)...)
}

// callings remembers by which names groups were asked for: one DN has many
// spellings, and after a new name the old one is told by nobody. It holds names
// alone, and nothing of who is in them.
type callings struct {
	mu sync.Mutex
	by map[string][]string // keyOf(DN) or objectGUID -> names
}

// note remembers that the entry was asked for by that name.
func (a *callings) note(name string, e *goldap.Entry) {
	keys := []string{keyOf(e.DN)}
	if guid, ok := guidName(e.GetEqualFoldRawAttributeValue(guidAttr)); ok {
		keys = append(keys, guid)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by == nil {
		a.by = map[string][]string{}
	}
	for _, k := range keys {
		if !slices.Contains(a.by[k], name) {
			a.by[k] = append(a.by[k], name)
		}
	}
}

func (a *callings) of(keys ...string) (list []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range keys {
		list = append(list, a.by[k]...)
	}
	return list
}
