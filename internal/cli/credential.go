package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) credentialCommand() *cobra.Command {
	c := &cobra.Command{Use: "credential", Short: "Keys, tokens and passwords of workloads: list, rotate, retire, or say that one leaked",
		Long: `Keys, tokens and passwords of workloads.

Those in credentials.yaml are made anew by their plan: delivered to a secret store,
and the old one killed and proved dead. What they are worth is shown nowhere.`}
	c.AddCommand(a.credentialListCommand(), a.credentialShowCommand(),
		a.deedCommand("rotate", "Have one made anew now, or as soon as no blackout holds it", "reason", (*client.Client).Rotate),
		a.deedCommand("retire", "End one for good: killed and proved dead, and made no more", "reason", (*client.Client).Retire),
		a.deedCommand("compromised", "Say that somebody else may have one: it is killed at once", "incident", (*client.Client).Compromised))
	return c
}

func (a *app) credentialListCommand() *cobra.Command {
	system := ""
	c := &cobra.Command{Use: "list", Short: "Those you answer for or, for security and auditors, all", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Credentials(c.Context(), system)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, k := range list {
				rows = append(rows, []string{k.ID, k.System, k.Account, k.Kind, k.Owner, k.State, stamp(k.Used), stamp(k.Due), stamp(k.Ends)})
			}
			return a.show(list, []string{"CREDENTIAL", "SYSTEM", "ACCOUNT", "KIND", "OWNER", "STATE", "USED", "ROTATION DUE", "ENDS"}, rows)
		}}
	c.Flags().StringVar(&system, "system", "", "only those of this system")
	return c
}

func (a *app) credentialShowCommand() *cobra.Command {
	return &cobra.Command{Use: "show CREDENTIAL", Short: "One, with its rotations", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			k, err := server.Credential(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showOne(k, func() error {
				a.line("%s: %s of %s at %s, %s; %s answers for it", k.ID, k.Kind, k.Account, k.System, k.State, k.Owner)
				if k.Planned {
					a.line("delivered to %s; generation %d issued %s, used %s, to be made anew %s", k.Deliver, k.Generation, stamp(k.Issued), stamp(k.Used), stamp(k.Due))
				}
				if k.Trouble != "" {
					a.line("in the way: %s", k.Trouble)
				}
				for _, r := range k.Rotations {
					a.line("  %s  %s  %s by %s  generation %d  delivered %s%s", r.ID, r.State, r.Cause, r.By, r.Generation, stamp(r.Delivered), proofs(r))
				}
				return nil
			})
		}}
}

// proofs says of each old one how it is known to be dead.
func proofs(r access.Rotation) (text string) {
	for _, o := range r.Olds {
		if o.Dead.IsZero() {
			text += fmt.Sprintf("  old %d not proved dead yet", o.Generation)
		} else {
			text += fmt.Sprintf("  old %d dead %s (%s)", o.Generation, stamp(o.Dead), o.How)
		}
	}
	return text
}

// deedCommand is one deed to a credential, for a reason.
func (a *app) deedCommand(verb, short, why string, do func(*client.Client, context.Context, engine.Deed) (access.Rotation, error)) *cobra.Command {
	var w engine.Deed
	c := &cobra.Command{Use: verb + " CREDENTIAL", Short: short, Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if w.Credential = args[0]; w.Reason == "" {
				return fmt.Errorf("%w: --%s is needed", errUsage, why)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			r, err := do(server, c.Context(), w)
			if err != nil {
				return err
			}
			return a.showOne(r, func() error {
				a.line("rotation %s of %s is %s; lessor credential show %s says how it goes on", r.ID, r.Credential, r.State, r.Credential)
				return nil
			})
		}}
	text := "why, in a sentence"
	if why == "incident" {
		text = "what has happened, and the incident's reference"
	}
	c.Flags().StringVar(&w.Reason, why, "", text)
	return c
}
