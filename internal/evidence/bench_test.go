package evidence

import (
	"crypto/sha256"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// BenchmarkAppend sequences batches of 1,000 into one growing log.
func BenchmarkAppend(b *testing.B) {
	const batch = 1000
	m, size, list := newMemTiles(), int64(0), entries(0, batch)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if size, _, err = Append(b.Context(), m, size, list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(m.writes)/float64(b.N), "rows/batch")
}

// BenchmarkVerifyMillion recomputes 1,000,000 leaves from entry bundles to the
// root, beside the SHA-256 alone that no verifier can do without: one leaf
// hash and one node hash for each leaf.
func BenchmarkVerifyMillion(b *testing.B) {
	const size = 1_000_000
	m, root := grown(b, size)
	perSecond := func(b *testing.B) {
		b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "leaves/s")
	}
	b.Run("tiles", func(b *testing.B) {
		for b.Loop() {
			if err := VerifyTiles(b.Context(), m, size, root); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
	b.Run("sha256", func(b *testing.B) {
		var leaf [1 + EntrySize]byte
		var node [1 + 2*tlog.HashSize]byte
		for b.Loop() {
			for range size {
				l := sha256.Sum256(leaf[:])
				copy(node[1:], l[:])
				n := sha256.Sum256(node[:])
				copy(leaf[1:], n[:])
			}
		}
		perSecond(b)
	})
}

// BenchmarkProve proves one of 1,000,000 and checks the proof.
func BenchmarkProve(b *testing.B) {
	const size, index = 1_000_000, 123_456
	m, root := grown(b, size)
	tree, c := tlog.Tree{N: size, Hash: root}, [EntrySize]byte(entry(index))
	proof, err := ProveInclusion(b.Context(), m, size, index)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("prove", func(b *testing.B) {
		for b.Loop() {
			if _, err := ProveInclusion(b.Context(), m, size, index); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if err := CheckInclusion(proof, tree, index, c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpenBundle verifies a story of 12 records.
func BenchmarkOpenBundle(b *testing.B) {
	s, vkey := newKey(b, 1, origin)
	file := encode(b, story(b, s))
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := OpenBundle(file, vkey); err != nil {
			b.Fatal(err)
		}
	}
}
