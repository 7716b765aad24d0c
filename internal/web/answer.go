package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/lessor-iam/lessor/internal/access"
)

// page answers with a page of the portal.
func (v *visit) page(status int, title, at string, body templ.Component) error {
	me, _ := v.dir.Identity(v.by.Identity)
	v.show(v.w, v.r, status, layout(frame{Title: title, At: at, Who: cmp.Or(me.Name, v.by.Identity), Operates: v.operates(), Breaks: v.Engine.Enrols(v.by.Identity), Audits: v.audits(), Answers: v.answers(), Halts: v.halts(), Assets: v.assets}, body))
	return nil
}

// Sheets are pages for whoever is not signed in; ways to sign in use them.
type Sheets struct{ assets assets }

// NewSheets reads what every page is made of.
func NewSheets() (Sheets, error) {
	a, err := readAssets()
	return Sheets{a}, err
}

// Show answers with a sheet.
func (s Sheets) Show(w http.ResponseWriter, r *http.Request, status int, title string, body templ.Component) error {
	return write(w, r, status, layout(frame{Title: title, Assets: s.assets}, body))
}

func (p *portal) show(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	if err := write(w, r, status, c); err != nil {
		p.Log.ErrorContext(r.Context(), "page", "path", r.URL.Path, "error", err.Error())
		http.Error(w, "This page could not be made; the server's log says why.", http.StatusInternalServerError)
	}
}

// write renders a page whole before any of it is sent, so that half a page is
// never taken for one. There is no secret in a page that its length could tell.
func write(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var plain, packed bytes.Buffer
	if err := c.Render(r.Context(), &plain); err != nil {
		return err
	}
	body := &plain
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Accept-Encoding, Cookie")
	if packs(r) {
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(plain.Bytes()); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		body = &packed
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // whoever asked has gone if this fails
	return nil
}

func packs(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}

// failed answers what went wrong with a page that says what to do.
func (v *visit) failed(err error) {
	switch {
	case errors.Is(err, access.ErrUnavailable):
		v.Log.ErrorContext(v.r.Context(), "failed", "path", v.r.URL.Path, "by", v.by.Identity, "error", err.Error())
		v.w.Header().Set("Retry-After", "5")
		v.trouble(http.StatusServiceUnavailable, "Not at the moment", "The database cannot be asked right now. You are still signed in, and nothing was changed: try again in a moment.")
	case errors.Is(err, access.ErrNotFound):
		v.evenly()
		v.trouble(http.StatusNotFound, "Not found", "There is nothing here, or it is not yours to know of.")
	case errors.Is(err, access.ErrInvalid):
		v.trouble(http.StatusBadRequest, "That does not fit", said(err))
	case errors.Is(err, access.ErrDenied):
		v.trouble(http.StatusForbidden, "Refused", said(err))
	case errors.Is(err, access.ErrConflict):
		v.trouble(http.StatusConflict, "It has changed meanwhile", said(err))
	case errors.Is(err, access.ErrGone):
		v.trouble(http.StatusGone, "It is over", said(err))
	case errors.Is(err, access.ErrHalted):
		v.trouble(http.StatusServiceUnavailable, "Not now", said(err))
	default:
		v.Log.ErrorContext(v.r.Context(), "failed", "path", v.r.URL.Path, "by", v.by.Identity, "error", err.Error())
		v.trouble(http.StatusInternalServerError, "Something failed here", "It is not your doing, and nothing was changed. The server's log says what it was.")
	}
}

// even is what the time is a multiple of that it takes to say that something is not there.
const even = 5 * time.Millisecond

// evenly waits until it is: to find out that a page is not theirs costs more than that
// it is not there, and nobody learns by the clock which of the two it was.
func (v *visit) evenly() {
	wait := time.NewTimer(even - time.Since(v.began)%even)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-v.r.Context().Done():
	}
}

func (v *visit) trouble(status int, title, text string) {
	// page writes its own failure to the log.
	_ = v.page(status, title, "", notice(title, text))
}
