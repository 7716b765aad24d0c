package gitea

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// no is an answer other than 2xx that is Gitea's own.
type no struct {
	code    int
	message string // in its words
	err     error
}

func (n *no) Error() string { return n.err.Error() }
func (n *no) Unwrap() error { return n.err }

// What Gitea says where it is the account that is missing, not what it was looked for at.
const noUser, noUserEither = "GetUserByName", "user does not exist"

// says tells whether an error is Gitea's own answer of that status.
func says(err error, code int) (message string, ok bool) {
	var n *no
	if errors.As(err, &n) && n.code == code {
		return n.message, true
	}
	return "", false
}

// noAccount tells whether an error says that there is no such account.
func noAccount(err error) bool {
	var n *no
	return errors.As(err, &n) && (n.code == http.StatusNotFound || n.code == http.StatusUnprocessableEntity) &&
		(n.message == noUser || strings.HasPrefix(n.message, noUserEither))
}

// refusal turns a status other than 2xx into what it means for the request. A 404 is
// what Gitea says to whoever may not see, and what any gateway says: by itself it is a
// refusal, and whoever asked must know better.
func refusal(resp *http.Response, raw []byte) error {
	var said struct {
		Message string  `json:"message"`
		URL     *string `json:"url"` // of the API's description: Gitea's mark
	}
	own := json.Unmarshal(raw, &said) == nil && said.Message != "" && said.URL != nil
	err := fmt.Errorf("%w: %s %s: %d %s%s%s", call.Meaning(resp.StatusCode), resp.Request.Method, resp.Request.URL.Path,
		resp.StatusCode, http.StatusText(resp.StatusCode), moved(resp), detail(said.Message, resp.Request))
	if own {
		err = &no{resp.StatusCode, said.Message, err}
	}
	if wait := retryAfter(resp.Header.Get("Retry-After")); wait > 0 {
		return &connector.RetryAfter{Err: err, Wait: wait}
	}
	return err
}

// moved says where a redirect leads: what was renamed keeps its old name as one.
func moved(resp *http.Response) string {
	to, err := url.Parse(resp.Header.Get("Location"))
	if resp.StatusCode/100 != 3 || err != nil || to.Path == "" {
		return ""
	}
	return fmt.Sprintf(" to %q: it may have another name now", to.Path)
}

// detail quotes the server's own words, short, on one line, and without the token if
// that is what it complains about.
func detail(message string, req *http.Request) string {
	if message == "" {
		return ""
	}
	return " (" + call.Quote(message, req, 300) + ")"
}

// retryAfter reads how long whoever stands before Gitea wants to be left alone, in
// seconds; more than an hour is an hour.
func retryAfter(header string) time.Duration {
	n, err := strconv.Atoi(header)
	if err != nil {
		return 0
	}
	return time.Duration(min(max(n, 0), 3600)) * time.Second
}
