package evidence

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Stamp is what only who has the log's key can say of some bytes: a keyed hash. It is
// for what waits for its place in the log and is believed meanwhile, and proves nothing
// to anybody without the key. What names the use: a stamp for one is none for another.
func (s *Signer) Stamp(what string, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, s.stamp)
	for _, p := range append([][]byte{[]byte(what)}, parts...) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		mac.Write(size[:])
		mac.Write(p)
	}
	return mac.Sum(nil)
}

// Stamped tells whether a stamp is the one for these bytes.
func (s *Signer) Stamped(stamp []byte, what string, parts ...[]byte) bool {
	return hmac.Equal(stamp, s.Stamp(what, parts...))
}

// stampKey is derived from the signing key, so that there is no second secret to keep.
func stampKey(seed []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, seed, nil, "lessor stamp 1", sha256.Size)
}
