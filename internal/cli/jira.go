package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/server"
)

func (a *app) jiraCommand() *cobra.Command {
	c := &cobra.Command{Use: "jira", Short: "Examine, set up and audit a Jira site"}
	c.AddCommand(a.jiraDoctor(), a.jiraSetup(), a.jiraAudit())
	return c
}

// siteFlags say whose token to look with, where it is not to be Lessor's own.
type siteFlags struct{ tokenRef, user string }

func (f *siteFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.tokenRef, "token-ref", "", "another token, as env:NAME or file:PATH (an administrator's sees more; it is used for this run alone)")
	c.Flags().StringVar(&f.user, "user", "", "the mail address of that token's account, on Jira Cloud")
}

// on is the site with that token in place of its own.
func (f *siteFlags) on(s config.JiraSite) (config.JiraSite, error) {
	if f.tokenRef != "" {
		if err := secret.Check(f.tokenRef); err != nil {
			return s, fmt.Errorf("%w: --token-ref: %w", errUsage, err)
		}
		s.TokenRef = f.tokenRef
	}
	if f.user != "" {
		s.User = f.user
	}
	return s, nil
}

// siteOf finds a site in the folder's jira.yaml.
func siteOf(c *config.Config, id string) (config.JiraSite, bool) {
	for _, s := range c.Jira {
		if s.ID == id {
			return s, true
		}
	}
	return config.JiraSite{}, false
}

func noSite(id string) error {
	return fmt.Errorf("%w: there is no site %q in jira.yaml", access.ErrNotFound, id)
}

func (a *app) jiraDoctor() *cobra.Command {
	strict := false
	c := &cobra.Command{Use: "doctor SITE", Short: "What the site's token lacks and has in excess, and what of the mapping is not there", Args: takes(cobra.ExactArgs(1)),
		Long: "Looks with the configured token, needs no running server, and changes nothing.\nExit code 1 if something is missing, wrong, or could not be looked at.",
		RunE: func(c *cobra.Command, args []string) error {
			conf, err := config.Load(a.folder())
			if err != nil {
				return err
			}
			site, ok := siteOf(conf, args[0])
			if !ok {
				return noSite(args[0])
			}
			way, err := server.JiraSite(site)
			if err != nil {
				return err
			}
			found := audit.Doctor{Site: site, Rest: way, Directory: conf.Directory, Secret: secret.Open, Now: time.Now}.Examine(c.Context())
			rows := [][]string{}
			for _, k := range found.Checks {
				rows = append(rows, []string{string(k.Mark), k.About, k.What, k.Mend})
			}
			if err := a.show(found, []string{"", "ABOUT", "WHAT", "TO MEND IT"}, rows); err != nil {
				return err
			}
			switch {
			case found.Ailing() > 0:
				return fmt.Errorf("site %s: %s to mend", site.ID, count(found.Ailing(), "thing", "things"))
			case strict && found.Overfed() > 0:
				return fmt.Errorf("site %s: %s in excess", site.ID, count(found.Overfed(), "thing", "things"))
			}
			return nil
		}}
	c.Flags().BoolVar(&strict, "strict", false, "fail on excess too")
	return c
}

// setupFlags say what a site is that jira.yaml does not have yet.
type setupFlags struct {
	siteFlags
	url, kind, owner, portal, project, kindOf, to string
	dry, apply                                    bool
}

func (f *setupFlags) add(c *cobra.Command) {
	f.siteFlags.add(c)
	c.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be made")
	c.Flags().BoolVar(&f.apply, "apply", false, "make what a token may make")
	c.Flags().StringVar(&f.url, "url", "", "where the site is, if jira.yaml does not say")
	c.Flags().StringVar(&f.kind, "kind", "", "cloud or data-center, if jira.yaml does not say")
	c.Flags().StringVar(&f.owner, "owner", "", "who is told of what is wrong there, if jira.yaml does not say")
	c.Flags().StringVar(&f.portal, "portal", "", "where people and webhooks reach Lessor, if jira.yaml does not say")
	c.Flags().StringVar(&f.project, "project", "", "key of the project (default: the one that is mapped)")
	c.Flags().StringVar(&f.kindOf, "type", "", "name of the request type, elsewhere than at a desk of the issue type (default: the mapped one, else Get access)")
	c.Flags().StringVar(&f.to, "to", "", "write the proposed mapping into this new file")
}

// site is the configured one, or what the flags say of one that is not.
func (f *setupFlags) site(c *config.Config, id string) (s config.JiraSite, err error) {
	s, known := siteOf(c, id)
	s.ID = id
	for _, o := range []struct {
		to   *string
		flag string
	}{{&s.URL, f.url}, {&s.Owner, f.owner}, {&s.Portal, f.portal}, {(*string)(&s.Kind), f.kind}} {
		if *o.to == "" {
			*o.to = strings.TrimRight(o.flag, "/")
		}
	}
	if f.project == "" && len(s.Projects) == 1 {
		f.project = s.Projects[0].Key
	}
	switch {
	case f.dry == f.apply:
		return s, fmt.Errorf("%w: say --dry-run or --apply", errUsage)
	case f.project == "":
		return s, fmt.Errorf("%w: say which project: --project KEY", errUsage)
	case !known && (s.URL == "" || f.tokenRef == ""):
		return s, fmt.Errorf("%w: there is no site %q in jira.yaml yet: say --url, --kind, --token-ref and, on Jira Cloud, --user", errUsage, id)
	case s.Kind != config.JiraCloud && s.Kind != config.JiraDataCenter:
		return s, fmt.Errorf("%w: --kind is cloud or data-center", errUsage)
	}
	return s, nil
}

func (a *app) jiraSetup() *cobra.Command {
	var f setupFlags
	c := &cobra.Command{Use: "setup SITE --dry-run|--apply", Short: "Make what the site needs as far as a token may, and say the rest by hand", Args: takes(cobra.ExactArgs(1)),
		Example: `  lessor jira setup acme --url https://acme.atlassian.net --kind cloud --user lessor@acme.example \
      --token-ref file:secrets/jira.token --project ACC --owner olga --portal https://lessor.acme.example --dry-run
  lessor jira setup acme --apply`,
		RunE: func(c *cobra.Command, args []string) error {
			conf, err := config.Load(a.folder())
			if err != nil {
				return err
			}
			proposed, err := f.site(conf, args[0])
			if err != nil {
				return err
			}
			with, err := f.on(proposed)
			if err != nil {
				return err
			}
			own := proposed.TokenRef == "" || f.tokenRef == ""
			if proposed.TokenRef == "" {
				proposed = with // a first set-up: the token it is done with is the one there is
			}
			way, err := server.JiraSite(with)
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			made, err := audit.Setup{Site: proposed, Project: f.project, Type: f.kindOf, Rest: way, Directory: conf.Directory, Webhook: hookOf(proposed), Own: own, Apply: f.apply, Now: time.Now}.Run(c.Context())
			if err != nil {
				return err
			}
			return a.setUp(made, f.to)
		}}
	f.add(c)
	return c
}

// hookOf is where a site's webhooks are to be sent: through the proxy before the loopback door.
func hookOf(s config.JiraSite) string {
	if s.Portal == "" {
		return "https://YOUR-PROXY/hooks/jira/" + s.ID
	}
	return s.Portal + "/hooks/jira/" + s.ID
}

func (a *app) setUp(made audit.Outcome, to string) error {
	if to != "" {
		file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("%w: --to: %w", errUsage, err)
		}
		_, err = file.WriteString(made.Mapping)
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return a.showOne(made, func() error {
		for _, s := range made.Steps {
			a.line("%-8s %s", s.Do, s.What)
			for _, l := range s.Lines {
				a.line("           %s", l)
			}
		}
		a.line("")
		if to != "" {
			a.line("the proposed mapping is in %s", to)
			return nil
		}
		_, err := fmt.Fprint(a.out, plainLines(made.Mapping))
		return err
	})
}

func (a *app) confirmCommand() *cobra.Command {
	return &cobra.Command{Use: "confirm TICKET", Short: "Say that a ticket which came by an unproven way is yours", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			door, err := a.connect()
			if err != nil {
				return err
			}
			if err := door.Confirm(c.Context(), args[0]); err != nil {
				return err
			}
			return a.done(map[string]string{"of": args[0], "done": "confirmed"}, "%s is yours; it is read again now", args[0])
		}}
}
