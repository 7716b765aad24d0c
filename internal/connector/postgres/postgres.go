// Package postgres is the connector to PostgreSQL servers (14 and newer). A
// holding is a membership: a login role, the account, in another role, the object.
//
// It says GRANT and REVOKE of memberships, sets passwords that it is told to set, and
// ends sessions; nothing else. Names are looked up as values and only what the server
// itself calls a role is ever written into a statement, quoted. It never revokes with
// CASCADE, never touches its own account, creates or drops no role, alters nothing of
// one but its password, gives nothing WITH ADMIN OPTION, and does not retry a COMMIT
// that went unanswered.
//
// Since version 16 a membership has one row for each who granted it, and REVOKE
// answers success while another's row stands. What stands by somebody else's
// grant is seen, named, and not called gone.
package postgres

import (
	"context"
	"crypto/x509"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lessor-iam/lessor/internal/connector"
)

const (
	batch      = 1000   // changes worth handing to Apply at once
	chunk      = 1000   // accounts in one GRANT or REVOKE
	page       = 5000   // memberships read at once by Observe
	maxEdges   = 200000 // memberships around the accounts of one look
	maxMoments = 10000  // removals remembered for their sessions
	maxName    = 1023   // bytes; the server keeps at most 63 unless it was built otherwise
)

// Config may be wrong; New says how.
type Config struct {
	// URL is postgres://host[:5432][/database]. Roles belong to the whole server,
	// so any database will do; "" means postgres.
	URL string
	// Plain leaves TLS out; on loopback only. Otherwise the certificate must be
	// the host's, by a root of CA.
	Plain bool
	// User is who we are.
	User string
	// Password is asked anew for every connection, so that it can be rotated, and
	// given to nobody but a server that asks for scram. Empty: nothing is sent.
	Password func() string
	// CA are the roots trusted for URL; nil means the system's.
	CA *x509.CertPool
	// Timeout bounds one request, here and at the server; the call's context
	// bounds all of them. 0 means 30 s.
	Timeout time.Duration
	// Connections is how many may be open at once; 0 means 4.
	Connections int
	// Now tells the time of a look. Nil means time.Now.
	Now func() time.Time
}

// Connector speaks to one server.
type Connector struct {
	settings
	pool    *pgxpool.Pool
	page    int
	moments moments
	closed  context.Context
	close   context.CancelFunc
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Sessions  = (*Connector)(nil)
)

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Connector, error) {
	s, err := check(cfg)
	if err != nil {
		return nil, err
	}
	c := &Connector{settings: s, page: page}
	c.closed, c.close = context.WithCancel(context.Background())
	if c.pool, err = s.open(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// Capabilities is the same for every server. That the account may not end
// sessions is found out, and said, when one must be ended.
func (c *Connector) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: batch, Effective: true, Sessions: true}
}

// closing is how long Close waits for connections to say good-bye.
const closing = 2 * time.Second

// Close makes calls under way fail, and later ones be refused unsent.
func (c *Connector) Close() error {
	c.close()
	done := make(chan struct{})
	go func() {
		c.pool.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closing):
	}
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
