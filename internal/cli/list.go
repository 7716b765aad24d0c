package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) listCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List requests, grants, entitlements or findings"}
	c.AddCommand(a.listRequests(), a.listGrants(), a.listEntitlements(), a.listFindings())
	return c
}

// limitFlag is how many rows a list has: a number that no list can have is a
// mistake, not a wish for the server's own.
func limitFlag(c *cobra.Command, limit *int) {
	c.Flags().IntVar(limit, "limit", 50, "at most this many, 1 to 500")
	c.PreRunE = func(*cobra.Command, []string) error {
		if *limit < 1 || *limit > 500 {
			return fmt.Errorf("%w: --limit %d is not between 1 and 500", errUsage, *limit)
		}
		return nil
	}
}

func pageFlags(c *cobra.Command, p *client.Page) {
	limitFlag(c, &p.Limit)
	c.Flags().StringVar(&p.Before, "before", "", "older than this one")
}

func (a *app) listRequests() *cobra.Command {
	var p client.Page
	var state string
	var mine, waiting bool
	c := &cobra.Command{Use: "requests", Short: "Requests you may know of, newest first", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			var list []access.Request
			if waiting {
				list, err = server.Desk(c.Context(), p)
			} else {
				list, err = server.Requests(c.Context(), access.RequestState(state), mine, p)
			}
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, r := range list {
				rows = append(rows, []string{r.ID, string(r.State), r.Requester, r.Beneficiary, named(r), r.Term.String(), stamp(r.At), r.Reason})
			}
			return a.show(list, []string{"REQUEST", "STATE", "BY", "FOR", "ENTITLEMENTS", "TERM", "ASKED", "REASON"}, rows)
		}}
	pageFlags(c, &p)
	c.Flags().StringVar(&state, "state", "", "submitted, pending, approved, denied, cancelled or expired")
	c.Flags().BoolVar(&mine, "mine", false, "your own only")
	c.Flags().BoolVar(&waiting, "waiting", false, "those that wait for your vote")
	c.MarkFlagsMutuallyExclusive("waiting", "mine")
	c.MarkFlagsMutuallyExclusive("waiting", "state")
	return c
}

func named(r access.Request) string { return strings.Join(r.Content().Entitlements, " ") }

func (a *app) listGrants() *cobra.Command {
	var p client.Page
	var whose string
	var all bool
	c := &cobra.Command{Use: "grants", Short: "Grants beside what was last seen at the target", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Grants(c.Context(), whose, !all, p)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, h := range list {
				rows = append(rows, grantRow(h))
			}
			return a.show(list, grantHead, rows)
		}}
	pageFlags(c, &p)
	c.Flags().StringVar(&whose, "of", "", "whose (default: yours, with your workloads and agents)")
	c.Flags().BoolVar(&all, "all", false, "the ended ones too")
	return c
}

var grantHead = []string{"GRANT", "STATE", "WHO", "ENTITLEMENT", "UNTIL", "SEEN", "AT", "TROUBLE"}

func grantRow(h engine.Holding) []string {
	g := h.Grant
	state := string(g.State)
	if g.Ended != "" {
		state += " (" + string(g.Ended) + ")"
	}
	if h.LeftBehind > 0 {
		state += fmt.Sprintf(", not closed: %d left behind", h.LeftBehind)
	}
	return []string{g.ID, state, g.Identity, g.Entitlement, stamp(g.End), string(h.Assignment.State), stamp(h.Assignment.SeenAt), h.Trouble}
}

func (a *app) listEntitlements() *cobra.Command {
	return &cobra.Command{Use: "entitlements", Short: "What can be asked for", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Entitlements(c.Context())
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, e := range list {
				rows = append(rows, []string{e.ID, e.Class, e.MaxTerm.String(), strings.Join(e.Powers, " "), strings.Join(e.Owners, " "), e.Name})
			}
			return a.show(list, []string{"ENTITLEMENT", "CLASS", "AT MOST", "POWERS", "OWNERS", "NAME"}, rows)
		}}
}

func (a *app) listFindings() *cobra.Command {
	var closed bool
	var limit int
	c := &cobra.Command{Use: "findings", Short: "What is not as it should be", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Findings(c.Context(), closed, limit)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, f := range list {
				rows = append(rows, []string{f.ID, f.Kind, f.Owner, stamp(f.OpenedAt), stamp(f.DueAt), stamp(f.ClosedAt), f.Text})
			}
			return a.show(list, []string{"FINDING", "KIND", "OWNER", "OPENED", "DUE", "CLOSED", "TEXT"}, rows)
		}}
	c.Flags().BoolVar(&closed, "closed", false, "the closed ones too")
	limitFlag(c, &limit)
	return c
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{Use: "show REQUEST|GRANT", Short: "One request or grant, with what came of it", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if strings.HasPrefix(args[0], "gr-") {
				sight, err := server.Grant(c.Context(), args[0])
				if err != nil {
					return err
				}
				return a.showOne(sight, func() error { return a.grantPage(sight.Holding, sight.Receipts) })
			}
			story, err := server.Request(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showOne(story, func() error { return a.requestPage(story) })
		}}
}

func (a *app) grantPage(h engine.Holding, looks []access.Receipt) error {
	if err := a.show(h, grantHead, [][]string{grantRow(h)}); err != nil {
		return err
	}
	rows := [][]string{}
	for _, r := range looks {
		rows = append(rows, []string{stamp(r.At), yes(r.Direct), yes(r.Effective), r.Path, strings.Join(r.Residual, "; "), r.Answered})
	}
	if len(rows) == 0 {
		a.line("nobody has looked at the target for it yet")
		return nil
	}
	fmt.Fprintln(a.out)
	return a.show(looks, []string{"LOOKED", "DIRECT", "EFFECTIVE", "BY", "OTHER PATHS", "TARGET ANSWERED"}, rows)
}

func yes(b bool) string {
	if b {
		return "held"
	}
	return "absent"
}

func (a *app) requestPage(s engine.Story) error {
	r := s.Request
	a.line("request %s, revision %d: %s", r.ID, r.Revision, r.State)
	a.line("%s asked for %s, for %s, on %s: %s", r.Requester, r.Beneficiary, r.Term, stamp(r.At), r.Reason)
	a.line("digest %s", r.Digest)
	if err := a.showItems(r.Items); err != nil {
		return err
	}
	if len(s.Approvals) > 0 {
		rows := [][]string{}
		for _, v := range s.Approvals {
			rows = append(rows, []string{v.ID, strconv.Itoa(v.Revision), v.Voter, string(v.Verdict), v.Entitlement, v.Stage, stamp(v.At), stamp(v.WithdrawnAt), v.Basis.Why})
		}
		fmt.Fprintln(a.out)
		if err := a.show(nil, []string{"VOTE", "REV", "BY", "SAYS", "ON", "AS", "AT", "VOID SINCE", "BASIS"}, rows); err != nil {
			return err
		}
	}
	for _, w := range s.Waiting {
		a.line("%s waits for %d of %s: %s", w.Entitlement, w.Count, w.Stage, strings.Join(w.Approvers, " "))
	}
	if len(s.Grants) == 0 {
		return nil
	}
	rows := [][]string{}
	for _, h := range s.Grants {
		rows = append(rows, grantRow(h))
	}
	fmt.Fprintln(a.out)
	return a.show(nil, grantHead, rows)
}
