package call

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Meaning of a status other than 2xx, where the service says no more: whether
// something may have been done. That a thing is not there no status says by itself,
// for gateways answer 404 as well.
func Meaning(code int) error {
	switch {
	case code == http.StatusRequestTimeout, code == http.StatusSeeOther:
		return connector.ErrUnanswered // either may follow a deed
	case code == http.StatusNotImplemented:
		return connector.ErrRefused
	case code >= 300 && code < 500: // also 429: it was not let in
		return connector.ErrRefused
	}
	return connector.ErrUnanswered
}

// Quote makes the service's own words fit for an error: short, quoted, and without
// the token if that is what they complain about.
func Quote(words string, req *http.Request, most int) string {
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if token != "" {
		words = strings.ReplaceAll(words, token, "[token]")
	}
	r := []rune(words)
	return fmt.Sprintf("%q", string(r[:min(len(r), most)]))
}

// Unsent words the error of a read that came before a write was sent. What the
// service refused it refused; of anything else only this is known: nothing was sent.
func Unsent(err error) error {
	if errors.Is(err, connector.ErrUnanswered) {
		return fmt.Errorf("%w: nothing was sent: %s", connector.ErrUnreachable, strings.TrimPrefix(err.Error(), connector.ErrUnanswered.Error()+": "))
	}
	return err
}
