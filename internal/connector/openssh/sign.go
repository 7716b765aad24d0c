package openssh

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lessor-iam/lessor/internal/connector"
)

const (
	// skew is how far the host's clock may be behind ours.
	skew = time.Minute
	// Longest is how long a certificate is good for at most, whatever it is asked for.
	Longest = 24 * time.Hour
)

// Sign signs a certificate for one who holds the user now, good until the moment
// given, which is to be the end of the grant, or for [Longest]. It names one
// principal and the assignment, gives a terminal, and forwards nothing.
func (c *Connector) Sign(ctx context.Context, ref connector.Ref, publicKey string, until time.Time) (string, error) {
	// 1. A key that is worth it.
	key, err := signable(publicKey)
	if err != nil {
		return "", fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	// 2. Only for what is held.
	seen := c.Look(ctx, []connector.Ref{ref})[0]
	now := c.now()
	switch {
	case seen.Err != nil:
		return "", seen.Err
	case !seen.Direct:
		return "", fmt.Errorf("%w: %q is not let in as %q", connector.ErrRefused, ref.Account, ref.Object)
	case !until.After(now):
		return "", fmt.Errorf("%w: it would have ended at %s", connector.ErrRefused, until.UTC().Format(time.RFC3339))
	}
	// 3. The certificate.
	if latest := now.Add(Longest); until.After(latest) {
		until = latest
	}
	cert := &ssh.Certificate{
		Key: key, Serial: serial(ref, now), CertType: ssh.UserCert, KeyId: KeyID(ref), ValidPrincipals: []string{Principal(ref.Account)},
		ValidAfter: uint64(now.Add(-skew).Unix()), ValidBefore: uint64(until.Unix()),
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
	if err := c.sign(cert); err != nil {
		return "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert))), nil
}

// KeyID is what a certificate says it was signed for; sshd writes it to its log.
func KeyID(ref connector.Ref) string { return "lessor:" + ref.Object + ":" + Principal(ref.Account) }

func (c *Connector) sign(cert *ssh.Certificate) error {
	ca, err := signer("CA's private key", c.ca)
	if err != nil {
		return err
	}
	return cert.SignCert(rand.Reader, ca)
}

// signable reads a public key and refuses those that are too weak, or are
// certificates themselves.
func signable(text string) (ssh.PublicKey, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%.40q is no public key such as ssh-ed25519 AAAA…", text)
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return key, nil
	case ssh.KeyAlgoRSA:
		if k, ok := key.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey); ok && k.N.BitLen() >= 3072 {
			return key, nil
		}
	}
	return nil, fmt.Errorf("a key of type %s is not signed; ed25519, ecdsa, their sk- kinds and rsa from 3072 bits are", key.Type())
}
