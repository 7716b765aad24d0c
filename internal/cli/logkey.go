package cli

import (
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
)

func (a *app) logCommand() *cobra.Command {
	c := &cobra.Command{Use: "log", Short: "The log's key"}
	c.AddCommand(a.rotateKeyCommand())
	return c
}

// rotateKeyCommand has another key sign the log. It works on the folder itself: whoever
// may read the old key may state that a new one follows.
func (a *app) rotateKeyCommand() *cobra.Command {
	var prepare bool
	c := &cobra.Command{Use: "rotate-key", Short: "Have a new key sign the log from its newest head on", Args: takes(cobra.NoArgs),
		Long: `Makes a new key beside the one that log_key_ref names (log.key.next), has both sign
that the new one follows, and puts it in its place; the old one is log.key.old then.
Broken off anywhere, give it again.

On SQLite the server must be stopped. On PostgreSQL it need not: give --prepare first,
copy log.key.next into the folder of each replica, and then give the command.`,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			s, err := server.New(c.Context(), a.folder(), slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			if prepare {
				name, vkey, err := s.PrepareLogKey()
				if err != nil {
					return err
				}
				return a.done(map[string]string{"file": name, "key": vkey}, "%s holds the next key; nothing is signed with it yet. Its public half: %s", name, vkey)
			}
			k, err := s.RotateLogKey(c.Context(), access.Actor{Identity: "operator", Channel: "cli", Scopes: []string{engine.ScopeAdmin}})
			if err != nil {
				return err
			}
			return a.done(k, "beyond %s the log is signed with %s; publish log.pub, and give the key to the witnesses", count(k.Size, "event", "events"), k.Key)
		}}
	c.Flags().BoolVar(&prepare, "prepare", false, "only make the next key")
	return c
}
