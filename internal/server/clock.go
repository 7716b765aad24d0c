package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/backup"
	"github.com/lessor-iam/lessor/internal/clock"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// markFile is the time as it is kept beside the database: who has a copy of that from
// yesterday does not live yesterday again.
const markFile = "clock.mark"

// keptEvery is how often the clocks are compared and the time is kept.
const keptEvery = 5 * time.Second

// keeper is the time the whole server goes by, and what is done where it is in doubt.
type keeper struct {
	*clock.Clock
	halt   string // the halt this process has begun or found because its clock is off
	edited error  // why the mark in the database is not believed
	before bool   // time was kept beside the database before this process began
}

// now tells the time for everything that is decided or stored by it.
func (s *Server) now() time.Time { return s.time.Now() }

// MachineClock has the server read these clocks instead of the machine's.
func MachineClock(r clock.Readers) Option { return func(s *Server) { s.machine = &r } }

// openTime begins the time where what was kept of it ends, here and in the database.
func (s *Server) openTime(ctx context.Context, c *config.Config) error {
	kept, err := readMark(filepath.Join(c.State, markFile))
	if err != nil {
		s.log.WarnContext(ctx, "the time kept beside the database cannot be read; only what the database says counts", "error", err.Error())
	}
	shared, edited := engine.TimeKept(ctx, s.db, s.signer)
	if edited != nil && !errors.Is(edited, access.ErrConflict) {
		return edited
	}
	var open []access.Halt
	if err := s.db.Read(ctx, func(tx *store.Tx) (err error) { open, err = tx.OpenHalts(ctx); return err }); err != nil {
		return err
	}
	since := time.Time{}
	for _, h := range open {
		if h.Reason == access.HaltClock {
			since = h.At
		}
	}
	machine := clock.Machine()
	if s.machine != nil {
		machine = *s.machine
	}
	s.time = keeper{Clock: clock.New(machine, c.Clock, kept, shared, since), edited: edited, before: kept != clock.Mark{}}
	return nil
}

// halted is why nothing is granted as far as only this process sees.
func (s *Server) halted() []access.Halt {
	list := slices.Concat(s.room.halted(), s.unanswered())
	if off, is := s.time.Off(); is {
		list = append(list, access.Halt{Reason: access.HaltClock, Text: off.Text(), At: off.Since})
	}
	if h := s.unconfirmed.Load(); h != nil {
		list = append(list, *h)
	}
	return list
}

// keepTime compares the clocks and keeps the time, here and in the database, and sees
// to it that everybody knows where they contradict each other. Where it cannot, the
// server goes on: the clock goes by what it knows.
func (s *Server) keepTime(ctx context.Context) {
	// 1. The clocks.
	leapt := s.time.Look(func() time.Time { return s.db.OtherClock(ctx) })
	// 2. What is kept. A mark that others have reached is reached here, too.
	mark, err := s.engine.KeepTime(ctx, s.time.Now())
	switch {
	case errors.Is(err, access.ErrConflict):
		s.time.edited = err
	case err == nil:
		s.time.edited = nil
		leapt += max(0, mark.Sub(s.time.Now()))
		s.time.Reach(mark)
	}
	err = errors.Join(err, writeMark(filepath.Join(s.current.Load().State, markFile), s.time.Mark()))
	// 3. What people have to know, and to say.
	before := s.time.Now()
	if err = errors.Join(err, s.doubtTime(ctx)); err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "the time could not be kept", "error", err.Error())
	}
	leapt += s.time.Now().Sub(before)
	// 4. What became due by it: nobody sleeps through it.
	if leapt > time.Second {
		s.log.WarnContext(ctx, "time leapt", "by", leapt.String(), "to", s.time.Now())
		for id := range s.lanes {
			s.nudge(id, s.time.Now())
		}
	}
}

// doubtTime begins a halt where the clock is off or its mark was edited, and takes what
// people said to it.
func (s *Server) doubtTime(ctx context.Context) error {
	off, doubt := s.time.Off()
	text := off.Text()
	if s.time.edited != nil {
		doubt, text = true, s.time.edited.Error()+" (lessor clock accept writes it anew)"
	}
	if s.time.halt != "" {
		h, err := s.engine.HaltOf(ctx, s.time.halt)
		if err != nil {
			return err
		}
		switch {
		case !h.EndedAt.IsZero():
			if s.time.halt = ""; len(h.EndedBy) > 0 {
				s.time.Accept()
				return nil
			}
		case !doubt:
			s.time.halt = ""
			return s.engine.ClockAgrees(ctx, h.ID)
		}
	}
	if !doubt || s.time.halt != "" {
		return nil
	}
	h, err := s.engine.Halt(ctx, access.HaltClock, text)
	s.time.halt = h.ID
	return err
}

// watchTime keeps the time until the context ends, by timers that nobody sets.
func (s *Server) watchTime(ctx context.Context) {
	every := time.NewTicker(keptEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			s.keepTime(ctx)
		}
	}
}

// readMark reads what is kept beside the database; the zero one where nothing is.
func readMark(name string) (m clock.Mark, err error) {
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	} else if err != nil {
		return m, err
	}
	lines := strings.Split(string(raw), "\n")
	if len(lines) < 3 {
		return m, fmt.Errorf("%w: %s has not the three lines it is written with", access.ErrInvalid, name)
	}
	at, err := time.Parse(time.RFC3339Nano, lines[0])
	up, err2 := strconv.ParseInt(lines[2], 10, 64)
	if err = errors.Join(err, err2); err != nil {
		return m, fmt.Errorf("%w: %s: %w", access.ErrInvalid, name, err)
	}
	return clock.Mark{At: at, Boot: lines[1], Up: time.Duration(up)}, nil
}

// writeMark writes the time, and this start of the machine and for how long it has been up.
func writeMark(name string, m clock.Mark) error {
	return backup.ReplaceFile(name, fmt.Appendf(nil, "%s\n%s\n%d\n", m.At.UTC().Format(time.RFC3339Nano), m.Boot, m.Up))
}
