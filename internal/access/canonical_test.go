package access_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// byTree is Canonical the long way round: into a tree, whose keys encoding/json sorts.
func byTree(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(out.String(), "\n")
	// encoding/json alone writes these two as escapes; a backslash that is meant is doubled.
	text = strings.ReplaceAll(text, `\\`, "\x00")
	text = strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(text)
	return []byte(strings.ReplaceAll(text, "\x00", `\\`)), nil
}

// Whatever JSON there is, put in order as it stands or read and written anew, it is the same.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `null`, `-0.5e+10`, `""`, `{"b":{"z":[],"a":{}},"a":[1,{"y":1,"x":"<&>\u2028"}]}`, `{"a":1,"a":2,"\u0061":3}`,
		`{"\ud83d\ude00":1,"\uffff":2,"\ud800":3,"":4}`, `[true,false,null,"\\\"",{"\\\"":"\\u2028"}]`, "\"\xff\"", `{"a":"\u0041\/","b":[[],[[]]]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		v := map[string]any{"raw": json.RawMessage(raw), "plain": string(raw), "at": time.Unix(0, 0).UTC()}
		want, err := byTree(v)
		if err != nil {
			return
		}
		got, err := access.Canonical(v)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s\nis  %s, %v\nnot %s", raw, got, err, want)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	r := access.Receipt{ID: "re-01K0", Assignment: "as-01K0", Direct: true, Effective: true, Path: "search cn=g001; search by member; memberOf", Answered: "ok", Digest: "sha256:00"}
	ev := access.Event{ID: "ev-01K0", Kind: "assignment.seen", Actor: access.Clock, Assignment: "as-01K0", To: "seen held", After: r}
	for name, do := range map[string]func(any) ([]byte, error){"ours": access.Canonical, "tree": byTree} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := do(ev); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
