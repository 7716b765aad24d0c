// Package webhook reads what Jira posts to us and keeps one thing of it: which
// issue of this site should be read again.
//
// It checks the signature over the raw body and believes nothing else: no name,
// status, author or time in a body decides anything, and a nudge without a
// signature says so. It never calls Jira, follows a link of a body, tells the
// time or keeps anything.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/secret"
)

// MaxBody bounds a body in bytes. Genuine ones are some 10 kB; a Server's may
// carry every comment of an issue. What is refused here the poller still finds.
const MaxBody = 4 << 20

// SignatureHeader carries Jira's HMAC, which covers the raw body and nothing else.
const SignatureHeader = "X-Hub-Signature"

var (
	// ErrSignature: the body does not come from whoever holds the site's secret.
	ErrSignature = errors.New("webhook: not signed by this site")
	// ErrTooLarge: the body is over MaxBody.
	ErrTooLarge = errors.New("webhook: body too large")
	// ErrShape: signed, if it was to be, but no JSON object.
	ErrShape = errors.New("webhook: not a webhook body")
	// ErrNoSecret: this site was given no secret to check signatures with.
	ErrNoSecret = errors.New("webhook: this site has no webhook secret")
)

// Kind is what a body says has happened. It chooses words in a log, never a deed.
type Kind string

const (
	Created   Kind = "created"
	Updated   Kind = "updated"
	Deleted   Kind = "deleted"
	Commented Kind = "commented" // a comment was made, edited or deleted
	Woken     Kind = "woken"     // an automation rule's request: it names no event
	Other     Kind = "other"     // an event we know nothing of
)

// Nudge says "read issue N of this site", and is not believed beyond that.
type Nudge struct {
	Kind    Kind
	Event   string    // Jira's own word for it; empty if there was none
	Issue   string    // the numeric id; empty: there is nothing to read
	Comment string    // the numeric id of the comment, if it is about one
	At      time.Time // when the body claims it happened; zero if it does not
	Signed  bool
	// Digest is that of the raw body. A signed body is the same delivery again, or
	// a replay, if its digest is. An unsigned one bears no time, so two events may
	// well have one digest: only a wake-up that is still waiting can stand for both.
	Digest [sha256.Size]byte
}

// Read checks that the body bears exactly one signature by the site's secret, and
// reads it. It takes the same time whichever way a signature is wrong.
func Read(key secret.Value, header http.Header, body []byte) (Nudge, error) {
	if key.IsZero() {
		return Nudge{}, ErrNoSecret // never "no secret, so no check"
	}
	if len(body) > MaxBody {
		return Nudge{}, fmt.Errorf("%w: over %d bytes", ErrTooLarge, MaxBody)
	}
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(body)
	given, err := signature(header.Values(SignatureHeader))
	if !hmac.Equal(mac.Sum(nil), given[:]) || err != nil {
		if err == nil {
			err = errors.New("the signature is of another body or by another secret")
		}
		return Nudge{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return parse(body, true)
}

// ReadUnsigned reads the body of an automation rule's "Send web request", which
// Jira never signs. Whoever calls it has another reason to let the caller in, and
// a limit on how often.
func ReadUnsigned(body []byte) (Nudge, error) {
	if len(body) > MaxBody {
		return Nudge{}, fmt.Errorf("%w: over %d bytes", ErrTooLarge, MaxBody)
	}
	return parse(body, false)
}

// Claims tells whether a delivery bears one signature that could be the site's:
// one without is refused before anything of its body is read.
func Claims(header http.Header) bool {
	_, err := signature(header.Values(SignatureHeader))
	return err == nil
}

// signature takes "sha256=" and 64 hex digits, once. Two headers are refused, as
// a proxy in front of us may have checked the other one.
func signature(values []string) (sum [sha256.Size]byte, err error) {
	switch len(values) {
	case 0:
		return sum, errors.New("no " + SignatureHeader + " header: set a secret on the webhook in Jira")
	case 1:
	default:
		return sum, fmt.Errorf("%d %s headers, want one", len(values), SignatureHeader)
	}
	digits, ok := strings.CutPrefix(values[0], "sha256=")
	if !ok || len(digits) != hex.EncodedLen(len(sum)) {
		return sum, errors.New(SignatureHeader + " must be sha256= and 64 hex digits")
	}
	if _, err := hex.Decode(sum[:], []byte(digits)); err != nil {
		return [sha256.Size]byte{}, errors.New(SignatureHeader + " must be sha256= and 64 hex digits")
	}
	return sum, nil
}
