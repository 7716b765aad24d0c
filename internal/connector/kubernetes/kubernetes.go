// Package kubernetes is the connector to Kubernetes clusters: who may do what by
// RBAC. A holding is one RoleBinding or ClusterRoleBinding: one account, the
// subject, in one role, the object.
//
// For each holding there is one binding under a name made from the two, labelled as
// ours. The connector creates such bindings and deletes them; it edits none, touches
// nobody else's, and creates, changes or deletes no role, account or anything else but
// the empty Secrets that tokens it asks for are bound to.
// Names are escaped into paths and compared as they are. It follows no redirect,
// trusts no root but the one it was given, and does not retry a write.
//
// What others have bound beside it is read and named, and the API server is asked
// (SubjectAccessReview) whether the account can still do what the role lets it do.
// Which of a user's groups an authenticator will assert, no API server can say, and
// no API server ends an open watch because a binding is gone: both are said.
package kubernetes

import (
	"crypto/x509"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

const (
	batch    = 200       // changes worth handing to Apply at once
	page     = 500       // objects asked for at once
	parallel = 8         // requests under way at once
	maxPages = 10000     // of one list
	maxBody  = 128 << 20 // a longer answer is refused, never cut
	maxName  = 2048      // bytes of an account's or object's name
	maxAsked = 200       // rights of one role asked for one by one
)

// Lasting is how long an open watch is taken to last where nobody has set
// Config.Lingers. The server's --min-request-timeout ends only watches whose client
// named no time; whoever names one (timeoutSeconds) has it for as long as the API
// server and the way to it last. A minor version is supported for some 14 months,
// with a release every month: no API server should run for longer than this.
const Lasting = 365 * 24 * time.Hour

// Config may be wrong; New says how. Either Token or Certificate and Key are needed.
type Config struct {
	// URL is the API server, https://host[:port][/path]. There is no plain http.
	URL string
	// CA are the roots that URL is trusted by. An API server's are its cluster's
	// own: the system's would trust any public authority's word for it.
	CA *x509.CertPool
	// Token is asked anew for every request, so that it can be rotated. Empty: the
	// request is not sent.
	Token func() string
	// Certificate and Key are PEM, asked anew for every connection.
	Certificate, Key func() string
	// Timeout bounds one request; the call's context bounds all of them. 0 means 30 s.
	Timeout time.Duration
	// Lingers is how long an open watch, exec or port-forward can last here, by
	// whatever bounds it in front of the API servers. 0 means Lasting.
	Lingers time.Duration
	// Now tells the time of a look. Nil means time.Now.
	Now func() time.Time
}

// Connector speaks to one cluster.
type Connector struct {
	settings
	line  *call.Line
	page  int // objects asked for at once
	pages int // a list that goes on for longer is an error
	// lasting is how long one watch of a feed is opened for, in whole seconds.
	lasting time.Duration
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Feed      = (*Connector)(nil)
)

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Connector, error) {
	s, err := check(cfg)
	if err != nil {
		return nil, err
	}
	return &Connector{settings: s, line: s.dial(), page: page, pages: maxPages, lasting: lasting}, nil
}

// Capabilities is the same for every cluster, but for how long a watch lasts there.
func (c *Connector) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: batch, Effective: true, Lingers: c.lingers}
}

// Close makes calls under way fail, and later ones be refused unsent.
func (c *Connector) Close() error {
	c.line.Close()
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

// found is what one thing that was read turned out to be.
type found[T any] struct {
	is  T
	err error
}

// resolve reads every distinct key once.
func resolve[K comparable, T any](c *Connector, keys []K, read func(K) (T, error)) map[K]found[T] {
	seen := map[K]bool{}
	var distinct []K
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			distinct = append(distinct, k)
		}
	}
	got := make([]found[T], len(distinct))
	c.each(len(distinct), func(i int) { got[i].is, got[i].err = read(distinct[i]) })
	out := make(map[K]found[T], len(distinct))
	for i, k := range distinct {
		out[k] = got[i]
	}
	return out
}
