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

// JudgeJob asks that every workload be held against its contract.
type JudgeJob struct{}

// Kind implements river.JobArgs.
func (JudgeJob) Kind() string { return "judge_workloads" }

const (
	judgedAtOnce = 200                 // workloads in one transaction
	unusedAfter  = 90 * 24 * time.Hour // without use, where their systems tell it
	personSeen   = 30 * 24 * time.Hour // for how long it counts that a person used one
)

// Judged is what holding all workloads against their contracts came to.
type Judged struct {
	Workloads int
	Findings  int // open ones, as of now
	Waiting   int // that later rounds open
}

// JudgeWorkloads opens, renews and closes what is found about workloads and agents:
// by their contracts, what they hold, and what readings saw of their accounts and
// credentials. It changes nothing else, and may run twice, or beside a reading.
func (e *Engine) JudgeWorkloads(ctx context.Context) (total Judged, err error) {
	all := e.World().Directory.Machines()
	opened := 0
	for page := range slices.Chunk(all, judgedAtOnce) {
		var some Judged
		before := opened
		err := e.do(ctx, "judge workloads", access.Clock, func(d *deed) error {
			some, opened = Judged{}, before
			return d.judgeMachines(ctx, page, &opened, &some)
		})
		if err != nil {
			return total, err
		}
		total.Workloads, total.Findings, total.Waiting = total.Workloads+some.Workloads, total.Findings+some.Findings, total.Waiting+some.Waiting
	}
	return total, nil
}

type place struct{ system, name string }

// sight is everything that a page of workloads is judged by.
type sight struct {
	d           *deed
	grants      map[string][]string // identity -> entitlements of its open grants
	strays      map[place][]string  // account -> entitlements it holds ungranted
	accounts    map[place]access.MachineAccount
	credentials map[place][]access.Credential
	prints      map[string][]access.Credential // wherever they are
	rotated     map[place]time.Time
	reaches     map[string][]string // entitlement -> what it can become
}

func (d *deed) judgeMachines(ctx context.Context, ids []string, opened *int, total *Judged) error {
	s, err := d.sightOf(ctx, ids)
	if err != nil {
		return err
	}
	kinds := slices.Sorted(maps.Keys(access.WorkloadKinds))
	list, err := d.OpenFindingsOf(ctx, kinds, ids)
	if err != nil {
		return err
	}
	open := map[[2]string]access.Finding{}
	for _, f := range list {
		open[[2]string{f.Kind, f.Subject}] = f
	}
	for _, id := range ids {
		i, ok := d.world.Directory.Identity(id)
		if !ok {
			continue
		}
		total.Workloads++
		found, err := s.judge(ctx, i)
		if err != nil {
			return err
		}
		for _, kind := range kinds {
			text, is := found[kind]
			was, told := open[[2]string{kind, id}]
			owner := s.answers(i, kind)
			switch {
			case is && told && was.Text == text && was.Owner == owner:
				total.Findings++
			case is && !told && *opened >= mostCredentials:
				total.Waiting++
			case is:
				*opened++
				total.Findings++
				f := access.Finding{Kind: kind, Subject: id, Owner: owner, Text: text, DueAt: d.now.Add(dueIn[kind])}
				if told && was.Owner != owner { // the new one is told
					if err := d.settleFinding(ctx, kind, id, "it is for somebody else now"); err != nil {
						return err
					}
				}
				if err := d.renew(ctx, f, "it says something else now"); err != nil {
					return err
				}
			case told:
				if err := d.settleFinding(ctx, kind, id, "it is as it should be"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const day = 24 * time.Hour

var dueIn = map[string]time.Duration{
	access.WorkloadUnowned: 3 * day, access.WorkloadUnused: 30 * day, access.WorkloadOverpowered: 7 * day, access.WorkloadShared: 30 * day,
	access.WorkloadByPerson: 3 * day, access.WorkloadProduction: 3 * day, access.WorkloadThirdParty: 7 * day, access.WorkloadUnreviewed: 14 * day,
	access.WorkloadUnending: 30 * day, access.WorkloadOverdue: 7 * day, access.WorkloadWeak: 14 * day,
	access.WorkloadExposed: 7 * day,
}

// sightOf reads all of it in a few questions, however many workloads there are.
func (d *deed) sightOf(ctx context.Context, ids []string) (*sight, error) {
	s := &sight{d: d, grants: map[string][]string{}, strays: map[place][]string{}, accounts: map[place]access.MachineAccount{},
		credentials: map[place][]access.Credential{}, prints: map[string][]access.Credential{}, rotated: map[place]time.Time{}, reaches: map[string][]string{}}
	dir := d.world.Directory
	// 1. What they were granted.
	grants, err := d.GrantsOf(ctx, ids, true, "", 1<<30)
	if err != nil {
		return s, err
	}
	for _, g := range grants {
		if d.now.Before(g.End) {
			s.grants[g.Identity] = append(s.grants[g.Identity], g.Entitlement)
		}
	}
	// 2. Their accounts, what those hold besides, and what lets bearers in as them.
	names := map[string][]string{}
	for _, id := range ids {
		i, _ := dir.Identity(id)
		for system, name := range i.Accounts {
			names[system] = append(names[system], name)
		}
	}
	var prints []string
	for _, system := range slices.Sorted(maps.Keys(names)) {
		if err := s.read(ctx, system, names[system], &prints); err != nil {
			return s, err
		}
	}
	// 3. The same keys elsewhere, and what was rotated when.
	slices.Sort(prints)
	with, err := d.CredentialsWith(ctx, slices.Compact(prints))
	if err != nil {
		return s, err
	}
	for _, c := range with {
		s.prints[c.Print] = append(s.prints[c.Print], c)
	}
	rotations, err := d.NewestRotations(ctx)
	for _, r := range rotations {
		if at := (place{r.System, r.Account}); r.State == access.RotationDone && r.Issued.After(s.rotated[at]) {
			s.rotated[at] = r.Issued
		}
	}
	return s, err
}

func (s *sight) read(ctx context.Context, system string, names []string, prints *[]string) error {
	accounts, err := s.d.MachineAccountsOf(ctx, system, names)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		s.accounts[place{system, a.Name}] = a
	}
	credentials, err := s.d.CredentialsAt(ctx, system, names)
	if err != nil {
		return err
	}
	for _, c := range credentials {
		s.credentials[place{system, c.Account}] = append(s.credentials[place{system, c.Account}], c)
		if c.Print != "" {
			*prints = append(*prints, c.Print)
		}
	}
	of := map[string]string{}
	dir := s.d.world.Directory
	for _, id := range dir.Entitlements() {
		if ent, _ := dir.Entitlement(id); ent.System == system {
			of[ent.Object] = id
		}
	}
	objects, err := s.d.InventoryObjects(ctx, system)
	for _, o := range objects {
		for _, a := range o.Stray {
			if ent := of[o.Object]; ent != "" {
				s.strays[place{system, a}] = append(s.strays[place{system, a}], ent)
			}
		}
	}
	return err
}

// answers is for whom a finding about a workload is: its owner, else its deputy, else
// the owner of a system it has an account at.
func (s *sight) answers(i access.Identity, _ string) string {
	dir := s.d.world.Directory
	try := []string{i.Owner}
	if i.Contract != nil {
		try = append(try, i.Contract.Deputy)
	}
	for _, system := range slices.Sorted(maps.Keys(i.Accounts)) {
		sys, _ := dir.System(system)
		try = append(try, sys.Owner)
	}
	for _, who := range try {
		if p, ok := dir.Identity(who); ok && p.Kind == access.Person && s.d.active(who) {
			return who
		}
	}
	return "security"
}

// judge is everything that is not as it should be with one workload. What it says
// stays the same for as long as it is so: no text counts the days.
func (s *sight) judge(ctx context.Context, i access.Identity) (found map[string]string, err error) {
	found = map[string]string{}
	if !i.ActiveAt(s.d.now) { // what is left of it, its accounts' and credentials' findings say
		return found, nil
	}
	say := func(kind, format string, a ...any) {
		if _, said := found[kind]; !said {
			found[kind] = fmt.Sprintf(format, a...)
		}
	}
	s.owned(i, say)
	s.used(i, say)
	s.secrets(i, say)
	s.exposed(i, say)
	if i.Contract == nil {
		return found, nil
	}
	s.reviewed(i, say)
	return found, s.held(ctx, i, say)
}

type tells func(kind, format string, a ...any)

func (s *sight) owned(i access.Identity, say tells) {
	owner, ok := s.d.world.Directory.Identity(i.Owner)
	switch {
	case i.Owner == "":
		say(access.WorkloadUnowned, "%s has no owner. Hand it to somebody who answers for it, or retire it: lessor workload retire %s.", i.ID, i.ID)
	case !ok || owner.Kind != access.Person || !s.d.active(i.Owner):
		say(access.WorkloadUnowned, "%s, who owns %s, is no longer active. Hand it to somebody who answers for it, or retire it: lessor workload retire %s.", i.Owner, i.ID, i.ID)
	}
}

// used is by whom, and when last, as far as the systems tell.
func (s *sight) used(i access.Identity, say tells) {
	var last time.Time
	for _, system := range slices.Sorted(maps.Keys(i.Accounts)) {
		at := place{system, i.Accounts[system]}
		a := s.accounts[at]
		last = later(last, a.Used)
		for _, c := range s.credentials[at] {
			last = later(last, c.Used)
		}
		if !a.PersonAt.IsZero() && s.d.now.Sub(a.PersonAt) < personSeen {
			say(access.WorkloadByPerson, "A person used %s: account %s at %s, by %s. Give people accounts of their own, and rotate its credentials: somebody knows them.", i.ID, quoted(a.Name), system, a.PersonBy)
		}
		if i.Contract != nil && len(i.Contract.Consumers) > 0 {
			if others := slices.DeleteFunc(slices.Clone(a.Programs), func(p string) bool { return slices.Contains(i.Contract.Consumers, p) }); len(others) > 0 {
				say(access.WorkloadShared, "%s is used at %s by %s, which its contract does not name. Give each program an identity of its own, or write it into the contract.", i.ID, system, strings.Join(others, ", "))
			}
		}
		s.keys(i, at, say)
	}
	if i.Contract != nil && len(i.Contract.Consumers) > 1 {
		say(access.WorkloadShared, "%s is shared by %s: if one of them leaks it, all must change it at once. Give each an identity of its own.", i.ID, strings.Join(i.Contract.Consumers, ", "))
	}
	if !last.IsZero() && s.d.now.Sub(last) > unusedAfter {
		say(access.WorkloadUnused, "%s was last used %s. Retire it if nothing needs it: lessor workload retire %s.", i.ID, last.Format(time.DateOnly), i.ID)
	}
}

// keys finds a key that lets in as several.
func (s *sight) keys(i access.Identity, at place, say tells) {
	for _, c := range s.credentials[at] {
		for _, other := range s.prints[c.Print] {
			if c.Print != "" && (place{other.System, other.Account} != at) && s.d.holderOf(other) != i.ID {
				say(access.WorkloadShared, "The key %s of %s also lets in at %s as %s. Give each a key of its own.", c.Print, i.ID, other.System, quoted(other.Account))
			}
		}
	}
}

func (s *sight) secrets(i access.Identity, say tells) {
	for _, system := range slices.Sorted(maps.Keys(i.Accounts)) {
		at := place{system, i.Accounts[system]}
		for _, c := range s.credentials[at] {
			if !c.GoodAt(s.d.now) {
				continue
			}
			if c.Unending() {
				say(access.WorkloadUnending, "%s of %s at %s never ends. Give it an end, or put one that has one in its place.", called(c), i.ID, system)
			}
			if strings.HasPrefix(c.Kind, "md5 ") {
				say(access.WorkloadWeak, "%s of %s at %s is kept as MD5, which whoever reads it can use as it is. Set it anew, as SCRAM.", called(c), i.ID, system)
			}
			made := c.Issued
			if made.IsZero() {
				made = c.Found
			}
			made = later(made, s.rotated[at])
			if i.Contract != nil && i.Contract.RotateEvery > 0 && !s.d.now.Before(made.Add(i.Contract.RotateEvery.D())) {
				say(access.WorkloadOverdue, "%s of %s at %s is there since %s at the latest, and its contract has it changed every %s. Rotate it.", called(c), i.ID, system, made.Format(time.DateOnly), i.Contract.RotateEvery)
			}
		}
	}
}

// exposed is how it is deployed, as far as the systems tell.
func (s *sight) exposed(i access.Identity, say tells) {
	var all []string
	for _, system := range slices.Sorted(maps.Keys(i.Accounts)) {
		all = append(all, s.accounts[place{system, i.Accounts[system]}].Exposed...)
	}
	if len(all) > 0 {
		say(access.WorkloadExposed, "What acts as %s is deployed so that something is given away: %s. %s", i.ID, someOf(all), unexpose)
	}
}

func (s *sight) reviewed(i access.Identity, say tells) {
	c, due := i.Contract, i.Contract.ReviewDue()
	overdue := !due.IsZero() && !s.d.now.Before(due)
	last := "never reviewed"
	if !c.Reviewed.IsZero() {
		last = "last reviewed " + c.Reviewed.Format(time.DateOnly)
	}
	switch {
	case c.ThirdParty != "" && (overdue || due.IsZero()):
		say(access.WorkloadThirdParty, "%s is a program of %s, and was %s. See that it is still needed, holds no more than that, and is not among what they lost: lessor workload review %s.", i.ID, quoted(c.ThirdParty), last, i.ID)
	case overdue:
		say(access.WorkloadUnreviewed, "%s was %s, and its contract has it reviewed every %s: lessor workload review %s.", i.ID, last, c.ReviewEvery, i.ID)
	}
}

// held holds against the contract what it holds by grants and besides, and what that can become.
func (s *sight) held(ctx context.Context, i access.Identity, say tells) error {
	dir, c := s.d.world.Directory, *i.Contract
	var list []string
	list = append(list, s.grants[i.ID]...)
	for system, name := range i.Accounts {
		list = append(list, s.strays[place{system, name}]...)
	}
	slices.Sort(list)
	for _, id := range slices.Compact(list) {
		ent, ok := dir.Entitlement(id)
		if !ok {
			continue
		}
		if !c.Allows(ent) {
			say(access.WorkloadOverpowered, "%s holds %s, which its contract does not allow. Take it away, or change the contract.", i.ID, id)
		}
		reach, err := s.reach(ctx, id)
		if err != nil {
			return err
		}
		for _, to := range append([]string{id}, reach...) {
			other, ok := dir.Entitlement(to)
			if !ok {
				continue
			}
			if !c.Allows(other) {
				say(access.WorkloadOverpowered, "%s holds %s, by which it can have or hand out %s, which its contract does not allow. Take it away, or change the contract.", i.ID, id, to)
			}
			if dir.EnvironmentOf(other) == access.Production && c.Environment != "" && c.Environment != access.Production {
				say(access.WorkloadProduction, "%s is of %s and reaches production: by %s it has %s. Give what runs in production an identity of its own, and take this away.", i.ID, c.Environment, id, to)
			}
		}
	}
	return nil
}

func (s *sight) reach(ctx context.Context, entitlement string) ([]string, error) {
	if known, ok := s.reaches[entitlement]; ok {
		return known, nil
	}
	r, err := s.d.reach(ctx, entitlement)
	s.reaches[entitlement] = r.Implied
	return r.Implied, err
}
