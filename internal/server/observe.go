package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/watch"
)

const metricsPath = "/metrics"

// MetricsAt has figures listened for at another address than the files say: several
// replicas on one machine share their files.
func MetricsAt(addr string) Option { return func(s *Server) { s.beside = addr } }

// watch has what is done counted, and makes what answers with the figures if the
// files say that somebody asks.
func (s *Server) watch(c *config.Config) error {
	s.figures = watch.New(programVersion())
	s.db.Timed = s.room.heeding(s.figures.Transaction)
	s.engine.Watch = s.figures.Verb
	for _, lane := range s.lanes {
		lane.Watch = func(_ context.Context, t reconcile.Turn) { s.figures.Turn(t) }
	}
	if c.Traces != nil {
		s.trace(c.Traces)
	}
	if s.beside != "" && (c.Metrics == nil || c.Metrics.Listen == "") {
		return fmt.Errorf("%w: --metrics says where figures are read, and lessor.yaml does not say that they are: write metrics with listen there", access.ErrInvalid)
	}
	if c.Metrics == nil {
		return nil
	}
	var token func() (string, error)
	if ref := c.Metrics.TokenRef; ref != "" {
		token = func() (string, error) { // read anew each time: it can be rotated in place
			v, err := secret.Open(ref)
			return strings.TrimSpace(v.Reveal()), err
		}
	}
	answer, err := s.figures.Handler(watch.State{Feel: s.feel, Lanes: s.pulses, Ready: s.readyNow, Degraded: s.degradedNames, Halts: s.haltedFor, Free: s.freeBytes,
		Spans: s.spanCounts, Replicas: s.replicaCount, Seen: s.followed, Now: time.Now}, token)
	s.metrics = answer
	return err
}

func (s *Server) feel(ctx context.Context) (report.Pulse, error) {
	return report.Feel(ctx, s.db, s.world.Load().Directory.Systems(), time.Now())
}

func (s *Server) pulses() map[string]reconcile.Pulse {
	list := map[string]reconcile.Pulse{}
	for id, lane := range s.lanes {
		list[id] = lane.Pulse()
	}
	return list
}

func (s *Server) readyNow(ctx context.Context) map[string]bool {
	is := map[string]bool{}
	for _, r := range s.healthy(ctx) {
		is[r.name] = r.err == nil
	}
	return is
}

// haltedFor lists why nothing is granted now, as far as that can be read.
func (s *Server) haltedFor() (why []string) {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	list, err := s.engine.Halts(ctx)
	if err != nil {
		return nil // what reads the database says that it cannot
	}
	for _, h := range list {
		why = append(why, string(h.Reason))
	}
	return why
}

func (s *Server) degradedNames() (names []string) {
	for _, d := range s.Degraded() {
		names = append(names, d.What)
	}
	return names
}

// metricsAt answers on the door that people and programs use: only where figures have
// no listener of their own, and then to the token alone.
func (s *Server) metricsAt(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if c := s.current.Load().Metrics; s.metrics == nil || c == nil || c.Listen != "" || c.TokenRef == "" {
		next.ServeHTTP(w, r) // there is nothing here
		return
	}
	s.metrics.ServeHTTP(w, r)
}

// listenMetrics opens the figures' own listener; nil: they have none.
func (s *Server) listenMetrics() (net.Listener, error) {
	c := s.current.Load().Metrics
	if c == nil || c.Listen == "" {
		return nil, nil
	}
	addr := c.Listen
	if s.beside != "" {
		addr = s.beside
		at, err := netip.ParseAddrPort(addr)
		if err != nil || (!at.Addr().IsLoopback() && c.TokenRef == "") {
			return nil, fmt.Errorf("%w: --metrics %q must be an address and a port, such as 127.0.0.1:9317; others than loopback need token_ref of metrics in lessor.yaml", access.ErrInvalid, addr)
		}
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: something listens on %s already: stop it, or say another address with --metrics or in lessor.yaml (metrics)", access.ErrConflict, addr)
	} else if err != nil {
		return nil, fmt.Errorf("%w: listen on %s (metrics of lessor.yaml): %w", access.ErrInvalid, addr, err)
	}
	return l, nil
}

// serveMetrics answers there until what it returns is called: with the figures, and
// with whether this replica lives and is ready, for whoever cannot reach the loopback.
func (s *Server) serveMetrics(l net.Listener) (stop func()) {
	if l == nil {
		return func() {}
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, s.metrics)
	mux.HandleFunc("/healthz", s.healthz)
	mux.HandleFunc("/readyz", s.readyz)
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	s.log.Info("metrics", "address", l.Addr().String())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics", "error", err.Error())
		}
	}()
	return func() {
		if err := h.Close(); err != nil {
			s.log.Warn("metrics", "error", err.Error())
		}
		<-ended
	}
}

// timekeeper counts background work, and says how long it took.
type timekeeper struct {
	river.MiddlewareDefaults
	figures *watch.Figures
}

// Work implements [rivertype.WorkerMiddleware].
func (k *timekeeper) Work(ctx context.Context, job *rivertype.JobRow, do func(context.Context) error) error {
	began := time.Now()
	err := do(ctx)
	k.figures.Job(job.Kind, time.Since(began), err)
	return err
}
