package evidence_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
)

func TestCosigned(t *testing.T) {
	t.Parallel()
	skey, _, err := evidence.GenerateKey(rand.Reader, "log.example.com/lessor")
	if err != nil {
		t.Fatal(err)
	}
	s, err := evidence.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Sign(7, tlog.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Sign(8, tlog.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	c, stranger := enginetest.NewCosigner("w.example.com/one"), enginetest.NewCosigner("w.example.com/two")
	w, err := evidence.NewWitness(c.Key)
	if err != nil || w.Name() != "w.example.com/one" {
		t.Fatal(err)
	}
	good := c.Sign(head, 1_700_000_000)
	// A witness may sign with several keys at once: the lines of others are passed over.
	line, at, err := w.Cosigned(head, "— w.example.com/one AAAA\n"+stranger.Sign(head, 5)+good)
	if err != nil || line != good || at != 1_700_000_000 {
		t.Errorf("%q, %d, %v", line, at, err)
	}
	for i := range good { // any byte of the line
		bad := []byte(good)
		if bad[i] ^= 1; bad[i] == '\n'^1 && i == len(bad)-1 {
			continue // the end of the text
		}
		if _, _, err := w.Cosigned(head, string(bad)); err == nil {
			t.Errorf("byte %d (%q) was changed unnoticed", i, good[i])
		}
	}
	for name, bad := range map[string][2]string{
		"of another head": {other, good}, "by another": {head, stranger.Sign(head, 5)}, "none": {head, ""}, "no head": {"x", good},
	} {
		if _, _, err := w.Cosigned(bad[0], bad[1]); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
	for _, bad := range []string{"", "w", "w+1+2", s.VerifierKey(), strings.Replace(c.Key, "one", "uno", 1), c.Key[:len(c.Key)-4]} {
		if _, err := evidence.NewWitness(bad); err == nil {
			t.Errorf("%q was taken for a witness' key", bad)
		}
	}
	body := string(evidence.WitnessRequest(5, []tlog.Hash{{1}, {2}}, head))
	if want := "old 5\n" + (tlog.Hash{1}).String() + "\n" + (tlog.Hash{2}).String() + "\n\n" + head; body != want {
		t.Errorf("request:\n%s", body)
	}
}
