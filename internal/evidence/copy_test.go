package evidence

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// fileTree is a published log in memory: its files by their paths.
type fileTree map[string][]byte

func (f fileTree) fetch(_ context.Context, path string) ([]byte, error) {
	raw, ok := f[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, ErrNoTile)
	}
	return raw, nil
}

// leavesOf are made-up records with their commitments.
func leavesOf(n int64) (leaves []Leaf, log [][]byte) {
	for i := range n {
		l := Leaf{Body: fmt.Appendf(nil, `{"n":%d,"text":"<ü>"}`, i), Salt: entry(i)[:SaltSize]}
		c := l.Commitment()
		leaves, log = append(leaves, l), append(log, c[:])
	}
	return leaves, log
}

// publishedLog is a log of that size as files.
func publishedLog(t testing.TB, size int64) (fileTree, Keys, []Leaf) {
	t.Helper()
	s, vkey := newKey(t, 1, origin)
	leaves, log := leavesOf(size)
	m := newMemTiles()
	_, root, err := Append(t.Context(), m, 0, log)
	if err != nil {
		t.Fatal(err)
	}
	note, err := s.Sign(size, root)
	if err != nil {
		t.Fatal(err)
	}
	files := fileTree{CheckpointPath: []byte(note)}
	if err := ExportFiles(t.Context(), m, size, func(path string, raw []byte) error { files[path] = raw; return nil }); err != nil {
		t.Fatal(err)
	}
	keys, err := NewKeys(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return files, keys, leaves
}

func TestCopyIsReadWhole(t *testing.T) {
	t.Parallel()
	const size = 70_000 // three levels
	files, keys, leaves := publishedLog(t, size)
	c, err := OpenCopy(t.Context(), files.fetch, keys)
	if err != nil || c.Head().Size != size || c.Note() != string(files[CheckpointPath]) {
		t.Fatalf("%+v, %v", c.Head(), err)
	}
	for _, span := range [][2]int64{{0, 0}, {0, 1}, {255, 257}, {65_000, 66_000}, {69_990, size}, {size, size}} {
		next := span[0]
		err := c.Entries(t.Context(), span[0], span[1], func(index int64, entry [EntrySize]byte) error {
			if index != next || entry != leaves[index].Commitment() {
				t.Fatalf("entry %d is %x", index, entry)
			}
			next++
			return nil
		})
		if err != nil || next != span[1] {
			t.Errorf("%v: ended at %d, %v", span, next, err)
		}
	}
	if err := c.Entries(t.Context(), 0, size+1, nil); err == nil {
		t.Error("a place beyond the head was read")
	}
	if err := VerifyTiles(t.Context(), c.Tiles(), size, c.Head().Root); err != nil {
		t.Error(err)
	}
	// A part that is full by now lies there as a whole.
	smaller, _, _ := publishedLog(t, 300)
	grown := maps.Clone(files)
	grown[CheckpointPath] = smaller[CheckpointPath]
	if c, err = OpenCopy(t.Context(), grown.fetch, keys); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := c.Entries(t.Context(), 0, 300, func(int64, [EntrySize]byte) error { n++; return nil }); err != nil || n != 300 {
		t.Errorf("%d of an older head: %v", n, err)
	}
}

func TestCopyContinues(t *testing.T) {
	t.Parallel()
	files, keys, _ := publishedLog(t, 700)
	c, err := OpenCopy(t.Context(), files.fetch, keys)
	if err != nil {
		t.Fatal(err)
	}
	_, log := leavesOf(700)
	for _, size := range []int64{0, 1, 256, 600, 700} {
		root := naiveRoot(log[:size])
		if err := c.Continues(Checkpoint{origin, size, root}); err != nil {
			t.Errorf("%d: %v", size, err)
		}
		root[3] ^= 1
		if err := c.Continues(Checkpoint{origin, size, root}); err == nil || !strings.Contains(err.Error(), "another story") {
			t.Errorf("%d with another root: %v", size, err)
		}
	}
	if err := c.Continues(Checkpoint{origin, 701, naiveRoot(log)}); err == nil || !strings.Contains(err.Error(), "ends at 700") {
		t.Errorf("one that is longer: %v", err)
	}
}

// Whatever file of a copy is changed, cut or missing, nothing wrong is handed out.
func TestCopyThatWasSpoiled(t *testing.T) {
	t.Parallel()
	const size = 600
	files, keys, leaves := publishedLog(t, size)
	for path := range files {
		for name, spoil := range map[string]func([]byte) []byte{
			"a byte":  func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			"cut":     func(b []byte) []byte { return b[:len(b)-1] },
			"empty":   func([]byte) []byte { return nil },
			"missing": nil,
		} {
			bad := maps.Clone(files)
			if delete(bad, path); spoil != nil {
				bad[path] = spoil([]byte(string(files[path])))
			}
			c, err := OpenCopy(t.Context(), bad.fetch, keys)
			if err == nil {
				err = c.Entries(t.Context(), 0, size, func(index int64, entry [EntrySize]byte) error {
					if entry != leaves[index].Commitment() {
						t.Errorf("%s of %s: entry %d is %x", name, path, index, entry)
					}
					return nil
				})
			}
			if err == nil {
				t.Errorf("%s of %s was not noticed", name, path)
			}
		}
	}
}

// The keys that lie beside a copy are believed for their signatures alone.
func TestCopyTellsOfLaterKeys(t *testing.T) {
	t.Parallel()
	signers, says := chain(t)
	m, _ := grown(t, 40)
	files := fileTree{CheckpointPath: []byte(headBy(t, signers[2], 40))}
	if err := ExportFiles(t.Context(), m, 40, func(path string, raw []byte) error { files[path] = raw; return nil }); err != nil {
		t.Fatal(err)
	}
	trusted, err := NewKeys(signers[0].VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCopy(t.Context(), files.fetch, trusted); err == nil {
		t.Error("a head by an unknown key was believed")
	}
	all, err := trusted.With(says...)
	if err != nil {
		t.Fatal(err)
	}
	files[KeysPath] = []byte(all.Text())
	if c, err := OpenCopy(t.Context(), files.fetch, trusted); err != nil || c.Keys().Newest() != signers[2].VerifierKey() {
		t.Errorf("later keys: %v", err)
	}
	stranger, _ := newKey(t, 9, origin)
	if trusted, err = NewKeys(stranger.VerifierKey()); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCopy(t.Context(), files.fetch, trusted); err == nil || !strings.Contains(err.Error(), "joins none that is trusted") {
		t.Errorf("a stranger's key: %v", err)
	}
}
