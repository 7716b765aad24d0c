package evidence

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// A stamp is for one key, one use and these bytes, cut just so.
func TestStamp(t *testing.T) {
	t.Parallel()
	signer := func(name string) *Signer {
		skey, _, err := GenerateKey(rand.NewChaCha8(sha256.Sum256([]byte(name))), "log.example.com/stamp")
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, other := signer("one"), signer("two")
	stamp := s.Stamp("event", []byte("ab"), []byte("c"))
	if !s.Stamped(stamp, "event", []byte("ab"), []byte("c")) {
		t.Fatal("a stamp does not hold")
	}
	for name, same := range map[string]bool{
		"cut elsewhere": s.Stamped(stamp, "event", []byte("a"), []byte("bc")),
		"one part":      s.Stamped(stamp, "event", []byte("abc")),
		"one part more": s.Stamped(stamp, "event", []byte("ab"), []byte("c"), nil),
		"another use":   s.Stamped(stamp, "clock", []byte("ab"), []byte("c")),
		"another key":   other.Stamped(stamp, "event", []byte("ab"), []byte("c")),
		"none":          s.Stamped(nil, "event", []byte("ab"), []byte("c")),
		"a shorter one": s.Stamped(stamp[:16], "event", []byte("ab"), []byte("c")),
	} {
		if same {
			t.Errorf("%s: holds", name)
		}
	}
	if bytes.Contains(stamp, s.stamp) || len(stamp) != sha256.Size {
		t.Errorf("a stamp of %d bytes", len(stamp))
	}
}
