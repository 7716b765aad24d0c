package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/backup"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/store"
)

// This file changes the key that signs the log. The new key lies beside the old one
// before anything is stated; the statement is one transaction; then the files follow.
// Wherever it stops, one of the two files has the key that the database names, and both
// the next start and the command given again bring the files to their end.

// nextKey is where the key lies that is to sign the log next; nowhere, where the key is
// not in a file.
func nextKey(c *config.Config) (name string, ok bool) {
	name, ok = strings.CutPrefix(c.LogKeyRef, "file:")
	return name + ".next", ok
}

// nextSigner is another signer than the one the server began with, if there is one by now.
func (s *Server) nextSigner() *evidence.Signer {
	c := s.current.Load()
	if name, ok := nextKey(c); ok {
		if next, err := signerAt("file:" + name); err == nil {
			return next
		}
	}
	again, err := signerAt(c.LogKeyRef)
	if err != nil {
		return nil
	}
	return again
}

// earlierSigner is the signer of the key that was the log's before, while it lies beside it.
func (s *Server) earlierSigner() *evidence.Signer { return EarlierSigner(s.current.Load()) }

// EarlierSigner is the signer of the key that was the log's before, if it is still there.
func EarlierSigner(c *config.Config) *evidence.Signer {
	name, ok := strings.CutPrefix(c.LogKeyRef, "file:")
	if !ok {
		return nil
	}
	before, err := signerAt("file:" + name + ".old")
	if err != nil {
		return nil
	}
	return before
}

func signerAt(ref string) (*evidence.Signer, error) {
	key, err := secret.Open(ref)
	if err != nil {
		return nil, err
	}
	return evidence.NewSigner(strings.TrimSpace(key.Reveal()))
}

// PrepareLogKey makes the key that is to sign the log next, unless it is there, and
// returns where it lies and its public half. Nothing is signed with it yet.
func (s *Server) PrepareLogKey() (name, vkey string, err error) {
	name, ok := nextKey(s.current.Load())
	if !ok {
		return "", "", fmt.Errorf("%w: log_key_ref is not file:…: only a key in a file is changed by this command", access.ErrInvalid)
	}
	next, err := signerAt("file:" + name)
	if err == nil {
		return name, next.VerifierKey(), nil
	} else if _, serr := os.Stat(name); !errors.Is(serr, fs.ErrNotExist) {
		return "", "", fmt.Errorf("%w: %s is there and is no key: take it away: %w", access.ErrConflict, name, err)
	}
	skey, vkey, err := evidence.GenerateKey(rand.Reader, s.signer.Origin())
	if err != nil {
		return "", "", err
	}
	return name, vkey, backup.ReplaceFile(name, []byte(skey+"\n"))
}

// RotateLogKey has the prepared key sign the log from its newest head on.
func (s *Server) RotateLogKey(ctx context.Context, by access.Actor) (k access.LogKey, err error) {
	name, _, err := s.PrepareLogKey()
	if err != nil {
		return k, err
	}
	next, err := signerAt("file:" + name)
	if err != nil {
		return k, err
	}
	if _, err := s.engine.Sequence(ctx); err != nil {
		return k, err
	}
	if k, err = s.engine.RotateLogKey(ctx, by, next); err != nil {
		return k, err
	}
	if _, err := s.engine.Sequence(ctx); err != nil { // with the new key, the event of its own coming
		return k, err
	}
	return k, settleKeys(ctx, s.current.Load(), s.db)
}

// settleKeys brings the files of the keys to what the database says: once the prepared
// key signs the log, it is the key, and log.pub tells of it.
func settleKeys(ctx context.Context, c *config.Config, db *store.DB) error {
	name, ok := nextKey(c)
	if !ok {
		return nil
	}
	next, err := signerAt("file:" + name)
	if err != nil {
		return nil //nolint:nilerr // there is none, or none yet
	}
	var keys evidence.Keys
	err = db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.LogKeys(ctx)
		if err != nil || len(rows) == 0 || rows[len(rows)-1].Key != next.VerifierKey() {
			return err
		}
		keys, err = engine.LogKeys(ctx, tx, next.VerifierKey())
		return err
	})
	if err != nil || keys.Newest() == "" {
		return err
	}
	// log.pub first: from here on it verifies what either key signed.
	if err := os.WriteFile(filepath.Join(c.Dir, "log.pub.new"), []byte(keys.Text()), 0o644); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(c.Dir, "log.pub.new"), filepath.Join(c.Dir, "log.pub")); err != nil {
		return err
	}
	key := strings.TrimSuffix(name, ".next")
	if err := os.Rename(key, key+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(name, key)
}
