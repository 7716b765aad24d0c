package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Sealing is what is said of a credential that lies sealed outside Lessor, for the day
// Lessor is down. What it is worth is no part of it.
type Sealing struct {
	System     string    `json:"system"`
	Account    string    `json:"account"`
	Opens      []string  `json:"opens"`                 // entitlements that the account holds permanently
	Custodians []string  `json:"custodians"`            // the two people who keep it
	Print      string    `json:"fingerprint,omitempty"` // where there is one
	Place      string    `json:"place"`                 // where it lies, in words
	Until      time.Time `json:"until,omitzero"`        // when it has to be renewed; zero: in a year
}

const (
	longestSeal = 366 * 24 * time.Hour
	usualSeal   = 365 * 24 * time.Hour
	mostOpened  = 20
	mostPlace   = 400
)

// Seal notes that a credential of an account nobody has lies sealed with two people, by
// somebody of security who is neither. Where a seal of that account stands already, the
// new one renews it. While a seal is whole, what it says its account holds is no access
// that nobody granted; it authorises nothing else, and its use is found.
func (e *Engine) Seal(ctx context.Context, by access.Actor, a Sealing) (s access.Seal, err error) {
	err = e.do(ctx, "seal", by, func(d *deed) error {
		// 1. By whom, and what, in full and checked.
		if err := d.scope(ScopeRevoke); err != nil {
			return err
		}
		if err := d.answerable("whoever seals", by.Identity); err != nil || !d.ofSecurity() {
			return fmt.Errorf("%w: a credential is sealed by an active employee of security", access.ErrDenied)
		}
		if s, err = d.readSeal(a); err != nil {
			return err
		}
		// 2. The one that stood there before has its place taken.
		standing, err := d.SealsAt(ctx, s.System)
		if err != nil {
			return err
		}
		for _, old := range standing {
			if old.Account != s.Account {
				continue
			}
			if old.State == access.SealBroken && old.Print != "" && old.Print == s.Print {
				return fmt.Errorf("%w: %s has the fingerprint of the broken seal %s: make the credential anew, then seal it", access.ErrInvalid, s.Account, old.ID)
			}
			if err := d.moveSeal(ctx, old, access.SealRenewed, "renewed by "+s.ID); err != nil {
				return err
			}
			s.Renews = old.ID
		}
		// 3. Stored, told in the log, and told to all who answer for what it opens.
		if err := d.AddSeal(ctx, s); err != nil {
			return err
		}
		ev := d.event("seal.whole")
		ev.To, ev.After, ev.Note = string(access.SealWhole), s, fmt.Sprintf("%s at %s opens %s", s.Account, s.System, strings.Join(s.Opens, ", "))
		if err := d.tell(ctx, ev); err != nil {
			return err
		}
		return d.notice(ctx, Notice{To: append(d.sealTold(s), s.Custodians...), Subject: "sealed: " + quoted(s.Account) + " at " + s.System,
			Text: fmt.Sprintf("%s sealed a credential of %s at %s, which opens %s (%s). It is kept by %s, and has to be renewed by %s. Any use of it is found and told.",
				by.Identity, quoted(s.Account), s.System, strings.Join(s.Opens, ", "), s.ID, strings.Join(s.Custodians, " and "), s.Until.Format(time.RFC3339))})
	})
	return s, err
}

// readSeal makes a seal of what was written, with every mistake in one error.
func (d *deed) readSeal(a Sealing) (access.Seal, error) {
	dir := d.world.Directory
	me := dir.PersonOf(d.by.Identity)
	s := access.Seal{ID: d.e.ids.next("sl", d.now), System: a.System, Account: a.Account, Opens: slices.Compact(slices.Sorted(slices.Values(a.Opens))), Print: a.Print, Place: a.Place,
		State: access.SealWhole, At: d.now, By: me, Until: d.now.Add(usualSeal)}
	if !a.Until.IsZero() {
		s.Until = a.Until.UTC().Truncate(time.Microsecond)
	}
	var errs []error
	wrong := func(format string, v ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, v...)...))
	}
	// 1. Whose account it is: nobody's.
	if _, ok := dir.System(a.System); !ok {
		wrong("there is no system %.80q", a.System)
	}
	if why := unnamed(a.Account, mostName); why != "" {
		wrong("account %s; it is named as its system names it", why)
	} else if dir.Taken(a.System, a.Account) {
		wrong("account %.80q at %s is somebody's by the directory: seal one that is nobody's", a.Account, a.System)
	}
	// 2. What it opens.
	if len(s.Opens) == 0 || len(s.Opens) > mostOpened {
		wrong("opens must name 1 to %d entitlements that the account holds", mostOpened)
	}
	for _, id := range s.Opens[:min(len(s.Opens), mostOpened)] {
		if ent, ok := dir.Entitlement(id); !ok || ent.System != a.System {
			wrong("there is no entitlement %.80q at %.80s", id, a.System)
		}
	}
	// 3. Who keeps it: two people, and another than who says so.
	for _, id := range a.Custodians[:min(len(a.Custodians), 3)] {
		if err := d.answerable("custodian", id); err != nil {
			errs = append(errs, err)
		}
		if p := dir.PersonOf(id); p == me {
			errs = append(errs, fmt.Errorf("%w: nobody seals what they keep themselves: %s is the same person", access.ErrDenied, id))
		} else {
			s.Custodians = append(s.Custodians, p)
		}
	}
	slices.Sort(s.Custodians)
	if s.Custodians = slices.Compact(s.Custodians); len(a.Custodians) != 2 || len(errs) == 0 && len(s.Custodians) != 2 {
		wrong("a seal has two custodians, who are two people")
	}
	// 4. The words about it, and until when.
	if why := unnamed(a.Place, mostPlace); why != "" {
		wrong("place %s; it says in words where it lies", why)
	}
	if why := unclean(a.Print, mostName); why != "" {
		wrong("fingerprint %s", why)
	}
	if !s.Until.After(d.now) || s.Until.Sub(d.now) > longestSeal {
		wrong("until %s must be after now, and at most %s away", s.Until.Format(time.RFC3339), access.Term(longestSeal))
	}
	return s, errors.Join(errs...)
}

// unnamed says what is wrong with a name that is needed, or nothing.
func unnamed(s string, limit int) string {
	if strings.TrimSpace(s) == "" {
		return "is empty"
	}
	return unclean(s, limit)
}

// Unsealing says that a seal is no longer to be relied on.
type Unsealing struct {
	Seal   string `json:"seal,omitempty"` // a door that has it in the path may leave it out
	Retire bool   `json:"retire,omitempty"`
	Reason string `json:"reason"`
}

// Unseal breaks a seal by hand, or retires it, by one of its custodians or by security.
// A broken one's account is still no orphan, but what it holds is access that nobody
// granted until it is renewed; a retired one's is as any other. It settles no use of it.
func (e *Engine) Unseal(ctx context.Context, by access.Actor, u Unsealing) (s access.Seal, err error) {
	err = e.do(ctx, "unseal", by, func(d *deed) error {
		if err := d.scope(ScopeRevoke); err != nil {
			return err
		}
		if s, err = d.sealFor(ctx, u.Seal); err != nil {
			return err
		}
		keeps := s.Keeps(d.world.Directory.PersonOf(by.Identity))
		switch err := d.answerable("whoever breaks a seal", by.Identity); {
		case err != nil:
			return fmt.Errorf("%w: %s", access.ErrDenied, err.Error())
		case !keeps && !d.ofSecurity(), u.Retire && !d.ofSecurity():
			return fmt.Errorf("%w: a seal is broken by one of its custodians or by security, and retired by security", access.ErrDenied)
		}
		if why := unsaid(u.Reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		to := access.SealBroken
		if u.Retire {
			to = access.SealRetired
		}
		if !s.Stands() || s.State == to {
			return fmt.Errorf("%w: seal %s is %s already", access.ErrGone, s.ID, s.State)
		}
		if err := d.moveSeal(ctx, s, to, u.Reason); err != nil {
			return err
		}
		if s, err = d.TheSeal(ctx, s.ID); err != nil {
			return err
		}
		return d.notice(ctx, Notice{To: append(d.sealTold(s), s.Custodians...), Subject: fmt.Sprintf("seal %s is %s", s.ID, s.State), Loud: 1,
			Text: fmt.Sprintf("%s says of the sealed credential of %s at %s: %s. What that account holds counts as access nobody granted from now on.", by.Identity, quoted(s.Account), s.System, u.Reason)})
	})
	return s, err
}

// moveSeal moves one, and tells of it.
func (d *deed) moveSeal(ctx context.Context, s access.Seal, to access.SealState, why string) error {
	next, ev, err := s.To(to, d.now, d.by, why)
	if err != nil {
		return err
	}
	if err := d.SaveSeal(ctx, next, s.State); err != nil {
		return err
	}
	return d.tell(ctx, ev)
}

// sealFor reads a seal that the actor may know of.
func (d *deed) sealFor(ctx context.Context, id string) (access.Seal, error) {
	s, err := d.TheSeal(ctx, id)
	if err == nil && !d.mayKnowSeal(s) {
		err = access.ErrNotFound
	}
	if errors.Is(err, access.ErrNotFound) {
		err = fmt.Errorf("%w: seal %.80q", access.ErrNotFound, id)
	}
	return s, err
}

// mayKnowSeal tells whether the actor is shown the seal: its custodians, those who answer
// for what it opens, security and auditors.
func (d *deed) mayKnowSeal(s access.Seal) bool {
	dir := d.world.Directory
	me, groups := dir.PersonOf(d.by.Identity), dir.GroupsOf(d.by.Identity)
	return s.Keeps(me) || slices.Contains(groups, "security") || slices.Contains(groups, "auditors") ||
		slices.ContainsFunc(d.sealOwners(s), func(o string) bool { return dir.PersonOf(o) == me })
}

// sealOwners are those who answer for what it opens, and for its system.
func (d *deed) sealOwners(s access.Seal) (list []string) {
	dir := d.world.Directory
	for _, id := range s.Opens {
		ent, _ := dir.Entitlement(id)
		list = append(list, ent.Owners...)
	}
	if sys, _ := dir.System(s.System); sys.Owner != "" {
		list = append(list, sys.Owner)
	}
	return list
}

// sealTold is who is told of whatever becomes of it.
func (d *deed) sealTold(s access.Seal) []string {
	list := append([]string{"security"}, d.sealOwners(s)...)
	if glass := d.e.Glass(); glass != nil {
		list = append(list, glass.Security)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Seals lists up to limit seals with ids below before, newest first, that the actor may
// know of. Where one lies is for its custodians, security and auditors.
func (e *Engine) Seals(ctx context.Context, by access.Actor, before string, limit int) (list []access.Seal, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		if err := cursor(before, "seal", "sl"); err != nil {
			return err
		}
		list, _, err = turn(Page{before, limit}, mostLooked, func(s access.Seal) string { return s.ID },
			func(before string, n int) ([]access.Seal, error) { return d.Tx.Seals(ctx, before, n) },
			func(s access.Seal) (bool, error) { return d.mayKnowSeal(s), nil })
		groups := d.world.Directory.GroupsOf(by.Identity)
		for i, s := range list {
			if !s.Keeps(d.world.Directory.PersonOf(by.Identity)) && !slices.Contains(groups, "security") && !slices.Contains(groups, "auditors") {
				list[i].Place = ""
			}
		}
		return err
	})
	return list, err
}
