package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

// askFlags are what an ask is written with.
type askFlags struct {
	ask          engine.Ask
	term, answer string
	start        string
}

func (f *askFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.ask.Beneficiary, "for", "", "for whom (default: yourself)")
	s.StringVar(&f.ask.Bundle, "bundle", "", "a bundle of entitlements")
	s.StringVar(&f.start, "start", "", "from when (RFC 3339; default: as soon as granted)")
	s.BoolVar(&f.ask.Fixed, "fixed", false, "the window is start and term exactly, whenever access is seen")
	f.addMore(c)
}

// addMore adds what an ask for more of the same is written with too.
func (f *askFlags) addMore(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.ask.Reason, "reason", "", "what the access is for, in a sentence")
	s.StringVar(&f.term, "term", "", "for how long: 90m, 8h, 2d")
	s.StringVar(&f.ask.Ticket, "ticket", "", "the ticket it is asked under, as jira:ACC-41")
	s.StringVar(&f.answer, "answer-within", "", "how long to wait for an answer")
	s.StringVar(&f.ask.Reference, "reference", "", "your own name for this ask; the same again is the same request")
}

// read gives the ask, with everything wrong about it in one error.
func (f *askFlags) read(entitlements []string) (engine.Ask, error) {
	a := f.ask
	a.Entitlements = entitlements
	var wrong []string
	if f.term == "" {
		wrong = append(wrong, "--term is needed, as in --term 8h")
	} else if t, err := access.ParseTerm(f.term); err != nil {
		wrong = append(wrong, "--term: "+err.Error())
	} else {
		a.Term = t
	}
	if f.answer != "" {
		t, err := access.ParseTerm(f.answer)
		if err != nil {
			wrong = append(wrong, "--answer-within: "+err.Error())
		}
		a.AnswerWithin = t
	}
	if f.start != "" {
		t, err := time.Parse(time.RFC3339, f.start)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("--start %q is not a moment such as 2030-12-31T18:00:00Z", f.start))
		}
		a.Start = t
	}
	if len(wrong) > 0 {
		return a, fmt.Errorf("%w: %s", errUsage, strings.Join(wrong, "\n  "))
	}
	return a, nil
}

func (a *app) requestCommand() *cobra.Command {
	var f askFlags
	var dry bool
	c := &cobra.Command{Use: "request ENTITLEMENT...", Short: "Ask for access",
		Example: `  lessor request db:reader --term 8h --reason "month end" --as ann
  lessor request --bundle oncall --for bot --term 2d --reason "handover" --dry-run`,
		RunE: func(c *cobra.Command, args []string) error {
			ask, err := f.read(args)
			if err != nil {
				return err
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			if dry {
				items, err := server.Preview(c.Context(), ask)
				if err != nil {
					return err
				}
				return a.showItems(items)
			}
			r, err := server.Submit(c.Context(), ask)
			if err != nil {
				return err
			}
			return a.asked(r)
		}}
	f.add(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "say what policy would answer, and ask nothing")
	return c
}

// asked shows a request as it stands after an ask. That policy denied it is no
// failure of the command, but its exit code says so.
func (a *app) asked(r access.Request) error {
	a.line("request %s, revision %d: %s", r.ID, r.Revision, r.State)
	if err := a.showOne(r, func() error { return a.showItems(r.Items) }); err != nil {
		return err
	}
	if r.State == access.Denied {
		return fmt.Errorf("%w: request %s", access.ErrDenied, r.ID)
	}
	return nil
}

func (a *app) showOne(v any, table func() error) error {
	if a.format == "json" {
		return a.show(v, nil, nil)
	}
	return table()
}

func (a *app) showItems(items []access.Item) error {
	rows := [][]string{}
	for _, it := range items {
		why := it.Why
		if why == "" {
			why = it.Decision.Why
		}
		outcome := string(it.Outcome)
		if it.Outcome == access.Undecided && it.Decision.Question != "" && !it.Decision.Allow {
			outcome = "would be denied"
		}
		rows = append(rows, []string{it.Entitlement, outcome, it.Term.String(), stages(it.Decision), longest(it.Decision), ruleIDs(it.Decision), why})
	}
	return a.show(items, []string{"ENTITLEMENT", "OUTCOME", "TERM", "NEEDS", "AT MOST", "RULES", "WHY"}, rows)
}

func stages(d access.Decision) string {
	var list []string
	for _, s := range d.Stages {
		list = append(list, fmt.Sprintf("%s:%d", s.Name, s.Count))
	}
	return strings.Join(list, " ")
}

func longest(d access.Decision) string {
	if d.MaxTerm == 0 {
		return ""
	}
	return d.MaxTerm.String()
}

func ruleIDs(d access.Decision) string {
	var list []string
	for _, r := range d.Rules {
		list = append(list, r.ID)
	}
	return strings.Join(list, " ")
}

func (a *app) editCommand() *cobra.Command {
	var f askFlags
	c := &cobra.Command{Use: "edit REQUEST ENTITLEMENT...", Short: "Ask for something else under the same request; approvals are void", Args: takes(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			ask, err := f.read(args[1:])
			if err != nil {
				return err
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			story, err := server.Request(c.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := server.Edit(c.Context(), args[0], story.Request.Digest, ask)
			if err != nil {
				return err
			}
			return a.asked(r)
		}}
	f.add(c)
	return c
}

// toldCommand is a command that says one thing about one noun, with a note.
func (a *app) toldCommand(use, short, flag, done string, needed bool, tell func(*cobra.Command, *client.Client, string, string) error) *cobra.Command {
	var note string
	c := &cobra.Command{Use: use, Short: short, Args: takes(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, args []string) error {
		if needed && strings.TrimSpace(note) == "" {
			return fmt.Errorf("%w: --%s is needed", errUsage, flag)
		}
		server, err := a.connect()
		if err != nil {
			return err
		}
		if err := tell(c, server, args[0], note); err != nil {
			return err
		}
		return a.done(map[string]string{"of": args[0], "done": done}, "%s: %s", args[0], done)
	}}
	c.Flags().StringVar(&note, flag, "", "in a sentence")
	return c
}

func (a *app) cancelCommand() *cobra.Command {
	return a.toldCommand("cancel REQUEST", "Take a request back", "note", "cancelled", false,
		func(c *cobra.Command, s *client.Client, id, note string) error {
			return s.Cancel(c.Context(), id, note)
		})
}

func (a *app) commentCommand() *cobra.Command {
	return a.toldCommand("comment REQUEST", "Add a remark; it decides nothing", "text", "noted", true,
		func(c *cobra.Command, s *client.Client, id, text string) error {
			return s.Comment(c.Context(), id, text)
		})
}

func (a *app) returnCommand() *cobra.Command {
	return a.toldCommand("return GRANT", "Give a grant back", "note", "given back; access is being removed unless another grant is a reason for it", false,
		func(c *cobra.Command, s *client.Client, id, note string) error {
			return s.Return(c.Context(), id, note)
		})
}

func (a *app) revokeCommand() *cobra.Command {
	return a.toldCommand("revoke GRANT", "End somebody's grant, as owner of the entitlement, manager of the holder, or security", "reason", "revoked; access is being removed unless another grant is a reason for it", true,
		func(c *cobra.Command, s *client.Client, id, reason string) error {
			return s.Revoke(c.Context(), id, reason)
		})
}
