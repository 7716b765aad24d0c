package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) leaverCommand() *cobra.Command {
	var dry, wait bool
	var reason string
	var within time.Duration
	c := &cobra.Command{Use: "leaver NAME", Short: "Say that somebody has left: everything of theirs ends, and what they answered for has to be decided",
		Long: `Say that somebody has left. From then on none of their identities is active; grants,
open requests, votes on what is pending and sign-ins end at once. What they answered
for is offered to whoever is nearest, who accepts it, declines it or retires it.

--dry-run says what would end and what would have to be decided, and does nothing.
--wait waits until all of it was seen gone, and says what is not.`, Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if !dry && reason == "" {
				return fmt.Errorf("%w: --reason is needed, or --dry-run", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			if !dry {
				left, err := server.Leave(c.Context(), args[0], reason)
				if err != nil {
					return err
				}
				a.line("%s has left: %s, %s cancelled, %s void, %s and %s ended, %s", left.Person, count(left.Ended, "grant ended", "grants ended"),
					count(left.Cancelled, "request", "requests"), count(left.Voided, "vote", "votes"), count(left.Delegations, "delegation", "delegations"), count(left.SignIns, "sign-in", "sign-ins"), count(left.Handovers, "decision to make", "decisions to make"))
			}
			if wait && !dry {
				return a.awaitGone(c.Context(), server, args[0], within)
			}
			l, err := server.Leaving(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showLeaving(l)
		}}
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would end and be decided")
	c.Flags().BoolVar(&wait, "wait", false, "wait until all of it was seen gone")
	c.Flags().DurationVar(&within, "within", 5*time.Minute, "how long to wait")
	c.Flags().StringVar(&reason, "reason", "", "why, in a sentence")
	return c
}

// awaitGone waits until everything of a leaver was seen gone; what is not in time is an error.
func (a *app) awaitGone(ctx context.Context, server *client.Client, name string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for said := -1; ; {
		l, err := server.Leaving(ctx, name)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && len(l.Waiting)+len(l.Grants) == 0 {
			return a.showLeaving(l)
		}
		if n := len(l.Waiting); err == nil && n != said {
			a.line("%d not seen gone yet", n)
			said = n
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = a.showLeaving(l)
			}
			if err != nil {
				return err
			}
			return fmt.Errorf("%d of %s were not seen gone within %s; they are being removed still", len(l.Waiting)+len(l.Grants), name, within)
		case <-tick.C:
		}
	}
}

func (a *app) showLeaving(l engine.Leaving) error {
	return a.showOne(l, func() error {
		var rows [][]string
		add := func(what, of, how string) { rows = append(rows, []string{what, of, how}) }
		for _, g := range l.Grants {
			add("ends", "grant "+g.Grant.ID, g.Grant.Identity+" holds "+g.Grant.Entitlement+" until "+stamp(g.Grant.End))
		}
		for _, r := range l.Requests {
			add("cancelled", "request "+r, "")
		}
		for _, r := range l.Votes {
			add("void", "vote on request "+r, "")
		}
		if l.SignIns > 0 {
			add("ends", count(l.SignIns, "session or token", "sessions and tokens"), "")
		}
		for _, w := range l.Waiting {
			add("not seen gone", w.Assignment.Account+" at "+w.Assignment.System, strings.TrimSpace(w.Assignment.Entitlement+" "+w.Trouble))
		}
		for _, h := range l.Decisions {
			how := "to " + h.Proposed + " (" + h.Why + "), by " + stamp(h.Due)
			if h.ID != "" {
				how = string(h.State) + " " + h.Offered + "; proposed " + how + "; " + h.ID
			}
			add("to decide", h.Subject, how)
		}
		if l.More {
			add("", "there is more than is listed", "")
		}
		if l.Left.IsZero() {
			a.line("%s has not left. If they did:", l.Person)
		} else {
			a.line("%s left %s (said by %s: %s)", l.Person, stamp(l.Left), l.By, l.Reason)
		}
		return a.show(l, []string{"WHAT", "OF", "HOW"}, rows)
	})
}

func (a *app) rejoinCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{Use: "rejoin NAME", Short: "Take back the word that somebody has left; nothing comes back with them", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" {
				return fmt.Errorf("%w: --reason is needed", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			if err := server.Rejoin(c.Context(), args[0], reason); err != nil {
				return err
			}
			return a.done(map[string]string{"identity": args[0]}, "nobody says any more that %s has left; what ended has ended", args[0])
		}}
	c.Flags().StringVar(&reason, "reason", "", "why, in a sentence")
	return c
}

func (a *app) handoverCommand() *cobra.Command {
	c := &cobra.Command{Use: "handover", Short: "Decide who answers for what a leaver answered for",
		Long: `Decide who answers for what a leaver answered for. Until somebody accepts it, nobody
does: no request for it is answered. What is still undecided when it is due is not
inherited by anybody: what a workload holds ends, somebody external without a sponsor
leaves, and security hears of the rest every day.`}
	c.AddCommand(a.handoverList(), a.handoverOffer())
	for _, v := range [][2]string{{"accept", "Take over what is offered to you"}, {"decline", "Decline what is offered to you"}, {"retire", "End what it is about instead: a workload, or somebody external"}} {
		c.AddCommand(a.handoverDecide(v[0], v[1]))
	}
	return c
}

func (a *app) handoverList() *cobra.Command {
	var all, decided bool
	var before string
	var limit int
	c := &cobra.Command{Use: "list", Short: "List what you are to decide", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Handovers(c.Context(), all, decided, before, limit)
			if err != nil {
				return err
			}
			return a.showHandovers(list)
		}}
	c.Flags().BoolVar(&all, "all", false, "everybody's: for security and auditors")
	c.Flags().BoolVar(&decided, "decided", false, "those that are decided too")
	c.Flags().StringVar(&before, "before", "", "those with ids below this one")
	c.Flags().IntVar(&limit, "limit", 50, "at most so many")
	return c
}

func (a *app) showHandovers(list []access.Handover) error {
	rows := [][]string{}
	for _, h := range list {
		rows = append(rows, []string{h.ID, h.Subject, string(h.State), h.From, h.Offered, h.Proposed + ": " + h.Why, stamp(h.Due)})
	}
	return a.show(list, []string{"HANDOVER", "OF", "STATE", "FROM", "OFFERED", "PROPOSED", "DUE"}, rows)
}

func (a *app) handoverOffer() *cobra.Command {
	var to, note string
	c := &cobra.Command{Use: "offer HANDOVER", Short: "Offer it to somebody", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if to == "" {
				return fmt.Errorf("%w: --to is needed", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			h, err := server.OfferHandover(c.Context(), args[0], to, note)
			if err != nil {
				return err
			}
			return a.done(h, "%s is offered to %s", h.Subject, h.Offered)
		}}
	c.Flags().StringVar(&to, "to", "", "to whom")
	c.Flags().StringVar(&note, "note", "", "why, in a sentence")
	return c
}

func (a *app) handoverDecide(how, short string) *cobra.Command {
	var note string
	c := &cobra.Command{Use: how + " HANDOVER", Short: short, Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			h, err := server.DecideHandover(c.Context(), args[0], how, note)
			if err != nil {
				return err
			}
			return a.done(h, "handover %s of %s is %s", h.ID, h.Subject, h.State)
		}}
	c.Flags().StringVar(&note, "note", "", "why, in a sentence")
	return c
}
