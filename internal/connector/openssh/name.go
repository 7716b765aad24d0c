package openssh

import (
	"fmt"
	"net/url"
	"strings"
)

// Principal is how an account is called in certificates and principals files:
// every byte but letters, digits and . _ @ + - is written as %2F and the like. In
// those files a # ends a line, a blank makes options of what is before it, and
// one name must never be read as another's.
func Principal(account string) string {
	var b strings.Builder
	for i := range len(account) {
		if c := account[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// account is whose principal it is. One that is not written as we write them is
// somebody else's way to call an account of just that name.
func account(principal string) string {
	a, err := url.PathUnescape(principal)
	if err != nil || Principal(a) != principal {
		return principal
	}
	return a
}

// spellings are the principals that are the account's: ours, and where it is one,
// the bare name, which others may write.
func spellings(name string) []string {
	if p := Principal(name); p == name || account(name) != name {
		return []string{p}
	}
	return []string{Principal(name), strings.ToValidUTF8(name, "\ufffd")}
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._@+-", c) >= 0
}

func accountName(a string) bool { return a != "" && len(a) <= maxName }

// userName tells whether a UNIX user can be called this, as the host's side does.
func userName(o string) bool {
	if o == "" || len(o) > 255 || strings.IndexByte(".-+@", o[0]) >= 0 {
		return false
	}
	for i := range len(o) {
		if c := o[i]; !plain(c) && c != '\\' && c != '$' {
			return false
		}
	}
	return true
}
