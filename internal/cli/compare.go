package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/server"
)

// policyCompare shows what a change of rules does before it is in force, and who
// gains by it: they are not the ones to approve the change.
func (a *app) policyCompare() *cobra.Command {
	return &cobra.Command{Use: "compare BEFORE", Short: "What the folder's rules answer otherwise than those of another folder, and who gains", Args: takes(cobra.ExactArgs(1)),
		Long: `Asks both sets of rules for everybody asking for everything for themselves, by
the directory and catalog of the folder, and lists the answers that differ.
Exit code 1 if anything became easier for anybody.`,
		Example: "  git worktree add ../before main && lessor policy compare ../before --dir .",
		RunE: func(_ *cobra.Command, args []string) error {
			_, was, _, err := server.Check(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			c, is, _, err := server.Check(a.folder())
			if err != nil {
				return err
			}
			changes := policy.Compare(was.Policy, is.Policy, policy.OwnAsks(c.Directory, time.Now()))
			if changes == nil {
				changes = []policy.Change{}
			}
			rows := [][]string{}
			for _, ch := range changes {
				rows = append(rows, []string{ch.Beneficiary, ch.Entitlement, strings.Join(ch.Easier, "; "), strings.Join(ch.Harder, "; "), strings.Join(ch.Voters, " ")})
			}
			if err := a.show(changes, []string{"FOR", "ENTITLEMENT", "EASIER", "HARDER", "CAN NOW APPROVE"}, rows); err != nil {
				return err
			}
			if gain := policy.Gain(c.Directory, changes); len(gain) > 0 {
				return fmt.Errorf("these gain by the change, and should not be the ones to approve it: %s", strings.Join(gain, ", "))
			}
			return nil
		}}
}
