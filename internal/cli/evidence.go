package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/store"
)

func (a *app) evidenceCommand() *cobra.Command {
	c := &cobra.Command{Use: "evidence", Short: "Take proof out of the log"}
	c.AddCommand(a.bundleCommand(), a.exportCommand())
	return c
}

func (a *app) bundleCommand() *cobra.Command {
	var to string
	c := &cobra.Command{Use: "bundle GRANT", Short: "Write one file that proves a grant's story offline", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			bundle, err := server.Evidence(c.Context(), args[0])
			if err != nil {
				return err
			}
			if to == "-" {
				_, err = a.out.Write(bundle)
				return err
			}
			if to == "" {
				to = filepath.Base(args[0]) + ".json"
			}
			if err := os.WriteFile(to, bundle, 0o600); err != nil {
				return err
			}
			return a.done(map[string]any{"file": to, "bytes": len(bundle)}, "%s: %d bytes; check it with: lessor verify --key log.pub %s", to, len(bundle), to)
		}}
	c.Flags().StringVar(&to, "to", "", "the file (default GRANT.json; - for standard output)")
	return c
}

// exportCommand copies the log as c2sp.org/tlog-tiles lays it out on disk.
func (a *app) exportCommand() *cobra.Command {
	return &cobra.Command{Use: "export DIR", Short: "Copy the whole log as tiles that other tools check (c2sp.org/tlog-tiles)", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) (err error) {
			db, _, err := a.inspect(c.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			return db.Read(c.Context(), func(tx *store.Tx) error {
				head, err := tx.LastCheckpoint(c.Context())
				if err != nil {
					return err
				}
				files := 0
				err = evidence.ExportFiles(c.Context(), engine.Tiles{Tx: tx}, head.Size, func(path string, content []byte) error {
					files++
					return writeBelow(args[0], path, content)
				})
				if err != nil {
					return err
				}
				if err := writeBelow(args[0], evidence.CheckpointPath, []byte(head.Note)); err != nil {
					return err
				}
				return a.done(map[string]any{"folder": args[0], "tiles": files, "events": head.Size}, "%s of a log of %s", count(files, "tile", "tiles"), count(head.Size, "event", "events"))
			})
		}}
}

func writeBelow(dir, path string, content []byte) error {
	name := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o644)
}

// inspect opens the folder's database for reading, whether or not a server works on it.
func (a *app) inspect(ctx context.Context) (*store.DB, *config.Config, error) {
	c, err := config.Load(a.folder())
	if err != nil {
		return nil, nil, err
	}
	dsn, err := server.DSN(c)
	if err != nil {
		return nil, nil, err
	}
	db, err := store.Inspect(ctx, dsn)
	return db, c, err
}
