package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) breakGlassCommand() *cobra.Command {
	var b engine.Breaking
	var term string
	c := &cobra.Command{Use: "break-glass ENTITLEMENT", Short: "Take access without approval in an emergency, and review who did", Args: takes(cobra.ExactArgs(1)),
		Long: `Take access without approval in an emergency, for a short while.

Only for people who are enrolled, and for what the enrolment names. The owner and
security are told at once, and somebody else has to review it within a day: while a
review is overdue the path is closed for whoever used it.`,
		Example: `  lessor break-glass db:root --reason "the primary does not start" --incident INC-4711`,
		RunE: func(c *cobra.Command, args []string) error {
			b.Entitlement = args[0]
			if b.Reason == "" {
				return fmt.Errorf("%w: --reason is needed", errUsage)
			}
			if term != "" {
				t, err := access.ParseTerm(term)
				if err != nil {
					return fmt.Errorf("%w: --term: %w", errUsage, err)
				}
				b.Term = t
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			m, err := server.BreakGlass(c.Context(), b)
			if err != nil {
				return err
			}
			return a.showOne(m, func() error {
				a.line("%s is yours without anybody's approval (grant %s, %s); %d were told, and it is reviewed by %s", m.Entitlement, m.Grant, m.ID, len(m.Told), stamp(m.ReviewBy))
				a.line("give it back as soon as you can: lessor return %s", m.Grant)
				return nil
			})
		}}
	f := c.Flags()
	f.StringVar(&b.Reason, "reason", "", "what the emergency is, in a sentence")
	f.StringVar(&b.Incident, "incident", "", "the incident or the call, where one is required")
	f.StringVar(&term, "term", "", "for how long (default: the longest there is)")
	c.AddCommand(a.breakGlassListCommand(), a.breakGlassReviewCommand(), a.sealCommand(), a.sealsCommand(), a.unsealCommand(), a.settleSealCommand())
	return c
}

func (a *app) breakGlassListCommand() *cobra.Command {
	var before string
	c := &cobra.Command{Use: "list", Short: "List uses of break-glass, newest first", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Emergencies(c.Context(), before)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, m := range list {
				review := "due " + stamp(m.ReviewBy)
				if m.Verdict != "" {
					review = string(m.Verdict) + ", says " + m.ReviewedBy
				}
				rows = append(rows, []string{m.ID, stamp(m.At), m.Identity, m.Entitlement, m.Grant, m.Incident, review, m.Reason})
			}
			return a.show(list, []string{"USE", "AT", "BY", "ENTITLEMENT", "GRANT", "INCIDENT", "REVIEW", "REASON"}, rows)
		}}
	c.Flags().StringVar(&before, "before", "", "those below this one")
	return c
}

func (a *app) breakGlassReviewCommand() *cobra.Command {
	var v engine.EmergencyReview
	var verdict string
	c := &cobra.Command{Use: "review USE", Short: "Review a use of break-glass, or of its grant; never one's own", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			v.Emergency, v.Verdict = args[0], access.EmergencyVerdict(verdict)
			if v.Text == "" || verdict == "" {
				return fmt.Errorf("%w: --verdict and --text are needed", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			m, err := server.ReviewEmergency(c.Context(), v)
			if err != nil {
				return err
			}
			return a.showOne(m, func() error {
				a.line("%s of %s is reviewed: %s", m.ID, m.Identity, m.Verdict)
				return nil
			})
		}}
	f := c.Flags()
	f.StringVar(&verdict, "verdict", "", "justified, or unjustified: then the access ends")
	f.StringVar(&v.Text, "text", "", "what you found, in a sentence")
	return c
}
