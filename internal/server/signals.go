package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/signal"
)

// signalRoom makes the room of signals as the files say it; nil where they say nothing.
func (s *Server) signalRoom(c *config.Config) (*signal.Room, error) {
	if c.Signals == nil {
		return nil, nil
	}
	of := signal.Config{Door: s.engine, Issuer: c.Signals.Issuer, Now: s.now, Log: s.log}
	pace := &auth.Pace{Burst: 300, PerSec: 30} // of one transmitter
	of.Spend = func(id string) bool { return pace.Spend(id, s.now()) }
	for _, t := range c.Signals.Transmitters {
		src := signal.Source{ID: t.ID, Issuer: t.Issuer, Audience: t.Audience, Token: t.Token, Endpoint: t.Poll, Access: opened(t.TokenRef)}
		if t.KeysFile == "" {
			src.Keys = signal.RemoteKeys(t.JWKSURL, time.Now)
		} else {
			raw, err := os.ReadFile(t.KeysFile)
			if err != nil {
				return nil, fmt.Errorf("%w: keys_file of transmitter %s: %w", access.ErrInvalid, t.ID, err)
			}
			if src.Keys, err = signal.FixedKeys(raw); err != nil {
				return nil, fmt.Errorf("keys_file of transmitter %s: %w", t.ID, err)
			}
		}
		of.Sources = append(of.Sources, src)
	}
	for _, r := range c.Signals.Receivers {
		of.Receivers = append(of.Receivers, signal.Receiver{ID: r.ID, Audience: r.Audience, URL: r.URL, Access: opened(r.TokenRef), Token: r.Token})
	}
	if len(of.Receivers) > 0 {
		key, before := "", ""
		for ref, to := range map[string]*string{c.Signals.KeyRef: &key, c.Signals.OldKeyRef: &before} {
			if ref == "" {
				continue
			}
			v, err := secret.Open(ref)
			if err != nil {
				return nil, fmt.Errorf("%w: the key that signs signals: %w", access.ErrInvalid, err)
			}
			*to = v.Reveal()
		}
		var err error
		if of.Signer, err = signal.NewSigner(c.Signals.Issuer, key, before); err != nil {
			return nil, fmt.Errorf("the key that signs signals: %w", err)
		}
	}
	return signal.New(of)
}

// opened reads a token anew at each use; nil where there is none.
func opened(ref string) func() (string, error) {
	if ref == "" {
		return nil
	}
	return func() (string, error) {
		v, err := secret.Open(ref)
		return v.Reveal(), err
	}
}

// withSignals sends what is about signals to their room, and the rest to the other doors.
func (s *Server) withSignals(others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		room := s.signals.Load()
		switch {
		case !strings.HasPrefix(p, signal.Below) && p != signal.Discovery && p != signal.KeysAt:
			others.ServeHTTP(w, r)
		case room == nil:
			http.NotFound(w, r)
		default:
			room.ServeHTTP(w, r)
		}
	})
}

// signalRounds are the rounds of signals: what was missed when it was written is sent,
// and transmitters that do not send are asked.
func (s *Server) signalRounds(wanted map[string]round) {
	c := s.current.Load().Signals
	if c == nil {
		return
	}
	for _, r := range c.Receivers {
		wanted["signals to "+r.ID] = round{every: 10 * time.Second, args: engine.SignalJob{Receiver: r.ID}}
	}
	for _, t := range c.Transmitters {
		if t.Poll != "" {
			wanted["signals of "+t.ID] = round{every: t.Every, args: fetchSignals{t.ID}}
		}
	}
}

// messenger sends a receiver what waits for it.
type messenger struct {
	river.WorkerDefaults[engine.SignalJob]
	s *Server
}

// Work implements river.Worker.
func (w *messenger) Work(ctx context.Context, job *river.Job[engine.SignalJob]) error {
	room := w.s.signals.Load()
	if room == nil {
		return nil
	}
	more, err := room.Send(ctx, job.Args.Receiver)
	if err == nil && more {
		return river.JobSnooze(0)
	}
	return err
}

// fetchSignals asks that a transmitter be asked.
type fetchSignals struct {
	Transmitter string `json:"transmitter" river:"unique"`
}

// Kind implements river.JobArgs.
func (fetchSignals) Kind() string { return "fetch_signals" }

// InsertOpts keeps one job a transmitter: two would take what it says out of its order.
func (fetchSignals) InsertOpts() river.InsertOpts {
	return engine.SignalJob{}.InsertOpts()
}

// listener asks a transmitter for what it has for us.
type listener struct {
	river.WorkerDefaults[fetchSignals]
	s *Server
}

// Timeout implements river.Worker.
func (w *listener) Timeout(*river.Job[fetchSignals]) time.Duration { return 5 * time.Minute }

// Work implements river.Worker. A transmitter that does not answer is asked again when
// it is due; that it does not is told.
func (w *listener) Work(ctx context.Context, job *river.Job[fetchSignals]) error {
	room := w.s.signals.Load()
	if room == nil {
		return nil
	}
	id, text := job.Args.Transmitter, ""
	_, err := room.Fetch(ctx, id)
	if err != nil {
		w.s.log.WarnContext(ctx, "signals", "transmitter", id, "error", err.Error())
		text = fmt.Sprintf("Transmitter %s could not be asked for its signals: nobody hears whose account is disabled there. The server's log says why.", id)
	}
	return w.s.engine.Find(ctx, "signals_unread", id, "security", text, 24*time.Hour)
}
