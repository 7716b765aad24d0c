package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestBundleRoundTrip(t *testing.T) {
	t.Parallel()
	s, vkey := newKey(t, 1, origin)
	_, older := newKey(t, 2, origin)
	_, foreign := newKey(t, 3, "elsewhere.example.com")
	b := story(t, s)
	file := encode(t, b)
	if !bytes.Equal(file, encode(t, b)) || !bytes.HasSuffix(file, []byte("\n}\n")) {
		t.Error("the same bundle was written in two ways")
	}
	v, err := OpenBundle(file, older, foreign, vkey, vkey)
	if err != nil {
		t.Fatal(err)
	}
	if v.Subject != b.Subject || v.Checkpoint.Size != 300 || v.Checkpoint.Origin != origin || !reflect.DeepEqual(v.Records, b.Records) {
		t.Errorf("opened %+v", v)
	}
	for _, r := range b.Records {
		if !bytes.Contains(file, append([]byte("\"body\": "), append(r.Body, ",\n"...)...)) {
			t.Errorf("body of log index %d does not stand in the file as it was committed to", r.Index)
		}
	}
}

// One changed, missing or added byte anywhere and the bundle does not open.
func TestOpenBundleEveryByte(t *testing.T) {
	t.Parallel()
	s, vkey := newKey(t, 1, origin)
	file := encode(t, story(t, s))
	if _, err := OpenBundle(file, vkey); err != nil {
		t.Fatal(err)
	}
	parts, step := 4, 4
	if testing.Short() {
		step = 41 // every tenth byte or so
	}
	for part := range parts {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for i := part; i <= len(file); i += step {
				mutateAt(file, i, func(how string, changed []byte) {
					if _, err := OpenBundle(changed, vkey); err == nil {
						t.Errorf("byte %d of %d: %s unnoticed", i, len(file), how)
					}
				})
			}
		})
	}
}

func mutateAt(file []byte, i int, try func(how string, changed []byte)) {
	for _, b := range []byte{' ', '0'} {
		try("inserted "+string(b), slices.Insert(slices.Clone(file), i, b))
	}
	if i == len(file) {
		return
	}
	try("deleted", slices.Delete(slices.Clone(file), i, i+1))
	for _, b := range []byte{file[i] ^ 1, file[i] ^ 0x20, ' ', '\n', '0', 'A'} {
		if b != file[i] {
			changed := slices.Clone(file)
			changed[i] = b
			try("changed to "+string(b), changed)
		}
	}
}

func TestOpenBundleSaysWhatFails(t *testing.T) {
	t.Parallel()
	s, vkey := newKey(t, 1, origin)
	stranger, strangerVkey := newKey(t, 4, origin)
	good := string(encode(t, story(t, s)))
	swap := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	edit := func(change func(*Bundle)) string {
		b := story(t, s)
		change(&b)
		return string(b.write())
	}
	wrong := "its content is not the one the log committed to"
	for _, tc := range []struct {
		name, file string
		vkeys      []string
		want       []string
	}{
		{"no keys", good, nil, []string{"no key was given"}},
		{"a bad key", good, []string{"x"}, []string{`key "x"`}},
		{"another log's key", good, []string{strangerVkey}, []string{"is signed by " + origin, "none of the keys given"}},
		{"a changed size", swap(`\n300\n`, `\n301\n`), []string{vkey}, []string{"signature does not verify with key " + origin}},
		{"two records changed", edit(func(b *Bundle) {
			b.Records[2].Body = bytes.Replace(b.Records[2].Body, []byte("live"), []byte("dead"), 1)
			b.Records[4].Salt[0] ^= 1
		}), []string{vkey}, []string{"record 3 (log index 17): " + wrong, "record 5 (log index 127): " + wrong}},
		{"different kinds of problem", edit(func(b *Bundle) {
			b.Records[0].Body = json.RawMessage(`{"a":1,"a":2}`)
			b.Records[3].Proof = b.Records[3].Proof[1:]
			b.Records[11].Index = 300
		}), []string{vkey}, []string{`key "a"`}},
		{"problems of records and proofs", edit(func(b *Bundle) {
			b.Records[3].Proof = b.Records[3].Proof[1:]
			b.Records[5].Proof[2][0] ^= 1
			b.Records[10].Index, b.Records[11].Index = 299, 298
		}), []string{vkey}, []string{"record 4 (log index 100): its proof has 8 hashes", "record 6 (log index 128): " + wrong, "record 12 (log index 298): comes after log index 299"}},
		{"an index beyond the log", edit(func(b *Bundle) { b.Records[11].Index = 300 }), []string{vkey}, []string{"record 12 (log index 300): the log of size 300 has no entry 300"}},
		{"a negative index", edit(func(b *Bundle) { b.Records[0].Index = -1 }), []string{vkey}, []string{"record 1 (log index -1): its log index is negative"}},
		{"a record twice", edit(func(b *Bundle) { b.Records = slices.Insert(b.Records, 1, b.Records[0]) }), []string{vkey}, []string{"record 2 (log index 0): comes after log index 0"}},
		{"no records", edit(func(b *Bundle) { b.Records = nil }), []string{vkey}, []string{"no records"}},
		{"another subject", swap(`"subject": "grant-7f"`, `"subject": "grant-8f"`), []string{vkey}, []string{`subject "grant-8f": no record names it`}},
		{"no subject", swap(`"subject": "grant-7f"`, `"subject": ""`), []string{vkey}, []string{"no subject"}},
		{"another format", swap("bundle/v1", "bundle/v2"), []string{vkey}, []string{"format", "expected"}},
		{"an unknown field", swap(`"subject"`, `"extra": 1, "subject"`), []string{vkey}, []string{"unknown field"}},
		{"a field twice", swap(`"subject"`, `"subject": "x", "subject"`), []string{vkey}, []string{`the key "subject" stands twice`}},
		{"text behind it", good + "{}", []string{vkey}, []string{"more text behind"}},
		{"other spacing", swap("\n  \"subject\"", "\n   \"subject\""), []string{vkey}, []string{"it was edited"}},
		{"other letters in a key", swap(`"salt"`, `"Salt"`), []string{vkey}, []string{"it was edited"}},
		{"another escape", swap(`"grant-7f"`, `"\u0067rant-7f"`), []string{vkey}, []string{"it was edited"}},
		{"not JSON", "hello", []string{vkey}, []string{"not an evidence bundle"}},
		{"nothing", "", []string{vkey}, []string{"not an evidence bundle"}},
		{"not UTF-8", good[:20] + "\xff" + good[20:], []string{vkey}, []string{"UTF-8"}},
		{"signed by a stranger", edit(func(b *Bundle) { b.Checkpoint = signed(t, stranger, tlog.Hash{1}) }), []string{vkey}, []string{"none of the keys given"}},
		{"signed over another tree", edit(func(b *Bundle) { b.Checkpoint = signed(t, s, tlog.Hash{1}) }), []string{vkey}, []string{"record 1 ", "record 12 "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := OpenBundle([]byte(tc.file), tc.vkeys...)
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

func signed(t *testing.T, s *Signer, root tlog.Hash) string {
	t.Helper()
	text, err := s.Sign(300, root)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEncodeRefusesWhatCannotBeReadBack(t *testing.T) {
	t.Parallel()
	s, _ := newKey(t, 1, origin)
	for name, change := range map[string]func(*Bundle){
		"no format":             func(b *Bundle) { b.Format = "" },
		"spaced body":           func(b *Bundle) { b.Records[1].Body = json.RawMessage(`{"grant": "grant-7f"}`) },
		"body with a newline":   func(b *Bundle) { b.Records[1].Body = json.RawMessage("{}\n") },
		"body that is not JSON": func(b *Bundle) { b.Records[1].Body = json.RawMessage(`grant-7f`) },
		"no body":               func(b *Bundle) { b.Records[1].Body = nil },
		"body not UTF-8":        func(b *Bundle) { b.Records[1].Body = json.RawMessage("\"\xff\"") },
		"key twice, deep":       func(b *Bundle) { b.Records[1].Body = json.RawMessage(`[{"a":[{"b":{}},{"b":1,"\u0062":2}]}]`) },
		"subject not UTF-8":     func(b *Bundle) { b.Subject = "\xff" },
		"unordered":             func(b *Bundle) { b.Records[0], b.Records[1] = b.Records[1], b.Records[0] },
	} {
		b := story(t, s)
		change(&b)
		if _, err := Encode(b); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

// Keys that only look alike, and values that equal keys, are no duplicates.
func TestDuplicateKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"a":"a","b":"a","c":{"a":"b","b":["a","a",{"a":1}]},"d":[[],{},{"a":{}}]}`: false,
		`{"a":{},"a":1}`: true, `{"a":[],"b":{"c":1,"c":2}}`: true, `[{"a":1},{"a":1}]`: false, `"a"`: false, `{"a":null,"b":true,"a":1.5}`: true,
	} {
		if _, got := duplicateKey([]byte(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// What a foreign verifier needs: the body is cut out of the file as text, and
// nothing but SHA-256 and base64 leads from there to the signed root.
func TestBundleByHand(t *testing.T) {
	t.Parallel()
	s, vkey := newKey(t, 1, origin)
	b := story(t, s)
	line := strings.SplitN(strings.SplitN(string(encode(t, b)), `"body": `, 2)[1], "\n", 2)[0]
	body := strings.TrimSuffix(line, ",")
	r := b.Records[0] // log index 0: every sibling is to the right
	c := sha256.Sum256([]byte("lessor event v1\n\x00\x00\x00\x00\x00\x00\x00\x10" + string(r.Salt) + body))
	h := sha256.Sum256([]byte("\x00" + string(c[:])))
	for _, p := range r.Proof {
		h = sha256.Sum256([]byte("\x01" + string(h[:]) + string(p[:])))
	}
	if root := strings.Split(b.Checkpoint, "\n")[2]; root != base64.StdEncoding.EncodeToString(h[:]) {
		t.Errorf("by hand %x, signed %s, key %s", h, root, vkey)
	}
}

func FuzzOpenBundle(f *testing.F) {
	s, vkey := newKey(f, 1, origin)
	file := encode(f, story(f, s))
	f.Add(file)
	f.Add(file[:len(file)-1])
	f.Add(bytes.ReplaceAll(file, []byte(" "), nil))
	f.Add([]byte(`{"format":"lessor-evidence-bundle/v1","subject":"x","checkpoint":"","records":[{"index":0,"body":{},"salt":"","proof":[]}]}`))
	f.Add([]byte(`{"format":"lessor-evidence-bundle/v1","records":null}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := OpenBundle(data, vkey)
		if err != nil {
			return
		}
		b := story(t, s)
		if v.Subject != b.Subject || !bytes.Equal(data, file) {
			t.Errorf("a forged bundle was opened:\n%s", data)
		}
	})
}
