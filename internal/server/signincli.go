package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/web"
)

// atDoor is who is signed in; whoever is not is sent to sign in and back.
func (i *signIn) atDoor(w http.ResponseWriter, r *http.Request, page string) (access.Actor, string, bool) {
	who, err := i.sessions.Who(r)
	if i.unasked(w, r, err) {
		return who, "", false
	}
	if err != nil {
		http.Redirect(w, r, "/sign-in?"+url.Values{"next": {page}}.Encode(), http.StatusSeeOther) // without the code: it is typed, not followed
		return who, "", false
	}
	me, _ := i.world.Load().Directory.Identity(who.Identity)
	return who, me.Name, true
}

// code takes the code that a program shows, and shows what it would let in.
func (i *signIn) code(w http.ResponseWriter, r *http.Request) {
	who, name, ok := i.atDoor(w, r, "/sign-in/cli")
	if !ok {
		return
	}
	typed := r.URL.Query().Get("code")
	if from := r.Header.Get("Sec-Fetch-Site"); typed == "" || (from != "" && from != "same-origin") { // a link that somebody sent types nothing
		i.show(w, r, http.StatusOK, "Let a program in", web.CodePage(name, ""))
		return
	}
	l, err := i.logins.Find(r.Context(), who, typed)
	if err != nil {
		i.wrongCode(w, r, name, err)
		return
	}
	i.show(w, r, http.StatusOK, "Let a program in", web.ProgramPage(name, web.Program{Code: auth.ShownCode(typed), Says: l.Program, Asked: l.Asked, Till: time.Now().Add(i.logins.Lasts())}))
}

func (i *signIn) wrongCode(w http.ResponseWriter, r *http.Request, name string, err error) {
	status, why := http.StatusInternalServerError, "It could not be looked up; the server's log says why."
	switch {
	case errors.Is(err, access.ErrNotFound), errors.Is(err, access.ErrGone):
		status, why = http.StatusNotFound, "Nothing waits by that code. It may have taken longer than ten minutes, or was answered already: start the program again."
	case errors.Is(err, access.ErrConflict):
		status, why = http.StatusTooManyRequests, "Too many codes that nothing waits by. Wait a few minutes."
	default:
		i.log.ErrorContext(r.Context(), "let a program in", "error", err.Error())
	}
	i.show(w, r, status, "Let a program in", web.CodePage(name, why))
}

// answer lets a program in, or refuses it.
func (i *signIn) answer(w http.ResponseWriter, r *http.Request) {
	who, name, ok := i.atDoor(w, r, "/sign-in/cli")
	if !ok {
		return
	}
	from, err := i.sessions.Session(r)
	let := r.PostFormValue("verdict") == "let"
	if err == nil {
		err = i.logins.Answer(r.Context(), who, from, r.PostFormValue("code"), let)
	}
	if errors.Is(err, access.ErrDenied) { // signed out between the two looks
		http.Redirect(w, r, "/sign-in?"+url.Values{"next": {"/sign-in/cli"}}.Encode(), http.StatusSeeOther)
		return
	}
	if err != nil {
		i.wrongCode(w, r, name, err)
		return
	}
	i.log.InfoContext(r.Context(), "let a program in", "by", who.Identity, "let", let)
	if !let {
		i.note(w, r, http.StatusOK, "Refused", "The program was not let in. If you did not start it, tell security that somebody tried to be you.", "To the portal", "/")
		return
	}
	i.note(w, r, http.StatusOK, "It is let in", "The program goes on by itself, as you. lessor logout ends it, and so can you.", "Where you are signed in", "/sign-in/mine")
}

// What programs send and get. The names are those of RFC 8628.
type (
	loginAsk struct {
		Program string `json:"program"`
	}
	loginAsked struct {
		Device   string `json:"device_code"`
		Code     string `json:"user_code"`
		Page     string `json:"verification_uri"`
		Expires  int    `json:"expires_in"`
		Interval int    `json:"interval"`
	}
	loginCollect struct {
		Device string `json:"device_code"`
	}
	loginGrant struct {
		Token    string    `json:"access_token"`
		Kind     string    `json:"token_type"`
		Identity string    `json:"identity"`
		End      time.Time `json:"end"`
	}
	loginRefused struct {
		Error string `json:"error"`
		Says  string `json:"error_description"`
	}
)

// ask begins a program's login.
func (i *signIn) ask(w http.ResponseWriter, r *http.Request) {
	var in loginAsk
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Program == "" || len(in.Program) > 200 || strings.ContainsFunc(in.Program, func(c rune) bool { return !unicode.IsPrint(c) }) {
		tell(w, http.StatusBadRequest, loginRefused{"invalid_request", "program must be up to 200 printable characters"})
		return
	}
	a, err := i.logins.Ask(r.Context(), in.Program)
	switch {
	case errors.Is(err, access.ErrDenied):
		tell(w, http.StatusForbidden, loginRefused{"access_denied", "this server lets no program sign in as a person (command_line in sign-in.yaml)"})
	case errors.Is(err, access.ErrConflict):
		w.Header().Set("Retry-After", "60")
		tell(w, http.StatusTooManyRequests, loginRefused{"slow_down", "too many programs wait; try again in a few minutes"})
	case err != nil:
		i.log.ErrorContext(r.Context(), "login of a program", "error", err.Error())
		tell(w, http.StatusInternalServerError, loginRefused{"server_error", "the server's log says what failed"})
	default:
		tell(w, http.StatusOK, loginAsked{a.Device, a.Code, signInOf(i.current.Load()).Address + "/sign-in/cli", int(auth.LoginTime.Seconds()), int(auth.PollEvery.Seconds())})
	}
}

// collect gives a program its token, once somebody has let it in.
func (i *signIn) collect(w http.ResponseWriter, r *http.Request) {
	var in loginCollect
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Device == "" {
		tell(w, http.StatusBadRequest, loginRefused{"invalid_request", "device_code is missing"})
		return
	}
	g, err := i.logins.Collect(r.Context(), in.Device)
	for _, no := range []struct {
		err  error
		word string
	}{{auth.ErrPending, "authorization_pending"}, {auth.ErrSlower, "slow_down"}, {auth.ErrRefused, "access_denied"}, {auth.ErrExpired, "expired_token"}} {
		if errors.Is(err, no.err) {
			tell(w, http.StatusBadRequest, loginRefused{no.word, no.err.Error()})
			return
		}
	}
	if err != nil {
		i.log.ErrorContext(r.Context(), "login of a program", "error", err.Error())
		tell(w, http.StatusInternalServerError, loginRefused{"server_error", "the server's log says what failed"})
		return
	}
	i.log.InfoContext(r.Context(), "program let in", "by", g.Identity)
	tell(w, http.StatusOK, loginGrant{g.Token, "Bearer", g.Identity, g.End})
}

// end takes a program's token back.
func (i *signIn) end(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch err := i.logins.End(r.Context(), token); {
	case errors.Is(err, access.ErrDenied):
		tell(w, http.StatusUnauthorized, loginRefused{"invalid_token", "no such token: it has ended already"})
	case err != nil:
		i.log.ErrorContext(r.Context(), "logout of a program", "error", err.Error())
		tell(w, http.StatusInternalServerError, loginRefused{"server_error", "the server's log says what failed"})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// paced bounds how often a form comes from one person or, where nobody is signed in,
// from one place. No header says where that is: whoever asks could write it.
func (i *signIn) paced(pace *auth.Pace, do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from := "from " + place(r.RemoteAddr)
		if who, err := i.sessions.Still(r); err == nil {
			from = "by " + who.Identity
		}
		if !pace.Spend(from, time.Now()) {
			w.Header().Set("Retry-After", "10")
			tell(w, http.StatusTooManyRequests, loginRefused{"slow_down", "too many from there; try again in a few seconds"})
			return
		}
		do(w, r)
	}
}

// place is where a connection comes from, as far as one party has it to itself: an
// address or, of IPv6, its network.
func place(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	a := at.Addr().Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
