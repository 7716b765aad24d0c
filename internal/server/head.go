package server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/backup"
)

// headFile is the newest signed head of the log, kept outside the database: a
// database restored from an old copy, cut back or rewritten shows against it.
const headFile = "log.head"

// continues refuses a log that does not go on from the head kept beside the
// configuration.
func (s *Server) continues(ctx context.Context) error {
	name := filepath.Join(s.current.Load().State, headFile)
	kept, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever signed here
	} else if err != nil {
		return err
	}
	return s.goesOn(ctx, name, string(kept))
}

// kept is what of the log was last written down, by this process.
type kept struct {
	mu   sync.Mutex
	head string
	back bool // it was said that the log went back
}

// keepHead writes the newest head down, whole or not at all, unless it stands there
// already. Where it cannot, the server goes on: ending access does not wait for a file.
func (s *Server) keepHead(ctx context.Context) {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	head, err := lastHead(ctx, s.db)
	if err == nil && (head == "" || head == s.kept.head) {
		return
	}
	// A log that went back meanwhile must not write over what shows it.
	if err == nil {
		if err = errors.Join(s.continues(ctx), s.continuesCopy(ctx)); errors.Is(err, access.ErrConflict) || s.kept.back {
			s.kept.back = errors.Is(err, access.ErrConflict)
			s.tellBack(ctx, err)
		}
	}
	if err == nil {
		err = errors.Join(backup.ReplaceFile(filepath.Join(s.current.Load().State, headFile), []byte(head)), s.keepCopy(ctx, head))
	}
	if err != nil {
		s.log.ErrorContext(ctx, "the log's head could not be written down", "error", err.Error())
		return
	}
	s.kept.head = head
}
