// Package gitea is the connector to Gitea: who is in a team of an organization, and
// who is a collaborator of a repository. A holding is one of the two: one account in
// one team, or one account with one level at one repository.
//
// It adds and removes members and collaborators that it was asked about, makes and
// deletes access tokens where it was given the means, and changes nothing else: no team,
// no repository, no account, no key, and no collaborator who has another level already,
// for Gitea keeps only one. Names are parsed strictly and
// escaped into paths. It follows no redirect, trusts no root but the one it was given
// or the system's, and does not retry a write.
//
// Gitea answers "not found" to whoever may not see, so nothing is called gone by that
// answer alone: the account Lessor has there must show that it would see it. Whether
// an account can still do what was leased is put together from what Gitea says of the
// account at the repository and from the teams it is in, because either alone
// overlooks something.
package gitea

import (
	"crypto/x509"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

const (
	batch    = 50       // changes worth handing to Apply at once: each takes several requests
	page     = 50       // things asked for at once; servers give fewer if told so
	parallel = 8        // requests under way at once
	maxPages = 10000    // a list that goes on for longer is an error
	maxBody  = 64 << 20 // a longer answer is refused, never cut
	few      = 10       // accounts that are looked for in a team one by one
	maxAsked = 100      // repositories of a team asked about one by one
)

// Lasting is how long a token that Gitea gave a Git LFS client is good for, where
// nobody has set LFS_HTTP_AUTH_EXPIRY there.
const Lasting = 24 * time.Hour

// Config may be wrong; New says how.
type Config struct {
	// URL is where Gitea is, https://host[:port][/path]. There is no plain http.
	URL string
	// CA are the roots that URL is trusted by. Nil means the system's.
	CA *x509.CertPool
	// Token is asked anew for every request, so that it can be rotated. Empty: the
	// request is not sent.
	Token func() string
	// AdminToken is of an administrator of the server, with scopes that only read: to
	// whom Gitea shows what tokens and keys accounts have. Nil: those are not read.
	AdminToken func() string
	// IssuerToken is of an administrator of the server, with the scope write:user: by
	// which accounts' tokens are made and deleted. Nil: none are.
	IssuerToken func() string
	// Timeout bounds one request; the call's context bounds all of them. 0 means 30 s.
	Timeout time.Duration
	// Lingers is the server's LFS_HTTP_AUTH_EXPIRY. 0 means Lasting.
	Lingers time.Duration
	// NoLFS says that the server has LFS_START_SERVER off, or no SSH: then it gives
	// no token that outlives a removal.
	NoLFS bool
	// Now tells the time of a look. Nil means time.Now.
	Now func() time.Time
}

// Connector speaks to one Gitea.
type Connector struct {
	settings
	line *call.Line
	page int
	// As administrators; nil where there is no token of one.
	reads, issuer *Connector
}

var (
	_ connector.Connector   = (*Connector)(nil)
	_ connector.Credentials = (*Connector)(nil)
)

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Connector, error) {
	s, err := check(cfg)
	if err != nil {
		return nil, err
	}
	c := &Connector{settings: s, line: s.dial(), page: page}
	if cfg.AdminToken != nil {
		c.reads = s.keeper(cfg.AdminToken)
	}
	if cfg.IssuerToken != nil {
		c.issuer = s.keeper(cfg.IssuerToken)
	}
	return c, nil
}

// Capabilities never changes. Gitea asks for each request anew what the account may
// do, but for those that show a token of Git LFS.
func (c *Connector) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: batch, Effective: true, Lingers: c.lingers}
}

// Close makes calls under way fail, and later ones be refused unsent.
func (c *Connector) Close() error {
	c.line.Close()
	for _, too := range []*Connector{c.reads, c.issuer} {
		if too != nil {
			too.line.Close()
		}
	}
	return nil
}

// each runs do for 0..n-1, no more at once than requests may be under way, and waits.
func (c *Connector) each(n int, do func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, parallel) {
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

// memo reads each thing once, however many ask for it at the same time. It lives as
// long as one call of the port: nothing is remembered from one to the next.
type memo[K comparable, T any] struct {
	mu   sync.Mutex
	read map[K]func() (T, error)
}

func (m *memo[K, T]) of(key K, read func() (T, error)) (T, error) {
	m.mu.Lock()
	once := m.read[key]
	if once == nil {
		if m.read == nil {
			m.read = map[K]func() (T, error){}
		}
		once = sync.OnceValues(read)
		m.read[key] = once
	}
	m.mu.Unlock()
	return once()
}
