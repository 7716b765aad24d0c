package web

import (
	"net/http"
	"net/url"
	"time"
)

// saidFor is how long a page says what was just done.
const saidFor = time.Minute

// done answers a deed: the page it leads to says so, for a minute, and to the
// browser that did it alone. An address that says so by itself is somebody's link,
// and nothing was done by it.
func (v *visit) done(path, what string) error {
	v.markDone(path, what)
	return v.goTo(path + "?done=" + what)
}

// doneAt is done for a page that is found by an id.
func (v *visit) doneAt(path, id, what string) error {
	at := path + "?id=" + url.QueryEscape(id)
	v.markDone(at, what)
	return v.goTo(at + "&done=" + what)
}

func (v *visit) markDone(at, what string) {
	http.SetCookie(v.w, &http.Cookie{Name: v.doneName(), Value: doneMark(at, what), Path: "/", HttpOnly: true, Secure: !v.Sessions.Plain, SameSite: http.SameSiteLaxMode, MaxAge: int(saidFor.Seconds())})
}

// justDone is what this browser has just done on this page; empty: nothing.
func (v *visit) justDone() string {
	what, at := v.r.URL.Query().Get("done"), v.r.URL.Path
	if id := v.r.URL.Query().Get("id"); id != "" {
		at += "?id=" + url.QueryEscape(id)
	}
	if list := v.r.CookiesNamed(v.doneName()); len(list) != 1 || list[0].Value != doneMark(at, what) {
		return ""
	}
	return what
}

func doneMark(path, what string) string { return what + ":" + path }

func (v *visit) doneName() string {
	if v.Sessions.Plain {
		return "lessor-done"
	}
	return "__Host-lessor-done"
}
