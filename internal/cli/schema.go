package cli

import (
	"context"

	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/store"
)

// schema opens the database to be looked at, or brings it up to date.
func (a *app) schema(ctx context.Context, c *config.Config, look bool, role string) (db *store.DB, runs string, err error) {
	if !look {
		return server.Migrate(ctx, c, role)
	}
	dsn, err := server.DSN(c)
	if err != nil {
		return nil, "", err
	}
	db, err = store.Inspect(ctx, dsn)
	return db, "", err
}
