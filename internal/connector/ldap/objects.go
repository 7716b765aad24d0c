package ldap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// What is read of a group; in Active Directory of those it is in, too.
var (
	describing = []string{"description"}
	protecting = []string{sidAttr, "adminCount", "memberOf"}
)

// maxAbove is how many groups above one group are read.
const maxAbove = 1000

// protected are groups that Active Directory makes itself, by the last number of
// their SID; those above 543 are S-1-5-32-…, which every domain has, and the others
// end the SID of a domain.
var protected = map[uint32]struct {
	name   string
	powers []string
}{
	512: {"Domain Admins", []string{"admin", "grant", "read", "write"}},
	518: {"Schema Admins", []string{"admin"}},
	519: {"Enterprise Admins", []string{"admin", "grant", "read", "write"}},
	526: {"Key Admins", []string{"admin"}},
	527: {"Enterprise Key Admins", []string{"admin"}},
	544: {"Administrators", []string{"admin", "grant", "read", "write"}},
	548: {"Account Operators", []string{"grant", "write"}},
	549: {"Server Operators", []string{"admin"}},
	550: {"Print Operators", []string{"admin"}},
	551: {"Backup Operators", []string{"admin", "read", "write"}},
}

// Objects yields each group's description and, in Active Directory, what it is worth:
// because it is, or is in, a group that the domain makes itself, or is protected as
// one (adminCount). What is hidden from us is left out; rights that somebody wrote
// into the access lists of entries are not read.
func (c *Connector) Objects(ctx context.Context, objects []string, yield func(connector.Object) error) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	k := c.groupKind()
	k.attributes = slices.Concat(k.attributes, describing)
	if c.dialect.windows {
		k.attributes = slices.Concat(k.attributes, protecting)
	}
	groups := c.find(ctx, k, objects)
	a := above{c: c, read: map[string]*goldap.Entry{}}
	told := map[string]bool{}
	for _, name := range objects {
		g := groups[name]
		if errors.Is(g.err, connector.ErrNoObject) || told[name] {
			continue
		}
		if g.err != nil {
			return g.err
		}
		told[name] = true
		o := connector.Object{Name: name, Description: strings.Join(g.is.GetEqualFoldAttributeValues("description"), "; ")}
		if c.dialect.windows {
			if err := a.say(ctx, g.is, &o); err != nil {
				return err
			}
		}
		if err := yield(o); err != nil {
			return err
		}
	}
	return nil
}

// above reads the groups that groups are in, each once.
type above struct {
	c    *Connector
	read map[string]*goldap.Entry // by key; nil: hidden from us, or gone
}

// say climbs from a group and says what it is worth by each that it meets.
func (a above) say(ctx context.Context, group *goldap.Entry, o *connector.Object) error {
	met := map[string]bool{keyOf(group.DN): true}
	var why []string
	for next := []*goldap.Entry{group}; len(next) > 0; next = next[1:] {
		powers, what := worth(next[0])
		if o.Powers = append(o.Powers, powers...); what != "" {
			if next[0] != group {
				what = "in " + next[0].DN + ", " + what
			}
			why = append(why, what)
		}
		for _, dn := range slices.Sorted(slices.Values(next[0].GetEqualFoldAttributeValues("memberOf"))) {
			key := keyOf(dn)
			if met[key] {
				continue
			}
			if met[key] = true; len(met) > maxAbove {
				return fmt.Errorf("%w: %s is in more than %d groups, through each other", connector.ErrRefused, group.DN, maxAbove)
			}
			e, err := a.entry(ctx, key, dn)
			if err != nil {
				return err
			}
			if e != nil {
				next = append(next, e)
			}
		}
	}
	slices.Sort(o.Powers)
	o.Powers, o.Why = slices.Compact(o.Powers), strings.Join(why, "; ")
	return nil
}

func (a above) entry(ctx context.Context, key, dn string) (*goldap.Entry, error) {
	if e, known := a.read[key]; known {
		return e, nil
	}
	e, err := entry(ctx, a.c.ask, dn, anything, protecting)
	if err != nil && !errors.Is(err, connector.ErrNoObject) {
		return nil, err
	}
	a.read[key] = e
	return e, nil
}

// worth is what being in one group lets do.
func worth(e *goldap.Entry) (powers []string, why string) {
	if p, is := protected[ofItsOwn(e.GetEqualFoldRawAttributeValue(sidAttr))]; is {
		return p.powers, "which is " + p.name
	}
	if e.GetEqualFoldAttributeValue("adminCount") == "1" {
		return []string{"admin", "grant"}, "adminCount 1: it is protected like the administrators' groups, or once was"
	}
	return nil, ""
}

// ofItsOwn is the last number of a SID that Active Directory gives to its own groups
// alone: of one of a domain (S-1-5-21-x-y-z-n) below 544, of S-1-5-32-n from there on.
// Zero if it is none.
func ofItsOwn(sid []byte) uint32 {
	if len(sid) < 16 || len(sid) != 8+4*int(sid[1]) {
		return 0
	}
	first, last := binary.LittleEndian.Uint32(sid[8:]), binary.LittleEndian.Uint32(sid[len(sid)-4:])
	if first == 21 && sid[1] == 5 && last < 544 || first == 32 && sid[1] == 2 && last >= 544 {
		return last
	}
	return 0
}
