package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
)

// How the two questions of whoever watches over processes are answered. Anybody may
// ask them: nothing but the names below is said, and the database is asked no more
// than once a second, whoever asks how often.
const (
	readyWithin = 2 * time.Second // for the database
	readyFresh  = time.Second
)

// The answers to whether this replica is ready, by name. What is wrong in detail is
// in the log alone.
const (
	readyRunning  = "running"  // it has begun, and was not told to stop
	readyDatabase = "database" // it answers
	readyLog      = "log"      // … and its newest head was signed with the key this replica has
	readyWorld    = "world"    // rules and directory are in force, and as new as the database has them
	readyLanes    = "lanes"    // each comes round; that a target does not answer is no matter of this
	readyWork     = "work"     // background work was begun
	readyRecovery = "recovery" // it does not stand in recovery: a database put back is not what anybody should ask
)

// ready is one answer.
type ready struct {
	name string
	err  error
}

// health is what is known of this replica's own state.
type health struct {
	running atomic.Bool
	working atomic.Bool

	mu    sync.Mutex
	asked time.Time
	last  []ready
	said  string // what was logged last
}

// begun says that this replica works and serves, until what it returns is called.
func (s *Server) begun() (ended func()) {
	s.health.running.Store(true)
	s.health.working.Store(true)
	return func() {
		s.health.running.Store(false)
		s.health.working.Store(false)
	}
}

// healthy answers whether this replica may be sent requests, at most as old as readyFresh.
func (s *Server) healthy(ctx context.Context) []ready {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	if time.Since(s.health.asked) < readyFresh {
		return s.health.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyWithin) // others have the answer too
	defer cancel()
	list := []ready{{readyRunning, unless(s.health.running.Load(), "it has not begun, or was told to stop")}}
	head, err := lastHead(ctx, s.db)
	list = append(list, ready{readyDatabase, err})
	if err == nil && head != "" {
		_, err = evidence.OpenCheckpoint(head, s.signer.VerifierKey())
	}
	list = append(list, ready{readyLog, err}, ready{readyWorld, s.worldInForce()}, ready{readyLanes, s.lanesRun()}, ready{readyWork, unless(s.health.working.Load(), "background work was not begun")},
		ready{readyRecovery, s.recovered(ctx)})
	s.health.last, s.health.asked = list, time.Now()
	s.sayReady(ctx, list)
	return list
}

// recovered says that the database was put back, and that people have not let it go on yet.
func (s *Server) recovered(ctx context.Context) error {
	halts, err := s.engine.Halts(ctx)
	for _, h := range halts {
		if h.Reason == access.HaltRecovery {
			return errors.New(h.Text)
		}
	}
	return err
}

func unless(ok bool, otherwise string) error {
	if ok {
		return nil
	}
	return errors.New(otherwise)
}

// worldInForce says what is wrong with the rules and the directory in force.
func (s *Server) worldInForce() error {
	w := s.world.Load()
	if w == nil || w.Policy == nil || w.Directory == nil {
		return errors.New("no rules or no directory")
	}
	s.roster.mu.Lock()
	defer s.roster.mu.Unlock()
	return unless(!s.roster.lapsed, "what the database adds to the directory could not be read for "+rosterOld.String())
}

// lanesRun says which lane has not come round.
func (s *Server) lanesRun() error {
	var errs []error
	for id, lane := range s.lanes {
		if came := lane.Pulse().Came; time.Since(came) > lane.LongestTurn() {
			errs = append(errs, fmt.Errorf("the lane of %s has not come round since %s", id, came.Format(time.RFC3339)))
		}
	}
	return errors.Join(errs...)
}

// sayReady logs what has changed since it was said last.
func (s *Server) sayReady(ctx context.Context, list []ready) {
	text := ""
	for _, r := range list {
		if r.err != nil {
			text += r.name + ": " + r.err.Error() + "; "
		}
	}
	switch {
	case text == s.health.said:
	case text == "":
		s.log.InfoContext(ctx, "ready")
	default:
		s.log.WarnContext(ctx, "not ready", "error", text)
	}
	s.health.said = text
}

// withHealth answers /healthz and /readyz before anything else: they need no
// database to say that it is gone.
func (s *Server) withHealth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			s.healthz(w, r)
		case "/readyz":
			s.readyz(w, r)
		case metricsPath:
			s.metricsAt(w, r, next)
		default:
			next.ServeHTTP(w, underTrace(r))
		}
	})
}

// healthz says that the process lives.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	if plainAnswer(w, r) {
		_, _ = io.WriteString(w, "ok\n") // whoever asked has gone if this fails
	}
}

// readyz says, name by name, whether this replica is ready; 503 where it is not.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if !plainAnswer(w, r) {
		return
	}
	text, status := "", http.StatusOK
	for _, is := range s.healthy(r.Context()) {
		word := "ok"
		if is.err != nil {
			word, status = "failed", http.StatusServiceUnavailable
		}
		text += is.name + " " + word + "\n"
	}
	text += "files " + s.alike() + "\n"
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// plainAnswer begins an answer in plain text to whoever only looks.
func plainAnswer(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	h.Set("Allow", "GET, HEAD")
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}
