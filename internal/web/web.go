// Package web is the portal: the pages people ask, answer and look at. Each
// page is one file, each deed one engine verb, and whatever a page says of a
// state the engine, the directory or the log has said. It holds no rule, no
// state of its own and no SQL, and needs no script for any task.
//
// Who is at the door is found by a session ([auth.Sessions]). Whatever is not
// yours to know of is not found. Nothing is loaded from, or sent to, another
// origin, and no form is taken from one.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/news"
	"github.com/lessor-iam/lessor/internal/report"
)

// Proof is what pages show of the log, and what is counted from it. It reads; whoever may see it was asked before.
type Proof interface {
	// Trail is a request's story, each line checked against the newest signed head.
	Trail(ctx context.Context, request string) (report.Trail, error)
	// Settled is Trail after everything that has happened was given its place in the log.
	Settled(ctx context.Context, request string) (report.Trail, error)
	// Bundle writes the evidence bundle of a grant.
	Bundle(ctx context.Context, grant string) ([]byte, error)
	// Numbers counts the figures of a window.
	Numbers(ctx context.Context, from, to time.Time) (report.Numbers, error)
	// Work reads how the work of some systems stands; queue: and what waits to be told.
	Work(ctx context.Context, systems []string, queue bool, now time.Time) (report.Operations, error)
}

// Config is what the portal is made of. Every field but SignIn and Log is needed.
type Config struct {
	Engine    *engine.Engine
	Directory func() *access.Directory // the snapshot in force
	Sessions  *auth.Sessions
	SignIn    http.Handler // at /sign-in and below: proves who somebody is and begins a session; nil: nobody can sign in
	Programs  bool         // people let programs act as them, at /sign-in/mine
	Proof     Proof
	News      *news.Wire // tells that something has happened
	Now       func() time.Time
	Log       *slog.Logger
}

// portal is every page.
type portal struct {
	Config
	assets assets
	pace   auth.Pace
	book   atomic.Pointer[book]
}

// longestForm bounds what one form may carry.
const longestForm = 64 << 10

// New returns the portal, or says what is missing.
func New(c Config) (http.Handler, error) {
	if c.Engine == nil || c.Directory == nil || c.Sessions == nil || c.Proof == nil || c.News == nil || c.Now == nil {
		return nil, fmt.Errorf("%w: the portal needs Engine, Directory, Sessions, Proof, Feed and Now", access.ErrInvalid)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	a, err := readAssets()
	if err != nil {
		return nil, err
	}
	p := &portal{Config: c, assets: a, pace: auth.Pace{Burst: 120, PerSec: 12}}
	mux := http.NewServeMux()
	p.routes(mux)
	// Forms are taken from our own pages alone, whatever cookies come along.
	return guarded(http.NewCrossOriginProtection().Handler(mux)), nil
}

func (p *portal) routes(mux *http.ServeMux) {
	mux.Handle("GET /assets/", p.assets)
	mux.HandleFunc("POST /sign-out", p.signOut)
	if p.SignIn != nil {
		mux.Handle("/sign-in", p.SignIn)
		mux.Handle("/sign-in/", p.SignIn)
	} else {
		mux.HandleFunc("GET /sign-in", p.noSignIn)
	}
	for _, page := range []struct {
		at string
		do func(*visit) error
	}{
		{"GET /{$}", func(v *visit) error { return v.goTo("/access") }},
		{"GET /ask", p.catalog}, {"GET /ask/form", p.askForm}, {"POST /ask/form", p.askAgain}, {"POST /ask/check", p.askCheck}, {"POST /ask", p.askSend},
		{"GET /access", p.mine}, {"POST /grants/{id}/return", p.giveBack}, {"GET /grants/{id}/evidence", p.evidence},
		{"GET /waiting", p.waiting}, {"GET /waiting/{id}", p.waiting}, {"POST /waiting/{id}", p.answer},
		{"GET /requests", p.requests}, {"GET /requests/{id}", p.request}, {"POST /requests/{id}/cancel", p.cancel}, {"POST /requests/{id}/comment", p.comment},
		{"GET /signed-in", p.signedIn}, {"POST /signed-in", p.endSignedIn},
		{"GET /live", p.live}, {"GET /grants/{id}", p.grant}, {"GET /entitlements", p.entitlementPage}, {"GET /people", p.person}, {"GET /systems", p.systemPage},
		{"GET /findings", p.findings}, {"GET /findings/{id}", p.finding}, {"POST /findings/{id}", p.settle}, {"GET /operations", p.operations}, {"GET /numbers", p.numbers}, {"GET /register", p.registerAll}, {"GET /register.csv", p.registerFile},
		{"GET /handovers", p.handovers}, {"GET /handovers/{id}", p.handover}, {"POST /handovers/{id}", p.decideHandover}, {"GET /leavers", p.leaving}, {"POST /leavers", p.sayLeft}, {"GET /signals", p.held}, {"POST /signals", p.decideHeld},
		{"GET /workloads", p.ownWorkloads}, {"GET /workloads/estate", p.estate}, {"GET /workloads/register", p.registerForm}, {"POST /workloads/register", p.registerWorkload},
		{"GET /workload", p.workload}, {"POST /workload", p.decideWorkload}, {"POST /registrations/{id}", p.decideRegistration},
		{"GET /credentials", p.credentials}, {"GET /credential", p.credential}, {"POST /credential", p.decideCredential},
		{"GET /stand-ins", p.standIns}, {"POST /stand-ins", p.standInsDo},
		{"GET /workload/contract", p.contractForm}, {"POST /workload/contract", p.changeContract}, {"GET /seals", p.seals}, {"POST /seals", p.newSeal}, {"POST /seals/{id}", p.decideSeal},
		{"GET /break-glass", p.breakGlass}, {"POST /break-glass", p.takeGlass}, {"POST /break-glass/{id}", p.reviewGlass},
		{"/", func(*visit) error { return access.ErrNotFound }},
	} {
		mux.HandleFunc(page.at, p.visit(page.do))
	}
}

// guarded puts on every answer what keeps a page to itself, and bounds every form.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, longestForm)
		next.ServeHTTP(w, r)
	})
}

// visit is one request of somebody who is signed in.
type visit struct {
	*portal
	w   http.ResponseWriter
	r   *http.Request
	by  access.Actor
	dir *access.Directory // one snapshot for the whole page
	now time.Time

	began time.Time // of the answer, by the machine's own clock
}

// visit finds who is there, and answers what went wrong in one way for all pages.
func (p *portal) visit(do func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{portal: p, w: w, r: r, dir: p.Directory(), now: p.Now().UTC(), began: time.Now()}
		who, err := p.Sessions.Who, error(nil)
		if r.URL.Path == "/live" || r.URL.Query().Has("tag") {
			who = p.Sessions.Still // the page's own script looks, and may for hours with nobody there
		}
		switch v.by, err = who(r); {
		case errors.Is(err, access.ErrDenied):
			v.turnAway()
			return
		case err != nil:
		case !p.pace.Spend(v.by.Identity, v.now):
			w.Header().Set("Retry-After", "1")
			v.trouble(http.StatusTooManyRequests, "Too much at once", "You asked for more pages than anybody reads. Wait a moment and try again.")
			return
		case r.Method == http.MethodPost:
			if err = r.ParseForm(); err != nil {
				err = fmt.Errorf("%w: the form cannot be read: %w", access.ErrInvalid, err)
			}
		}
		if err == nil {
			err = do(v)
		}
		if err != nil {
			v.failed(err)
		}
	}
}

// wanted tells whether whoever is there asked for the page: by a link of the portal,
// or by an address of their own. What another site sends them to writes nothing.
func (v *visit) wanted() bool {
	from := v.r.Header.Get("Sec-Fetch-Site") // none: typed, or kept; empty: a browser that does not say
	return from == "" || from == "same-origin" || from == "none"
}

// turnAway sends whoever is not signed in to sign in, and back to the same page.
func (v *visit) turnAway() {
	if v.r.Header.Get("HX-Request") != "" { // a part of a page: put in its place, the sign-in would leave nothing there
		v.w.Header().Set("HX-Refresh", "true")
		v.w.WriteHeader(http.StatusNoContent)
		return
	}
	to := "/sign-in"
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
		to += "?" + url.Values{"next": {v.r.URL.RequestURI()}}.Encode()
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}

// Next is where somebody goes after signing in: a page of the portal, whatever
// the address says.
func Next(r *http.Request) string {
	next := r.FormValue("next")
	if u, err := url.Parse(next); err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

// goTo answers a deed: what came of it is on a page that can be loaded again.
func (v *visit) goTo(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

func (p *portal) signOut(w http.ResponseWriter, r *http.Request) {
	if err := p.Sessions.End(w, r); err != nil {
		p.Log.ErrorContext(r.Context(), "sign out", "error", err.Error())
		http.Error(w, "Signing out failed. Close the browser, and tell who runs this.", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

func (p *portal) noSignIn(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, http.StatusOK, layout(frame{Title: "Sign in", Assets: p.assets}, notice("Nobody can sign in here yet", "No way to sign in is set up on this server. The command line and the API work with tokens.")))
}
