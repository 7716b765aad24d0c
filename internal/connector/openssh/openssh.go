// Package openssh is the connector to a host with OpenSSH whose sshd trusts
// certificates of a CA. A holding is a principal, the account, whom a UNIX user's
// principals file, the object, lets in; with it the connector signs certificates
// that live for hours, and revokes them.
//
// It has no shell on the host: every connection runs one fixed program there
// (package host), which answers one request. It makes and deletes no user and no
// file of principals, lets in nobody whom the host's owner has not listed, leaves
// lines that others have written with options, and touches no authorized keys.
//
// A session outlives its certificate, its revocation and the line that let it in.
// The removal is over when the line is gone, sshd itself turns the principal away,
// and no session that came with the principal's certificate is open.
package openssh

import (
	"context"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

const (
	batch      = 1000 // changes in one request
	chunk      = 200  // objects in one request
	maxName    = 1000 // bytes of an account's name
	maxAnswer  = 64 << 20
	trials     = 3 // doors tried at once
	idleConns  = 4
	idleFor    = 30 * time.Second
	maxTried   = 100      // principals in one certificate that tries a door
	maxTriedIn = 16 << 10 // and their bytes: sshd hands the certificate to a program as an argument
)

// Config may be wrong; New says how.
type Config struct {
	// Address is host or host:port; without one the port is 22.
	Address string
	// User is the connector's own UNIX user, whose forced command is
	// lessor-openssh-host serve.
	User string
	// Key is its private key in OpenSSH's format, asked anew for every connection.
	Key func() string
	// HostKeys are the host's public keys as in /etc/ssh/ssh_host_*.pub, one a line.
	HostKeys string
	// CA is the private key that signs certificates, asked anew for every one.
	CA func() string
	// Timeout bounds one request; the call's context bounds all of them. 0 means 30 s.
	Timeout time.Duration
	// Now tells the time. Nil means time.Now.
	Now func() time.Time
}

// Connector speaks to one host.
type Connector struct {
	settings
	door   string // the address of the sshd that a look tries
	trying chan struct{}
	mu     sync.Mutex
	idle   []*conn
	closed context.Context
	close  context.CancelFunc
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
	c := &Connector{settings: s, door: s.address, trying: make(chan struct{}, trials)}
	c.closed, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Capabilities is the same for every host.
func (c *Connector) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: batch, Effective: true, Sessions: true}
}

// Close makes calls under way fail, and later ones be refused unsent.
func (c *Connector) Close() error {
	c.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.idle {
		_ = one.Close() // nobody waits for it
	}
	c.idle = nil
	return nil
}
