package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

func (a *app) workloadCommand() *cobra.Command {
	c := &cobra.Command{Use: "workload", Short: "Workloads and agents: list, show, register, accept, review, change, retire",
		Long: `Workloads (service accounts, bots) and agents, each under a contract: who answers
for it, what it is for, where it may hold what, how often its credentials change,
when somebody looks at it again, and when it goes.`}
	c.AddCommand(a.workloadList(), a.workloadShow(), a.workloadCoverage(), a.workloadRegister(), a.workloadWaiting(), a.workloadAccept(), a.workloadDecline(),
		a.workloadReview(), a.workloadChange(), a.workloadRetire())
	return c
}

func (a *app) workloadList() *cobra.Command {
	var s engine.WorkloadsSought
	var limit int
	c := &cobra.Command{Use: "list", Short: "Workloads and agents you may know of, by name", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			p, err := server.Workloads(c.Context(), s, limit)
			if err != nil {
				return err
			}
			rows := make([][]string, len(p.Workloads))
			for n, w := range p.Workloads {
				purpose, state := "", "active"
				if w.Identity.Contract != nil {
					purpose = w.Identity.Contract.Purpose
				}
				if !w.Active {
					state = "inactive"
				}
				rows[n] = []string{w.Identity.ID, string(w.Identity.Kind), state, w.Identity.Owner, purpose, stampOr(w.Used, "not known"), strings.Join(w.Lacks, " "), strings.Join(w.Findings, " ")}
			}
			if err := a.show(p, []string{"WORKLOAD", "KIND", "STATE", "OWNER", "PURPOSE", "USED", "LACKS", "FINDINGS"}, rows); err != nil {
				return err
			}
			if p.Next != "" {
				fmt.Fprintln(a.err, "there is more: add --after "+plain(p.Next))
			}
			return nil
		}}
	limitFlag(c, &limit)
	c.Flags().BoolVar(&s.Mine, "mine", false, "only those you answer for")
	c.Flags().StringVar(&s.Words, "words", "", "only those in whose id, name, owner, purpose or accounts these are")
	c.Flags().StringVar(&s.Lacks, "lacks", "", "only active ones of which that is not known: "+strings.Join(engine.WorkloadKnown, ", "))
	c.Flags().StringVar(&s.After, "after", "", "go on after this one")
	return c
}

func stampOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return stamp(t)
}

func (a *app) workloadShow() *cobra.Command {
	return &cobra.Command{Use: "show WORKLOAD", Short: "One workload with all that is known of it", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			w, err := server.Workload(c.Context(), args[0])
			if err != nil {
				return err
			}
			rows := [][]string{{"owner", w.Identity.Owner}, {"used", stampOr(w.Used, "not known")}, {"lacks", strings.Join(w.Lacks, " ")}}
			if k := w.Identity.Contract; k != nil {
				ends := k.RetiresWhen
				if !k.Retires.IsZero() {
					ends = stamp(k.Retires)
				}
				rows = append(rows, []string{"deputy", k.Deputy}, []string{"purpose", k.Purpose}, []string{"environment", k.Environment}, []string{"consumers", strings.Join(k.Consumers, " ")},
					[]string{"systems", strings.Join(k.Systems, " ")}, []string{"entitlements", strings.Join(k.Entitlements, " ")}, []string{"rotation", k.RotateEvery.String()},
					[]string{"reviewed", stampOr(k.Reviewed, "never")}, []string{"review", k.ReviewEvery.String()}, []string{"retires", ends}, []string{"third party", k.ThirdParty})
			}
			for _, at := range w.Accounts {
				rows = append(rows, []string{"account", at.System + " " + at.Name})
			}
			for _, at := range w.Credentials {
				rows = append(rows, []string{"credential", at.System + " " + at.Kind + " " + at.Native + ", ends " + stampOr(at.Ends, "never, or not known")})
			}
			for _, g := range w.Grants {
				rows = append(rows, []string{"grant", g.Grant.ID + " " + g.Grant.Entitlement + " until " + stamp(g.Grant.End)})
			}
			for _, f := range w.Found {
				rows = append(rows, []string{"finding", f.Kind + ": " + f.Text})
			}
			return a.show(w, []string{"WHAT", w.Identity.ID}, rows)
		}}
}

func (a *app) workloadCoverage() *cobra.Command {
	var mine bool
	c := &cobra.Command{Use: "coverage", Short: "Of how many it is known what should be of all", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			v, err := server.WorkloadCoverage(c.Context(), mine)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, r := range []struct {
				what string
				n    int
			}{{"owner", v.Owner}, {"purpose", v.Purpose}, {"last use", v.Used}, {"rotation", v.Rotation}, {"end", v.End}, {"review", v.Review}} {
				share := "-"
				if v.Workloads > 0 {
					share = fmt.Sprintf("%d %%", 100*r.n/v.Workloads)
				}
				rows = append(rows, []string{r.what, fmt.Sprint(r.n), fmt.Sprint(v.Workloads), share})
			}
			return a.show(v, []string{"KNOWN", "OF", "ALL", "SHARE"}, rows)
		}}
	c.Flags().BoolVar(&mine, "mine", false, "only those you answer for")
	return c
}

// contractFlags are a contract's, as the files name what is in it.
func contractFlags(c *cobra.Command, k *access.Contract) (read func() error) {
	f := c.Flags()
	var rotate, review, retires string
	f.StringVar(&k.Deputy, "deputy", "", "who answers while the owner does not")
	f.StringVar(&k.Purpose, "purpose", "", "what it is for, in a sentence")
	f.StringVar(&k.Environment, "environment", "", "production, or another")
	f.StringSliceVar(&k.Consumers, "consumer", nil, "a program that acts as it; may be given again")
	f.StringSliceVar(&k.Systems, "system", nil, "a system where it may hold anything; may be given again")
	f.StringSliceVar(&k.Entitlements, "entitlement", nil, "an entitlement it may hold, and no others; may be given again")
	f.StringVar(&rotate, "rotate-every", "", "how old its credentials may be: 90d")
	f.StringVar(&review, "review-every", "", "how often somebody says that it is still right: 180d")
	f.StringVar(&retires, "retires", "", "the day it goes: 2030-12-31")
	f.StringVar(&k.RetiresWhen, "retires-when", "", "or upon what it goes, in a sentence")
	f.StringVar(&k.ThirdParty, "third-party", "", "whose program it is, if not ours")
	return func() error {
		var errs []error
		for text, to := range map[*string]*access.Term{&rotate: &k.RotateEvery, &review: &k.ReviewEvery} {
			if *text == "" {
				continue
			}
			t, err := access.ParseTerm(*text)
			*to = t
			errs = append(errs, err)
		}
		if retires != "" {
			t, err := time.Parse(time.DateOnly, retires)
			if err != nil {
				errs = append(errs, fmt.Errorf("%w: --retires %.40q is not a day such as 2030-12-31", errUsage, retires))
			}
			k.Retires = t.AddDate(0, 0, 1) // the day is its last
		}
		return errors.Join(errs...)
	}
}

func (a *app) workloadRegister() *cobra.Command {
	var w engine.NewWorkload
	var kind string
	var accounts []string
	c := &cobra.Command{Use: "register WORKLOAD", Short: "Write a workload or an agent down, from a finding or by hand", Args: takes(cobra.ExactArgs(1))}
	read := contractFlags(c, &w.Contract)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := read(); err != nil {
			return err
		}
		w.ID, w.Kind, w.Accounts = args[0], access.IdentityKind(kind), map[string]string{}
		for _, at := range accounts {
			system, name, ok := strings.Cut(at, "=")
			if !ok {
				return fmt.Errorf("%w: --account %.80q is not SYSTEM=ACCOUNT", errUsage, at)
			}
			w.Accounts[system] = name
		}
		server, err := a.connect()
		if err != nil {
			return err
		}
		r, err := server.RegisterWorkload(c.Context(), w)
		if err != nil {
			return err
		}
		return a.registrations(r, r)
	}
	f := c.Flags()
	f.StringVar(&kind, "kind", "workload", "workload or agent")
	f.StringVar(&w.Name, "name", "", "for people")
	f.StringVar(&w.Owner, "owner", "", "who is to answer for it, and must accept (default: you)")
	f.StringArrayVar(&accounts, "account", nil, "SYSTEM=ACCOUNT; may be given again")
	f.StringVar(&w.Finding, "finding", "", "of an unregistered account: that is its account")
	f.StringVar(&w.Reason, "reason", "", "why, in a sentence")
	return c
}

func (a *app) registrations(v any, list ...access.Registration) error {
	rows := make([][]string, len(list))
	for n, r := range list {
		state := "waits for " + r.Identity.Owner
		if r.Accepted {
			state = "registered"
		}
		purpose := ""
		if r.Identity.Contract != nil {
			purpose = r.Identity.Contract.Purpose
		}
		rows[n] = []string{r.ID, r.Identity.ID, r.Identity.Owner, state, r.By, purpose}
	}
	return a.show(v, []string{"REGISTRATION", "WORKLOAD", "OWNER", "STATE", "BY", "PURPOSE"}, rows)
}

func (a *app) workloadWaiting() *cobra.Command {
	return &cobra.Command{Use: "waiting", Short: "Workloads that somebody proposes you to answer for", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Registrations(c.Context())
			if err != nil {
				return err
			}
			return a.registrations(slices.Clip(list), list...)
		}}
}

func (a *app) workloadAccept() *cobra.Command {
	return &cobra.Command{Use: "accept REGISTRATION", Short: "Answer for a workload from now on", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			r, err := server.AcceptWorkload(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.registrations(r, r)
		}}
}

// workloadWord is a command that says one word about one thing, for a reason.
func (a *app) workloadWord(use, short string, needed bool, do func(c *cobra.Command, id, reason string) error) *cobra.Command {
	var reason string
	c := &cobra.Command{Use: use, Short: short, Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if needed && reason == "" {
				return fmt.Errorf("%w: --reason is needed", errUsage)
			}
			return do(c, args[0], reason)
		}}
	c.Flags().StringVar(&reason, "reason", "", "why, in a sentence")
	return c
}

func (a *app) workloadDecline() *cobra.Command {
	return a.workloadWord("decline REGISTRATION", "Refuse to answer for a workload, or take a proposal back", true, func(c *cobra.Command, id, reason string) error {
		server, err := a.connect()
		if err != nil {
			return err
		}
		if err := server.DeclineWorkload(c.Context(), id, reason); err != nil {
			return err
		}
		return a.done(map[string]string{"registration": id}, "registration %s is declined", id)
	})
}

func (a *app) workloadReview() *cobra.Command {
	return a.workloadWord("review WORKLOAD", "Say that its contract is still right", false, func(c *cobra.Command, id, reason string) error {
		server, err := a.connect()
		if err != nil {
			return err
		}
		if err := server.ReviewWorkload(c.Context(), id, reason); err != nil {
			return err
		}
		return a.done(map[string]string{"workload": id}, "the contract of %s is reviewed", id)
	})
}

func (a *app) workloadRetire() *cobra.Command {
	return a.workloadWord("retire WORKLOAD", "End it, and all it was granted", true, func(c *cobra.Command, id, reason string) error {
		server, err := a.connect()
		if err != nil {
			return err
		}
		r, err := server.RetireWorkload(c.Context(), id, reason)
		if err != nil {
			return err
		}
		return a.show(r, []string{"WORKLOAD", "GRANTS ENDED"}, [][]string{{id, fmt.Sprint(r.Ended)}})
	})
}

func (a *app) workloadChange() *cobra.Command {
	var to access.Contract
	var reason string
	c := &cobra.Command{Use: "change WORKLOAD", Short: "Put another contract in the place of its own: what is not said is not in it", Args: takes(cobra.ExactArgs(1))}
	read := contractFlags(c, &to)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := read(); err != nil {
			return err
		}
		server, err := a.connect()
		if err != nil {
			return err
		}
		if err := server.ChangeContract(c.Context(), args[0], to, reason); err != nil {
			return err
		}
		return a.done(map[string]string{"workload": args[0]}, "%s has another contract", args[0])
	}
	c.Flags().StringVar(&reason, "reason", "", "why, in a sentence")
	return c
}
