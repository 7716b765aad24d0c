package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/store"
)

// openKey reads the key that signs the log.
func openKey(c *config.Config) (*evidence.Signer, error) {
	key, err := secret.Open(c.LogKeyRef)
	if name, ok := nextKey(c); err != nil && ok { // it was about to be put in its place
		if next, nerr := signerAt("file:" + name); nerr == nil {
			return next, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the log's signing key (log_key_ref of lessor.yaml): %w", access.ErrInvalid, err)
	}
	signer, err := evidence.NewSigner(strings.TrimSpace(key.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("%w: the log's signing key (log_key_ref of lessor.yaml): %w", access.ErrInvalid, err)
	}
	return signer, nil
}

// lastHead is the newest signed head of the log; empty while nothing is signed.
func lastHead(ctx context.Context, db *store.DB) (head string, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		c, err := tx.LastCheckpoint(ctx)
		head = c.Note
		return err
	})
	return head, err
}

// signedBy refuses a log that another key has signed.
func signedBy(ctx context.Context, db *store.DB, signer *evidence.Signer) error {
	head, err := lastHead(ctx, db)
	if err != nil || head == "" {
		return err
	}
	keys := evidence.Keys{}
	err = db.Read(ctx, func(tx *store.Tx) error { keys, err = engine.LogKeys(ctx, tx, signer.VerifierKey()); return err })
	if err == nil {
		_, err = keys.OpenCheckpoint(head)
	}
	if err != nil {
		return fmt.Errorf("%w: the log in the database was not signed with the configured key; put back the key it was signed with: %w", access.ErrConflict, err)
	}
	return nil
}

// checkTime is how long a check waits for a database that is not a file.
const checkTime = 5 * time.Second

// CheckKey says whether the log's key can be read and is the key of the log there
// is: of its head kept beside the configuration, and of the database, which is
// only read. What cannot be told from here is a warning.
func CheckKey(ctx context.Context, c *config.Config) (warnings []string, err error) {
	// 1. The key itself. A variable of the server's need not be set where it is checked.
	signer, err := openKey(c)
	if name, ok := strings.CutPrefix(c.LogKeyRef, "env:"); ok && os.Getenv(name) == "" {
		return []string{fmt.Sprintf("log_key_ref: %s is not set here: whether the log was signed with it is not checked", c.LogKeyRef)}, nil
	}
	if err != nil {
		return nil, err
	}
	// 2. What was written down beside it.
	pub, err := os.ReadFile(filepath.Join(c.Dir, "log.pub"))
	if keys, bad := evidence.ParseKeys(string(pub)); err == nil && (bad != nil || keys.Newest() != signer.VerifierKey()) {
		warnings = append(warnings, "log.pub: is not the public half of the log's signing key: evidence will not verify with it")
	}
	head, err := os.ReadFile(filepath.Join(c.State, headFile))
	if err == nil {
		key := signer.VerifierKey()
		if keys, bad := evidence.ParseKeys(string(pub)); bad == nil && keys.Newest() == key {
			key = keys.Text() // it may have been signed by the key before
		}
		_, err = evidence.OpenCheckpoint(string(head), key, evidence.AllowCosignatures())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return warnings, fmt.Errorf("%w: %s was not signed with the configured key: %w", access.ErrConflict, headFile, err)
	}
	// 3. The log in the database, if there is one.
	dsn, err := DSN(c)
	if err != nil {
		return append(warnings, err.Error()+": whether the log there was signed with the configured key is not checked"), nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	db, err := store.Inspect(ctx, dsn)
	if errors.Is(err, access.ErrNotFound) {
		return warnings, nil
	}
	if err == nil {
		err = errors.Join(signedBy(ctx, db, signer), db.Close())
	}
	if err != nil && !errors.Is(err, access.ErrConflict) {
		return append(warnings, fmt.Sprintf("whether the log was signed with the configured key is not checked: the database cannot be read: %v", err)), nil
	}
	return warnings, err
}
