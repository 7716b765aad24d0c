package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// kind is what is looked for: accounts or groups.
type kind struct {
	what       string
	base       dn
	attr       string // what names it
	filter     string // what each matches
	named      string // what each matches that is called by attr
	guids      bool   // it can be named by objectGUID, too
	attributes []string
}

// In Active Directory groups bear every name that accounts do, but are none.
func (c *Connector) accountKind() kind {
	k := kind{"account", c.people, c.accountAttr, anything, anything, c.dialect.windows, []string{c.accountAttr}}
	if k.guids {
		k.named = "(!" + c.groupFilter() + ")"
	}
	return k
}

func (c *Connector) groupKind() kind {
	k := kind{"group", c.groups, "cn", c.groupFilter(), c.groupFilter(), c.dialect.windows, []string{"cn"}}
	if k.guids {
		k.attributes = append(k.attributes, guidAttr)
	}
	return k
}

// found is what one name was resolved to.
type found struct {
	is  *goldap.Entry
	err error
}

// nameAsDN says whether a Ref names by DN, and by which. An objectGUID makes one.
func (k kind) nameAsDN(name string) (dn, bool, error) {
	if k.guids && strings.HasPrefix(name, GUIDPrefix) {
		base, err := guidBase(name)
		return dn{text: base}, true, err
	}
	text, prefixed := strings.CutPrefix(name, DNPrefix)
	d, err := parseDN(text)
	switch {
	case prefixed && err != nil:
		return d, true, fmt.Errorf("%w: %w", connector.ErrRefused, err)
	case prefixed && k.what == "group" && !d.below(k.base):
		return d, true, fmt.Errorf("%w: %s is not below %s", connector.ErrRefused, text, k.base.text)
	case prefixed:
		return d, true, nil
	}
	// A group's DN says itself what it is; an account may be called anything.
	return d, k.what == "group" && err == nil && d.below(k.base), nil
}

// find looks every distinct name up once, many with each search.
func (c *Connector) find(ctx context.Context, k kind, names []string) map[string]found {
	out := make(map[string]found, len(names))
	var plain []string
	var work [][]string // DNs alone, plain names by the chunk
	for _, n := range names {
		if _, ok := out[n]; ok {
			continue
		}
		out[n] = found{}
		_, byDN, err := k.nameAsDN(n)
		if !byDN && err == nil {
			err = checkName(n)
		}
		switch {
		case err != nil:
			out[n] = found{err: err}
		case byDN:
			work = append(work, []string{n})
		default:
			plain = append(plain, n)
		}
	}
	work = append(work, slices.Collect(slices.Chunk(plain, namesAsked))...)
	got := make([]map[string]found, len(work))
	c.each(len(work), func(i int) { got[i] = c.findSome(ctx, k, work[i]) })
	missing := false
	for _, some := range got {
		for n, f := range some {
			out[n] = f
			missing = missing || errors.Is(f.err, connector.ErrNoObject)
		}
	}
	if !missing {
		return out
	}
	if err := c.visible(ctx, k.base); err != nil {
		for n, f := range out {
			if errors.Is(f.err, connector.ErrNoObject) {
				out[n] = found{err: err}
			}
		}
	}
	return out
}

// findSome looks up one DN, or some plain names in one search. Names that the
// search does not settle, one entry for one name, are asked for alone: then
// whatever comes back is what the server takes the name for.
func (c *Connector) findSome(ctx context.Context, k kind, names []string) map[string]found {
	if d, byDN, _ := k.nameAsDN(names[0]); byDN {
		e, err := entry(ctx, c.ask, d.text, k.filter, k.attributes)
		if err == nil && k.what == "group" {
			err = k.inBase(e)
		}
		return map[string]found{names[0]: {e, err}}
	}
	out := make(map[string]found, len(names))
	entries, err := c.all(ctx, k.base, "(&"+k.named+anyOf(k.attr, names)+")", k.attributes)
	if err != nil || len(names) == 1 {
		for _, n := range names {
			out[n] = found{err: err}
			if err == nil {
				out[n] = k.one(n, entries)
			}
		}
		return out
	}
	hits := map[string][]*goldap.Entry{}
	strays := false
	for _, e := range entries {
		stray := true
		for _, v := range e.GetEqualFoldAttributeValues(k.attr) {
			hits[v] = append(hits[v], e)
			stray = stray && !slices.Contains(names, v)
		}
		strays = strays || stray
	}
	for _, n := range names {
		if len(hits[n]) == 1 && !strays {
			out[n] = found{is: hits[n][0]}
			continue
		}
		alone, err := c.all(ctx, k.base, "(&"+k.named+eq(k.attr, n)+")", k.attributes)
		if out[n] = (found{err: err}); err == nil {
			out[n] = k.one(n, alone)
		}
	}
	return out
}

// inBase refuses what an objectGUID found elsewhere.
func (k kind) inBase(e *goldap.Entry) error {
	if d, err := parseDN(e.DN); err != nil || !d.below(k.base) {
		return fmt.Errorf("%w: %s is not below %s", connector.ErrRefused, e.DN, k.base.text)
	}
	return nil
}

// one gives the only entry the server took the name for, if it is spelled so. A
// name spelled otherwise is nobody's to guess: taken for absent, access would be
// called gone that is there; taken for the same, one account had two names.
func (k kind) one(name string, entries []*goldap.Entry) found {
	switch len(entries) {
	case 0:
		return found{err: fmt.Errorf("%w: no %s below %s bears %s %q", connector.ErrNoObject, k.what, k.base.text, k.attr, name)}
	case 1:
		values := entries[0].GetEqualFoldAttributeValues(k.attr)
		if slices.Contains(values, name) {
			return found{is: entries[0]}
		}
		return found{err: fmt.Errorf("%w: %s %q is spelled %q at the server", connector.ErrRefused, k.attr, name, values)}
	}
	return found{err: fmt.Errorf("%w: %d entries below %s bear %s %q; name the one meant by %s and its DN",
		connector.ErrRefused, len(entries), k.base.text, k.attr, name, DNPrefix)}
}

// nameOf is the value by which an entry is called: the one in its own DN, or its
// only one. Empty if there is none that is sure to be the same tomorrow.
func (k kind) nameOf(e *goldap.Entry) string {
	if strings.EqualFold(k.attr, guidAttr) {
		name, _ := guidName(e.GetEqualFoldRawAttributeValue(guidAttr))
		return name
	}
	values := e.GetEqualFoldAttributeValues(k.attr)
	if len(values) == 1 {
		return values[0]
	}
	attr, inDN, ok := leaf(e.DN)
	if !ok || !strings.EqualFold(attr, k.attr) {
		return ""
	}
	for _, v := range values { // the DN may spell it otherwise
		if fold(v) == fold(inDN) {
			return v
		}
	}
	return ""
}

// usable says whether a Ref may name an account so.
func (k kind) usable(name string) bool {
	if k.guids && strings.HasPrefix(name, GUIDPrefix) {
		return strings.EqualFold(k.attr, guidAttr)
	}
	return checkName(name) == nil && !strings.HasPrefix(name, DNPrefix)
}
