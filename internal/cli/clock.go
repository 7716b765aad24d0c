package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) clockCommand() *cobra.Command {
	c := &cobra.Command{Use: "clock", Short: "Say why nothing is granted, and accept what a clock says", Args: takes(cobra.NoArgs),
		Long: `Says why nothing is granted now, if that is so: because a clock is off, or for any
other reason. What is held goes on until its end, and every end is brought about.`,
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Halts(c.Context())
			if err != nil {
				return err
			}
			if len(list) == 0 && a.format != "json" {
				a.line("nothing stands in the way: grants are given")
				return nil
			}
			rows := make([][]string, len(list))
			for i, h := range list {
				rows[i] = []string{string(h.Reason), stamp(h.At), h.Text}
			}
			return a.show(list, []string{"REASON", "SINCE", "WHY NOTHING IS GRANTED"}, rows)
		}}
	c.AddCommand(a.clockAcceptCommand())
	return c
}

func (a *app) clockAcceptCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{Use: "accept", Short: "Say that the time is what the clocks say now", Args: takes(cobra.NoArgs),
		Long: `Says that the time is what the clocks say now, so that grants are given again. Only
for security, and after a look at the clocks of the server's machine: what is due by a
jump ahead ends within seconds. A clock that is behind may stay so; time goes back for
nobody.`,
		Example: `  lessor clock accept --reason "the machine was off over the weekend; chrony says 0.2 ms"`,
		RunE: func(c *cobra.Command, _ []string) error {
			if reason == "" {
				return fmt.Errorf("%w: --reason is needed", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			h, err := server.AcceptClock(c.Context(), reason)
			if err != nil {
				return err
			}
			return a.showOne(h, func() error {
				a.line("accepted; %s is over, and what is due ends within seconds", h.ID)
				return nil
			})
		}}
	c.Flags().StringVar(&reason, "reason", "", "what was looked at, and what it said")
	return c
}
