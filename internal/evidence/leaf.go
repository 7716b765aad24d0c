package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	// SaltSize is the length of a salt made by [NewSalt].
	SaltSize = 16
	// EntrySize is the length of every entry in the log: one commitment.
	EntrySize = sha256.Size
)

// domain keeps a commitment apart from any other SHA-256 over the same bytes.
// Another form of commitment takes another domain.
const domain = "lessor event v1\n"

// Leaf is one record's exact bytes and the salt it is committed under. Only
// the commitment enters the log; body and salt live elsewhere and can be erased.
type Leaf struct {
	Body []byte
	Salt []byte
}

// Commitment is the log's entry for this leaf.
func (l Leaf) Commitment() [EntrySize]byte { return Commit(l.Salt, l.Body) }

// Commit binds body without revealing it to anyone who lacks the salt:
//
//	SHA-256("lessor event v1\n" || uint64be(len(salt)) || salt || body)
//
// The length keeps bytes from wandering between salt and body unnoticed.
func Commit(salt, body []byte) [EntrySize]byte {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64([]byte(domain), uint64(len(salt))))
	h.Write(salt)
	h.Write(body)
	var sum [EntrySize]byte
	h.Sum(sum[:0])
	return sum
}

// NewSalt reads one salt. Each record needs its own: with a shared salt, or
// none, an erased body could be found again by guessing.
func NewSalt(rand io.Reader) ([]byte, error) {
	salt := make([]byte, SaltSize)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return nil, fmt.Errorf("new salt: %w", err)
	}
	return salt, nil
}
