package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/scim"
	"github.com/lessor-iam/lessor/internal/web"
)

// How long somebody stays signed in at the portal.
const (
	sessionIdle    = time.Hour
	sessionLongest = 12 * time.Hour
)

// Option changes what a server is made of.
type Option func(*Server)

// Local is a way to sign in over plain http on loopback, made of the sessions it
// begins. Only the demo has one: whoever reaches it chooses who to be.
type Local func(*auth.Sessions) (http.Handler, error)

// SignInBy has the portal let people in by a local way.
func SignInBy(l Local) Option { return func(s *Server) { s.local = l } }

// Seam is called between the steps of every verb and every lane: tests stop the process there.
func Seam(at func(step string)) Option { return func(s *Server) { s.seam = at } }

// portal makes the pages, and who is at their door.
func (s *Server) portal() (http.Handler, error) {
	c := s.current.Load().SignIn
	plain := s.local != nil || (c != nil && onLoopback(c.Address))
	sessions, err := auth.New(auth.Config{Shelf: s.db, Known: s.knows, Stands: s.stands, Now: s.now, Rand: rand.Reader, Idle: sessionIdle, Longest: sessionLongest,
		Plain: plain, Afar: s.local == nil})
	if err != nil {
		return nil, err
	}
	var way http.Handler
	switch {
	case s.local != nil:
		way, err = s.local(sessions)
	case c != nil:
		way, err = s.providers(sessions, plain)
	}
	if err != nil {
		return nil, err
	}
	return web.New(web.Config{Engine: s.engine, Directory: func() *access.Directory { return s.world.Load().Directory }, Sessions: sessions, SignIn: way,
		Programs: s.local == nil && c != nil, Proof: proof{s}, News: s.wire, Now: s.now, Log: s.log})
}

// doors sends what is for programs to the one, what is for programs that enforce to
// the other, what feeds tell of people to the third, and the rest to the portal.
func doors(programs, enforcers, tellers, people http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := people
		if r.URL.Path == "/healthz" {
			to = programs
		}
		for _, below := range []string{"/api/", "/log/", "/hooks/"} {
			if strings.HasPrefix(r.URL.Path, below) {
				to = programs
			}
		}
		if strings.HasPrefix(r.URL.Path, "/access/v1/") || r.URL.Path == authzen.Discovery {
			to = enforcers
		}
		if strings.HasPrefix(r.URL.Path, scim.Below) {
			to = tellers
		}
		to.ServeHTTP(w, r)
	})
}

// Trail implements [web.Proof].
func (p proof) Trail(ctx context.Context, request string) (report.Trail, error) {
	return report.Follow(ctx, p.s.db, p.s.signer.VerifierKey(), request)
}

// Settled implements [web.Proof].
func (p proof) Settled(ctx context.Context, request string) (report.Trail, error) {
	if _, err := p.s.engine.Sequence(ctx); err != nil {
		return report.Trail{}, err
	}
	return p.Trail(ctx, request)
}
