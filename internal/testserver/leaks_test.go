package testserver

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
)

// A secret is found in every form, wherever in a text it stands, and nothing else is.
func TestLeaks(t *testing.T) {
	t.Parallel()
	const secret = `p&ss "wörd"/+x`
	for n := range 7 {
		for _, after := range []string{"", ":x", "yyyyy"} {
			around := fmt.Sprintf("%s%s%s", "0123456"[:n], secret, after)
			quoted, err := json.Marshal(around)
			if err != nil {
				t.Fatal(err)
			}
			for form, text := range map[string]string{"as it is": around, "as JSON": string(quoted), "in a URL": url.QueryEscape(around), "in hexadecimal": hex.EncodeToString([]byte(around)),
				"in base64": base64.StdEncoding.EncodeToString([]byte(around)), "base64 of URLs": base64.RawURLEncoding.EncodeToString([]byte(around))} {
				if len(Leaks("line "+text+" line", "another", secret)) == 0 {
					t.Errorf("%s after %d, before %q: not found", form, n, after)
				}
			}
		}
	}
	if got := Leaks("a line with p&ss word and nothing else", secret, "short", ""); len(got) > 0 {
		t.Errorf("found %v", got)
	}
}
