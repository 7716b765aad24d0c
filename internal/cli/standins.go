package cli

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// moment reads a moment, or how far away it is.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	term, err := access.ParseTerm(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: --%s %.40q is neither a time such as 24h or 14d nor a moment such as 2026-11-30T08:00:00Z", errUsage, flag, text)
	}
	return now.Add(term.D()), nil
}

func (a *app) delegateCommand() *cobra.Command {
	c := &cobra.Command{Use: "delegate", Short: "Let somebody answer requests in your place, until an end",
		Long: `Let somebody answer requests in your place, until an end.

It gives them nothing by itself. Whenever they vote in your place, and again when
access is granted, it is asked whether you could have answered, and whether anything
forbids them. What you have lent cannot be lent on.`}
	c.AddCommand(a.delegateToCommand(), a.delegateEndCommand(), a.delegateListCommand())
	return c
}

func (a *app) delegateToCommand() *cobra.Command {
	var d engine.Delegating
	var start, end string
	c := &cobra.Command{Use: "to PERSON", Short: "Delegate your approvals", Args: takes(cobra.ExactArgs(1)),
		Example: `  lessor delegate to otto --until 14d --reason "on holiday"
  lessor delegate to otto --until 2026-12-24T00:00:00Z --system db --reason "on parental leave"`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			now := time.Now()
			d.To = args[0]
			if d.Start, err = moment("from", start, now); err != nil {
				return err
			}
			if d.End, err = moment("until", end, now); err != nil {
				return err
			}
			if d.End.IsZero() || d.Reason == "" {
				return fmt.Errorf("%w: --until and --reason are needed", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			l, err := server.Delegate(c.Context(), d)
			if err != nil {
				return err
			}
			return a.showOne(l, func() error {
				a.line("%s answers in place of %s until %s (%s)", l.To, l.From, l.End.Format(time.RFC3339), l.ID)
				return nil
			})
		}}
	f := c.Flags()
	f.StringVar(&start, "from", "", "from when on, as --until (default: now)")
	f.StringVar(&end, "until", "", "until when: 14d, or 2026-12-24T00:00:00Z")
	f.StringVar(&d.Reason, "reason", "", "why, in a sentence")
	f.StringVar(&d.System, "system", "", "only what is at this system")
	f.StringVar(&d.Entitlement, "entitlement", "", "only this entitlement")
	return c
}

func (a *app) delegateEndCommand() *cobra.Command {
	var why string
	c := &cobra.Command{Use: "end DELEGATION", Short: "End a delegation before its end", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if err := server.EndDelegation(c.Context(), args[0], why); err != nil {
				return err
			}
			return a.done(map[string]string{"delegation": args[0]}, "delegation %s has ended", args[0])
		}}
	c.Flags().StringVar(&why, "why", "", "why, in a sentence")
	return c
}

func (a *app) delegateListCommand() *cobra.Command {
	var everybody bool
	c := &cobra.Command{Use: "list", Short: "List delegations to and from you", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			cover, err := server.Cover(c.Context(), everybody)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, l := range cover.Delegations {
				rows = append(rows, []string{l.ID, l.From, l.To, cmp.Or(l.Entitlement, l.System, "everything"), l.Start.Format(time.RFC3339), l.End.Format(time.RFC3339), ended(l.EndedAt, l.EndedBy), l.Reason})
			}
			return a.show(cover.Delegations, []string{"DELEGATION", "FROM", "TO", "FOR", "START", "END", "ENDED", "REASON"}, rows)
		}}
	c.Flags().BoolVar(&everybody, "everybody", false, "everybody's (for security and auditors)")
	return c
}

// ended says when something was ended before its time, and by whom.
func ended(at time.Time, by string) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339) + " by " + by
}

func (a *app) awayCommand() *cobra.Command {
	c := &cobra.Command{Use: "away", Short: "Say that you, or somebody who reports to you, are away",
		Long: `Say that you, or somebody who reports to you, are away, and until when.

Your deputy may then answer in your place or, where the deputy cannot, your manager.
You keep your own vote, and no stage is skipped.`}
	c.AddCommand(a.awayUntilCommand(), a.awayBackCommand(), a.awayListCommand())
	return c
}

func (a *app) awayUntilCommand() *cobra.Command {
	var w engine.BeingAway
	var from string
	c := &cobra.Command{Use: "until WHEN", Short: "Be away until then", Args: takes(cobra.ExactArgs(1)),
		Example: `  lessor away until 14d --reason "on holiday"
  lessor away until 2026-12-24T00:00:00Z --person otto --reason "ill"`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			now := time.Now()
			if w.Until, err = moment("until", args[0], now); err != nil {
				return err
			}
			if w.From, err = moment("from", from, now); err != nil {
				return err
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			x, err := server.Away(c.Context(), w)
			if err != nil {
				return err
			}
			return a.showOne(x, func() error {
				a.line("%s is away until %s (%s)", x.Person, x.Until.Format(time.RFC3339), x.ID)
				return nil
			})
		}}
	f := c.Flags()
	f.StringVar(&from, "from", "", "from when on: 2d, or 2026-12-01T00:00:00Z (default: now)")
	f.StringVar(&w.Reason, "reason", "", "why; whoever stands in reads it")
	f.StringVar(&w.Person, "person", "", "who is away (default: you)")
	return c
}

func (a *app) awayBackCommand() *cobra.Command {
	var why string
	c := &cobra.Command{Use: "back ABSENCE", Short: "Be back before the absence would be over", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if err := server.Back(c.Context(), args[0], why); err != nil {
				return err
			}
			return a.done(map[string]string{"absence": args[0]}, "absence %s is over", args[0])
		}}
	c.Flags().StringVar(&why, "why", "", "why, in a sentence")
	return c
}

func (a *app) awayListCommand() *cobra.Command {
	var everybody bool
	c := &cobra.Command{Use: "list", Short: "List who is away: you, who reports to you, and for whom you are the deputy", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			cover, err := server.Cover(c.Context(), everybody)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, x := range cover.Absences {
				rows = append(rows, []string{x.ID, x.Person, x.From.Format(time.RFC3339), x.Until.Format(time.RFC3339), x.By, ended(x.EndedAt, x.EndedBy), x.Reason})
			}
			return a.show(cover.Absences, []string{"ABSENCE", "WHO", "FROM", "UNTIL", "SAID BY", "ENDED", "REASON"}, rows)
		}}
	c.Flags().BoolVar(&everybody, "everybody", false, "everybody (for security and auditors)")
	return c
}
