package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// A copy of the folder that runs beside the original, and a database that was put back,
// agree with themselves: only whoever was shown the log's heads knows more. So where a
// quorum is needed, a process makes no access, and gives none back, before so many
// witnesses have answered it that they know no more of the log than it does: each was
// shown the newest head since this process began and signed it, signed before or not.
// What ends access waits for none of them.

// askAgain is the longest time after which one that has not answered is asked again.
const askAgain = 10 * time.Second

// answered is which witnesses have answered this process.
type answered struct {
	since  time.Time
	enough chan struct{} // closed once so many have that others need not

	mu sync.Mutex
	by map[string]bool // by their keys
}

// newAnswered begins with nobody having answered.
func newAnswered(now time.Time, q engine.Quorum) *answered {
	a := &answered{since: now, enough: make(chan struct{}), by: map[string]bool{}}
	a.count(q)
	return a
}

// is tells whether enough have answered.
func (a *answered) is() bool {
	select {
	case <-a.enough:
		return true
	default:
		return false
	}
}

// add notes that a witness has signed the newest head of this process.
func (a *answered) add(witness string, q engine.Quorum) {
	a.mu.Lock()
	a.by[witness] = true
	a.mu.Unlock()
	a.count(q)
}

// has tells whether a witness has answered.
func (a *answered) has(witness string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.by[witness]
}

// count sees whether enough of those there are have answered. Once that was so it stays
// so: a process is asked about its start once.
func (a *answered) count(q engine.Quorum) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range q.Witnesses {
		if a.by[w] {
			n++
		}
	}
	if n >= q.Need && !a.is() {
		close(a.enough)
	}
	return n
}

// unanswered is why nothing is granted before the witnesses have answered this process.
func (s *Server) unanswered() (list []access.Halt) {
	if s.answered.is() {
		return nil
	}
	q := s.quorum()
	return append(list, access.Halt{Reason: access.HaltWitness, At: s.answered.since,
		Text: fmt.Sprintf("since this process began %d of %d witnesses have signed its newest head, and %d must: only they know of a copy that runs elsewhere, or that the database was put back; it ends when they have",
			s.answered.count(q), len(q.Witnesses), q.Need)})
}

// askWitnesses asks them until enough have answered this process, or the context ends.
func (s *Server) askWitnesses(ctx context.Context) {
	if s.answered.is() {
		return
	}
	for wait := time.Second; ; wait = min(2*wait, askAgain) {
		if err := s.askOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the witnesses could not be asked", "error", err.Error())
		}
		if s.answered.is() {
			s.log.InfoContext(ctx, "the witnesses have answered this process")
			return
		}
		for _, h := range s.unanswered() {
			s.log.ErrorContext(ctx, "nothing is granted yet", "reason", h.Reason, "text", h.Text)
		}
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			again.Stop()
			return
		case <-s.answered.enough: // by the work that comes round, or by other files
			again.Stop()
		case <-again.C:
		}
	}
}

// askOnce shows the newest head to each witness that has not answered this process,
// also where it has signed that head before: that it still knows no more is the answer.
func (s *Server) askOnce(ctx context.Context) error {
	if s.answered.count(s.quorum()); s.answered.is() {
		return nil
	}
	at, err := s.engine.Witnessing(ctx)
	if err == nil && at.Head.Size == 0 {
		at, err = s.firstHead(ctx)
	}
	if err != nil || at.Head.Size == 0 {
		return err
	}
	s.showEach(ctx, func(witness string) (int64, bool) { return at.Last[witness], !s.answered.has(witness) })
	return nil
}

// firstHead signs the first head, if anything waits for one. A log without any event is
// taken for answered: nothing was ever granted by it, and whatever will be waits for
// witnesses by itself.
func (s *Server) firstHead(ctx context.Context) (at engine.Witnessing, err error) {
	var events int64
	if err := s.db.Read(ctx, func(tx *store.Tx) (err error) { events, _, err = tx.CountEvents(ctx); return err }); err != nil {
		return at, err
	}
	if events == 0 {
		for _, w := range s.quorum().Witnesses {
			s.answered.add(w, s.quorum())
		}
		return at, nil
	}
	if _, err := s.engine.Sequence(ctx); err != nil {
		return at, err
	}
	return s.engine.Witnessing(ctx)
}
