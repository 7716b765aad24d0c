package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) approveCommand() *cobra.Command {
	var b engine.Ballot
	var term string
	c := &cobra.Command{Use: "approve REQUEST", Short: "Approve a request as it stands; you may narrow it, never widen it", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if term != "" {
				t, err := access.ParseTerm(term)
				if err != nil {
					return fmt.Errorf("%w: --term: %w", errUsage, err)
				}
				b.Term = t
			}
			b.Verdict = access.Approve
			return a.vote(c, args[0], b)
		}}
	c.Flags().StringVar(&term, "term", "", "approve for this long only")
	c.Flags().StringSliceVar(&b.Drop, "drop", nil, "leave these entitlements out")
	voteFlags(c, &b)
	return c
}

func (a *app) denyCommand() *cobra.Command {
	var b engine.Ballot
	c := &cobra.Command{Use: "deny REQUEST", Short: "Deny a request", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			b.Verdict = access.Deny
			return a.vote(c, args[0], b)
		}}
	voteFlags(c, &b)
	return c
}

func voteFlags(c *cobra.Command, b *engine.Ballot) {
	c.Flags().StringSliceVar(&b.Entitlements, "only", nil, "answer for these entitlements only")
	c.Flags().StringVar(&b.Stage, "stage", "", "answer as this stage (default: the first open one you may answer)")
	c.Flags().StringVar(&b.Note, "note", "", "why, in a sentence")
	c.Flags().StringVar(&b.Digest, "digest", "", "of the revision you have read (default: the one shown before the vote)")
}

// vote shows what is voted on, and votes on exactly that.
func (a *app) vote(c *cobra.Command, id string, b engine.Ballot) error {
	server, err := a.connect()
	if err != nil {
		return err
	}
	if b.Digest == "" {
		story, err := server.Request(c.Context(), id)
		if err != nil {
			return err
		}
		b.Digest = story.Request.Digest
		a.line("%s asks, for %s: %s for %s: %s", story.Request.Requester, story.Request.Beneficiary, named(story.Request), story.Request.Term, story.Request.Reason)
	}
	b.Request = id
	r, err := server.Vote(c.Context(), b)
	if err != nil {
		return err
	}
	a.line("your vote is counted; request %s is %s", r.ID, r.State)
	return a.showOne(r, func() error { return a.showItems(r.Items) })
}

func (a *app) withdrawCommand() *cobra.Command {
	return &cobra.Command{Use: "withdraw REQUEST VOTE", Short: "Take your vote back, while it has not led to a grant", Args: takes(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if err := server.Withdraw(c.Context(), args[0], args[1]); err != nil {
				return err
			}
			return a.done(map[string]string{"of": args[1], "done": "withdrawn"}, "vote %s no longer counts", args[1])
		}}
}

func (a *app) extendCommand() *cobra.Command {
	var f askFlags
	c := &cobra.Command{Use: "extend GRANT", Short: "Ask for more time; it is a request of its own, decided like any other", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			ask, err := f.read(nil)
			if err != nil {
				return err
			}
			ask.Extends = args[0]
			server, err := a.connect()
			if err != nil {
				return err
			}
			sight, err := server.Grant(c.Context(), args[0])
			if err != nil {
				return err
			}
			ask.Beneficiary = sight.Grant.Identity
			r, err := server.Submit(c.Context(), ask)
			if err != nil {
				return err
			}
			return a.asked(r)
		}}
	f.addMore(c)
	return c
}
