package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// WorkloadLine is one workload as a list shows it.
type WorkloadLine struct {
	Identity access.Identity `json:"identity"`
	Active   bool            `json:"active"`
	Used     time.Time       `json:"used,omitzero"`
	Lacks    []string        `json:"lacks,omitempty"`    // of its contract
	Findings []string        `json:"findings,omitempty"` // kinds of the open ones
}

// WorkloadStory is one workload with all that is known of it.
type WorkloadStory struct {
	WorkloadLine
	Found       []access.Finding        `json:"found"`
	Accounts    []access.MachineAccount `json:"accounts"`
	Credentials []access.Credential     `json:"credentials"`
	Kept        []CredentialKept        `json:"kept"`               // those that plans are of
	Grants      []Holding               `json:"grants"`             // open ones that the reader may know of
	Holds       int                     `json:"holds"`              // all open ones
	Answers     bool                    `json:"answers,omitempty"`  // the reader reviews it: its owner or deputy
	Changes     bool                    `json:"changes,omitempty"`  // the reader may change its contract: its owner, where it does not stand in the files
	Retires     bool                    `json:"retires,omitempty"`  // the reader may retire it
	Requests    int                     `json:"requests,omitempty"` // open ones for it
}

// Coverage is for how many workloads it is known what should be known of all.
type Coverage struct {
	Workloads    int `json:"workloads"`
	Owner        int `json:"owner"`        // an active person
	Purpose      int `json:"purpose"`      //
	Used         int `json:"used"`         // when it was last used
	Rotation     int `json:"rotation"`     // how often its credentials change
	End          int `json:"end"`          // when, or upon what, it goes
	Review       int `json:"review"`       // and is not overdue
	Unregistered int `json:"unregistered"` // accounts of programs that nobody has written down; of the whole estate only
}

// seesWorkload tells whether the actor may know of a workload: whoever answers for it,
// owners of systems it has accounts at, security and auditors.
func (d *deed) seesWorkload(i access.Identity) bool {
	dir := d.world.Directory
	me := dir.PersonOf(d.by.Identity)
	if d.oversees() {
		return true
	}
	who := []string{i.ID, i.Owner, i.Sponsor}
	if i.Contract != nil {
		who = append(who, i.Contract.Deputy)
	}
	for system := range i.Accounts {
		sys, _ := dir.System(system)
		who = append(who, sys.Owner)
	}
	return slices.ContainsFunc(who, func(id string) bool { return id != "" && dir.PersonOf(id) == me })
}

func (d *deed) oversees() bool {
	groups := d.world.Directory.GroupsOf(d.by.Identity)
	return slices.Contains(groups, "security") || slices.Contains(groups, "auditors")
}

// WorkloadsSought narrows a list of workloads.
type WorkloadsSought struct {
	Mine  bool   // those the actor answers for
	Words string // each in the id, the name, the owner, the purpose, or where it has an account
	Lacks string // active, and not known of them is: one of WorkloadKnown
	After string // ids above it
}

// WorkloadKnown is what should be known of every workload, in the order of its figures.
var WorkloadKnown = []string{"owner", "purpose", "use", "rotation", "end", "review"}

// Workloads lists up to limit workloads and agents that the actor may know of, by id.
func (e *Engine) Workloads(ctx context.Context, by access.Actor, s WorkloadsSought, limit int) (list []WorkloadLine, more bool, err error) {
	if s.Lacks != "" && !slices.Contains(WorkloadKnown, s.Lacks) {
		return nil, false, fmt.Errorf("%w: what a workload may lack is one of %s, not %.20q", access.ErrInvalid, strings.Join(WorkloadKnown, ", "), s.Lacks)
	}
	words, lacks := strings.Fields(strings.ToLower(s.Words)), slices.Index(WorkloadKnown, s.Lacks)
	err = e.look(ctx, by, func(d *deed) error {
		list, more = []WorkloadLine{}, false
		var used map[place]bool
		if s.Lacks == "use" {
			if used, err = d.everUsed(ctx); err != nil {
				return err
			}
		}
		all, oversees := d.world.Directory.Machines(), d.oversees()
		from, _ := slices.BinarySearch(all, s.After)
		var ids []string
		for _, id := range all[from:] {
			i, _ := d.world.Directory.Identity(id)
			switch {
			case id == s.After, !oversees && !d.seesWorkload(i), s.Mine && !d.mine(i), !speaksOf(i, words),
				s.Lacks != "" && (!i.ActiveAt(d.now) || d.knownOf(i, used)[lacks]):
				continue
			}
			if len(ids) == limit {
				more = true
				break
			}
			ids = append(ids, id)
		}
		list, err = d.workloadLines(ctx, ids)
		return err
	})
	return list, more, err
}

// speaksOf tells whether all the words, in small letters, are in what is said of a workload.
func speaksOf(i access.Identity, words []string) bool {
	if len(words) == 0 {
		return true
	}
	said := []string{i.ID, i.Name, i.Owner, i.Sponsor}
	if i.Contract != nil {
		said = append(said, i.Contract.Purpose, i.Contract.Environment, i.Contract.ThirdParty)
	}
	for system, account := range i.Accounts {
		said = append(said, system, account)
	}
	return !slices.ContainsFunc(words, func(w string) bool {
		return !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(strings.ToLower(s), w) })
	})
}

// everUsed are the accounts of which it is known when they were last used.
func (d *deed) everUsed(ctx context.Context) (map[place]bool, error) {
	uses, err := d.Uses(ctx)
	used := make(map[place]bool, len(uses))
	for _, u := range uses {
		used[place{u.System, u.Name}] = true
	}
	return used, err
}

// mine tells whether the actor answers for it.
func (d *deed) mine(i access.Identity) bool {
	dir := d.world.Directory
	me := dir.PersonOf(d.by.Identity)
	return i.Owner != "" && dir.PersonOf(i.Owner) == me || i.Sponsor != "" && dir.PersonOf(i.Sponsor) == me ||
		i.Contract != nil && i.Contract.Deputy != "" && dir.PersonOf(i.Contract.Deputy) == me
}

func (d *deed) workloadLines(ctx context.Context, ids []string) ([]WorkloadLine, error) {
	s, err := d.sightOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	open, err := d.OpenFindingsOf(ctx, slices.Sorted(maps.Keys(access.WorkloadKinds)), ids)
	if err != nil {
		return nil, err
	}
	of := map[string][]string{}
	for _, f := range open {
		of[f.Subject] = append(of[f.Subject], f.Kind)
	}
	list := make([]WorkloadLine, len(ids))
	for n, id := range ids {
		i, _ := d.world.Directory.Identity(id)
		list[n] = WorkloadLine{Identity: i, Active: d.active(id), Lacks: lacks(i), Findings: slices.Sorted(slices.Values(of[id]))}
		for system, name := range i.Accounts {
			list[n].Used = later(list[n].Used, s.accounts[place{system, name}].Used)
			for _, c := range s.credentials[place{system, name}] {
				list[n].Used = later(list[n].Used, c.Used)
			}
		}
	}
	return list, nil
}

func lacks(i access.Identity) []string {
	if i.Contract == nil {
		return []string{"contract"}
	}
	return i.Contract.Lacks()
}

// Workload tells all of one, to whoever may know of it.
func (e *Engine) Workload(ctx context.Context, by access.Actor, id string) (w WorkloadStory, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		i, ok := d.world.Directory.Identity(id)
		if !ok || i.Kind == access.Person || !d.seesWorkload(i) {
			return fmt.Errorf("%w: workload %.80q", access.ErrNotFound, id)
		}
		w = WorkloadStory{Found: []access.Finding{}, Accounts: []access.MachineAccount{}, Credentials: []access.Credential{}}
		lines, err := d.workloadLines(ctx, []string{id})
		if err != nil {
			return err
		}
		w.WorkloadLine = lines[0]
		if w.Found, err = d.OpenFindingsOf(ctx, slices.Sorted(maps.Keys(access.WorkloadKinds)), []string{id}); err != nil {
			return err
		}
		for _, system := range slices.Sorted(keysOf(i.Accounts)) {
			accounts, err := d.MachineAccountsOf(ctx, system, []string{i.Accounts[system]})
			if err != nil {
				return err
			}
			credentials, err := d.CredentialsAt(ctx, system, []string{i.Accounts[system]})
			if err != nil {
				return err
			}
			w.Accounts, w.Credentials = append(w.Accounts, accounts...), append(w.Credentials, credentials...)
		}
		if w.Kept, err = d.keptBy(ctx, i, w.Credentials); err != nil {
			return err
		}
		pending, err := d.PendingFor(ctx, []string{id})
		if err != nil {
			return err
		}
		w.Requests = len(pending)
		open, err := d.GrantsOf(ctx, []string{id}, true, "", 1<<30)
		if err != nil {
			return err
		}
		w.Holds = len(open)
		_, no := d.workloadOf(id, true, false)
		w.Answers = no == nil && w.Active
		_, no = d.contracts(ctx, id)
		w.Changes = no == nil
		_, no = d.workloadOf(id, true, true)
		w.Retires = no == nil && !i.Inactive
		w.Grants, _, err = d.grantsOf(ctx, store.GrantsSought{Identities: []string{id}, Open: true}, Only{}, Page{"", 200}, 0)
		return err
	})
	return w, err
}

// WaitingWorkloads lists the workloads that somebody proposes the actor to answer for.
func (e *Engine) WaitingWorkloads(ctx context.Context, by access.Actor) (list []access.Registration, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		list = []access.Registration{}
		for _, id := range d.world.Directory.IdentitiesOf(by.Identity) {
			some, err := d.OpenRegistrations(ctx, id, 200)
			if err != nil {
				return err
			}
			list = append(list, some...)
		}
		return nil
	})
	return list, err
}

// WorkloadCoverage counts of how many workloads is known what should be: of the whole
// estate for security and auditors, or of those the actor answers for.
func (e *Engine) WorkloadCoverage(ctx context.Context, by access.Actor, mine bool) (c Coverage, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		if !mine && !d.oversees() {
			return fmt.Errorf("%w: figures about the whole estate are for security and auditors", access.ErrDenied)
		}
		used, err := d.everUsed(ctx)
		if err != nil {
			return err
		}
		c = Coverage{}
		for _, id := range d.world.Directory.Machines() {
			i, _ := d.world.Directory.Identity(id)
			if !i.ActiveAt(d.now) || mine && !d.mine(i) {
				continue
			}
			d.cover(&c, i, used)
		}
		if !mine {
			c.Unregistered, err = d.CountOpenFindings(ctx, access.WorkloadUnregistered)
		}
		return err
	})
	return c, err
}

// cover counts one.
func (d *deed) cover(c *Coverage, i access.Identity, used map[place]bool) {
	c.Workloads++
	known := d.knownOf(i, used)
	for n, count := range []*int{&c.Owner, &c.Purpose, &c.Used, &c.Rotation, &c.End, &c.Review} {
		*count += one(known[n])
	}
}

// knownOf tells what of WorkloadKnown is known of one.
func (d *deed) knownOf(i access.Identity, used map[place]bool) (is [6]bool) {
	owner, _ := d.world.Directory.Identity(i.Owner)
	is[0] = owner.Kind == access.Person && d.active(i.Owner)
	for system, name := range i.Accounts {
		if is[2] = used[place{system, name}]; is[2] {
			break
		}
	}
	is[4] = !i.Until().IsZero() || i.Contract != nil && i.Contract.Ending()
	if i.Contract != nil {
		due := i.Contract.ReviewDue()
		is[1], is[3], is[5] = i.Contract.Purpose != "", i.Contract.RotateEvery > 0, !due.IsZero() && d.now.Before(due)
	}
	return is
}
