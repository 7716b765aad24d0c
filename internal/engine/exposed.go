package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// ExposureSeen is one way in which what acts as an account is deployed so that it gives
// something away. What a secret is worth is not in it.
type ExposureSeen struct {
	Account string
	What    string // for people, and always the same for the same thing
}

const (
	mostExposed = 50  // that are kept of one account
	longestSaid = 300 // of one, in letters
	unexpose    = "Give secrets by reference and rotate those that stood in plain; have a token mounted only where something needs it, and say so there."
)

// ObservedExposures takes a whole reading of how programs are deployed at a system. Of
// workloads it is kept for [Engine.JudgeWorkloads]; accounts of nobody, and those that
// every program has which is given none, are found here.
func (e *Engine) ObservedExposures(ctx context.Context, system string, at time.Time, seen []ExposureSeen) error {
	return e.do(ctx, "observed exposures", access.Clock, func(d *deed) error {
		sys, _ := d.world.Directory.System(system)
		of := map[string][]string{}
		for _, x := range seen {
			of[x.Account] = append(of[x.Account], shortened(plain(x.What)))
		}
		for name, list := range of {
			slices.Sort(list)
			list = slices.Compact(list)
			of[name] = list[:min(len(list), mostExposed)]
		}
		// 1. Accounts of programs that are known: what is new of them, and what is over.
		known, err := d.MachineAccounts(ctx, system)
		if err != nil {
			return err
		}
		proposed := map[string]access.MachineAccount{}
		for _, a := range known {
			holder, somebodys := d.world.Directory.ByAccount(system, a.Name)
			if !somebodys {
				proposed[a.Name] = a
			}
			if list := of[a.Name]; !slices.Equal(a.Exposed, list) {
				a.Exposed, a.Seen = list, at.UTC().Truncate(time.Microsecond)
				if err := d.SetMachineAccount(ctx, a); err != nil {
					return err
				}
			}
			if i, _ := d.world.Directory.Identity(holder); somebodys && i.ActiveAt(d.now) {
				delete(of, a.Name) // judged with its workload
			}
		}
		// 2. All others.
		return d.tellExposed(ctx, sys, of, proposed)
	})
}

// tellExposed opens, renews and closes what is found of accounts that no workload
// answers for.
func (d *deed) tellExposed(ctx context.Context, sys access.System, of map[string][]string, proposed map[string]access.MachineAccount) error {
	open, err := d.OpenFindings(ctx, access.WorkloadExposed)
	if err != nil {
		return err
	}
	told := map[string]access.Finding{}
	for _, f := range open {
		at, account, about := strings.Cut(f.Subject, " ")
		if !about || at != sys.ID {
			continue
		}
		if told[account] = f; len(of[account]) == 0 {
			if err := d.settleFinding(ctx, f.Kind, f.Subject, "it is as it should be, or judged with its workload"); err != nil {
				return err
			}
		}
	}
	claims, err := d.claimsAt(ctx, sys)
	if err != nil {
		return err
	}
	opened := 0
	for _, account := range slices.Sorted(maps.Keys(of)) {
		f := access.Finding{Kind: access.WorkloadExposed, Subject: sys.ID + " " + account, DueAt: d.now.Add(dueIn[access.WorkloadExposed]),
			Text: fmt.Sprintf("What acts as account %s at %s, which no workload answers for, is deployed so that something is given away: %s. %s", quoted(account), sys.ID, someOf(of[account]), unexpose)}
		for _, who := range []string{claims.person(claims.holderOf(account)), proposed[account].Proposed, claims.person(sys.Owner), "security"} {
			if f.Owner = who; who != "" {
				break
			}
		}
		if was, is := told[account]; is && was.Text == f.Text && was.Owner == f.Owner || opened == mostCredentials { // the rest by later readings
			continue
		}
		opened++
		if err := d.renew(ctx, f, "it says something else now"); err != nil {
			return err
		}
	}
	return nil
}

// someOf names the first of a list, and how many more there are.
func someOf(list []string) string {
	text := strings.Join(list[:min(len(list), mostNamed)], "; ")
	if more := len(list) - mostNamed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// shortened is no more of what a target says than people read.
func shortened(text string) string {
	if r := []rune(text); len(r) > longestSaid {
		return string(r[:longestSaid]) + "…"
	}
	return text
}
