package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/backup"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

func (a *app) backupCommand() *cobra.Command {
	var to string
	c := &cobra.Command{Use: "backup --to DIR|FILE.zip", Short: "Write down the whole database, while the server works; or check such a backup", Args: takes(cobra.NoArgs),
		Long: `Writes every table of the folder's database, as one moment has it, into a new
folder, or into a new file if its name ends in .zip. A server may go on working
meanwhile. Beside the tables stands a manifest: sizes, digests, and the signed head
of the log. What lets somebody in is left out: sessions, tokens, the doors' own
keys; and the log's signing key never was in the database.

Either kind of database can be put back into either: lessor restore.`,
		Example: "  lessor backup --to /mnt/kept/monday.zip\n  lessor backup verify /mnt/kept/monday.zip --key log.pub",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if to == "" {
				return fmt.Errorf("%w: say where to, with --to", errUsage)
			}
			db, _, err := a.inspect(c.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			m, err := backup.Write(c.Context(), db, to, version(), time.Now())
			if err != nil {
				return err
			}
			return a.done(m, "%s: %s of %s in the log (%d more wait for their place)", to, count(len(m.Tables), "table", "tables"), count(m.Events, "event", "events"), m.Waiting)
		}}
	c.Flags().StringVar(&to, "to", "", "a new folder, or a new file that ends in .zip")
	c.AddCommand(a.backupVerifyCommand())
	return c
}

func (a *app) backupVerifyCommand() *cobra.Command {
	var key string
	var quick bool
	c := &cobra.Command{Use: "verify BACKUP", Short: "Check that a backup is whole, and that its tables are as its log tells", Args: takes(cobra.ExactArgs(1)),
		Long: `Reads every file of the backup and compares it with the manifest, and the signed
head of the log with its tree. Then a database is made of it, in a folder for the
time being, and every row is held against the log, as lessor verify --store does.`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			vkey, err := a.keyOf(key)
			if err != nil {
				return err
			}
			b, err := backup.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.Close()) }()
			if err := b.Verify(vkey); err != nil {
				return fmt.Errorf("%w: %w", errDoesNotHold, err)
			}
			rep := report.Replayed{Events: b.Events, Waiting: b.Waiting}
			if !quick {
				if rep, err = a.replayBackup(c.Context(), b, vkey); err != nil {
					return fmt.Errorf("%w: %w", errDoesNotHold, err)
				}
			}
			return a.done(map[string]any{"manifest": b.Manifest, "compared": rep.Rows}, "%s of %s, taken %s: whole, its log of %s signed, and %s as it tells",
				count(len(b.Tables), "table", "tables"), args[0], b.TakenAt.Format(time.RFC3339), count(b.Events, "event", "events"), count(rep.Rows, "row is", "rows are"))
		}}
	c.Flags().StringVar(&key, "key", "", "the log's public key, or a file that holds it (default: the folder's)")
	c.Flags().BoolVar(&quick, "quick", false, "do not make a database of it: the files, and the log's tree, alone")
	return c
}

// replayBackup makes a database of a backup and holds it against its own log.
func (a *app) replayBackup(ctx context.Context, b *backup.Backup, vkey string) (rep report.Replayed, err error) {
	dir, err := os.MkdirTemp("", "lessor-verify-")
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := store.OpenEmpty(ctx, "sqlite:"+filepath.Join(dir, "lessor.db"), store.Fill{Schema: b.Schema, Load: func(tx *store.Tx) error { return b.Load(ctx, tx) }})
	if err != nil {
		return rep, err
	}
	rep, err = report.Replay(ctx, db, vkey, a.progress("events"))
	return rep, errors.Join(err, db.Close())
}

// version is what this program was built from, as far as it knows.
func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "unknown"
}

// keyOf is the log's public key: as given, else the folder's.
func (a *app) keyOf(key string) (string, error) {
	if key != "" {
		return readKey(key)
	}
	c, err := config.Load(a.folder())
	if err != nil {
		return "", err
	}
	return ownKey(c)
}
