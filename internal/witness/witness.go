// Package witness shows the log's heads to witnesses (c2sp.org/tlog-witness) and says
// what each answered: it signed, it is at another size, it was shown another log, or
// nobody knows.
//
// It keeps nothing, signs nothing, verifies no log and decides nothing: what follows
// from an answer is the engine's. A witness is believed in two things only: its own
// signature, and that it refuses.
package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lessor-iam/lessor/internal/evidence"
)

// callTime bounds one call, mostAnswer one answer.
const (
	callTime   = 10 * time.Second
	mostAnswer = 64 << 10
)

// Config is a witness as it is written down; it may be wrong.
type Config struct {
	ID     string
	URL    string
	Key    string
	Client *http.Client // nil: one of its own
}

// Witness is one that can be asked.
type Witness struct {
	ID  string
	Key string // its public key, as it is published

	key    evidence.Witness
	submit string
	client *http.Client
}

// New makes one, or says what is wrong with it.
func New(c Config) (*Witness, error) {
	key, keyErr := evidence.NewWitness(c.Key)
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		err = errors.New("url must be http or https, without a password")
	}
	if err := errors.Join(keyErr, err); err != nil {
		return nil, fmt.Errorf("witness %s: %w", c.ID, err)
	}
	w := &Witness{ID: c.ID, Key: c.Key, key: key, submit: u.JoinPath("add-checkpoint").String(), client: c.Client}
	if w.client == nil {
		// An answer that sends us elsewhere is not the witness'.
		w.client = &http.Client{Timeout: callTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return w, nil
}

// AtSize says that the witness has last signed a head of another size than it was told.
type AtSize struct{ Size int64 }

// Error implements error.
func (e *AtSize) Error() string {
	return fmt.Sprintf("the witness has signed a head of %d events before", e.Size)
}

// ErrRefused says that the witness holds the head not to continue the one it signed before.
var ErrRefused = errors.New("the witness refuses the head: it does not continue what it signed before")

// Show shows a signed head: proof leads to it from the size old, which the witness is
// believed to have signed last. It returns the witness' line once it verifies. Any error
// but [AtSize] and [ErrRefused] means that nobody knows; it may be asked again.
func (w *Witness) Show(ctx context.Context, old int64, proof []tlog.Hash, checkpoint string) (line string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.submit, bytes.NewReader(evidence.WitnessRequest(old, proof, checkpoint)))
	if err != nil {
		return "", fmt.Errorf("witness %s: %w", w.ID, err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("witness %s: %w", w.ID, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return "", fmt.Errorf("witness %s: %w", w.ID, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		line, _, err := w.key.Cosigned(checkpoint, string(body))
		if err != nil {
			return "", fmt.Errorf("witness %s: %w", w.ID, err)
		}
		return line, nil
	case http.StatusConflict:
		size, err := strconv.ParseInt(strings.TrimSpace(string(body)), 10, 64)
		if err != nil || size < 0 || size > evidence.MaxSize {
			return "", fmt.Errorf("witness %s: conflict, and %.40q is no size", w.ID, body)
		}
		return "", fmt.Errorf("witness %s: %w", w.ID, &AtSize{size})
	case http.StatusUnprocessableEntity:
		return "", fmt.Errorf("witness %s: %w", w.ID, ErrRefused)
	case http.StatusNotFound:
		return "", fmt.Errorf("witness %s: it does not know this log: give its operator the log's origin and key", w.ID)
	case http.StatusForbidden:
		return "", fmt.Errorf("witness %s: it does not know the log's key: give its operator the newest one", w.ID)
	}
	return "", fmt.Errorf("witness %s: the answer is %s", w.ID, resp.Status)
}
