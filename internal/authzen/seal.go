package authzen

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
)

// sealer hands things out that only this door can read, and takes nothing else
// back: a denial need not be remembered to be known again, so that to be denied
// costs no write.
type sealer struct {
	aead cipher.AEAD
	mu   sync.Mutex // of rand
	rand io.Reader
}

func newSealer(key []byte, rand io.Reader) (*sealer, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("%w: Key has %d bytes and must have 32", access.ErrInvalid, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead, rand: rand}, nil
}

// seal closes a value, as one kind of thing that is no other kind.
func (s *sealer) seal(kind string, v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return kind + "_" + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, raw, []byte(kind))), nil
}

// open reads a value of that kind; false if it was not sealed here.
func (s *sealer) open(kind, text string, v any) bool {
	if len(text) <= len(kind)+1 || text[:len(kind)+1] != kind+"_" {
		return false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text[len(kind)+1:])
	if err != nil {
		return false
	}
	raw, err := s.aead.Open(nil, nil, sealed, []byte(kind))
	return err == nil && json.Unmarshal(raw, v) == nil
}

// handle makes an id that nobody can guess and that says nothing.
func (s *sealer) handle(prefix string) (string, error) {
	raw := make([]byte, 32)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.rand, raw); err != nil {
		return "", fmt.Errorf("randomness: %w", err)
	}
	return prefix + "_" + base64.RawURLEncoding.EncodeToString(raw), nil
}
