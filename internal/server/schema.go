package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/store"
)

// openStore opens the database: as its owner, who brings the schema up to date, or,
// where another role does that, as one that cannot.
func (s *Server) openStore(ctx context.Context, c *config.Config, dsn string) (*store.DB, error) {
	if c.SchemaRef == "" {
		return store.Open(ctx, dsn)
	}
	db, err := store.OpenAs(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if why, err := db.Mighty(ctx); err != nil || why != "" {
		s.log.WarnContext(ctx, "the database role of the server may do more than a server needs: give database_ref another one, and run lessor migrate", "why", why, "error", err)
	}
	return db, nil
}

// Migrate brings the configured database's schema up to date. Where a role of its
// own owns it, the role that servers run as gets what they need and nothing else:
// that of database_ref, unless it is named.
func Migrate(ctx context.Context, c *config.Config, role string) (db *store.DB, runs string, err error) {
	// 1. As whom.
	if c.SchemaRef == "" {
		if role != "" {
			return nil, "", fmt.Errorf("%w: lessor.yaml has no schema_ref: servers own the schema themselves", access.ErrInvalid)
		}
		dsn, err := DSN(c)
		if err != nil {
			return nil, "", err
		}
		db, err = store.Open(ctx, dsn)
		return db, "", err
	}
	owner, err := secret.Open(c.SchemaRef)
	if err != nil {
		return nil, "", fmt.Errorf("%w: schema_ref: %w", access.ErrInvalid, err)
	}
	// 2. For whom.
	if runs = role; runs == "" {
		dsn, err := DSN(c)
		if err != nil {
			return nil, "", fmt.Errorf("%w; name the role as which servers run with --role", err)
		}
		if runs, err = store.Role(dsn); err != nil {
			return nil, "", fmt.Errorf("database_ref: %w", err)
		}
	}
	as, err := store.Role(strings.TrimSpace(owner.Reveal()))
	if err != nil {
		return nil, "", fmt.Errorf("schema_ref: %w", err)
	}
	if as == runs {
		return nil, "", fmt.Errorf("%w: schema_ref and database_ref connect as one role, %q: servers would own the schema", access.ErrInvalid, as)
	}
	// 3. The schema, and what is let of it.
	if db, err = store.Open(ctx, strings.TrimSpace(owner.Reveal())); err != nil {
		return nil, "", err
	}
	return db, runs, db.LetUse(ctx, runs)
}
