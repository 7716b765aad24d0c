package ldap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// What a directory remembers of whose hand made an entry: its creator (RFC 4512,
// 3.4), or in Active Directory its owner, and the creator of what was made by right
// of everybody (mS-DS-CreatorSID).
var (
	creatorAttributes = []string{"creatorsName", "createTimestamp"}
	ownerAttributes   = []string{"nTSecurityDescriptor", "mS-DS-CreatorSID", "whenCreated"}
)

// ownerOnly asks for the owner of a descriptor alone: for more of it one needs more rights.
const ownerOnly = 1

// Traces reads what accounts made below PeopleBase and GroupsBase, and, where there
// is an access log, whom they let into groups that still list them. Without
// Config.Lineage it reads nothing. Whoever is in a group acts in his own name here:
// a group has none to act by.
func (c *Connector) Traces(ctx context.Context, by []string) ([]connector.Trace, error) {
	if !c.cfg.Lineage {
		return nil, nil
	}
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	h := &hands{c: c, names: &observation{c: c}, known: map[string][]string{}}
	if len(by) > 0 {
		if err := h.only(ctx, by); err != nil {
			return nil, err
		}
		if len(h.of) == 0 {
			return nil, nil // none of them is an account that is there
		}
	}
	read := h.created
	if c.dialect.windows {
		read = h.owned
	}
	if err := read(ctx); err != nil {
		return nil, err
	}
	if c.accessLog.text != "" {
		if err := h.letIn(ctx); err != nil {
			return nil, fmt.Errorf("access log %s: %w", c.accessLog.text, err)
		}
	}
	return h.list, nil
}

// hands collects what was made by whose.
type hands struct {
	c     *Connector
	of    map[string]string // keyOf(DN) -> Ref.Account, of those who are asked for; nil: everybody
	dns   []string          // and theirs
	sids  map[string]string // objectSid -> DN
	names *observation
	known map[string][]string // DN -> names
	list  []connector.Trace
}

// only limits it to those who are accounts. An object is asked for besides, and is none.
func (h *hands) only(ctx context.Context, by []string) error {
	h.of = map[string]string{}
	for name, f := range h.c.find(ctx, h.c.accountKind(), by) {
		d, err := parseDN(strings.TrimPrefix(name, DNPrefix))
		switch {
		case f.err == nil:
			h.of[keyOf(f.is.DN)], h.dns = name, append(h.dns, f.is.DN)
		case !errors.Is(f.err, connector.ErrNoObject) && !errors.Is(f.err, connector.ErrRefused):
			return f.err
		case strings.HasPrefix(name, DNPrefix) && err == nil: // its entry is gone, and what it made may not be
			h.of[d.key()], h.dns = name, append(h.dns, d.text)
		case !h.c.dialect.windows: // so may this one's, which lay where most do
			if d, err := parseDN(h.c.accountAttr + "=" + goldap.EscapeDN(name) + "," + h.c.people.text); err == nil {
				h.of[d.key()], h.dns = name, append(h.dns, d.text)
			}
		}
	}
	return nil
}

// by gives the names of the account that has that DN: none for those who are not
// asked for, and for everybody who is not below PeopleBase, such as whatever fills
// the directory. Those are no accounts that anything is granted to.
func (h *hands) by(ctx context.Context, who string) ([]string, error) {
	if h.of != nil {
		if name := h.of[keyOf(who)]; name != "" {
			return []string{name}, nil
		}
		return nil, nil
	}
	d, err := parseDN(who)
	if err != nil || !d.below(h.c.people) {
		return nil, nil //nolint:nilerr // it is nobody's name
	}
	if known, ok := h.known[who]; ok {
		return known, nil
	}
	name, err := h.names.nameFor(ctx, h.c.ask, who)
	if err != nil {
		return nil, err
	}
	names := []string{name}
	// Of an entry that is gone nobody tells how it was named: by its DN, or as that begins.
	if attr, value, ok := leaf(who); name == DNPrefix+who && ok && fold(attr) == fold(h.c.accountAttr) {
		_, err := entry(ctx, h.c.ask, who, anything, noAttributes)
		if errors.Is(err, connector.ErrNoObject) {
			names = append(names, value)
		} else if err != nil {
			return nil, err
		}
	}
	h.known[who] = names
	return names, nil
}

func (h *hands) add(ctx context.Context, who, what string, at time.Time) error {
	names, err := h.by(ctx, who)
	for _, name := range names {
		h.list = append(h.list, connector.Trace{By: name, What: what, At: at})
	}
	return err
}

// bases are the subtrees read, each entry once.
func (h *hands) bases() []dn {
	p, g := h.c.people, h.c.groups
	switch {
	case p.key() == g.key() || g.below(p):
		return []dn{p}
	case p.below(g):
		return []dn{g}
	}
	return []dn{p, g}
}

// created reads who created what. A server that shows nobody's creator is one that
// does not let us see them: then nothing is known, and that is no empty list.
func (h *hands) created(ctx context.Context) error {
	filter := "(creatorsName=*)"
	if h.of != nil {
		filter = anyOf("creatorsName", h.dns)
	}
	for _, base := range h.bases() {
		if err := h.shows(ctx, base, "creatorsName"); err != nil {
			return err
		}
		err := h.c.pages(ctx, base, filter, creatorAttributes, func(_ asker, page []*goldap.Entry) error {
			for _, e := range page {
				at, _ := moment(e.GetEqualFoldAttributeValue("createTimestamp"))
				if err := h.add(ctx, e.GetEqualFoldAttributeValue("creatorsName"), "created "+e.DN, at); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shows says, as nil, that some entry below the base shows the attribute.
func (h *hands) shows(ctx context.Context, base dn, attribute string) error {
	req := h.c.subtree(base, "("+attribute+"=*)", []string{attribute})
	req.SizeLimit = 1
	res, err := search(ctx, h.c.ask, req)
	if limit := said(err, []uint16{goldap.LDAPResultSizeLimitExceeded}); err != nil && !limit {
		return err
	} else if limit || len(res.Entries) > 0 {
		return nil
	}
	return fmt.Errorf("%w: no entry below %s shows %s: let %s read it, or leave lineage out", connector.ErrRefused, base.text, attribute, h.c.bindDN)
}

// owned reads who owns what, which in Active Directory is who created it, unless
// that was an administrator: then all of them own it together.
func (h *hands) owned(ctx context.Context) error {
	if err := h.learnSIDs(ctx); err != nil {
		return err
	}
	hidden, shown := "", false
	for _, base := range h.bases() {
		err := h.c.pages(ctx, base, anything, ownerAttributes, func(_ asker, page []*goldap.Entry) error {
			for _, e := range page {
				if sid := ownerOf(e.GetEqualFoldRawAttributeValue("nTSecurityDescriptor")); sid == "" {
					hidden = e.DN
				} else if shown = true; h.sids[sid] != "" {
					// Nobody remembers since when: an owner may be another than the creator.
					if err := h.add(ctx, h.sids[sid], "owns "+e.DN, time.Time{}); err != nil {
						return err
					}
				}
				if who := h.sids[string(e.GetEqualFoldRawAttributeValue("mS-DS-CreatorSID"))]; who != "" {
					at, _ := moment(e.GetEqualFoldAttributeValue("whenCreated"))
					if err := h.add(ctx, who, "created "+e.DN, at); err != nil {
						return err
					}
				}
			}
			return nil
		}, &goldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: ownerOnly})
		if err != nil {
			return err
		}
	}
	if hidden != "" && !shown {
		return fmt.Errorf("%w: no entry shows its owner, such as %s: let %s read permissions, or leave lineage out", connector.ErrRefused, hidden, h.c.bindDN)
	}
	return nil
}

// learnSIDs reads who bears which objectSid, of those who are asked for or of all accounts.
func (h *hands) learnSIDs(ctx context.Context) error {
	h.sids = map[string]string{}
	k := h.c.accountKind()
	return h.c.pages(ctx, k.base, "(&"+k.named+"("+sidAttr+"=*))", []string{sidAttr}, func(_ asker, page []*goldap.Entry) error {
		for _, e := range page {
			if sid := e.GetEqualFoldRawAttributeValue(sidAttr); h.of == nil || h.of[keyOf(e.DN)] != "" {
				h.sids[string(sid)] = e.DN
			}
		}
		return nil
	})
}

// ownerOf gives the owner's SID of a security descriptor (MS-DTYP 2.4.6).
func ownerOf(descriptor []byte) string {
	if len(descriptor) < 20 {
		return ""
	}
	at := int64(binary.LittleEndian.Uint32(descriptor[4:8]))
	if at < 20 || at+8 > int64(len(descriptor)) || descriptor[at] != 1 {
		return ""
	}
	end := at + 8 + 4*int64(descriptor[at+1])
	if end > int64(len(descriptor)) {
		return ""
	}
	return string(descriptor[at:end])
}

// moment reads a generalized time.
func moment(s string) (time.Time, bool) {
	for _, form := range []string{"20060102150405Z", "20060102150405.999999Z"} {
		if at, err := time.Parse(form, s); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// Can implements [connector.Chooser]: lineage is there where it was asked for.
func (c *Connector) Can(be any) bool {
	_, lineage := be.(*connector.Lineage)
	return !lineage || c.cfg.Lineage
}
