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
	slots chan struct{} // deliveries being noted at once; more are asked to come again

	mu     sync.Mutex
	warned time.Time
}

// mostAtOnce bounds what waits for the database; past it Jira is told to come
// again (it does, for half an hour; the poller finds the rest).
const mostAtOnce = 64

// Receiver returns the handler of the site's webhooks.
func (c *Channel) Receiver() *Receiver {
	return &Receiver{Channel: c, slots: make(chan struct{}, mostAtOnce)}
}

// ServeHTTP answers 204 after a durable note, 401 to what the site did not sign,
// 413 and 400 to what is no webhook, 429 where too many come at once.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, webhook.MaxBody+1))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
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
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "come again", http.StatusTooManyRequests)
		return
	}
	if _, err := r.Door.Heed(req.Context(), r.Site.ID, hex.EncodeToString(n.Digest[:]), r.ticketID(n.Issue)); err != nil {
		r.Log.ErrorContext(req.Context(), "webhook not noted", "site", r.Site.ID, "error", err.Error())
		http.Error(w, "not noted; come again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
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

// Poll asks for the reading of everything that changed since the last poll. It is
// what makes a lost webhook nothing but late.
func (c *Channel) Poll(ctx context.Context) error {
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
