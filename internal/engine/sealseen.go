package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// seals are those that stand at a system, by account. Whatever a reading sees of them is
// believed even where the reading has shrunk: that something was used is no lack.
type seals map[string]access.Seal

func (d *deed) sealsAt(ctx context.Context, system string) (seals, error) {
	list, err := d.SealsAt(ctx, system)
	all := make(seals, len(list))
	for _, s := range list {
		all[s.Account] = s
	}
	return all, err
}

// others leaves out the accounts that are sealed: those are neither anybody's nor orphans.
func (all seals) others(seen []AccountSeen) []AccountSeen {
	if len(all) == 0 {
		return seen
	}
	return slices.DeleteFunc(slices.Clone(seen), func(a AccountSeen) bool { _, sealed := all[a.Name]; return sealed })
}

// sealedAccounts holds every seal of a system against a reading of its accounts: what is
// no longer to be relied on breaks, and an account that was used was used.
func (d *deed) sealedAccounts(ctx context.Context, at time.Time, seen []AccountSeen, all seals) error {
	if len(all) == 0 {
		return nil
	}
	for _, account := range slices.Sorted(maps.Keys(all)) {
		if why := d.unreliable(all[account]); why != "" && all[account].State == access.SealWhole {
			if err := d.breakSeal(ctx, all[account], why); err != nil {
				return err
			}
		}
	}
	at = at.UTC().Truncate(time.Microsecond)
	for _, a := range seen {
		s, ok := all[a.Name]
		if !ok || at.Before(s.At) {
			continue
		}
		s, err := d.TheSeal(ctx, s.ID)
		if err != nil {
			return err
		}
		used := a.Used.UTC().Truncate(time.Microsecond)
		switch first := s.Read.IsZero(); {
		case !first && a.ID != "" && s.Native != "" && a.ID != s.Native:
			s.Native = a.ID
			err = d.sealWasUsed(ctx, s, used, "its account was made anew and is another one")
		case first && !used.After(s.At): // from now on it only has to move
			s.Native, s.Read, s.Used = a.ID, at, used
			err = d.keepSeal(ctx, s, "read", "")
		case first:
			s.Native, s.Read = a.ID, at
			err = d.sealWasUsed(ctx, s, used, "somebody signed in by its account at "+used.Format(time.RFC3339))
		case used.After(s.Used):
			err = d.sealWasUsed(ctx, s, used, "somebody signed in by its account at "+used.Format(time.RFC3339))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unreliable says why a seal is not to be relied on any more, though nobody used it.
func (d *deed) unreliable(s access.Seal) string {
	dir := d.world.Directory
	if dir.Taken(s.System, s.Account) {
		return "its account is somebody's by the directory"
	}
	for _, c := range s.Custodians {
		if d.answerable("custodian", c) != nil {
			return "its custodian " + c + " is no longer one who could answer for it"
		}
	}
	if !d.now.Before(s.Until) {
		return "it had to be renewed by " + s.Until.Format(time.RFC3339)
	}
	return ""
}

// breakSeal breaks one that nobody used, and tells those who have to renew it.
func (d *deed) breakSeal(ctx context.Context, s access.Seal, why string) error {
	if err := d.moveSeal(ctx, s, access.SealBroken, why); err != nil {
		return err
	}
	return d.notice(ctx, Notice{To: append(d.sealTold(s), s.Custodians...), Subject: fmt.Sprintf("seal %s is broken", s.ID),
		Text: fmt.Sprintf("The sealed credential of %s at %s is not to be relied on: %s. Make it anew and seal it (lessor break-glass seal), or retire it (lessor break-glass unseal --retire %s). Until then what that account holds counts as access nobody granted.",
			quoted(s.Account), s.System, why, s.ID)})
}

// sealWasUsed breaks the seal, if it is whole, and opens the finding that it was used,
// loudly, unless that is open: then the log alone tells of it.
func (d *deed) sealWasUsed(ctx context.Context, s access.Seal, used time.Time, what string) error {
	// 1. It is broken from now on.
	s.Used = later(s.Used, used)
	s.SettledAt, s.SettledBy, s.Incident, s.Text = time.Time{}, "", "", ""
	var err error
	if s.State == access.SealWhole {
		err = d.moveSeal(ctx, s, access.SealBroken, "used: "+what)
	} else {
		err = d.keepSeal(ctx, s, "used", what)
	}
	if err != nil {
		return err
	}
	// 2. Somebody has to say in which incident, before the next reading.
	switch _, err := d.OpenFinding(ctx, access.SealUsed, s.ID); {
	case err == nil:
		return nil
	case !errors.Is(err, access.ErrNotFound):
		return err
	}
	dir := d.world.Directory
	owner := "security"
	for _, o := range d.sealOwners(s) {
		if p := dir.PersonOf(o); !s.Keeps(p) && d.answerable("owner", o) == nil {
			owner = o
			break
		}
	}
	text := fmt.Sprintf("The sealed credential of %s at %s (seal %s, kept by %s, opens %s) was used: %s. Say in which incident (lessor break-glass settle %s), and renew it: until then the seal is broken.",
		quoted(s.Account), s.System, s.ID, strings.Join(s.Custodians, " and "), strings.Join(s.Opens, ", "), plain(what), s.ID)
	f := access.Finding{Kind: access.SealUsed, Subject: s.ID, Owner: owner, DueAt: d.now.Add(d.e.ReadEvery()), Text: text}
	if err := d.openFinding(ctx, f); err != nil {
		return err
	}
	return d.notice(ctx, Notice{To: append(d.sealTold(s), s.Custodians...), Subject: fmt.Sprintf("the sealed credential of %s at %s was used", quoted(s.Account), s.System), Loud: 1, Text: text})
}

// sealedUses takes the sessions that act as sealed accounts.
func (d *deed) sealedUses(ctx context.Context, system string, at time.Time, seen []UseSeen) error {
	all, err := d.sealsAt(ctx, system)
	if err != nil || len(all) == 0 {
		return err
	}
	acts := map[string]string{}
	for _, u := range seen {
		if s, ok := all[u.Account]; ok && at.After(s.At) && acts[u.Account] == "" {
			acts[u.Account] = strings.TrimSpace("a session acts as its account: " + u.Program + " from " + u.From)
		}
	}
	for _, account := range slices.Sorted(maps.Keys(acts)) {
		if err := d.sealWasUsed(ctx, all[account], at, acts[account]); err != nil {
			return err
		}
	}
	return nil
}

// sealedCredentials takes what a reading saw of the credentials of sealed accounts: that
// one was used, or came after its account was sealed.
func (d *deed) sealedCredentials(ctx context.Context, system string, last, at time.Time, seen []CredentialSeen) error {
	all, err := d.sealsAt(ctx, system)
	if err != nil || len(all) == 0 {
		return err
	}
	accounts := slices.Sorted(maps.Keys(all))
	known, err := d.CredentialsAt(ctx, system, accounts)
	if err != nil {
		return err
	}
	was := map[string]bool{}
	for _, c := range known {
		was[c.Native] = true
	}
	for _, c := range seen {
		s, ok := all[cmp.Or(c.Account, c.ID)]
		if !ok || at.Before(s.At) {
			continue
		}
		if s, err = d.TheSeal(ctx, s.ID); err != nil {
			return err
		}
		used := c.Used.UTC().Truncate(time.Microsecond)
		switch came := c.Issued.After(s.At) || c.Issued.IsZero() && !was[c.ID] && last.After(s.At) && c.Account != ""; {
		case used.After(later(s.At, s.Used)):
			err = d.sealWasUsed(ctx, s, used, fmt.Sprintf("its %s %s was used at %s", c.Kind, quoted(c.ID), used.Format(time.RFC3339)))
		case s.State == access.SealWhole && came:
			err = d.sealWasUsed(ctx, s, time.Time{}, fmt.Sprintf("%s %s came to its account after it was sealed", c.Kind, quoted(c.ID)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sealedAccess takes out of what nobody granted what whole seals say their accounts hold,
// and takes anything beyond that as a use. What broken ones say is told as theirs, and
// nothing removes it by itself: somebody may be in the middle of an incident.
func (d *deed) sealedAccess(ctx context.Context, r Reading, strays map[Held]bool) error {
	all, err := d.sealsAt(ctx, r.System)
	if err != nil || len(all) == 0 {
		return err
	}
	// 1. What each says it opens, as objects.
	dir := d.world.Directory
	says := map[Held]bool{}
	for account, s := range all {
		for _, id := range s.Opens {
			ent, _ := dir.Entitlement(id)
			says[Held{account, ent.Object}] = true
		}
	}
	// 2. Anything beyond it.
	beyond := map[string][]string{}
	for h := range strays {
		if s, ok := all[h.Account]; ok && !says[h] && s.Whole(d.now) {
			beyond[h.Account] = append(beyond[h.Account], h.Object)
		}
	}
	for _, account := range slices.Sorted(maps.Keys(beyond)) {
		slices.Sort(beyond[account])
		if err := d.sealWasUsed(ctx, all[account], time.Time{}, "its account holds "+strings.Join(beyond[account], " and ")+", which it does not open"); err != nil {
			return err
		}
	}
	// 3. The rest, while it is whole.
	if all, err = d.sealsAt(ctx, r.System); err != nil {
		return err
	}
	d.broken = map[Held]string{}
	for h := range says {
		if s := all[h.Account]; s.Whole(d.now) {
			delete(strays, h)
		} else {
			d.broken[h] = s.ID
		}
	}
	return nil
}
