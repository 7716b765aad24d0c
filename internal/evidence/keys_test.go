package evidence

import (
	"strings"
	"testing"
)

// chain is three keys of one log that follow one another at sizes 10 and 20.
func chain(t testing.TB) (signers [3]*Signer, statements []string) {
	t.Helper()
	m, _ := grown(t, 40)
	for i := range signers {
		signers[i], _ = newKey(t, byte(i+1), origin)
	}
	for i, size := range []int64{10, 20} {
		text, err := signers[i].Succeed(signers[i+1], size, treeAt(t, m, size).Hash)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, text)
	}
	return signers, statements
}

func headBy(t testing.TB, s *Signer, size int64) string {
	t.Helper()
	m, _ := grown(t, 40)
	text, err := s.Sign(size, treeAt(t, m, size).Hash)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Whichever key of the chain is trusted, each key's heads hold within its time and nowhere else.
func TestKeysEachInItsTime(t *testing.T) {
	t.Parallel()
	signers, says := chain(t)
	for i, trusted := range signers {
		keys, err := NewKeys(trusted.VerifierKey(), says...)
		if err != nil {
			t.Fatalf("key %d trusted: %v", i, err)
		}
		if keys.Newest() != signers[2].VerifierKey() {
			t.Errorf("newest is %s", keys.Newest())
		}
		for at, s := range signers {
			for _, size := range []int64{0, 1, 10, 11, 20, 21, 40} {
				owner := 0
				if size > 10 {
					owner++
				}
				if size > 20 {
					owner++
				}
				_, err := keys.OpenCheckpoint(headBy(t, s, size))
				if (err == nil) != (at == owner) {
					t.Errorf("a head of %d by key %d: %v", size, at, err)
				}
			}
		}
		again, err := ParseKeys(keys.Text())
		if err != nil || again.Text() != keys.Text() || again.Newest() != keys.Newest() {
			t.Errorf("read back: %v", err)
		}
	}
	alone, err := ParseKeys(signers[0].VerifierKey() + "\n")
	if err != nil || alone.Newest() != signers[0].VerifierKey() {
		t.Errorf("one key: %v", err)
	}
	longer, err := alone.With(says[0])
	if err != nil {
		t.Fatal(err)
	}
	if longer, err = longer.With(says...); err != nil || longer.Newest() != signers[2].VerifierKey() {
		t.Errorf("statements that are known and new ones: %v", err)
	}
}

func TestKeysThatDoNotFollow(t *testing.T) {
	t.Parallel()
	signers, says := chain(t)
	stranger, _ := newKey(t, 9, origin)
	other, _ := newKey(t, 8, "another.example/log")
	root := treeAt(t, first(grown(t, 40)), 5).Hash
	back, err := signers[1].Succeed(stranger, 5, root)
	if err != nil {
		t.Fatal(err)
	}
	circle, err := signers[2].Succeed(signers[0], 30, treeAt(t, first(grown(t, 40)), 30).Hash)
	if err != nil {
		t.Fatal(err)
	}
	aside, err := stranger.Succeed(signers[1], 5, root)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		trusted *Signer
		says    []string
		want    string
	}{
		"a stranger's":                {stranger, says, "joins none that is trusted"},
		"one between is missing":      {signers[0], says[1:], "joins none that is trusted"},
		"earlier than the one before": {signers[0], []string{says[0], back}, "do not follow one another"},
		"in a circle":                 {signers[0], append(says[:2:2], circle), "do not follow one another"},
		"two before one":              {signers[0], []string{says[0], aside}, "joins none that is trusted"},
		"cut":                         {signers[0], []string{says[0][:len(says[0])-3]}, "not signed by them"},
		"its size":                    {signers[0], []string{strings.Replace(says[0], "\n10\n", "\n11\n", 1)}, "not signed by them"},
		"one signature":               {signers[0], []string{says[0][:strings.LastIndex(says[0], "— ")]}, "not signed by both"},
		"a checkpoint":                {signers[0], []string{headBy(t, signers[0], 10)}, "six lines"},
	} {
		if _, err := NewKeys(c.trusted.VerifierKey(), c.says...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := signers[0].Succeed(other, 10, root); err == nil || !strings.Contains(err.Error(), "origin") {
		t.Errorf("another log's key follows: %v", err)
	}
	if _, err := signers[0].Succeed(signers[0], 10, root); err == nil {
		t.Error("a key follows itself")
	}
	if _, err := OpenCheckpoint(says[0], signers[0].VerifierKey()); err == nil {
		t.Error("a statement is read as a checkpoint")
	}
	if _, err := ParseKeys(signers[0].VerifierKey() + "\nanother line\n"); err == nil {
		t.Error("a key file with something else in it is read")
	}
}

// Any byte of a statement that is changed is seen.
func TestSuccessionEveryByte(t *testing.T) {
	t.Parallel()
	_, says := chain(t)
	for i := range says[0] {
		changed := []byte(says[0])
		changed[i] ^= 1
		if _, err := OpenSuccession(string(changed)); err == nil {
			t.Errorf("byte %d (%q) was changed unnoticed", i, says[0][i])
		}
	}
}

func first[A, B any](a A, _ B) A { return a }
