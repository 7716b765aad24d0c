// Package ldap is the connector to LDAP directories (RFC 4511). A holding is a
// place among a group's members.
//
// Directories differ, and what a make does in its own way stands in one table
// (dialect.go): OpenLDAP and its kin, 389 Directory Server, Active Directory.
//
// It asks the server to compare names wherever it can, because only the server
// knows its matching rules, and never builds a DN or a filter from a name without
// escaping it. It follows no referral, believes no search base it cannot see,
// and takes no part of an answer for the whole. It never replaces a member list,
// writes any other attribute, creates or deletes an entry, or retries a write
// that went unanswered.
package ldap

import (
	"context"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// DNPrefix before a Ref's Account or Object means: by distinguished name. Without
// it, and without GUIDPrefix, an account is the value of the account attribute,
// and an object the cn of a group; exactly one entry must bear it, spelled
// exactly so. A DN below GroupsBase names a group without the prefix too.
const DNPrefix = "dn:"

const (
	batch      = 1000      // changes worth handing to Apply at once
	chunk      = 1000      // values in one modify
	namesAsked = 50        // names in one search: more make it dearer again, the server tries each on each
	maxAnswer  = 128 << 20 // bytes of one answer; a longer one is refused, never cut
	maxNested  = 20000     // groups climbed in one look
	maxName    = 4096      // bytes
)

// Config may be wrong; New says how.
type Config struct {
	// URL is "ldaps://host[:636]", or "ldap://host[:389]", which speaks StartTLS
	// before anything else.
	URL string
	// Plain leaves StartTLS out; on loopback only, it would send the password in the clear.
	Plain bool
	// BindDN is who we are. Anonymous is refused: it reads what it may, not what is.
	BindDN string
	// Password is asked anew for every connection, so that it can be rotated.
	// Empty: nothing is sent, because many servers take it for anonymous.
	Password func() string
	// CA are the roots trusted for URL; nil means the system's.
	CA *x509.CertPool
	// PeopleBase and GroupsBase are the subtrees accounts and groups are looked for in.
	PeopleBase, GroupsBase string
	// Dialect is OpenLDAP, Dialect389 or ActiveDirectory; "" means that the server is asked.
	Dialect string
	// AccountAttribute names accounts; "" means uid, in Active Directory objectGUID.
	AccountAttribute string
	// MemberAttribute holds members' DNs; "" means member.
	MemberAttribute string
	// ObjectClass is what groups are; "" means groupOfNames, in Active Directory group.
	ObjectClass string
	// Placeholder is the member of a group that nobody is in, where the class
	// demands one; it is never a holder. "" means cn=nobody below GroupsBase for
	// groupOfNames and groupOfUniqueNames of OpenLDAP, and none for anything else.
	Placeholder string
	// Lingers is how long what somebody opened before a removal may go on using
	// it; 0 means what the dialect says: a ticket's life in Active Directory, none elsewhere.
	Lingers time.Duration
	// AccessLog is the suffix of the server's accesslog database, which says who
	// wrote a member; "" means that there is none to ask.
	AccessLog string
	// Lineage has what accounts made read, which takes rights of its own: see Traces.
	Lineage bool
	// PersistentSearch has Follow ask for persistent searches where the server offers
	// them. A server of 389 Directory Server 2.3.1 dies when a connection with one is
	// cut (a null pointer in operation_done), so nobody gets them who did not ask.
	PersistentSearch bool
	// PageSize is how many entries are asked for at once; 0 means 500.
	PageSize int
	// MembersAtOnce is how many members of one group are asked for at once, of
	// servers that know ranges; 0 leaves it to the server.
	MembersAtOnce int
	// Timeout bounds one request; the call's context bounds all of them. 0 means 30 s.
	Timeout time.Duration
	// Connections is how many may be open at once; 0 means 4.
	Connections int
	// Now tells the time of a look. Nil means time.Now.
	Now func() time.Time
}

// Connector speaks to one directory.
type Connector struct {
	settings
	slots   chan struct{} // one for each connection that may be open
	known   atomic.Bool   // the dialect is known; before that spoken is not read
	lingers atomic.Int64
	called  callings
	mu      sync.Mutex
	idle    []*line
	closed  context.Context
	close   context.CancelFunc
}

var _ connector.Connector = (*Connector)(nil)

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Connector, error) {
	s, err := check(cfg)
	if err != nil {
		return nil, err
	}
	c := &Connector{settings: s, slots: make(chan struct{}, s.connections)}
	c.lingers.Store(int64(or(cfg.Lingers, s.dialect.lingers)))
	c.closed, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Capabilities is the same for every directory but for how long sessions linger,
// which is known from the settings or from the first call on. Whether one shows
// memberOf too is found out, and said, at each look.
func (c *Connector) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: batch, Effective: true, Lingers: time.Duration(c.lingers.Load())}
}

// Close makes calls under way fail, and later ones be refused unsent.
func (c *Connector) Close() error {
	c.close()
	c.hangUp()
	return nil
}

// each runs do for 0..n-1, no more at once than there are connections, and waits.
func (c *Connector) each(n int, do func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, c.connections) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
