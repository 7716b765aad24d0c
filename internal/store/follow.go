package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
)

// Follow opens a PostgreSQL that follows another by streaming: it is read, and the
// server itself refuses to write. What does not follow any is refused: to read from
// it would be to read from whatever it once was.
func Follow(ctx context.Context, dsn string) (*DB, error) {
	db, err := connectPostgres(ctx, dsn)
	if err != nil {
		return nil, err
	}
	follows := false
	if err := db.read.QueryRowContext(ctx, "select pg_is_in_recovery()").Scan(&follows); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if !follows {
		return nil, errors.Join(fmt.Errorf("%w: it follows no other database, or does no longer", access.ErrConflict), db.Close())
	}
	return db, nil
}
