package evidence

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The key is the published example of golang.org/x/mod/sumdb/note; Ed25519 is
// deterministic, so the whole text is fixed; the signature was computed apart
// from this code, with Python's cryptography.
const (
	vectorSkey = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
	vectorVkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
	vectorSig  = "x08go9iKupgWNHi/EgHZnoG+ps1lAjYwfjEc/8lpKQy7IflYyxkNOvLryOwkElHoaRroM1ZSqWsPs/ebq+/3jt1yDQQ="
)

func TestCheckpointVector(t *testing.T) {
	t.Parallel()
	s, err := NewSigner(vectorSkey)
	if err != nil {
		t.Fatal(err)
	}
	if s.VerifierKey() != vectorVkey || s.Origin() != "PeterNeumann" {
		t.Errorf("got %s of %s", s.VerifierKey(), s.Origin())
	}
	root, err := tlog.ParseHash("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Sign(20852163, root)
	if err != nil {
		t.Fatal(err)
	}
	body, sig, _ := strings.Cut(text, "\n\n")
	if body != "PeterNeumann\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=" {
		t.Errorf("signed text: %q", body)
	}
	if want := "— PeterNeumann " + vectorSig + "\n"; sig != want {
		t.Errorf("signature line: %q, want %q", sig, want)
	}
	c, err := OpenCheckpoint(text, vectorVkey)
	if err != nil || c != (Checkpoint{"PeterNeumann", 20852163, root}) || c.Tree().N != c.Size {
		t.Errorf("opened %+v, %v", c, err)
	}
}

func TestGenerateKey(t *testing.T) {
	t.Parallel()
	s1, v1, err1 := GenerateKey(seeded(1), origin)
	s2, v2, err2 := GenerateKey(seeded(1), origin)
	if err1 != nil || err2 != nil || s1 != s2 || v1 != v2 {
		t.Errorf("the same randomness gave two keys: %v %v", err1, err2)
	}
	if s, err := NewSigner(s1); err != nil || s.VerifierKey() != v1 {
		t.Errorf("the signer's public key is not the one generated: %v", err)
	}
	for _, bad := range []string{"", "a b", "a+b", "a\nb", "a\x01b", "a\u00a0b", "\xff"} {
		if _, _, err := GenerateKey(seeded(1), bad); err == nil {
			t.Errorf("origin %q was accepted", bad)
		}
	}
	if _, _, err := GenerateKey(nil, origin); err == nil {
		t.Error("a key was made of nothing")
	}
	if _, _, err := GenerateKey(bytes.NewReader(nil), origin); err == nil {
		t.Error("a key was made of no bytes")
	}
	for _, bad := range []string{"", v1, s1 + "A", strings.Replace(s1, "lessor", "lessee", 1), s1[:40]} {
		_, err := NewSigner(bad)
		if err == nil || (bad != "" && strings.Contains(err.Error(), bad)) {
			t.Errorf("NewSigner(%q): %v", bad, err)
		}
	}
}

func TestSignRefusesImpossibleHeads(t *testing.T) {
	t.Parallel()
	s, vkey := newKey(t, 1, origin)
	for _, size := range []int64{-1, 0, MaxSize + 1} {
		if _, err := s.Sign(size, tlog.Hash{}); err == nil {
			t.Errorf("size %d was signed", size)
		}
	}
	text, err := s.Sign(0, emptyRoot)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCheckpoint(text, vkey); err != nil {
		t.Error(err)
	}
}

// signText signs any text, right or wrong.
func signText(t *testing.T, skey, text string) string {
	t.Helper()
	key, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: text}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(msg)
}

func TestOpenCheckpointRefuses(t *testing.T) {
	t.Parallel()
	skey, vkey, err := GenerateKey(seeded(1), origin)
	if err != nil {
		t.Fatal(err)
	}
	otherSkey, otherVkey, err := GenerateKey(seeded(2), "witness.example.com")
	if err != nil {
		t.Fatal(err)
	}
	root := tlog.Hash{1}.String()
	loose := root[:42] + "B=" // the same 32 bytes, spare bits set
	good := signText(t, skey, origin+"\n300\n"+root+"\n")
	cosigned := good + strings.SplitAfter(signText(t, otherSkey, origin+"\n300\n"+root+"\n"), "\n\n")[1]
	for _, tc := range []struct{ name, text, vkey, want string }{
		{"another key", good, otherVkey, "none of the keys given"},
		{"no key", good, "", "key \"\""},
		{"another size", strings.Replace(good, "300", "301", 1), vkey, "does not verify with key " + origin},
		{"no signature", origin + "\n300\n" + root + "\n", vkey, "not a signed note"},
		{"another origin", signText(t, skey, "log.example.com/other\n300\n"+root+"\n"), vkey, "another log's key"},
		{"a go.sum tree", signText(t, skey, "go.sum database tree\n300\n"+root+"\n"), vkey, "another log's key"},
		{"an extension line", signText(t, skey, origin+"\n300\n"+root+"\nmore\n"), vkey, "has 4 lines"},
		{"two lines", signText(t, skey, origin+"\n300\n"), vkey, "has 2 lines"},
		{"leading zero", signText(t, skey, origin+"\n0300\n"+root+"\n"), vkey, "canonical"},
		{"plus sign", signText(t, skey, origin+"\n+300\n"+root+"\n"), vkey, "canonical"},
		{"negative", signText(t, skey, origin+"\n-1\n"+root+"\n"), vkey, "log size -1"},
		{"beyond all bounds", signText(t, skey, origin+"\n9223372036854775807\n"+root+"\n"), vkey, "log size"},
		{"no number", signText(t, skey, origin+"\nx\n"+root+"\n"), vkey, "not a number"},
		{"no hash", signText(t, skey, origin+"\n300\nAAAA\n"), vkey, "not a hash"},
		{"loose base64", signText(t, skey, origin+"\n300\n"+loose+"\n"), vkey, "canonical"},
		{"empty log with a root", signText(t, skey, origin+"\n0\n"+root+"\n"), vkey, "an empty log has another root"},
		{"a cosignature", cosigned, vkey, "more than the log's own signature"},
		{"its signature twice", good + strings.SplitAfter(good, "\n\n")[1], vkey, "more than the log's own signature"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := OpenCheckpoint(tc.text, tc.vkey)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if c, err := OpenCheckpoint(cosigned, vkey, AllowCosignatures()); err != nil || c.Size != 300 {
		t.Errorf("with cosignatures allowed: %+v, %v", c, err)
	}
}

// No byte of a checkpoint can be changed, not even base64's spare bits.
func TestOpenCheckpointEveryByte(t *testing.T) {
	t.Parallel()
	s, vkey := newKey(t, 1, origin)
	text, err := s.Sign(300, tlog.Hash{7})
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		for b := range 256 {
			if byte(b) == text[i] {
				continue
			}
			changed := text[:i] + string([]byte{byte(b)}) + text[i+1:]
			if _, err := OpenCheckpoint(changed, vkey); err == nil {
				t.Errorf("byte %d changed from %q to %q unnoticed", i, text[i], byte(b))
			}
		}
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	s, vkey := newKey(f, 1, origin)
	for _, size := range []int64{1, 300, MaxSize} {
		text, err := s.Sign(size, tlog.Hash{byte(size)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)-1])
		f.Add(text + "— x " + base64.StdEncoding.EncodeToString(make([]byte, 68)) + "\n")
	}
	f.Add("")
	f.Add("\n\n— \n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := OpenCheckpoint(text, vkey)
		if err != nil {
			return
		}
		if again, err := s.Sign(c.Size, c.Root); err != nil || again != text {
			t.Errorf("opened %q, which is written %q (%v)", text, again, err)
		}
	})
}
