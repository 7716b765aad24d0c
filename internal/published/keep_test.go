package published

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// log is a log in memory that grows.
type log struct {
	t      *testing.T
	signer *evidence.Signer
	keys   evidence.Keys
	size   int64
	note   string
	leaves int
	rows   map[[2]int64][]byte
	fail   error
}

func newLog(t *testing.T) *log {
	t.Helper()
	skey, vkey, err := evidence.GenerateKey(rand.Reader, "log.example.com/lessor")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := evidence.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := evidence.NewKeys(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return &log{t: t, signer: signer, keys: keys, rows: map[[2]int64][]byte{}}
}

func (l *log) Tile(_ context.Context, level int, index int64) ([]byte, error) {
	return l.rows[[2]int64{int64(level), index}], l.fail
}

func (l *log) SetTile(_ context.Context, t evidence.Tile) error {
	l.rows[[2]int64{int64(t.Level), t.Index}] = t.Data
	return nil
}

func (l *log) grow(n int, text string) {
	l.t.Helper()
	var list [][]byte
	for range n {
		leaf := evidence.Leaf{Body: fmt.Appendf(nil, `{"n":%d,"is":%q}`, l.leaves, text), Salt: []byte("salt")}
		c := leaf.Commitment()
		l.leaves, list = l.leaves+1, append(list, c[:])
	}
	size, root, err := evidence.Append(l.t.Context(), l, l.size, list)
	if err != nil {
		l.t.Fatal(err)
	}
	if l.note, err = l.signer.Sign(size, root); err != nil {
		l.t.Fatal(err)
	}
	l.size = size
}

func (l *log) published() Log {
	return Log{Keys: l.keys, Note: l.note, Tiles: l}
}

func count(t *testing.T, fetch evidence.Fetch, keys evidence.Keys) (n int64) {
	t.Helper()
	c, err := evidence.OpenCopy(t.Context(), fetch, keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := evidence.VerifyTiles(t.Context(), c.Tiles(), c.Head().Size, c.Head().Root); err != nil {
		t.Error(err)
	}
	if err := c.Entries(t.Context(), 0, c.Head().Size, func(int64, [evidence.EntrySize]byte) error { n++; return nil }); err != nil {
		t.Error(err)
	}
	return n
}

// The folders follow the log in steps of any size, and a reader over http finds the same.
func TestKeepFollows(t *testing.T) {
	t.Parallel()
	l, to := newLog(t), filepath.Join(t.TempDir(), "tiles")
	web := httptest.NewServer(http.FileServer(http.Dir(to)))
	defer web.Close()
	u, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 0, 5, 250, 300, 1, 999} {
		l.grow(n, "x")
		if _, err := Keep(t.Context(), to, l.published()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, Folder(to), l.keys); n != l.size {
			t.Errorf("%d of %d in the folder", n, l.size)
		}
		if n := count(t, Web(u, nil), l.keys); n != l.size {
			t.Errorf("%d of %d over http", n, l.size)
		}
	}
	if parts, err := filepath.Glob(filepath.Join(to, "tile/entries/*.p")); err != nil || len(parts) != 1 {
		t.Errorf("parts of tiles that are full lie there still: %v", parts)
	}
	k, err := Keep(t.Context(), to, l.published())
	if err != nil || k.Files != 0 {
		t.Errorf("nothing new wrote %d files: %v", k.Files, err)
	}
}

// A call that fails anywhere leaves a copy that verifies, and the next one goes on.
func TestKeepStopsAnywhere(t *testing.T) {
	t.Parallel()
	l, to := newLog(t), t.TempDir()
	l.grow(300, "x")
	if _, err := Keep(t.Context(), to, l.published()); err != nil {
		t.Fatal(err)
	}
	l.grow(400, "y")
	for reads := range 7 { // 2 to hold the old head against the log, the others of tiles
		half, left := l.published(), reads
		half.Tiles = failing{l, &left}
		if _, err := Keep(t.Context(), to, half); err == nil {
			t.Fatalf("%d reads were enough", reads)
		}
		if n := count(t, Folder(to), l.keys); n != 300 {
			t.Errorf("after %d reads the copy has %d", reads, n)
		}
	}
	if _, err := Keep(t.Context(), to, l.published()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, Folder(to), l.keys); n != 700 {
		t.Errorf("in the end the copy has %d", n)
	}
}

type failing struct {
	*log
	left *int
}

func (f failing) Tile(ctx context.Context, level int, index int64) ([]byte, error) {
	if *f.left--; *f.left < 0 {
		return nil, errors.New("the disk is gone")
	}
	return f.log.Tile(ctx, level, index)
}

// AB-63, AB-64: a log that was put back, or that forked, is not published over the one that was.
func TestAB63_NotPublishedOverItself(t *testing.T) {
	t.Parallel()
	l, to := newLog(t), t.TempDir()
	l.grow(10, "x")
	short := l.note
	l.grow(290, "x")
	if _, err := Keep(t.Context(), to, l.published()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(to, evidence.CheckpointPath))
	if err != nil {
		t.Fatal(err)
	}
	back := l.published()
	back.Note = short
	fork := newLog(t)
	fork.signer, fork.keys = l.signer, l.keys
	fork.grow(10, "x")
	fork.grow(400, "z")
	stranger := newLog(t)
	stranger.grow(400, "x")
	for name, bad := range map[string]Log{"put back": back, "forked": fork.published(), "of another key": stranger.published()} {
		if _, err := Keep(t.Context(), to, bad); err == nil || errors.Is(err, ErrForked) == (name == "of another key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := os.ReadFile(filepath.Join(to, evidence.CheckpointPath))
	if err != nil || string(after) != string(before) {
		t.Errorf("the head there was changed: %v", err)
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	for where, ok := range map[string]bool{"/some/where": true, "here": true, "https://log.example.com/x": true, "http://127.0.0.1:1/": true, "ftp://x/y": false, "https://": false, "file:///etc": false} {
		if _, err := At(where); (err == nil) != ok {
			t.Errorf("%s: %v", where, err)
		}
	}
	if _, err := Folder(t.TempDir())(t.Context(), "../../etc/passwd"); !errors.Is(err, evidence.ErrNoTile) || strings.Contains(fmt.Sprint(err), "root:") {
		t.Errorf("outside of the folder: %v", err)
	}
}

// Somebody else's checker accepts the folder as it is.
func TestFsckAcceptsIt(t *testing.T) {
	t.Parallel()
	l, to := newLog(t), t.TempDir()
	for _, n := range []int{3, 700, 70_000} {
		l.grow(n, "x")
		if _, err := Keep(t.Context(), to, l.published()); err != nil {
			t.Fatal(err)
		}
		key := filepath.Join(t.TempDir(), "log.pub")
		if err := os.WriteFile(key, []byte(l.keys.Newest()), 0o600); err != nil {
			t.Fatal(err)
		}
		testserver.Fsck(t, to, key)
	}
}
