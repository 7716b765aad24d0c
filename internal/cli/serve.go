package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
)

func (a *app) serveCommand() *cobra.Command {
	var listen, metrics string
	var verbose bool
	c := &cobra.Command{Use: "serve", Short: "Run the server; a hang-up signal has it read its folder anew", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			log := logTo(a.err, verbose)
			s, err := server.New(c.Context(), a.folder(), log, server.MetricsAt(metrics))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			l, err := s.Listen(listen)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "listening on %s://%s\n", s.Scheme(), l.Addr())
			if !s.PeopleSignIn() {
				fmt.Fprintln(a.err, "nobody can sign in at the portal yet: write sign-in.yaml (docs/sign-in.md says how) and start anew; until then the command line and the API work with tokens")
			}
			go onHangup(c.Context(), s, log)
			return s.Run(c.Context(), l)
		}}
	c.Flags().StringVar(&listen, "listen", "", "loopback address (default: as lessor.yaml says)")
	c.Flags().StringVar(&metrics, "metrics", "", "address of the figures' own listener (default: as metrics in lessor.yaml says)")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "log every verb")
	return c
}

func logTo(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// onHangup reloads on SIGHUP; what is wrong with the new files is logged and the old ones stay in force.
func onHangup(ctx context.Context, s *server.Server, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if err := s.Reload(ctx); err != nil {
				log.ErrorContext(ctx, "reload", "error", err.Error())
			}
		}
	}
}

func (a *app) checkCommand() *cobra.Command {
	var strict, stored bool
	c := &cobra.Command{Use: "check", Short: "Read the folder as the server would and report everything wrong with it", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			check := server.Check
			if stored {
				check = func(dir string) (*config.Config, engine.World, []string, error) {
					return server.CheckStored(cmd.Context(), dir)
				}
			}
			c, w, warnings, err := check(a.folder())
			if c != nil {
				more, bad := server.CheckKey(cmd.Context(), c)
				warnings, err = append(warnings, more...), errors.Join(err, bad)
			}
			if warnings == nil {
				warnings = []string{}
			}
			for _, warn := range warnings {
				fmt.Fprintln(a.err, "warning: "+plain(warn))
			}
			if err != nil {
				return err
			}
			if strict && len(warnings) > 0 {
				return errors.New(count(len(warnings), "warning", "warnings"))
			}
			d := c.Directory
			return a.done(map[string]any{"folder": c.Dir, "policy": w.Policy.Digest(), "warnings": warnings},
				"%s is fine: %s, %s, %s, %s, %s, %s (%s)", c.Dir, count(len(d.Identities()), "identity", "identities"), count(len(d.Groups()), "group", "groups"),
				count(len(d.Systems()), "system", "systems"), count(len(d.Entitlements()), "entitlement", "entitlements"), count(len(d.Bundles()), "bundle", "bundles"),
				count(len(w.Policy.Rules()), "rule", "rules"), w.Policy.Digest())
		}}
	c.Flags().BoolVar(&stored, "store", false, "look up in the database who is named and in no file: people whom feeds have told of")
	c.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	return c
}

func (a *app) reloadCommand() *cobra.Command {
	var confirm string
	cmd := &cobra.Command{Use: "reload", Short: "Have the server read its folder anew; what needs a restart is refused by name", Args: takes(cobra.NoArgs),
		Long: `Has the server read its folder anew, in whole or not at all. Where a change of the
files needs a second person (second_person of lessor.yaml), it is refused with their
digest; somebody else of those who administer or are in security looks at the files,
and gives the command again with --confirm.`,
		Example: "  lessor reload --as adam\n  lessor reload --confirm sha256:… --as sam",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if confirm != "" {
				err = server.ConfirmFiles(c.Context(), confirm)
			} else {
				err = server.Reload(c.Context())
			}
			if err != nil {
				return err
			}
			return a.done(map[string]string{"of": "configuration", "done": "in force"}, "in force")
		}}
	cmd.Flags().StringVar(&confirm, "confirm", "", "as the second person: the digest of the files that you have looked at")
	return cmd
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "How the server is doing", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			st, err := server.Status(c.Context())
			if err != nil {
				return err
			}
			return a.showOne(st, func() error {
				a.line("removals not yet seen gone: %d", st.Overdue)
				a.line("events: %d, of which %d wait for their place in the log", st.Events, st.Unsequenced)
				a.line("policy: %s", st.Policy)
				a.line("log key: %s", st.Key)
				for _, r := range st.Replicas {
					word := ""
					if r.Here {
						word = " (this one)"
					} else if !r.Alike {
						word = " RUNS ON OTHER FILES: " + r.Files
					}
					a.line("replica %s: %s, up since %s, last seen %s%s", r.Name, r.Version, stamp(r.Began), stamp(r.Seen), word)
				}
				for _, s := range st.Systems {
					a.line("system %s: next work %s", s.System, cmp.Or(stamp(s.Next), "none is due"))
				}
				return nil
			})
		}}
}
