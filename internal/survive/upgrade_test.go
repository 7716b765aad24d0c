package survive

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A rolling upgrade under load, with two programs that are really different: the newer
// one brings the schema a step further. Replicas are exchanged one by one while people
// ask, and one that falls over in the middle comes back as the older program; then all
// the way back, where the step is one that the older one can live with.
func TestRollingUpgrade(t *testing.T) {
	if os.Getenv("LESSOR_TEST_LONG") == "" {
		t.Skip("builds two programs; LESSOR_TEST_LONG=1 runs it")
	}
	older, newer := programs(t)
	w, c := newTargets(t), newCluster(t)
	l := begin(t, w, c, replicas, false, map[string]int{})
	for _, r := range l.replicas {
		r.kill()
		r.exe = older
		r.start(t, "", 0)
	}
	for _, r := range l.replicas {
		r.ready(t)
	}
	blow, calm := context.WithCancel(t.Context())
	defer calm()
	crowd := &crowd{tokens: l.tokens, queue: l.queue, line: l.line, kept: l.kept}
	for _, r := range l.replicas {
		crowd.urls = append(crowd.urls, r.url)
	}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() { crowd.run(blow, i, rand.New(rand.NewPCG(uint64(i), 40))) })
	}
	to := func(r *replica, exe, word string) {
		t.Helper()
		r.stop(t)
		r.exe = exe
		r.start(t, "", 0)
		r.ready(t)
		l.line.add("%s is the %s program now", r.name, word)
		wait(t.Context(), storm)
	}
	// 1. The first replica of the newer program brings the schema a step further; an older one falls over and comes back.
	to(l.replicas[0], newer, "newer")
	if n := l.number(t, "select count(*) from pg_tables where tablename = 'one_step_more'"); n != 1 {
		t.Fatalf("the newer program brought %d tables more", n)
	}
	l.replicas[1].kill()
	l.replicas[1].start(t, "", 0)
	l.replicas[1].ready(t)
	// 2. The others follow, and then all go back.
	to(l.replicas[1], newer, "newer")
	to(l.replicas[2], newer, "newer")
	for _, r := range l.replicas {
		to(r, older, "older")
	}
	calm()
	all.Wait()
	l.fails(0, "a rolling upgrade", l.judge(t.Context()))
	if n := l.number(t, "select count(*) from event"); n < 100 {
		t.Errorf("there was hardly any load: %d events", n)
	}
	l.fails(0, "the end of a rolling upgrade", l.end(t.Context()))
}

// number is the answer to a question to the ledger.
func (l *life) number(t *testing.T, query string) (n int) {
	t.Helper()
	out, err := tool(t.Context(), nil, "psql", l.dsn, "-Atc", query)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range strings.TrimSpace(out) {
		n = n*10 + int(r-'0')
	}
	return n
}

// programs builds this program as it is, and one whose schema has a step more.
func programs(t *testing.T) (older, newer string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	older, newer = filepath.Join(dir, "older"), filepath.Join(dir, "newer")
	build := func(in, to string) {
		t.Helper()
		cmd := exec.Command("go", "build", "-o", to, "./cmd/lessor")
		cmd.Dir = in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	build(root, older)
	more := filepath.Join(dir, "more")
	if err := copyModule(root, more); err != nil {
		t.Fatal(err)
	}
	step := filepath.Join(more, "internal/store/migrations/09999_one_step_more.sql")
	if err := os.WriteFile(step, []byte("-- +goose Up\ncreate table one_step_more (id text primary key);\nalter table request add column one_step_more text not null default '';\n-- +goose Down\nalter table request drop column one_step_more;\ndrop table one_step_more;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build(more, newer)
	return older, newer
}

// copyModule copies what a build of the program reads.
func copyModule(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || rel == "bench" || rel == "docs"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !d.Type().IsRegular() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o600)
	})
}
