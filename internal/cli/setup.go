package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/setup"
)

func (a *app) initCommand() *cobra.Command {
	var origin string
	c := &cobra.Command{Use: "init DIR", Short: "Write a first configuration, commented, with a signing key and tokens", Args: takes(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := args[0]
			if err := setup.First(dir, origin); err != nil {
				return err
			}
			a.line("%s: lessor.yaml, directory.yaml, catalog.yaml, policy/rules.cedar, log.key (secret), log.pub, tokens/", dir)
			a.line("tokens that only you can read: ann, mia and olga, who ask and approve, and admin, which has a running server read the files anew; lessor token new makes more")
			return a.done(map[string]string{"folder": dir}, "next: edit catalog.yaml and directory.yaml, then: lessor check --dir %[1]s && lessor serve --dir %[1]s; after each change: lessor reload --dir %[1]s --as admin", dir)
		}}
	c.Flags().StringVar(&origin, "origin", "log.example.org/lessor", "the log's name, for good: lower-case host and path")
	return c
}

func (a *app) tokenCommand() *cobra.Command {
	var t setup.Token
	var days int
	create := &cobra.Command{Use: "new NAME", Short: "Make a token: itself into the file tokens/NAME, its hash into lessor.yaml", Args: takes(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if t.Name = args[0]; t.Identity == "" {
				t.Identity = t.Name
			}
			if err := a.tokenFits(t, days); err != nil {
				return err
			}
			t.Expires = time.Now().AddDate(0, 0, days)
			file, err := setup.AddToken(a.folder(), t)
			if err != nil {
				return err
			}
			return a.done(map[string]string{"file": file}, "%s holds the token (keep it secret); lessor.yaml holds its hash; a running server takes it in with: lessor reload --as admin (or whichever token has the scope admin) or a hang-up signal", file)
		}}
	create.Flags().StringVar(&t.Identity, "identity", "", "whose (default: NAME)")
	create.Flags().StringVar(&t.Strength, "strength", "", "how strongly whoever holds it is known, such as mfa")
	create.Flags().StringSliceVar(&t.Scopes, "scopes", []string{"request", "view"}, "what it is good for: request, view, approve, revoke, evaluate, audit, admin")
	create.Flags().IntVar(&days, "days", 90, "for how many days, 1 to 3650")
	c := &cobra.Command{Use: "token", Short: "Who may speak to the server"}
	c.AddCommand(create)
	return c
}

// tokenFits refuses a token that would be of no use, or that would keep the whole
// folder from being read: a server does not start on a token of nobody's.
func (a *app) tokenFits(t setup.Token, days int) error {
	if days < 1 || days > 3650 {
		return fmt.Errorf("%w: --days %d is not between 1 and 3650", errUsage, days)
	}
	c, err := config.Load(a.folder())
	if err != nil {
		return err
	}
	if _, ok := c.Directory.Identity(t.Identity); !ok {
		return fmt.Errorf("%w: the directory has no identity %q; name one with --identity", access.ErrInvalid, t.Identity)
	}
	return nil
}
