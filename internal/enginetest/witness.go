package enginetest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// Cosigner is a witness that signs whatever it is shown: what engine tests need of
// one. Those that refuse are the real ones of testserver.
type Cosigner struct {
	Key     string // as it is published
	name    string
	hash    uint32
	private ed25519.PrivateKey
}

// NewCosigner makes one with a key made from its name.
func NewCosigner(name string) *Cosigner {
	seed := sha256.Sum256([]byte(name))
	c := &Cosigner{name: name, private: ed25519.NewKeyFromSeed(seed[:])}
	raw := append([]byte{4}, c.private.Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
	c.hash = binary.BigEndian.Uint32(sum[:])
	c.Key = fmt.Sprintf("%s+%08x+%s", name, c.hash, base64.StdEncoding.EncodeToString(raw))
	return c
}

// Sign is its line for a signed head.
func (c *Cosigner) Sign(note string, at int64) string {
	body, _, _ := strings.Cut(note, "\n\n")
	sig := ed25519.Sign(c.private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s\n", at, body))
	raw := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, c.hash), uint64(at))
	return "— " + c.name + " " + base64.StdEncoding.EncodeToString(append(raw, sig...)) + "\n"
}
