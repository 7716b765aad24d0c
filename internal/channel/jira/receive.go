package jira

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/channel/jira/webhook"
)

// Receiver takes a site's webhooks. What a body says is believed by nobody; that
// it came is noted durably before it is answered, and a repeat is the same note.
type Receiver struct {
	*Channel
	slots chan struct{} // deliveries being read and noted at once; more are asked to come again

	mu     sync.Mutex
	warned time.Time
}

// mostAtOnce bounds the bodies in memory and what waits for the database; past it
// Jira is told to come again (it does, for half an hour; the poller finds the rest).
const mostAtOnce = 64

// Receiver returns the handler of the site's webhooks: the same one every time,
// so that its bound is one bound.
func (c *Channel) Receiver() *Receiver { return c.receiver }

// ServeHTTP answers 204 after a durable note, 401 to what the site did not sign,
// 408, 413 and 400 to what is no webhook, 429 where too many come at once.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	// 1. What can be refused by its head takes nobody's place.
	switch {
	case !webhook.Claims(req.Header):
		r.warn(req.Context(), webhook.ErrSignature)
		http.Error(w, "not signed by this site", http.StatusUnauthorized)
		return
	case req.ContentLength > webhook.MaxBody:
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	// 2. A place, before any of its body is read.
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "come again", http.StatusTooManyRequests)
		return
	}
	body, ok := r.body(w, req)
	if !ok {
		return
	}
	// 3. Signed by the site, a webhook, about an issue.
	n, err := webhook.Read(r.Secret(), req.Header, body)
	switch {
	case errors.Is(err, webhook.ErrTooLarge):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, webhook.ErrShape):
		http.Error(w, "no webhook", http.StatusBadRequest)
		return
	case err != nil:
		r.warn(req.Context(), err)
		http.Error(w, "not signed by this site", http.StatusUnauthorized)
		return
	case n.Issue == "":
		w.WriteHeader(http.StatusNoContent) // about no issue
		return
	}
	// 4. The note.
	if _, err := r.Door.Heed(req.Context(), r.Site.ID, hex.EncodeToString(n.Digest[:]), r.ticketID(n.Issue)); err != nil {
		r.Log.ErrorContext(req.Context(), "webhook not noted", "site", r.Site.ID, "error", err.Error())
		http.Error(w, "not noted; come again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// body reads a delivery's body, which has no longer for it than Jira needs: who
// sends it slowly is not to keep everybody else's place.
func (r *Receiver) body(w http.ResponseWriter, req *http.Request) ([]byte, bool) {
	// A recorder in a test has no deadline to set; a server's connection has.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(r.BodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, webhook.MaxBody+1))
	large := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &large):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return nil, false
	case err != nil:
		w.Header().Set("Connection", "close")
		http.Error(w, "the body did not come in time", http.StatusRequestTimeout)
		return nil, false
	}
	_ = control.SetReadDeadline(time.Time{})
	return body, true
}

// warn logs refused deliveries at most once a minute: whoever sends them is not to fill the disk.
func (r *Receiver) warn(ctx context.Context, err error) {
	r.mu.Lock()
	now := r.Now()
	quiet := now.Sub(r.warned) < time.Minute
	if !quiet {
		r.warned = now
	}
	r.mu.Unlock()
	if !quiet {
		r.Log.WarnContext(ctx, "webhook refused", "site", r.Site.ID, "error", err.Error())
	}
}

// overlap is read again at each poll: the search lags behind, and is to the minute.
const overlap = 5 * time.Minute

// firstPoll is how far back a site is read that was never read.
const firstPoll = 24 * time.Hour

// Poll asks for the reading of everything that changed since the last poll, which
// makes a lost webhook nothing but late, and reads some again of what nobody says
// has changed.
func (c *Channel) Poll(ctx context.Context) error {
	return errors.Join(c.search(ctx), c.Reread(ctx))
}

func (c *Channel) search(ctx context.Context) error {
	queue := Name + ":" + c.Site.ID
	began := c.Now()
	since, err := c.Door.ReadUntil(ctx, queue)
	if err != nil {
		return err
	}
	if since.IsZero() {
		since = began.Add(-firstPoll)
	}
	q := rest.Query{Since: since.Add(-overlap)}
	for _, p := range c.Site.Projects {
		q.Projects = append(q.Projects, p.Key)
	}
	for page := (rest.Page{}); ; {
		ids, next, err := c.Rest.Updated(ctx, q, page)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := c.Door.Heed(ctx, c.Site.ID, "poll/"+id+"/"+began.UTC().Format(time.RFC3339), c.ticketID(id)); err != nil {
				return err
			}
		}
		if next.Last() {
			break
		}
		page = next
	}
	return c.Door.SetReadUntil(ctx, queue, began)
}
