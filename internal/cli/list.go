package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) listCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List requests, grants, entitlements, findings or files"}
	c.AddCommand(a.listRequests(), a.listGrants(), a.listEntitlements(), a.listFindings(), a.listFiles())
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

// narrowing are the flags that lists of requests and grants have in common.
type narrowing struct {
	client.Page
	engine.Only
	since string
}

func (n *narrowing) flags(c *cobra.Command) {
	limitFlag(c, &n.Limit)
	c.Flags().StringVar(&n.Cursor, "cursor", "", "go on where a list left off, as it said")
	c.Flags().StringVar(&n.System, "system", "", "of this system only")
	c.Flags().StringVar(&n.Entitlement, "entitlement", "", "of this entitlement only")
	c.Flags().StringVar(&n.since, "since", "", "of the last 24h or 30d, or from 2026-11-30T08:00:00Z on")
}

// read finds out what since means.
func (n *narrowing) read(now time.Time) (err error) {
	n.Since, err = sinceWhen(n.since, now)
	return err
}

func sinceWhen(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := access.ParseTerm(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: --since %.40q is neither a time such as 24h or 30d nor a moment such as 2026-11-30T08:00:00Z", errUsage, text)
	}
	return now.Add(-ago.D()), nil
}

// listed shows a list, and says beside it where it goes on.
func listed[T any](c *cobra.Command, a *app, l client.List[T], p client.Page, head []string, row func(T) []string) error {
	list, next, err := l.First(c.Context(), p)
	if err != nil {
		return err
	}
	rows := make([][]string, len(list))
	for i, v := range list {
		rows[i] = row(v)
	}
	if list == nil {
		list = []T{}
	}
	if err := a.show(list, head, rows); err != nil {
		return err
	}
	if next != "" {
		fmt.Fprintln(a.err, "there is more: add --cursor "+plain(next))
	}
	return nil
}

func (a *app) listRequests() *cobra.Command {
	var n narrowing
	var waiting bool
	c := &cobra.Command{Use: "requests", Short: "Requests you may know of, newest first", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if err := n.read(time.Now()); err != nil {
				return err
			}
			list := server.RequestList(n.Only)
			if waiting {
				list = server.DeskList(n.Only)
			}
			return listed(c, a, list, n.Page, []string{"REQUEST", "STATE", "BY", "FOR", "ENTITLEMENTS", "TERM", "ASKED", "REASON"}, func(r access.Request) []string {
				return []string{r.ID, string(r.State), r.Requester, r.Beneficiary, named(r), r.Term.String(), stamp(r.At), r.Reason}
			})
		}}
	n.flags(c)
	c.Flags().StringVar(&n.State, "state", "", "submitted, pending, approved, denied, cancelled or expired")
	c.Flags().StringVar(&n.Identity, "of", "", "whose: who asked, or for whom")
	c.Flags().BoolVar(&n.Mine, "mine", false, "your own only")
	c.Flags().BoolVar(&waiting, "waiting", false, "those that wait for your vote")
	c.MarkFlagsMutuallyExclusive("waiting", "mine")
	c.MarkFlagsMutuallyExclusive("waiting", "state")
	return c
}

func named(r access.Request) string { return strings.Join(r.Content().Entitlements, " ") }

func (a *app) listGrants() *cobra.Command {
	var n narrowing
	var all, everybody bool
	c := &cobra.Command{Use: "grants", Short: "Grants beside what was last seen at the target", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if err := n.read(time.Now()); err != nil {
				return err
			}
			if !all {
				n.State = "open"
			}
			list := server.GrantList(n.Only)
			if everybody {
				list = server.Register(n.Only)
			}
			return listed(c, a, list, n.Page, grantHead, grantRow)
		}}
	n.flags(c)
	c.Flags().StringVar(&n.Identity, "of", "", "whose (default: yours, with your workloads and agents)")
	c.Flags().BoolVar(&everybody, "everybody", false, "everybody's: of an entitlement for its owners, of all for security and auditors")
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
	var system, class string
	c := &cobra.Command{Use: "entitlements [WORD...]", Short: "What can be asked for, by words of its id or name", Args: takes(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, words []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, rows := []access.Entitlement{}, [][]string{}
			for e, err := range server.EntitlementList(strings.Join(words, " "), system, class).All(c.Context()) {
				if err != nil {
					return err
				}
				list = append(list, e)
				rows = append(rows, []string{e.ID, e.Class, e.MaxTerm.String(), strings.Join(e.Powers, " "), strings.Join(e.Owners, " "), e.Name})
			}
			return a.show(list, []string{"ENTITLEMENT", "CLASS", "AT MOST", "POWERS", "OWNERS", "NAME"}, rows)
		}}
	c.Flags().StringVar(&system, "system", "", "of this system only")
	c.Flags().StringVar(&class, "class", "", "of this class only")
	return c
}

func (a *app) listFindings() *cobra.Command {
	var only engine.OnlyFindings
	var p client.Page
	var since string
	c := &cobra.Command{Use: "findings", Short: "What is not as it should be", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if only.Since, err = sinceWhen(since, time.Now()); err != nil {
				return err
			}
			return listed(c, a, server.FindingList(only), p, []string{"FINDING", "KIND", "OWNER", "OPENED", "DUE", "CLOSED", "TEXT"}, func(f access.Finding) []string {
				return []string{f.ID, f.Kind, f.Owner, stamp(f.OpenedAt), stamp(f.DueAt), stamp(f.ClosedAt), f.Text}
			})
		}}
	c.Flags().BoolVar(&only.Closed, "closed", false, "the closed ones too")
	c.Flags().StringVar(&only.Kind, "kind", "", "of this kind only")
	c.Flags().StringVar(&only.Owner, "owner", "", "of this owner only")
	c.Flags().StringVar(&since, "since", "", "opened in the last 24h or 30d, or from 2026-11-30T08:00:00Z on")
	c.Flags().StringVar(&p.Cursor, "cursor", "", "go on where a list left off, as it said")
	limitFlag(c, &p.Limit)
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
		for _, o := range w.Others {
			a.line("  or %s, as %s", o.Who, o.Behalf)
		}
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
