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

// UseSeen is one sight of an account in use.
type UseSeen struct {
	Account string
	Program string // what acts as it, as its target shows that
	From    string // where from
	Person  bool   // the program is one that a person works with
}

// What a target may say an account is, see [AccountSeen].
const (
	machineAccount = "machine"
	builtIn        = "built-in"
	personAccount  = "person"
)

// keepMachines notes what a reading saw of accounts that are, or seem to be, no
// person's, and finds those that nobody has written down, each with whoever might
// answer for it. Most are told by their system; of others only the name speaks.
func (d *deed) keepMachines(ctx context.Context, sys access.System, at time.Time, seen []AccountSeen) error {
	dir := d.world.Directory
	known, err := d.MachineAccounts(ctx, sys.ID)
	if err != nil {
		return err
	}
	was := make(map[string]access.MachineAccount, len(known))
	for _, a := range known {
		was[a.Name] = a
	}
	claims, err := d.claimsAt(ctx, sys)
	if err != nil {
		return err
	}
	// 1. What each is now.
	nobodys := map[string]access.MachineAccount{}
	for _, a := range seen {
		holder, _ := dir.ByAccount(sys.ID, a.Name)
		i, somebodys := dir.Identity(holder)
		switch {
		case somebodys && i.Kind == access.Person, a.Kind == builtIn, !somebodys && dir.Taken(sys.ID, a.Name):
			continue
		case !somebodys && (a.Kind == personAccount || a.Kind != machineAccount && !access.LooksMachine(a.Name)):
			continue
		}
		old, there := was[a.Name]
		next := old
		next.System, next.Name, next.Used = sys.ID, a.Name, later(old.Used, a.Used.UTC().Truncate(time.Microsecond))
		if next.Proposed, next.Why = "", ""; !somebodys {
			next.Proposed, next.Why = claims.of(a)
			nobodys[sys.ID+" "+a.Name] = next
		}
		delete(was, a.Name)
		if there && access.Digest(old) == access.Digest(next) {
			continue
		}
		next.Seen = at.UTC().Truncate(time.Microsecond)
		if err := d.SetMachineAccount(ctx, next); err != nil {
			return err
		}
	}
	// 2. What is there no more.
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if err := d.DropMachineAccount(ctx, sys.ID, name); err != nil {
			return err
		}
	}
	// 3. Those that nobody has written down.
	return d.tellUnregistered(ctx, sys, nobodys)
}

func (d *deed) tellUnregistered(ctx context.Context, sys access.System, nobodys map[string]access.MachineAccount) error {
	open, err := d.OpenFindings(ctx, access.WorkloadUnregistered)
	if err != nil {
		return err
	}
	told := map[string]access.Finding{}
	for _, f := range open {
		if _, still := nobodys[f.Subject]; still {
			told[f.Subject] = f
		} else if system, _, _ := strings.Cut(f.Subject, " "); system == sys.ID {
			if err := d.settleFinding(ctx, f.Kind, f.Subject, "it is registered, or there no more"); err != nil {
				return err
			}
		}
	}
	opened := 0
	for _, subject := range slices.Sorted(maps.Keys(nobodys)) {
		a := nobodys[subject]
		f := access.Finding{Kind: access.WorkloadUnregistered, Subject: subject, Owner: a.Proposed, DueAt: d.now.Add(14 * 24 * time.Hour),
			Text: fmt.Sprintf("Account %s at %s seems to be a program's, and nobody has written down whose, or what for. Proposed owner: %s, because %s. Register it (lessor workload register --finding), or delete it there.",
				quoted(a.Name), sys.ID, a.Proposed, a.Why)}
		if a.Proposed == "" {
			f.Owner = "security"
			f.Text = strings.Replace(f.Text, "Proposed owner: , because", "Nobody can be proposed as its owner:", 1)
		}
		if was, is := told[subject]; is && was.Text == f.Text || opened == mostCredentials { // the rest by later readings
			continue
		}
		opened++
		if err := d.renew(ctx, f, "somebody else is proposed"); err != nil {
			return err
		}
	}
	return nil
}

// claims say who might answer for what nobody does.
type claims struct {
	d     *deed
	sys   access.System
	owned map[string][]string // object -> owners of its entitlement, and the entitlement last
	holds map[string][]string // account -> objects that it holds ungranted
}

func (d *deed) claimsAt(ctx context.Context, sys access.System) (claims, error) {
	c := claims{d: d, sys: sys, owned: map[string][]string{}, holds: map[string][]string{}}
	dir := d.world.Directory
	for _, id := range dir.Entitlements() {
		if ent, _ := dir.Entitlement(id); ent.System == sys.ID {
			c.owned[ent.Object] = append(slices.Clone(ent.Owners), ent.ID)
		}
	}
	objects, err := d.InventoryObjects(ctx, sys.ID)
	for _, o := range objects {
		for _, a := range o.Stray {
			c.holds[a] = append(c.holds[a], o.Object)
		}
	}
	return c, err
}

// of proposes whoever made the account, else an owner of what it holds, else of the system.
func (c claims) of(a AccountSeen) (who, why string) {
	if maker := c.person(c.holderOf(a.By)); maker != "" {
		return maker, fmt.Sprintf("%s made the account there", quoted(a.By))
	}
	if who, why = c.ofObjects(c.holds[a.Name], "the account holds"); who != "" {
		return who, why
	}
	if who = c.person(c.sys.Owner); who != "" {
		return who, "nothing tells more than that this is the owner of " + c.sys.ID
	}
	return "", "neither who made it nor what it holds tells, and " + c.sys.ID + " has no active owner"
}

// ofObjects proposes an owner of one of these, in order.
func (c claims) ofObjects(objects []string, verb string) (who, why string) {
	for _, o := range objects {
		list := c.owned[o]
		for _, owner := range list[:max(0, len(list)-1)] {
			if who := c.person(owner); who != "" {
				return who, fmt.Sprintf("%s %s, which is %s's", verb, list[len(list)-1], who)
			}
		}
	}
	return "", ""
}

func (c claims) holderOf(account string) string {
	id, _ := c.d.world.Directory.ByAccount(c.sys.ID, account)
	return id
}

// person is the active person of the house who answers for an identity, or nobody.
func (c claims) person(id string) string {
	dir := c.d.world.Directory
	i, _ := dir.Identity(id)
	if i.Kind == access.Workload || i.Kind == access.Agent {
		id = i.Owner
	}
	id = dir.PersonOf(id)
	if p, ok := dir.Identity(id); !ok || p.Kind != access.Person || p.External || !c.d.active(id) {
		return ""
	}
	return id
}

// ObservedUses takes who was seen using accounts at a system; only those of programs
// are of interest, and of those of people nothing is kept.
func (e *Engine) ObservedUses(ctx context.Context, system string, at time.Time, seen []UseSeen) error {
	return e.do(ctx, "observed uses", access.Clock, func(d *deed) error {
		at := at.UTC().Truncate(time.Microsecond)
		if err := d.sealedUses(ctx, system, at, seen); err != nil {
			return err
		}
		of := map[string][]UseSeen{}
		for _, u := range seen {
			of[u.Account] = append(of[u.Account], u)
		}
		known, err := d.MachineAccountsOf(ctx, system, slices.Sorted(maps.Keys(of)))
		if err != nil {
			return err
		}
		for _, a := range known {
			a.Used, a.Seen = later(a.Used, at), at
			a.Programs = nil
			for _, u := range of[a.Name] {
				if u.Person {
					a.PersonAt, a.PersonBy = at, plain(strings.TrimSpace(u.Program+" from "+u.From))
				} else if u.Program != "" {
					a.Programs = append(a.Programs, plain(u.Program))
				}
			}
			slices.Sort(a.Programs)
			a.Programs = slices.Compact(a.Programs)
			if err := d.SetMachineAccount(ctx, a); err != nil {
				return err
			}
		}
		return nil
	})
}
