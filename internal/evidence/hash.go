package evidence

import (
	"crypto/sha256"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// emptyRoot is the root of the tree without leaves: SHA-256 of nothing.
var emptyRoot = tlog.Hash(sha256.Sum256(nil))

// leafHash is RFC 6962's leaf hash of one entry, without an allocation.
func leafHash(entry []byte) tlog.Hash {
	var buf [1 + EntrySize]byte // 0x00 || entry
	copy(buf[1:], entry)
	return sha256.Sum256(buf[:])
}

// leafHashes hashes every entry of an entry bundle. first is the log index of
// the bundle's first entry, for the error.
func leafHashes(bundle []byte, first int64) ([]byte, error) {
	hashes := make([]byte, 0, len(bundle)/entrySpan*tlog.HashSize)
	for i := 0; i < len(bundle); i += entrySpan {
		if n := int(bundle[i])<<8 | int(bundle[i+1]); n != EntrySize {
			return nil, fmt.Errorf("entry %d: has length %d, a commitment has %d", first+int64(i/entrySpan), n, EntrySize)
		}
		h := leafHash(bundle[i+2 : i+entrySpan])
		hashes = append(hashes, h[:]...)
	}
	return hashes, nil
}

// subtree is the root over a power of two of consecutive hashes.
func subtree(hashes []byte) tlog.Hash {
	if len(hashes) == tlog.HashSize {
		return tlog.Hash(hashes)
	}
	mid := len(hashes) / 2
	return tlog.NodeHash(subtree(hashes[:mid]), subtree(hashes[mid:]))
}

// edgeRoot is the root of the tree whose unfinished tiles are given, bottom
// level first. A tree's largest complete subtrees are the binary digits of its
// size; RFC 6962 joins them from the right, smallest first.
func edgeRoot(edge [][]byte) tlog.Hash {
	root, some := emptyRoot, false
	for _, hashes := range edge {
		for w := len(hashes) / tlog.HashSize; w > 0; w &= w - 1 {
			from := w & (w - 1) // without its lowest digit
			h := subtree(hashes[from*tlog.HashSize : w*tlog.HashSize])
			if some {
				h = tlog.NodeHash(h, root)
			}
			root, some = h, true
		}
	}
	return root
}
