package evidence

import (
	"bytes"
	"encoding/hex"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// The digests were computed apart from this code, with Python's hashlib.
func TestCommitKnownAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, salt, body, want string }{
		{"an event", "0123456789abcdef", `{"grant":"g-1","kind":"grant.live"}`, "d84f8bb6a5c23c0dc9ace5d88c2934e8c3f54481bae614fc15a17a341e2e9dcf"},
		{"nothing", "", "", "5862dc83bbc7e7f1f8dc3d14c0539f0897cc31e3ffb03015c61478faf2275dfa"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := Leaf{Salt: []byte(tc.salt), Body: []byte(tc.body)}.Commitment()
			if hex.EncodeToString(got[:]) != tc.want {
				t.Errorf("got %x, want %s", got, tc.want)
			}
		})
	}
}

func TestCommitKeepsSaltAndBodyApart(t *testing.T) {
	t.Parallel()
	if Commit([]byte("ab"), []byte("c")) == Commit([]byte("a"), []byte("bc")) {
		t.Error("a byte wandered from salt to body unnoticed")
	}
}

func TestNewSalt(t *testing.T) {
	t.Parallel()
	a, err := NewSalt(bytes.NewReader(make([]byte, SaltSize)))
	if err != nil || len(a) != SaltSize {
		t.Errorf("got %x, %v", a, err)
	}
	if _, err := NewSalt(bytes.NewReader(make([]byte, SaltSize-1))); err == nil {
		t.Error("half a salt was accepted")
	}
}

// The leaf and node hashes are Certificate Transparency's published reference
// vectors for RFC 6962, checked here for the functions the tree is built with.
func TestRFC6962KnownAnswers(t *testing.T) {
	t.Parallel()
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if got := hex.EncodeToString(emptyRoot[:]); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("empty tree: %s", got)
	}
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var hashes []byte
	var raw [][]byte
	for i, l := range leaves {
		h := tlog.RecordHash(unhex(l))
		hashes, raw = append(hashes, h[:]...), append(raw, unhex(l))
		want := roots[i]
		if got := edgeRoot([][]byte{hashes}); hex.EncodeToString(got[:]) != want {
			t.Errorf("root of %d leaves: %x, want %s", i+1, got, want)
		}
		if got := naiveRoot(raw); hex.EncodeToString(got[:]) != want {
			t.Errorf("naive root of %d leaves: %x, want %s", i+1, got, want)
		}
	}
	e := entry(3)
	if leafHash(e) != tlog.RecordHash(e) {
		t.Error("leafHash is not RFC 6962's")
	}
}
