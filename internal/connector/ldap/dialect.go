package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// What Config.Dialect may say.
const (
	OpenLDAP        = "openldap" // and whatever keeps to RFC 4511
	Dialect389      = "389"      // 389 Directory Server
	ActiveDirectory = "ad"       // Active Directory, and Samba as its domain controller
)

// dialect is what one make of directory does in its own way.
type dialect struct {
	accountAttr string // what names accounts, where the settings do not say
	class       string // what groups are, where the settings do not say
	demands     bool   // groups of the usual classes must have a member
	mixed       bool   // accounts and groups may lie in one container
	compares    bool   // its compare takes a value as it is; Samba's takes "*" for anything

	there   []uint16 // answers to an add: it is so already
	gone    []uint16 // answers to a removal: it is so already
	unsure  bool     // what stands in gone may as well be a refusal: read to tell
	some    []uint16 // answers that may be for the sake of some values of a modify
	windows bool     // objectGUID, tokenGroups, primary groups, in-chain matching, domains
	lingers time.Duration
	hashes  bool // what a modify puts into userPassword it keeps as a hash
	copies  bool // memberOf is a copy that is written after the member, and may be left behind
}

// ticketLife is how long a Kerberos ticket can be renewed in a domain nobody
// arranged otherwise. A renewed one carries the list of groups of the first.
const ticketLife = 7 * 24 * time.Hour

// (16, 20) one is already so, (65) the last one may not go, (19, 21, 34, 50) one
// may not be written.
var divisibleCodes = []uint16{
	goldap.LDAPResultNoSuchAttribute, goldap.LDAPResultAttributeOrValueExists,
	goldap.LDAPResultObjectClassViolation, goldap.LDAPResultConstraintViolation,
	goldap.LDAPResultInvalidAttributeSyntax, goldap.LDAPResultInvalidDNSyntax,
	goldap.LDAPResultInsufficientAccessRights,
}

var dialects = map[string]dialect{
	OpenLDAP: {
		accountAttr: "uid", class: "groupOfNames", demands: true, compares: true, some: divisibleCodes, copies: true,
		there: []uint16{goldap.LDAPResultAttributeOrValueExists}, gone: []uint16{goldap.LDAPResultNoSuchAttribute},
	},
	Dialect389: {
		accountAttr: "uid", class: "groupOfNames", compares: true, some: divisibleCodes, hashes: true,
		there: []uint16{goldap.LDAPResultAttributeOrValueExists}, gone: []uint16{goldap.LDAPResultNoSuchAttribute},
	},
	ActiveDirectory: {
		accountAttr: guidAttr, class: "group", mixed: true, windows: true, lingers: ticketLife,
		there: []uint16{goldap.LDAPResultEntryAlreadyExists, goldap.LDAPResultAttributeOrValueExists},
		gone:  []uint16{goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultNoSuchAttribute}, unsure: true,
		// (68) one is there, (53) one is not, (32) one has no entry.
		some: append(slices.Clone(divisibleCodes), goldap.LDAPResultEntryAlreadyExists,
			goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultNoSuchObject),
	},
}

// in gives what the settings leave to the dialect.
func (s *settings) in(d dialect) spoken {
	sp := spoken{
		dialect: d, accountAttr: or(s.cfg.AccountAttribute, d.accountAttr),
		class: or(s.cfg.ObjectClass, d.class), placeholder: s.asked, top: s.groups,
	}
	usual := strings.EqualFold(sp.class, "groupOfNames") || strings.EqualFold(sp.class, "groupOfUniqueNames")
	if s.asked.text == "" && d.demands && usual {
		sp.placeholder = s.nobody
	}
	return sp
}

// byGUID says whether accounts are named by their objectGUID.
func (s *spoken) byGUID() bool { return strings.EqualFold(s.accountAttr, guidAttr) }

// root is what a server says of itself.
type root struct {
	capabilities []string
	vendor       string
	top          string // the domain's own DN
}

// activeDirectory is the capability every domain controller names (MS-ADTS 3.1.1.3.4.3).
const activeDirectory = "1.2.840.113556.1.4.800"

func (r root) dialect() string {
	switch {
	case slices.Contains(r.capabilities, activeDirectory):
		return ActiveDirectory
	case strings.HasPrefix(r.vendor, "389 Project"):
		return Dialect389
	}
	return OpenLDAP
}

// ready finds out, before anything else is asked, which dialect the server
// speaks. One that hides what it is is none that needs to be known: every domain
// controller shows its root to everyone.
func (c *Connector) ready(ctx context.Context) error {
	if c.known.Load() {
		return nil
	}
	r, err := c.readRoot(ctx)
	if err != nil {
		return err
	}
	name := or(c.cfg.Dialect, r.dialect())
	s := c.in(dialects[name])
	if s.dialect.windows {
		if s.top, err = parseDN(r.top); err != nil {
			return fmt.Errorf("%w: the server's root shows no defaultNamingContext, as %s must: %w", connector.ErrRefused, name, err)
		}
	} else if s.byGUID() {
		return fmt.Errorf("%w: accounts are to be named by %s, which only Active Directory has, and the server is none", connector.ErrRefused, guidAttr)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known.Load() { // others may have asked at the same time
		c.spoken = s
		c.lingers.CompareAndSwap(0, int64(s.dialect.lingers))
		c.known.Store(true)
	}
	return nil
}

func (c *Connector) readRoot(ctx context.Context) (root, error) {
	req := searchRequest("", goldap.ScopeBaseObject, anything, []string{"supportedCapabilities", "vendorName", "defaultNamingContext"})
	res, err := search(ctx, c.ask, req)
	switch {
	case errors.Is(err, connector.ErrNoObject):
		return root{}, nil
	case err != nil:
		return root{}, fmt.Errorf("which directory this is: %w", err)
	case len(res.Entries) == 0:
		return root{}, nil
	}
	e := res.Entries[0]
	return root{e.GetEqualFoldAttributeValues("supportedCapabilities"), e.GetEqualFoldAttributeValue("vendorName"),
		e.GetEqualFoldAttributeValue("defaultNamingContext")}, nil
}

// subtree is a search below a base. A domain controller adds references to its
// other partitions to every search from the top, unless it is told not to.
func (c *Connector) subtree(base dn, filter string, attributes []string, controls ...goldap.Control) *goldap.SearchRequest {
	req := searchRequest(base.text, goldap.ScopeWholeSubtree, filter, attributes)
	if req.Controls = controls; c.dialect.windows {
		req.Controls = append(req.Controls, goldap.NewControlString(goldap.ControlTypeMicrosoftDomainScope, true, ""))
	}
	return req
}

// said says that the server answered with one of the codes.
func said(err error, codes []uint16) bool { return goldap.IsErrorAnyOf(err, codes...) }
