package openssh

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

// tryAll tries the door of one user for all whom nothing seems to let in: one
// certificate names many principals, and if sshd turns it away it turns away each.
// If it does not, halves tell who it is.
func (c *Connector) tryAll(ctx context.Context, object string, left []*connector.Seen) {
	for len(left) > 0 {
		n, bytes := 0, 0
		for n < len(left) && n < maxTried && (n == 0 || bytes+3*len(left[n].Account) < maxTriedIn) {
			bytes += 3 * len(left[n].Account)
			n++
		}
		c.tryHalves(ctx, object, left[:n])
		left = left[n:]
	}
}

func (c *Connector) tryHalves(ctx context.Context, object string, some []*connector.Seen) {
	principals := make([]string, len(some))
	for i, s := range some {
		principals[i] = Principal(s.Account)
	}
	in, err := c.try(ctx, object, slices.Compact(slices.Sorted(slices.Values(principals))))
	switch {
	case err == nil && in && len(some) > 1:
		c.tryHalves(ctx, object, some[:len(some)/2])
		c.tryHalves(ctx, object, some[len(some)/2:])
		return
	case err == nil && in:
		some[0].Effective = true
		some[0].Residual = append(some[0].Residual, "sshd lets in a certificate for this principal, though no line that was read does")
	}
	for _, s := range some {
		s.Err = err
		s.Path += "; a log-in as " + object + " with a certificate"
	}
}

// try logs in and out again, with a certificate that could do nothing in between.
// Only sshd's own "no" is one.
func (c *Connector) try(ctx context.Context, object string, principals []string) (bool, error) {
	select {
	case c.trying <- struct{}{}:
		defer func() { <-c.trying }()
	case <-ctx.Done():
		return false, fmt.Errorf("%w: %w", connector.ErrUnreachable, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	key, err := c.probe(principals)
	if err != nil {
		return false, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	client, err := c.dial(ctx, c.door, object, key)
	switch {
	case turnedAway(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%w: try the door of %q: %w", connector.ErrUnanswered, object, err)
	}
	_ = client.Close() // it was only to see whether it opens
	return true, nil
}

// probe makes a key that nobody keeps, and a certificate for it.
func (c *Connector) probe(principals []string) (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		return nil, err
	}
	now := time.Now() // by the clock of the world, as sshd has it
	cert := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.UserCert, KeyId: "lessor looks whether the door opens", ValidPrincipals: principals,
		ValidAfter: uint64(now.Add(-skew).Unix()), ValidBefore: uint64(now.Add(skew).Unix()),
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{"force-command": host.Nothing}},
	}
	if err := c.sign(cert); err != nil {
		return nil, err
	}
	return ssh.NewCertSigner(cert, key)
}
