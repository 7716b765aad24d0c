package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/move"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/server"
)

// longestStop is how long the server of a database that moves may take to stop.
const longestStop = 15 * time.Minute

func (a *app) migrateCommand() *cobra.Command {
	var status bool
	var role, from, to string
	var wait time.Duration
	c := &cobra.Command{Use: "migrate", Short: "Bring the database's schema up to date (serve does it too, unless schema_ref is set), or move all of it from SQLite to PostgreSQL", Args: takes(cobra.NoArgs),
		Long: `Without --to: brings the schema of the configured database up to date.

With --to: moves everything from a SQLite file into an empty PostgreSQL database.
It copies while the server works, waits until that is stopped, carries over what
changed meanwhile, compares every row, and only then lets the new one be served,
and never again the old one. Stopped before that it leaves the old one as it was.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if to != "" {
				return a.move(c.Context(), from, to, wait)
			}
			if from != "" {
				return fmt.Errorf("%w: --from says what is moved, and --to, where to, is missing", errUsage)
			}
			return a.migrate(c.Context(), status, role)
		}}
	c.Flags().BoolVar(&status, "status", false, "only say what is applied")
	c.Flags().StringVar(&role, "role", "", "as which role servers run, where schema_ref is set (default: as database_ref says)")
	c.Flags().StringVar(&from, "from", "", "what is moved: sqlite:PATH (default: the configured database)")
	c.Flags().StringVar(&to, "to", "", "where to: a postgres:// URL without a password, or env:NAME or file:PATH that holds one")
	c.Flags().DurationVar(&wait, "wait", longestStop, "how long the server may take to stop once everything is copied")
	c.MarkFlagsMutuallyExclusive("status", "to")
	c.MarkFlagsMutuallyExclusive("role", "to")
	return c
}

func (a *app) migrate(ctx context.Context, status bool, role string) (err error) {
	conf, err := config.Load(a.folder())
	if err != nil {
		return err
	}
	db, runs, err := a.schema(ctx, conf, status, role)
	if db == nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err != nil {
		return err
	}
	lines, err := db.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	if runs != "" {
		fmt.Fprintf(a.err, "servers run as the role %s: it reads and writes rows, and can alter nothing\n", plain(runs))
	}
	return a.showOne(lines, func() error {
		for _, l := range lines {
			a.line("%s", l)
		}
		return nil
	})
}

// configured is the database that the folder names.
func (a *app) configured() (string, error) {
	conf, err := config.Load(a.folder())
	if err != nil {
		return "", err
	}
	return server.DSN(conf)
}

func (a *app) move(ctx context.Context, from, to string, wait time.Duration) error {
	if from == "" {
		dsn, err := a.configured()
		if err != nil {
			return err
		}
		from = dsn
	}
	target, err := targetOf(to)
	if err != nil {
		return err
	}
	moved, err := move.Run(ctx, move.Config{From: from, To: target, Now: time.Now, Wait: wait,
		Say: func(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }})
	if err != nil {
		return err
	}
	return a.done(moved, "moved: %s of the log, %s copied ahead, %s carried over, %s to do; nobody was served for %s\nname the new database in lessor.yaml (database_ref) and start the server",
		count(int(moved.Events), "event", "events"), count(int(moved.Ahead), "row", "rows"), count(int(moved.Carried), "row", "rows"),
		count(int(moved.Jobs), "job", "jobs"), moved.Stopped.Round(time.Millisecond))
}

// targetOf reads where to move: other users of the machine see a command line, so a
// password never stands in it.
func targetOf(to string) (string, error) {
	if u, err := url.Parse(to); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		if _, has := u.User.Password(); has || u.Query().Has("password") {
			return "", fmt.Errorf("%w: --to carries a password, which others can read: put the URL into a variable or a file, and say --to env:NAME or --to file:PATH", errUsage)
		}
		return to, nil
	}
	v, err := secret.Open(to)
	if err != nil {
		return "", fmt.Errorf("%w: --to: %w", access.ErrInvalid, err)
	}
	return strings.TrimSpace(v.Reveal()), nil
}
