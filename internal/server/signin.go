package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/auth/oidc"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/web"
)

// signIn is how people sign in by the providers of sign-in.yaml, as it is now.
type signIn struct {
	*Server
	sessions *auth.Sessions
	logins   *auth.Logins
	sheets   web.Sheets
	plain    bool // on loopback, where no cookie can be "Secure"

	mu   sync.Mutex
	made map[string]made

	asks, posts, words auth.Pace // by where they come from, or by whom
}

// made is the way to a provider, as it was configured.
type made struct {
	of config.Provider
	at string
	to *oidc.Provider
}

// signInOf is what sign-in.yaml says; without one there is no provider.
func signInOf(c *config.Config) config.SignIn {
	if c.SignIn == nil {
		return config.SignIn{}
	}
	return *c.SignIn
}

// stands tells whether a sign-in still means that identity. Who is taken out of
// the file, or moved to another subject, is signed out by it.
func (s *Server) stands(identity string, by store.Source) bool {
	if by.Provider == "" {
		return s.local != nil
	}
	c := s.current.Load()
	for _, p := range signInOf(c).Providers {
		if p.ID == by.Provider {
			if p.Identity.Claim != "sub" {
				return true // the other claims are not kept
			}
			id, ok := p.Identity.Identify(c.Directory, by.Subject, false)
			return ok && id == identity
		}
	}
	return false
}

// PeopleSignIn tells whether there is any way for people to sign in.
func (s *Server) PeopleSignIn() bool { return s.local != nil || s.current.Load().SignIn != nil }

// providers makes the way to sign in by them.
func (s *Server) providers(sessions *auth.Sessions, plain bool) (http.Handler, error) {
	sheets, err := web.NewSheets()
	if err != nil {
		return nil, err
	}
	logins, err := auth.NewLogins(auth.LoginConfig{Shelf: s.db, Known: s.knows, Stands: s.stands, Now: s.now, Rand: rand.Reader,
		Lasts: func() time.Duration { return signInOf(s.current.Load()).CommandLine }})
	if err != nil {
		return nil, err
	}
	i := &signIn{Server: s, sessions: sessions, logins: logins, sheets: sheets, plain: plain, made: map[string]made{},
		// One place cannot ask so often that it turns the whole shelf over while a code is good.
		asks: auth.Pace{Burst: 100, PerSec: 0.5}, posts: auth.Pace{Burst: 300, PerSec: 30}, words: auth.Pace{Burst: 600, PerSec: 60}}
	s.keys.Lend(i.lent)
	return i.routes(), nil
}

func (i *signIn) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sign-in", i.choose)
	mux.HandleFunc("GET /sign-in/go/{provider}", i.begin)
	mux.HandleFunc("GET /sign-in/stronger", i.stronger)
	mux.HandleFunc("GET /sign-in/back/{provider}", i.finish)
	mux.HandleFunc("POST /sign-in/ended/{provider}", i.paced(&i.words, i.ended))
	mux.HandleFunc("GET /sign-in/cli", i.code)
	mux.HandleFunc("POST /sign-in/cli", i.paced(&i.posts, i.answer))
	mux.HandleFunc("GET /sign-in/mine", i.mine)
	mux.HandleFunc("POST /sign-in/mine", i.paced(&i.posts, i.endMine))
	mux.HandleFunc("POST /sign-in/cli/ask", i.paced(&i.asks, i.ask))
	mux.HandleFunc("POST /sign-in/cli/collect", i.paced(&i.posts, i.collect))
	mux.HandleFunc("POST /sign-in/cli/end", i.paced(&i.posts, i.end))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		i.note(w, r, http.StatusNotFound, "Not found", "There is nothing here.", "Sign in", "/sign-in")
	})
	return mux
}

// provider is the way to one of the providers in force.
func (i *signIn) provider(id string) (config.Provider, *oidc.Provider, bool) {
	c := signInOf(i.current.Load())
	n := slices.IndexFunc(c.Providers, func(p config.Provider) bool { return p.ID == id })
	if n < 0 {
		return config.Provider{}, nil, false
	}
	p := c.Providers[n]
	i.mu.Lock()
	defer i.mu.Unlock()
	if was, ok := i.made[id]; ok && was.at == c.Address && reflect.DeepEqual(was.of, p) {
		return p, was.to, true
	}
	to, err := oidc.New(oidcConfig(c.Address, p))
	if err != nil { // the file was checked: this cannot be
		i.log.Error("sign-in", "provider", id, "error", err.Error())
		return p, nil, false
	}
	i.made[id] = made{p, c.Address, to}
	return p, to, true
}

func oidcConfig(address string, p config.Provider) oidc.Config {
	o := oidc.Config{ID: p.ID, Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, Redirect: address + "/sign-in/back/" + p.ID, Scopes: p.Scopes,
		Wants: []string{p.Identity.Claim}, Now: time.Now, Rand: rand.Reader}
	if p.Identity.Is == config.IsMail {
		o.Wants = append(o.Wants, "email_verified")
	}
	if p.ClientSecretRef != "" {
		o.Secret = func() (string, error) {
			v, err := secret.Open(p.ClientSecretRef)
			return v.Reveal(), err
		}
	}
	for _, s := range p.Strengths {
		o.Strengths = append(o.Strengths, oidc.Strength(s))
	}
	return o
}

// choose shows the ways to sign in.
func (i *signIn) choose(w http.ResponseWriter, r *http.Request) {
	c, next := signInOf(i.current.Load()), web.Next(r)
	var ways []web.Way
	for _, p := range c.Providers {
		way := web.Way{Name: p.Name, Link: "/sign-in/go/" + p.ID + "?" + url.Values{"next": {next}}.Encode()}
		if _, to, ok := i.provider(p.ID); ok && next == "/" {
			way.Out = to.EndSession(c.Address + "/sign-in")
		}
		ways = append(ways, way)
	}
	i.show(w, r, http.StatusOK, "Sign in", web.SignInPage(ways, ""))
}

// begin sends the browser to a provider.
func (i *signIn) begin(w http.ResponseWriter, r *http.Request) {
	p, to, ok := i.provider(r.PathValue("provider"))
	if !ok {
		i.note(w, r, http.StatusNotFound, "Not found", "Nobody signs in by that way here.", "Sign in", "/sign-in")
		return
	}
	address, flow, err := to.Begin(r.Context(), r.URL.Query().Get("strength"))
	if err != nil {
		i.failed(w, r, p, web.Next(r), err)
		return
	}
	if flow.Next = web.Next(r); len(flow.Next) > 1024 {
		flow.Next = "/"
	}
	if flow.Strength != "" {
		if who, err := i.sessions.Who(r); err == nil {
			flow.For = who.Identity
		}
	}
	raw, err := json.Marshal(flow)
	if err != nil {
		i.failed(w, r, p, flow.Next, err)
		return
	}
	http.SetCookie(w, i.cookie(base64.RawURLEncoding.EncodeToString(raw), int(oidc.FlowTime.Seconds())))
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// stronger sends whoever is signed in to where they were signed in, for more.
func (i *signIn) stronger(w http.ResponseWriter, r *http.Request) {
	q := url.Values{"next": {web.Next(r)}}
	by, err := i.sessions.Source(r)
	if i.unasked(w, r, err) {
		return
	}
	if err != nil || by.Provider == "" {
		http.Redirect(w, r, "/sign-in?"+q.Encode(), http.StatusSeeOther)
		return
	}
	q.Set("strength", r.URL.Query().Get("strength"))
	http.Redirect(w, r, "/sign-in/go/"+url.PathEscape(by.Provider)+"?"+q.Encode(), http.StatusSeeOther)
}

// unasked answers whoever comes while nobody can say whether they are signed in: they are
// not sent to sign in again.
func (i *signIn) unasked(w http.ResponseWriter, r *http.Request, err error) bool {
	if !errors.Is(err, access.ErrUnavailable) {
		return false
	}
	i.log.ErrorContext(r.Context(), "sign-in", "done", "unasked", "error", err.Error())
	w.Header().Set("Retry-After", "5")
	i.note(w, r, http.StatusServiceUnavailable, "Not at the moment", "The database cannot be asked right now, and nothing was changed. Try again in a moment.", "Try again", r.URL.RequestURI())
	return true
}

// cookie carries a sign-in under way. It comes along when the provider sends the
// browser back, and is nobody else's to read or to set.
func (i *signIn) cookie(value string, age int) *http.Cookie {
	c := &http.Cookie{Name: "__Host-lessor-sign-in", Value: value, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode, MaxAge: age}
	if i.plain {
		c.Name, c.Secure = "lessor-sign-in", false
	}
	return c
}

// flow is the sign-in that this browser began; empty where it began none. Two
// cookies of the name are none: one of them was planted.
func (i *signIn) flow(r *http.Request) (f oidc.Flow) {
	list := r.CookiesNamed(i.cookie("", 0).Name)
	if len(list) != 1 {
		return f
	}
	raw, err := base64.RawURLEncoding.DecodeString(list[0].Value)
	if err != nil || json.Unmarshal(raw, &f) != nil {
		return oidc.Flow{}
	}
	return f
}

// finish takes what the provider had the browser bring.
func (i *signIn) finish(w http.ResponseWriter, r *http.Request) {
	// 1. This browser's own sign-in, once.
	p, to, ok := i.provider(r.PathValue("provider"))
	if !ok {
		i.note(w, r, http.StatusNotFound, "Not found", "Nobody signs in by that way here.", "Sign in", "/sign-in")
		return
	}
	flow := i.flow(r)
	http.SetCookie(w, i.cookie("", -1))
	next := web.Onward(flow.Next)
	// 2. Who it is there.
	answer, err := to.Finish(r.Context(), flow, r.URL.Query())
	if err != nil {
		i.failed(w, r, p, next, err)
		return
	}
	// 3. Who that is here.
	value, verified := answer.Text(p.Identity.Claim), answer.Claims["email_verified"] == true
	identity, known := p.Identity.Identify(i.world.Load().Directory, value, verified)
	if !known {
		i.log.WarnContext(r.Context(), "sign-in", "done", "unknown", "provider", p.ID, "subject", answer.Subject, "claim", p.Identity.Claim, "value", value)
		i.note(w, r, http.StatusForbidden, "You are not known here", unknown(p, value, verified), "Sign in as somebody else", "/sign-in")
		return
	}
	if flow.For != "" {
		if who, err := i.sessions.Who(r); identity != flow.For || (err == nil && who.Identity != flow.For) {
			i.log.WarnContext(r.Context(), "sign-in", "done", "another person", "provider", p.ID, "for", flow.For, "as", identity)
			i.note(w, r, http.StatusForbidden, "That was somebody else", fmt.Sprintf("You wanted to be known better, and %s answered with another person. Nothing has changed.", p.Name), "Back", next)
			return
		}
	}
	// 4. A session of its own, whatever this browser had before.
	source := store.Source{Provider: p.ID, Subject: answer.Subject, Session: answer.Session}
	switch err := i.sessions.BeginBy(w, r, identity, auth.Proof{Source: source, Strength: answer.Strength, StrongUntil: answer.StrongUntil}); {
	case errors.Is(err, access.ErrDenied):
		i.log.WarnContext(r.Context(), "sign-in", "done", "not active", "provider", p.ID, "by", identity)
		i.note(w, r, http.StatusForbidden, "You may not sign in", "You are known here, but not as somebody who may sign in at present: your time here has not begun, has ended, or is suspended.", "Sign in as somebody else", "/sign-in")
	case err != nil:
		i.failed(w, r, p, next, err)
	default:
		i.log.InfoContext(r.Context(), "sign-in", "done", "signed in", "provider", p.ID, "by", identity, "strength", answer.Strength)
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

// unknown says to somebody whom the directory does not know what to have written there.
func unknown(p config.Provider, value string, verified bool) string {
	switch {
	case value == "":
		return fmt.Sprintf("%s signed you in, but does not say your %s, by which people are found here. Tell who runs Lessor.", p.Name, p.Identity.Claim)
	case p.Identity.Is == config.IsMail && !verified:
		return fmt.Sprintf("%s signed you in as %s, but does not say that it has verified the address. Tell who runs Lessor.", p.Name, value)
	}
	return fmt.Sprintf("%s signed you in, and nobody in Lessor's directory goes by %s = %s. If that should be you, tell who runs Lessor.", p.Name, p.Identity.Claim, value)
}

// failed answers a sign-in that came to nothing.
func (i *signIn) failed(w http.ResponseWriter, r *http.Request, p config.Provider, next string, err error) {
	again := "/sign-in?" + url.Values{"next": {next}}.Encode()
	i.log.WarnContext(r.Context(), "sign-in", "done", "nothing", "provider", p.ID, "error", fmt.Sprintf("%.500s", err)) // a provider's own words may be long
	switch {
	case errors.Is(err, oidc.ErrDown):
		w.Header().Set("Retry-After", "10")
		i.note(w, r, http.StatusServiceUnavailable, p.Name+" does not answer", "Nobody can sign in there at the moment. Whoever is signed in goes on working. Try again in a minute; if it goes on, tell who runs "+p.Name+".", "Try again", again)
	case errors.Is(err, oidc.ErrRefused):
		i.note(w, r, http.StatusForbidden, p.Name+" did not sign you in", "You gave up there, or it does not let you in. Nothing has changed here.", "Back", next)
	case errors.Is(err, oidc.ErrWeak):
		i.note(w, r, http.StatusForbidden, "Not as strongly as asked", p.Name+" signed you in by less than was asked for. You are signed in as before. Try again with the stronger way, or have it set up there.", "Back", next)
	case errors.Is(err, access.ErrNotFound):
		i.note(w, r, http.StatusNotFound, "There is no such sign-in", p.Name+" has not been set up for the stronger sign-in that is asked for here. Tell who runs Lessor: it belongs into the strengths of sign-in.yaml.", "Back", next)
	case errors.Is(err, access.ErrDenied):
		i.note(w, r, http.StatusBadRequest, "Signing in came to nothing", "What came back does not belong to a sign-in that this browser began, or took too long. Begin again here; if somebody sent you a link, do not use it.", "Begin again", again)
	default:
		i.note(w, r, http.StatusInternalServerError, "Something failed here", "It is not your doing. The server's log says what it was.", "Begin again", again)
	}
}

// ended takes a provider's word that a session of its own has ended.
func (i *signIn) ended(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why error) {
		i.log.WarnContext(r.Context(), "sign-out by provider", "done", "refused", "provider", r.PathValue("provider"), "error", why.Error())
		tell(w, status, map[string]string{"error": "invalid_request"})
	}
	p, to, ok := i.provider(r.PathValue("provider"))
	if !ok {
		refuse(http.StatusBadRequest, access.ErrNotFound)
		return
	}
	e, err := to.Logout(r.Context(), r.PostFormValue("logout_token"))
	switch {
	case errors.Is(err, oidc.ErrDown):
		refuse(http.StatusServiceUnavailable, err)
		return
	case err != nil:
		refuse(http.StatusBadRequest, err)
		return
	}
	n, err := i.sessions.EndBy(r.Context(), store.Source{Provider: p.ID, Subject: e.Subject, Session: e.Session}, e.ID, e.Until)
	switch {
	case errors.Is(err, access.ErrConflict):
		refuse(http.StatusBadRequest, err)
	case err != nil:
		refuse(http.StatusInternalServerError, err)
	default:
		i.log.InfoContext(r.Context(), "sign-out by provider", "done", "ended", "provider", p.ID, "sessions", n)
		w.WriteHeader(http.StatusOK)
	}
}

func tell(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone if this fails
}

func (i *signIn) note(w http.ResponseWriter, r *http.Request, status int, title, text, word, link string) {
	i.show(w, r, status, title, web.Note(title, text, word, link))
}

func (i *signIn) show(w http.ResponseWriter, r *http.Request, status int, title string, body templ.Component) {
	if err := i.sheets.Show(w, r, status, title, body); err != nil {
		i.log.ErrorContext(r.Context(), "page", "path", r.URL.Path, "error", err.Error())
		http.Error(w, "This page could not be made; the server's log says why.", http.StatusInternalServerError)
	}
}

// lent finds whose token a program has that a person let in.
func (i *signIn) lent(token string) (api.Key, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	t, err := i.logins.Token(ctx, token)
	if err != nil {
		if errors.Is(err, access.ErrDenied) {
			err = nil
		}
		return api.Key{}, false, err
	}
	return api.Key{Name: t.Program, Identity: t.Identity, Scopes: i.logins.Scopes(), Expires: t.End}, true, nil
}

// signInChanged names what of sign-in.yaml is built into what is running.
func signInChanged(was, is *config.Config) (names []string) {
	if signInOf(was).Address != signInOf(is).Address {
		names = append(names, "address of sign-in.yaml")
	}
	return names
}

// onLoopback tells whether an address is plain http.
func onLoopback(address string) bool { return strings.HasPrefix(address, "http://") }
