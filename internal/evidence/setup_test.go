package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

type place struct {
	level int
	index int64
}

// memTiles is a table of rows. It holds callers to the port's promise that a
// row only ever grows, counts writes, and can fail.
type memTiles struct {
	rows    map[place][]byte
	writes  int
	failGet error
	failSet error
}

func newMemTiles() *memTiles { return &memTiles{rows: map[place][]byte{}} }

func (m *memTiles) Tile(_ context.Context, level int, index int64) ([]byte, error) {
	return m.rows[place{level, index}], m.failGet
}

func (m *memTiles) SetTile(_ context.Context, t Tile) error {
	if m.failSet != nil {
		return m.failSet
	}
	at := place{t.Level, t.Index}
	if old := m.rows[at]; !bytes.HasPrefix(t.Data, old) || len(t.Data) == len(old) {
		return fmt.Errorf("row %v does not grow", at)
	}
	m.rows[at] = t.Data
	m.writes++
	return nil
}

func (m *memTiles) clone() *memTiles {
	c := newMemTiles()
	for at, row := range m.rows {
		c.rows[at] = bytes.Clone(row)
	}
	return c
}

// entry is the i-th made-up commitment.
func entry(i int64) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	return sum[:]
}

func entries(from, to int64) [][]byte {
	list := make([][]byte, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, entry(i))
	}
	return list
}

// naiveRoot is RFC 6962 section 2.1, word for word.
func naiveRoot(entries [][]byte) tlog.Hash {
	n := len(entries)
	switch n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, entries[0]...))
	}
	k := 1
	for k*2 < n {
		k *= 2
	}
	l, r := naiveRoot(entries[:k]), naiveRoot(entries[k:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

// grown returns the tiles of a log of that size and its root.
func grown(t testing.TB, size int64) (*memTiles, tlog.Hash) {
	t.Helper()
	m := newMemTiles()
	n, root, err := Append(t.Context(), m, 0, entries(0, size))
	if err != nil || n != size {
		t.Fatalf("Append to %d: size %d, %v", size, n, err)
	}
	return m, root
}

// seeded is a source of randomness that always gives the same bytes.
func seeded(b byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{b}) }

const origin = "log.example.com/lessor"

func newKey(t testing.TB, seed byte, origin string) (*Signer, string) {
	t.Helper()
	skey, vkey, err := GenerateKey(seeded(seed), origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

// story is a bundle of 12 records scattered over a log of 300, in parts that
// tests change before encoding.
func story(t testing.TB, s *Signer) Bundle {
	t.Helper()
	const size = 300
	at := []int64{0, 1, 17, 100, 127, 128, 254, 255, 256, 257, 298, 299}
	log := entries(0, size)
	b := Bundle{Format: BundleFormat, Subject: "grant-7f"}
	salts := seeded(9)
	for i, index := range at {
		salt, err := NewSalt(salts)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"grant":"grant-7f","kind":"grant.live","note":"<ünï> \"%d\"","to":["live",{"n":%d}]}`, i, i)
		leaf := Leaf{Body: []byte(body), Salt: salt}
		c := leaf.Commitment()
		log[index] = c[:]
		b.Records = append(b.Records, Record{Index: index, Body: json.RawMessage(leaf.Body), Salt: leaf.Salt})
	}
	m := newMemTiles()
	_, root, err := Append(t.Context(), m, 0, log)
	if err != nil {
		t.Fatal(err)
	}
	if b.Checkpoint, err = s.Sign(size, root); err != nil {
		t.Fatal(err)
	}
	for i := range b.Records {
		if b.Records[i].Proof, err = ProveInclusion(t.Context(), m, size, b.Records[i].Index); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func encode(t testing.TB, b Bundle) []byte {
	t.Helper()
	file, err := Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
