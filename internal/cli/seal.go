package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) sealCommand() *cobra.Command {
	var s engine.Sealing
	var until string
	c := &cobra.Command{Use: "seal SYSTEM ACCOUNT", Short: "Note that a credential lies sealed for the day Lessor is down", Args: takes(cobra.ExactArgs(2)),
		Long: `Note that a credential of an account nobody has lies sealed with two people, for the day
Lessor is down. What it is worth is never given to Lessor.

By somebody of security who is neither of the two. Where a seal of that account stands
already, the new one renews it. Any use of it is found at the next reading.`,
		Example: `  lessor break-glass seal db glass --opens db:root --custodian ada --custodian otto --place "safe, third floor"`,
		RunE: func(c *cobra.Command, args []string) error {
			s.System, s.Account = args[0], args[1]
			var err error
			if s.Until, err = moment("until", until, time.Now()); err != nil {
				return err
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			is, err := server.Seal(c.Context(), s)
			if err != nil {
				return err
			}
			return a.showOne(is, func() error {
				a.line("%s: the credential of %s at %s is sealed with %s; renew it by %s", is.ID, is.Account, is.System, strings.Join(is.Custodians, " and "), stamp(is.Until))
				return nil
			})
		}}
	f := c.Flags()
	f.StringArrayVar(&s.Opens, "opens", nil, "an entitlement the account holds permanently; may be repeated")
	f.StringArrayVar(&s.Custodians, "custodian", nil, "who keeps it; twice, for two people")
	f.StringVar(&s.Place, "place", "", "where it lies, in words")
	f.StringVar(&s.Print, "fingerprint", "", "of a key, where there is one")
	f.StringVar(&until, "until", "", "by when it has to be renewed, such as 180d (default: a year)")
	return c
}

func (a *app) sealsCommand() *cobra.Command {
	var before string
	c := &cobra.Command{Use: "seals", Short: "List sealed credentials, newest first", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Seals(c.Context(), before)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, s := range list {
				rows = append(rows, []string{s.ID, string(s.State), s.System, s.Account, strings.Join(s.Opens, " "), strings.Join(s.Custodians, " "), stamp(s.Until), s.Place, s.Broken})
			}
			return a.show(list, []string{"SEAL", "STATE", "SYSTEM", "ACCOUNT", "OPENS", "CUSTODIANS", "UNTIL", "PLACE", "BROKEN"}, rows)
		}}
	c.Flags().StringVar(&before, "before", "", "those below this one")
	return c
}

func (a *app) unsealCommand() *cobra.Command {
	var u engine.Unsealing
	c := &cobra.Command{Use: "unseal SEAL", Short: "Say that a seal is broken, or retire it", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			u.Seal = args[0]
			if u.Reason == "" {
				return fmt.Errorf("%w: --reason is needed", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			s, err := server.Unseal(c.Context(), u)
			if err != nil {
				return err
			}
			return a.showOne(s, func() error {
				a.line("%s is %s: what %s holds at %s counts as access nobody granted", s.ID, s.State, s.Account, s.System)
				return nil
			})
		}}
	c.Flags().StringVar(&u.Reason, "reason", "", "why, in a sentence")
	c.Flags().BoolVar(&u.Retire, "retire", false, "nothing is sealed there any more")
	return c
}

func (a *app) settleSealCommand() *cobra.Command {
	var u engine.SealUse
	c := &cobra.Command{Use: "settle SEAL", Short: "Say in which incident a sealed credential was used; not by a custodian", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			u.Seal = args[0]
			if u.Incident == "" || u.Text == "" {
				return fmt.Errorf("%w: --incident and --text are needed", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			s, err := server.SettleSeal(c.Context(), u)
			if err != nil {
				return err
			}
			return a.showOne(s, func() error {
				a.line("the use of %s is settled by %s; the seal is %s", s.ID, s.Incident, s.State)
				return nil
			})
		}}
	c.Flags().StringVar(&u.Incident, "incident", "", "in which it was used")
	c.Flags().StringVar(&u.Text, "text", "", "what you found, in a sentence")
	return c
}
