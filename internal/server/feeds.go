package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/source/table"
)

// feeds are those that the files in force name.
func (s *Server) feeds() []access.Feed { return s.current.Load().Feeds }

// feedReader reads feeds whole.
type feedReader struct {
	river.WorkerDefaults[engine.FeedJob]
	s *Server
}

// Timeout implements river.Worker.
func (w *feedReader) Timeout(*river.Job[engine.FeedJob]) time.Duration { return inventoryTime }

// Work implements river.Worker. A reading that fails is not tried again by itself: the next one is due soon enough.
func (w *feedReader) Work(ctx context.Context, job *river.Job[engine.FeedJob]) error {
	err := w.s.ReadFeed(ctx, job.Args.Feed)
	if errors.Is(err, access.ErrNotFound) {
		return nil // it is no longer in the files
	}
	text := ""
	if err != nil {
		w.s.log.WarnContext(ctx, "feed", "feed", job.Args.Feed, "error", err.Error())
		text = fmt.Sprintf("Feed %s could not be read whole, so nothing of it was taken: who has joined, moved or left since is not known. The server's log says why.", job.Args.Feed)
	}
	return w.s.engine.Find(ctx, access.FeedUnread, job.Args.Feed, "security", text, 24*time.Hour)
}

// ReadFeed reads a feed whole, and has the engine take it.
func (s *Server) ReadFeed(ctx context.Context, id string) error {
	for _, f := range s.feeds() {
		if f.ID != id {
			continue
		}
		source, err := table.New(f)
		if err != nil {
			return err
		}
		began := time.Now()
		records, err := source.Read(ctx)
		if err != nil {
			return err
		}
		drift, err := s.engine.FeedRead(ctx, id, began, records)
		s.log.InfoContext(ctx, "feed read", "feed", id, "records", len(records), "new", drift.New, "changed", drift.Changed, "left", drift.Left, "doubted", drift.Doubted, "held", drift.Held, "moved", drift.Moved)
		return err
	}
	return fmt.Errorf("%w: there is no feed %.80q", access.ErrNotFound, id)
}
