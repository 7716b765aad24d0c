package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) findingsCommand() *cobra.Command {
	c := &cobra.Command{Use: "findings", Short: "Settle what was found: adopt it, remove it, or let it be",
		Long: `Settle what was found. "lessor list findings" lists it.

Access that nobody granted is adopted (it is asked for on behalf of its holder, and
decided as any other request) or removed. What else stands until somebody has seen
to it is accepted, for a reason. Policy says who may; nobody settles in their own favour.`}
	c.AddCommand(a.adoptCommand(), a.removeCommand(), a.acceptCommand())
	return c
}

func remedyFlags(c *cobra.Command, m *engine.Remedy) {
	c.Flags().StringVar(&m.Reason, "reason", "", "why, in a sentence")
}

func whoseFlags(c *cobra.Command, m *engine.Remedy) {
	remedyFlags(c, m)
	c.Flags().StringArrayVar(&m.Accounts, "account", nil, "whose, as the finding names the account; may be given again")
	c.Flags().BoolVar(&m.All, "all", false, "everybody's that the finding is about")
}

// readRemedy takes the finding and says what is missing.
func readRemedy(m *engine.Remedy, finding string, whose bool) error {
	m.Finding = finding
	switch {
	case m.Reason == "":
		return fmt.Errorf("%w: --reason is needed", errUsage)
	case whose && m.All == (len(m.Accounts) > 0):
		return fmt.Errorf("%w: say --account NAME, or --all", errUsage)
	}
	return nil
}

func (a *app) adoptCommand() *cobra.Command {
	var m engine.Remedy
	c := &cobra.Command{Use: "adopt FINDING", Short: "Ask for access that was found, on behalf of those who hold it", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := readRemedy(&m, args[0], true); err != nil {
				return err
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Adopt(c.Context(), m)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, r := range list {
				rows = append(rows, []string{r.ID, string(r.State), r.Beneficiary, named(r), r.Term.String()})
			}
			return a.show(list, []string{"REQUEST", "STATE", "FOR", "ENTITLEMENTS", "TERM"}, rows)
		}}
	whoseFlags(c, &m)
	return c
}

func (a *app) removeCommand() *cobra.Command {
	var m engine.Remedy
	c := &cobra.Command{Use: "remove FINDING", Short: "Have access removed that nobody granted", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := readRemedy(&m, args[0], true); err != nil {
				return err
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			got, err := server.Remove(c.Context(), m)
			if err != nil {
				return err
			}
			return a.showOne(got, func() error {
				a.line("%d are being removed; they are gone when they are seen gone", got.Removing)
				return nil
			})
		}}
	whoseFlags(c, &m)
	return c
}

func (a *app) acceptCommand() *cobra.Command {
	var m engine.Remedy
	c := &cobra.Command{Use: "accept FINDING", Short: "Let be what was found, for a reason", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := readRemedy(&m, args[0], false); err != nil {
				return err
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			if err := server.Accept(c.Context(), m); err != nil {
				return err
			}
			return a.done(m, "finding %s is let be", m.Finding)
		}}
	remedyFlags(c, &m)
	return c
}
