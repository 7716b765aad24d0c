package testserver

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
)

// shortestSecret is how long one must be to be looked for: what is shorter is in every text.
const shortestSecret = 6

// Leaks names those secrets that a text has, and in which form: as they are, as JSON, in
// a URL, in hexadecimal, or in base64 within something longer. It names them by their
// first letters alone.
func Leaks(text string, secrets ...string) (found []string) {
	for _, s := range secrets {
		if s = strings.TrimSpace(s); len(s) < shortestSecret {
			continue
		}
		for form, as := range formsOf(s) {
			for _, a := range as {
				if len(a) >= shortestSecret && strings.Contains(text, a) {
					found = append(found, s[:3]+"… "+form)
					break
				}
			}
		}
	}
	return found
}

func formsOf(s string) map[string][]string {
	quoted, _ := json.Marshal(s)
	forms := map[string][]string{
		"as it is":       {s},
		"as JSON":        {strings.Trim(string(quoted), `"`)},
		"in a URL":       {url.QueryEscape(s), url.PathEscape(s)},
		"in hexadecimal": {hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))},
	}
	// Within something longer it begins at any of three places of a group of four letters,
	// and the letters at both ends belong to its neighbours, too.
	for before := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(append(make([]byte, before), s...))
			text = text[(before*8+5)/6:]
			if (before+len(s))%3 != 0 {
				text = text[:len(text)-1]
			}
			forms["in base64"] = append(forms["in base64"], text)
		}
	}
	return forms
}
