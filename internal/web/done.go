package web

import (
	"net/http"
	"time"
)

// saidFor is how long a page says what was just done.
const saidFor = time.Minute

// done answers a deed: the page it leads to says so, for a minute, and to the
// browser that did it alone. An address that says so by itself is somebody's link,
// and nothing was done by it.
func (v *visit) done(path, what string) error {
	http.SetCookie(v.w, &http.Cookie{Name: v.doneName(), Value: doneMark(path, what), Path: "/", HttpOnly: true, Secure: !v.Sessions.Plain, SameSite: http.SameSiteLaxMode, MaxAge: int(saidFor.Seconds())})
	return v.goTo(path + "?done=" + what)
}

// justDone is what this browser has just done on this page; empty: nothing.
func (v *visit) justDone() string {
	what := v.r.URL.Query().Get("done")
	if list := v.r.CookiesNamed(v.doneName()); len(list) != 1 || list[0].Value != doneMark(v.r.URL.Path, what) {
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
