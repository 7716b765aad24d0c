package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/riverqueue/river"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/witness"
)

// watchers makes the witnesses that are configured, or says all that is wrong with them.
func watchers(c *config.Config) (list []*witness.Witness, err error) {
	var errs []error
	for _, w := range c.Witnesses.List {
		one, err := witness.New(witness.Config{ID: w.ID, URL: w.URL, Key: w.Key})
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: witnesses.yaml: %w", access.ErrInvalid, err))
		}
		list = append(list, one)
	}
	return list, errors.Join(errs...)
}

// quorum is what the files in force say of the witnesses.
func (s *Server) quorum() engine.Quorum {
	c := s.current.Load().Witnesses
	q := engine.Quorum{Need: c.Quorum, Within: c.Within}
	for _, w := range c.List {
		q.Witnesses = append(q.Witnesses, w.Key)
	}
	return q
}

// witnesser shows the newest head to the witnesses.
type witnesser struct {
	river.WorkerDefaults[engine.WitnessJob]
	s *Server
}

// Work implements river.Worker. A witness that does not answer is asked again when the
// job comes round: nothing else waits for it.
func (w *witnesser) Work(ctx context.Context, _ *river.Job[engine.WitnessJob]) error {
	return w.s.showWitnesses(ctx)
}

// showWitnesses shows the newest head to each, all at once, and has the engine see how
// far they are.
func (s *Server) showWitnesses(ctx context.Context) error {
	at, err := s.engine.Witnessing(ctx)
	if err != nil {
		return err
	}
	s.showEach(ctx, func(witness string) (int64, bool) {
		return at.Last[witness], at.Head.Size > 0 && at.Last[witness] != at.Head.Size
	})
	s.publish(ctx)
	return s.engine.Witnessed(ctx)
}

// showEach shows the newest head to those witnesses that which names, from the size
// that it says each signed last. What they answer is kept; that one does not is logged.
func (s *Server) showEach(ctx context.Context, which func(witness string) (last int64, is bool)) {
	var asked sync.WaitGroup
	for _, w := range *s.watchers.Load() {
		last, is := which(w.Key)
		if !is {
			continue
		}
		asked.Go(func() {
			if err := s.show(ctx, w, last); err != nil {
				s.log.WarnContext(ctx, "witness", "witness", w.ID, "error", err.Error())
			}
		})
	}
	asked.Wait()
}

// showTries bounds how often one witness is asked in a round: other replicas show it
// heads, too, so that it may be ahead of what we knew of it.
const showTries = 4

// show shows the newest head to one witness. If we stop after it has signed, it says so
// when it is asked next: what it answers is kept, never assumed.
func (s *Server) show(ctx context.Context, w *witness.Witness, last int64) error {
	for range showTries {
		// 1. The newest head, and the proof that leads to it from what the witness signed.
		head, proof, err := s.headFrom(ctx, last)
		if errors.Is(err, errBeyond) {
			return s.forked(ctx, w, fmt.Sprintf("it has signed a head of %d events, and this log has %d", last, head.Size))
		} else if err != nil {
			return err
		}
		// 2. What it says.
		line, err := w.Show(ctx, last, proof, head.Note)
		var ahead *witness.AtSize
		switch {
		case err == nil:
			if err := s.engine.Cosigned(ctx, w.Key, head.Size, line); err != nil {
				return err
			}
			s.answered.add(w.Key, s.quorum())
			return nil
		case errors.Is(err, witness.ErrRefused) || (errors.As(err, &ahead) && ahead.Size == last):
			return s.forked(ctx, w, fmt.Sprintf("it signed a log whose first %d events are others than here", last))
		case errors.As(err, &ahead):
			last = ahead.Size
		default:
			return err
		}
	}
	return fmt.Errorf("witness %s: others show it heads all the time", w.ID)
}

func (s *Server) forked(ctx context.Context, w *witness.Witness, what string) error {
	return errors.Join(fmt.Errorf("witness %s: %s", w.ID, what), s.engine.Forked(ctx, "witness "+w.ID, what))
}

// errBeyond says that a witness has signed more than there is.
var errBeyond = errors.New("the witness is beyond the log")

// headFrom reads the newest head, and proves that it continues the log at a size.
func (s *Server) headFrom(ctx context.Context, last int64) (head store.Checkpoint, proof []tlog.Hash, err error) {
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		if head, err = tx.LastCheckpoint(ctx); err != nil {
			return err
		}
		if last > head.Size {
			return errBeyond
		}
		if last == head.Size {
			proof = nil
			return nil
		}
		proof, err = evidence.ProveConsistency(ctx, engine.Tiles{Tx: tx}, last, head.Size)
		return err
	})
	return head, proof, err
}

// cosigned adds to a signed head what the witnesses have signed of it.
func cosigned(ctx context.Context, tx *store.Tx, q engine.Quorum, head store.Checkpoint) (string, error) {
	note := head.Note
	for _, w := range q.Witnesses {
		list, err := tx.Cosignatures(ctx, w)
		if err != nil {
			return "", err
		}
		for _, c := range list {
			if c.Size == head.Size {
				note += c.Line
			}
		}
	}
	return note, nil
}
