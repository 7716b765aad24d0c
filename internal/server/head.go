package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lessor-iam/lessor/internal/report"
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
	if err := report.Continues(ctx, s.db, s.signer.VerifierKey(), string(kept)); err != nil {
		return fmt.Errorf("the database does not go on from the head of the log in %s; restore the right one, or, if this is meant, move that file away: %w", name, err)
	}
	return nil
}

// keepHead writes the newest head down, whole or not at all. Where it cannot, the
// server goes on: ending access does not wait for a file.
func (s *Server) keepHead(ctx context.Context) {
	head, err := proof{s}.Checkpoint(ctx)
	if err == nil {
		name := filepath.Join(s.current.Load().State, headFile)
		err = replaceFile(name, []byte(head))
	}
	if err != nil {
		s.log.ErrorContext(ctx, "the log's head could not be written down", "error", err.Error())
	}
}

// replaceFile writes a file whole or not at all. Each writer has a file of its own
// until then: replicas on one machine share the folder.
func replaceFile(name string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.new")
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
