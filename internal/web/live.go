package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// How pages are told that what they show has changed. A stream says so and no
// more: the page then looks again, as anybody who loads it. That something has
// happened is read once for all of them (feed).
const streamLife = time.Minute // the browser comes again by itself, and is asked who it is

// tagOf is what a page shows, as a short text.
func tagOf(shows ...any) string { return access.Digest(shows)[7:23] }

// shown answers whoever shows this page already that nothing is new.
func (v *visit) shown(tag string) bool {
	if v.r.URL.Query().Get("tag") != tag {
		return false
	}
	v.w.WriteHeader(http.StatusNoContent)
	return true
}

// liveAt is where a page hears that what it shows has changed.
func liveAt(on, tag string) string { return "/live?" + url.Values{"on": {on}, "tag": {tag}}.Encode() }

// tagNow is the tag of a page as it would be made now, by the page itself.
func (v *visit) tagNow(on string) (string, error) {
	v.dir, v.now = v.Directory(), v.Now().UTC()
	switch what, id, _ := strings.Cut(on, ":"); what {
	case "request":
		view, err := v.tellAll(id, false)
		return view.Tag, err
	case "grant":
		view, err := v.grantOf(id)
		return view.Tag, err
	case "access":
		view, err := v.holdings()
		return view.Tag, err
	case "work":
		view, err := v.work()
		return view.Tag, unknown(err)
	}
	return "", fmt.Errorf("%w: nothing of that name changes", access.ErrNotFound)
}

// live is a stream of server-sent events: one whenever the page that asks would be
// another one now. Whoever may not have the page has no stream of it.
func (p *portal) live(v *visit) error {
	// 1. May they, and what do they show. One listens before one looks: nothing falls between.
	ear, full := p.News.Wait(v.by.Identity)
	if full == nil {
		defer ear.Leave()
	}
	on, tag := v.r.FormValue("on"), v.r.FormValue("tag")
	now, err := v.tagNow(on)
	if err != nil {
		return err
	}
	if full != nil {
		v.trouble(http.StatusServiceUnavailable, "Too many look on", "The page looks again by itself, a little slower.")
		return nil
	}
	p.News.EndWith(v.r)
	// 2. A stream outlives the bounds of an ordinary answer.
	c := http.NewResponseController(v.w)
	_, _ = c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}) // where the server has none, there is nothing to lift
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.WriteHeader(http.StatusOK)
	send := func(text string) bool {
		_, err := fmt.Fprint(v.w, text)
		return err == nil && c.Flush() == nil
	}
	if !send("retry: 1000\n\n") {
		return nil
	}
	// 3. Until it is over.
	over := time.NewTimer(streamLife)
	defer over.Stop()
	for {
		if now != tag {
			if tag = now; !send("event: changed\ndata: " + tag + "\n\n") {
				return nil
			}
		}
		select {
		case <-v.r.Context().Done():
			return nil
		case <-over.C:
			return nil
		case _, goes := <-ear.Beats():
			if !goes {
				return nil
			}
		}
		p.News.Turn(func() { now, err = v.tagNow(on) })
		if err != nil {
			return nil // it is no longer theirs to know of, which the page will say; or they have gone
		}
	}
}
