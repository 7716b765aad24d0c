package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// AccountSeen is one account as a whole reading saw it: its name, and the id that
// its system never gives twice; empty where the system shows none.
type AccountSeen struct {
	Name, ID string
	Kind     string    // what the system says it is: "machine", "person", "built-in"; empty: it does not say
	Used     time.Time // zero: not known
	By       string    // the account that made it; empty: not known
}

// AccountDrift is what a reading of accounts came to.
type AccountDrift struct {
	Orphans  int  // accounts of nobody the directory knows
	MadeAnew int  // accounts that bear an old name and are others
	HeldBack bool // so many that nothing is done by itself
	Braked   bool // the reading had shrunk too much to be believed
}

// The findings about accounts. They are about a system, or a system and an account.
const (
	orphans      = "orphan_accounts"
	madeAnew     = "account_made_anew"
	manyMadeAnew = "accounts_made_anew"
	fewAccounts  = "accounts_shrunk"
)

// ObservedAccounts takes a whole reading of a system's accounts. Whose an account
// is, the directory says, by name; that it is still the one that was meant, its id
// does: an account made anew under an old name inherits nothing.
func (e *Engine) ObservedAccounts(ctx context.Context, system string, at time.Time, seen []AccountSeen) (drift AccountDrift, err error) {
	err = e.do(ctx, "observed accounts", access.Clock, func(d *deed) error {
		drift = AccountDrift{}
		sys, _ := d.world.Directory.System(system)
		// 1. What is sealed: seen to be used, it was, however little else was seen. The rest
		// is about all others. Has it shrunk too much to be believed?
		sealed, err := d.sealsAt(ctx, system)
		if err == nil {
			err = d.sealedAccounts(ctx, at, seen, sealed)
		}
		if err != nil {
			return err
		}
		last, err := d.Count(ctx, "accounts/"+system)
		if err == nil {
			err = d.SetCount(ctx, "accounts/"+system, len(seen))
		}
		if err != nil {
			return err
		}
		if last >= fewest && float64(len(seen)) < shrunk*float64(last) {
			drift.Braked = true
			return d.finding(ctx, access.Finding{Kind: fewAccounts, Subject: system, Owner: sys.Owner, DueAt: d.now.Add(4 * time.Hour),
				Text: fmt.Sprintf("A reading of %s has %d accounts where the last one had %d. It is not believed; the next one is measured by it.", system, len(seen), last)})
		}
		if err := d.settleFinding(ctx, fewAccounts, system, "a whole reading is there again"); err != nil {
			return err
		}
		seen := sealed.others(seen)
		// 2. Whose is each, and is it the one that was meant?
		known, err := d.Accounts(ctx, system)
		if err != nil {
			return err
		}
		s := sortAccounts(seen, known, func(name string) bool { _, ok := d.world.Directory.ByAccount(system, name); return ok })
		drift.Orphans, drift.MadeAnew = len(s.orphans), len(s.anew)
		for _, a := range s.fresh {
			if err := d.SetAccount(ctx, store.Account{System: system, Name: a.Name, Native: a.ID, Since: at}); err != nil {
				return err
			}
		}
		// 3. Others under old names.
		if drift.HeldBack = len(s.anew) > fewRemoved && float64(len(s.anew)) > shareRemoved*float64(len(known)); drift.HeldBack {
			return d.finding(ctx, access.Finding{Kind: manyMadeAnew, Subject: system, Owner: sys.Owner, DueAt: d.now.Add(4 * time.Hour),
				Text: fmt.Sprintf("%d of the %d accounts known at %s have other ids than before, such as %s. Nothing is done by itself about so many: if the system was put back or moved and they are the same people's, accept this.", len(s.anew), len(known), system, quoted(s.anew[0].is.Name))})
		}
		for _, a := range s.anew {
			if err := d.accountMadeAnew(ctx, sys, at, a); err != nil {
				return err
			}
		}
		if err := d.sure(ctx, system, at, s.anew); err != nil {
			return err
		}
		// 4. Nobody's, and those of programs.
		if err := d.keepMachines(ctx, sys, at, seen); err != nil {
			return err
		}
		return d.tellOrphans(ctx, sys, s)
	})
	return drift, err
}

// sorted is a reading of accounts by what they are.
type sorted struct {
	fresh   []AccountSeen     // somebody's, and not known yet
	anew    []anew            // somebody's, and another than before
	orphans []AccountSeen     // nobody's
	called  map[string]string // id -> the name it was known by
}

type anew struct {
	was store.Account
	is  AccountSeen
}

func sortAccounts(seen []AccountSeen, known []store.Account, somebodys func(string) bool) sorted {
	s := sorted{called: map[string]string{}}
	of := map[string]store.Account{}
	for _, k := range known {
		of[k.Name] = k
		if k.Native != "" {
			s.called[k.Native] = k.Name
		}
	}
	for _, a := range seen {
		was, old := of[a.Name]
		switch {
		case !somebodys(a.Name):
			s.orphans = append(s.orphans, a)
		case !old || was.Native == "":
			s.fresh = append(s.fresh, a)
		case a.ID != "" && a.ID != was.Native:
			s.anew = append(s.anew, anew{was, a})
		}
	}
	return s
}

// accountMadeAnew ends what the old account's holder was granted there, has all of
// it looked at, and keeps anything new from the account until somebody has said
// whose it is.
func (d *deed) accountMadeAnew(ctx context.Context, sys access.System, at time.Time, a anew) error {
	// 1. The grants were for the account that is gone.
	jobs, err := d.AssignmentsOf(ctx, sys.ID)
	if err != nil {
		return err
	}
	jobs = slices.DeleteFunc(jobs, func(j store.Job) bool { return j.Account != a.is.Name })
	var ids []string
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	open, err := d.OpenGrants(ctx, ids)
	if err != nil {
		return err
	}
	ended := 0
	for _, j := range jobs {
		for _, g := range open[j.ID] {
			ended++
			if err := d.finish(ctx, g, access.EndEligibilityLost, "account "+quoted(a.is.Name)+" at "+sys.ID+" was made anew and is another one"); err != nil {
				return err
			}
		}
	}
	// 2. Whatever the new one holds is looked at, whoever gave it.
	for _, id := range ids {
		job, err := d.Assignment(ctx, id)
		if err != nil {
			return err
		}
		if err := d.dueAt(ctx, job, d.now); err != nil {
			return err
		}
	}
	// 3. The name is the new one's from now on.
	if err := d.SetAccount(ctx, store.Account{System: sys.ID, Name: a.is.Name, Native: a.is.ID, Since: at}); err != nil {
		return err
	}
	whose, _ := d.world.Directory.ByAccount(sys.ID, a.is.Name)
	return d.renew(ctx, access.Finding{Kind: madeAnew, Subject: sys.ID + " " + a.is.Name, Owner: sys.Owner, DueAt: d.now.Add(24 * time.Hour),
		Text: fmt.Sprintf("Account %s at %s is another one than before (%s, and now %s). It inherits nothing: %d grants of %s there have ended, and none is given until somebody has seen whose the account is and accepts this.",
			quoted(a.is.Name), sys.ID, plain(a.was.Native), plain(a.is.ID), ended, whose)}, "it was made anew once more")
}

// doubtful says why nothing is given to an account: it was made anew, and nobody has said whose it is.
func (d *deed) doubtful(ctx context.Context, system, account string) (why string, err error) {
	f, err := d.OpenFinding(ctx, madeAnew, system+" "+account)
	if errors.Is(err, access.ErrNotFound) {
		return "", nil
	}
	return fmt.Sprintf("account %s at %s was made anew, and nobody has said yet whose it is (finding %s)", quoted(account), system, f.ID), err
}

// sureWithin is how long access that is gone though it is wanted waits for a
// reading of the accounts before it is given back: the account may be another by now.
const sureWithin = 10 * time.Minute

// unsure tells whether access that is gone must wait for a reading of the accounts,
// and asks for one: accounts with a known id may have been made anew.
func (d *deed) unsure(ctx context.Context, job store.Job) (bool, error) {
	a, err := d.Tx.Account(ctx, job.System, job.Account)
	if errors.Is(err, access.ErrNotFound) || (err == nil && a.Native == "") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, d.Enqueue(ctx, InventoryJob{job.System, d.now.Truncate(time.Minute)}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}})
}

// sure lets everything that waited for this reading go on.
func (d *deed) sure(ctx context.Context, system string, at time.Time, not []anew) error {
	jobs, err := d.AssignmentsOf(ctx, system)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.State != access.Adding || j.Work.Since.After(at) || slices.ContainsFunc(not, func(a anew) bool { return a.is.Name == j.Account }) {
			continue
		}
		if err := d.dueAt(ctx, j, d.now); err != nil {
			return err
		}
	}
	return nil
}

// tellOrphans opens, renews or closes the finding of accounts that are nobody's.
func (d *deed) tellOrphans(ctx context.Context, sys access.System, s sorted) error {
	if err := d.settleFinding(ctx, manyMadeAnew, sys.ID, "they are as they were"); err != nil {
		return err
	}
	if len(s.orphans) == 0 {
		return d.settleFinding(ctx, orphans, sys.ID, "every account is somebody's")
	}
	slices.SortFunc(s.orphans, func(a, b AccountSeen) int { return strings.Compare(a.Name, b.Name) })
	var renamed, plainly []string
	for _, a := range s.orphans {
		if old := s.called[a.ID]; old != "" && a.ID != "" {
			renamed = append(renamed, fmt.Sprintf("%s (was called %s; the directory says so still)", quoted(a.Name), quoted(old)))
		} else {
			plainly = append(plainly, quoted(a.Name))
		}
	}
	list := append(renamed, plainly...)
	text := fmt.Sprintf("%d accounts at %s are nobody's the directory knows: %s", len(list), sys.ID, strings.Join(list[:min(len(list), mostNamed)], ", "))
	if more := len(list) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return d.renew(ctx, access.Finding{Kind: orphans, Subject: sys.ID, Owner: sys.Owner, DueAt: d.now.Add(30 * 24 * time.Hour),
		Text: text + ". Write in the directory whose they are, or delete them there."}, "which they are has changed")
}
