package abuse

import (
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/clock"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/store"
)

// wall is what the wall clock of the site's machine says.
func (s *site) wall() time.Time { return time.Now().Add(s.ahead) }

// clocks are those of the site's machine: a wall clock that was set, and one that nobody sets.
func (s *site) clocks() []server.Option {
	if s.ahead == 0 {
		return nil
	}
	began, ahead := time.Now(), s.ahead
	return []server.Option{server.MachineClock(clock.Readers{Wall: func() time.Time { return time.Now().Add(ahead) }, Run: func() time.Duration { return time.Since(began) }})}
}

// Whoever sets the clock of the server's machine, or edits the time that is kept, gets
// nothing extended, nothing ended at once for all, and nothing granted; what is revoked
// meanwhile is gone. Only security says what time it is.
func TestAB69_ClockSetAheadAndBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	ann := s.granted("ann", engine.Ask{Entitlements: []string{"work:wiki"}, Reason: "to write", Term: access.Term(15 * time.Minute)}, "mia")
	bob := s.granted("bob", engine.Ask{Entitlements: []string{"work:wiki"}, Reason: "to write", Term: access.Term(4 * time.Hour)}, "mia")
	s.soon("both are seen", func() bool {
		return s.state("ann", ann.ID) == access.Held && s.state("bob", bob.ID) == access.Held
	})
	// 1. Twenty minutes ahead while stopped: what is due by that alone waits.
	s.halt()
	s.ahead = 20 * time.Minute
	s.run()
	code, out, errs := s.lessor("ann", "request", "work:lobby", "--reason", "to sit", "--term", "10m")
	if code != 5 || !strings.Contains(errs, "nothing is granted now (clock: the wall clock jumped") {
		t.Errorf("an ask: exit code %d\n%s%s", code, out, errs)
	}
	if err := s.as("olga").Revoke(t.Context(), bob.ID, "at once"); err != nil {
		t.Fatal(err)
	}
	s.soon("bob is seen gone", func() bool { return s.state("bob", bob.ID) == access.Absent })
	if !s.holds("ann", "wiki") || s.holds("bob", "wiki") {
		t.Errorf("held: %v", s.target.Members("wiki"))
	}
	if code, out, _ := s.lessor("ann", "clock"); code != 0 || !strings.Contains(out, "clock") || !strings.Contains(out, "ahead") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	// 2. Not by whoever waits for a grant; by security it ends, and what was due with it.
	if code, _, errs := s.lessor("ann", "clock", "accept", "--reason", "it is right"); code != 3 {
		t.Errorf("accepted by anybody: exit code %d\n%s", code, errs)
	}
	if code, out, errs := s.lessor("sam", "clock", "accept", "--reason", "the clocks of the room say so"); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	s.soon("ann is gone", func() bool { return !s.holds("ann", "wiki") })
	s.soon("ann is seen gone", func() bool { return s.state("ann", ann.ID) == access.Absent })
	if _, err := s.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}})); err != nil {
		t.Errorf("grants are not given again: %v", err)
	}
	// 3. Two hours back: time goes on where it was, and nothing lasts longer.
	s.halt()
	s.ahead = -2 * time.Hour
	was := s.kept()
	s.run()
	if _, err := s.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}})); status(err) != 503 {
		t.Errorf("granted by a clock that went back: %v", err)
	}
	s.halt()
	if is := s.kept(); is.Before(was) {
		t.Errorf("time went back from %s to %s", was, is)
	}
	// 4. The time that is kept is edited: it is not believed, and said.
	s.ahead = 20 * time.Minute
	s.sql("update clock set mark = mark + 86400000000")
	s.run()
	if list, err := s.as("ann").Halts(t.Context()); err != nil || len(list) == 0 {
		t.Errorf("nobody noticed: %v, %v", list, err)
	}
	if !strings.Contains(s.log.all(), "the mark of time in the database was edited") {
		t.Error("the log does not say so")
	}
}

// kept is the latest time at which anything was done.
func (s *site) kept() (last time.Time) {
	s.t.Helper()
	db := s.inspect()
	defer db.Close()
	if err := db.Read(s.t.Context(), func(tx *store.Tx) error {
		k, err := tx.Timekeeping(s.t.Context())
		last = k.Mark
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	return last
}
