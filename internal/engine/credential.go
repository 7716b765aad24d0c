package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// CredentialSeen is one credential as a whole reading saw it. What it is worth no
// reading sees.
type CredentialSeen struct {
	ID         string // that its system gives to no other while it is there
	Kind       string
	Account    string   // empty: no account's
	Objects    []string // what it opens besides
	Name       string
	Print      string // a key's fingerprint
	Issued     time.Time
	Used       time.Time
	Ends       time.Time
	EndUnknown bool
}

// CredentialDrift is what a reading of credentials came to.
type CredentialDrift struct {
	New, Gone int
	Orphans   int  // nobody answers for them
	Unending  int  // known never to end
	Outlived  int  // came while their account held what can make more of itself, and outlast it
	Waiting   int  // findings that later readings open
	Braked    bool // the reading had shrunk too much to be believed
}

// The findings about credentials. They are about one, or those of a system.
const (
	credentialOrphan     = "credential_orphan"
	credentialUnderGrant = "credential_under_grant"
	credentialUnending   = "credential_unending"
	fewCredentials       = "credentials_shrunk"
)

// ObservedCredentials takes a whole reading of a system's credentials. What is new
// is dated, what is gone is kept as gone: one made anew under an old name is another,
// and whatever was said of the old one says nothing of it. Nothing is removed.
func (e *Engine) ObservedCredentials(ctx context.Context, system string, at time.Time, seen []CredentialSeen) (drift CredentialDrift, err error) {
	err = e.do(ctx, "observed credentials", access.Clock, func(d *deed) error {
		drift = CredentialDrift{}
		at := at.UTC().Truncate(time.Microsecond)
		last, err := d.ReadUntil(ctx, credentialsOf(system))
		if err != nil || !at.After(last) { // another reading, begun later, was faster
			return err
		}
		if err := d.sealedCredentials(ctx, system, last, at, seen); err != nil {
			return err
		}
		// 1. Has it shrunk too much to be believed?
		sys, _ := d.world.Directory.System(system)
		if drift.Braked, err = d.brakeCredentials(ctx, sys, len(seen)); err != nil || drift.Braked {
			return err
		}
		if err := d.SetReadUntil(ctx, credentialsOf(system), at); err != nil {
			return err
		}
		// 2. What is there, against what was.
		there, err := d.keepCredentials(ctx, system, last, at, seen, &drift)
		if err != nil {
			return err
		}
		// 3. What of it is not as it should be.
		return d.judgeCredentials(ctx, sys, last, there, &drift)
	})
	return drift, err
}

// credentialsOf names when a system's credentials were last read.
func credentialsOf(system string) string { return "credentials read/" + system }

// brakeCredentials tells whether the reading has shrunk too much. It is measured by
// the last one that was believed, unless the one before it said the same.
func (d *deed) brakeCredentials(ctx context.Context, sys access.System, n int) (braked bool, err error) {
	believed, doubted := "credentials/"+sys.ID, "credentials doubted/"+sys.ID
	last, err := d.Count(ctx, believed)
	if err != nil {
		return false, err
	}
	before, err := d.Count(ctx, doubted) // and one more: zero is none
	if err != nil {
		return false, err
	}
	if fewer(n, last) && (before == 0 || fewer(n, before-1) || fewer(before-1, n)) {
		if err := d.SetCount(ctx, doubted, n+1); err != nil {
			return false, err
		}
		return true, d.renew(ctx, access.Finding{Kind: fewCredentials, Subject: sys.ID, Owner: sys.Owner, DueAt: d.now.Add(4 * time.Hour),
			Text: fmt.Sprintf("A reading of %s has %d credentials where the last one that was believed had %d. It is not believed until the next one says the same.", sys.ID, n, last)}, "a reading says yet another thing")
	}
	if err := errors.Join(d.SetCount(ctx, believed, n), d.SetCount(ctx, doubted, 0)); err != nil {
		return false, err
	}
	return false, d.settleFinding(ctx, fewCredentials, sys.ID, "a whole reading is there again")
}

// fewer tells whether a number of credentials has shrunk too much. Systems have few of
// them; so any two that go at once count, but one goes every day.
func fewer(n, last int) bool { return last-n >= 2 && float64(n) < shrunk*float64(last) }

// keepCredentials stores what a reading changes, and returns what is there now.
func (d *deed) keepCredentials(ctx context.Context, system string, last, at time.Time, seen []CredentialSeen, drift *CredentialDrift) (there []access.Credential, err error) {
	known, err := d.Credentials(ctx, system)
	if err != nil {
		return nil, err
	}
	was := make(map[string]access.Credential, len(known))
	for _, c := range known {
		was[c.Native] = c
	}
	// 1. What is still there, as it is now.
	var fresh []access.Credential
	for _, is := range distinct(system, at, seen) {
		old, ok := was[is.Native]
		if !ok || !old.Same(is) {
			fresh = append(fresh, is)
			continue
		}
		delete(was, is.Native)
		next, changed := old.As(is)
		if changed || !next.Used.Equal(old.Used) {
			if err := d.saveCredential(ctx, next, changed, "changed"); err != nil {
				return nil, err
			}
		}
		there = append(there, next)
	}
	// 2. What is gone, or is another under the same name.
	for _, c := range known {
		if _, gone := was[c.Native]; !gone {
			continue
		}
		drift.Gone++
		if err := d.credentialGone(ctx, c, at); err != nil {
			return nil, err
		}
	}
	// 3. What is new.
	for _, c := range fresh {
		drift.New++
		c.ID = d.e.ids.next("cr", d.now)
		if c.Grant, err = d.heldWhen(ctx, c, last); err != nil {
			return nil, err
		}
		if err := d.AddCredential(ctx, c); err != nil {
			return nil, err
		}
		if err := d.tellCredential(ctx, c, "found"); err != nil {
			return nil, err
		}
		there = append(there, c)
	}
	return there, d.SeeCredentials(ctx, system, at)
}

// distinct is a reading in our own words, each once, in order.
func distinct(system string, at time.Time, seen []CredentialSeen) (list []access.Credential) {
	moment := func(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
	for _, s := range seen {
		c := access.Credential{System: system, Native: s.ID, Kind: s.Kind, Account: s.Account, Objects: slices.Compact(slices.Sorted(slices.Values(s.Objects))),
			Name: plain(s.Name), Print: s.Print, Issued: moment(s.Issued), Used: moment(s.Used), EndUnknown: s.EndUnknown, Found: at, Seen: at}
		if !s.EndUnknown {
			c.Ends = moment(s.Ends)
		}
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b access.Credential) int { return cmp.Compare(a.Native, b.Native) })
	return slices.CompactFunc(list, func(a, b access.Credential) bool { return a.Native == b.Native })
}

func (d *deed) saveCredential(ctx context.Context, c access.Credential, told bool, how string) error {
	if err := d.SaveCredential(ctx, c); err != nil || !told {
		return err
	}
	return d.tellCredential(ctx, c, how)
}

func (d *deed) tellCredential(ctx context.Context, c access.Credential, how string) error {
	ev := d.event("credential." + how)
	ev.To, ev.After = how, c
	return d.tell(ctx, ev)
}

// credentialGone keeps that it is, and closes what was found about it.
func (d *deed) credentialGone(ctx context.Context, c access.Credential, at time.Time) error {
	c.Gone = at
	if err := d.saveCredential(ctx, c, true, "gone"); err != nil {
		return err
	}
	for _, kind := range []string{credentialOrphan, credentialUnderGrant} {
		if err := d.settleFinding(ctx, kind, c.ID, "it is there no more"); err != nil {
			return err
		}
	}
	return nil
}

// coarse is how exactly systems tell when something was made.
const coarse = time.Second

// when is between which moments it came, as far as that is known.
func when(c access.Credential, last time.Time) (from, to time.Time, ok bool) {
	if !c.Issued.IsZero() {
		return c.Issued, c.Issued.Add(coarse), true
	}
	return last, c.Found, !last.IsZero()
}

// heldWhen is the last grant under which its account held, when it came, what its
// holders can make more of: a key made then is the classic way to keep what was lent.
func (d *deed) heldWhen(ctx context.Context, c access.Credential, last time.Time) (grant string, err error) {
	from, to, known := when(c, last)
	if c.Account == "" || !known {
		return "", nil
	}
	grants, err := d.GrantsDuring(ctx, c.System, c.Account, from, to)
	for _, g := range grants {
		if ent, ok := d.world.Directory.Entitlement(g.Entitlement); !ok || makes(ent) {
			return g.ID, err
		}
	}
	return "", err
}

// holderOf is whose it is; empty: nobody's. What is no account's is somebody's once the
// directory gives its id as an account.
func (d *deed) holderOf(c access.Credential) string {
	holder, _ := d.world.Directory.ByAccount(c.System, cmp.Or(c.Account, c.Native))
	return holder
}

// aboutCredential tells whether a finding is about one credential.
func aboutCredential(f access.Finding) bool {
	return f.Kind == credentialOrphan || f.Kind == credentialUnderGrant
}

// letBe remembers that somebody let a credential be as it is, for as long as it is.
func (d *deed) letBe(ctx context.Context, f access.Finding) error {
	c, err := d.Credential(ctx, f.Subject)
	if err != nil {
		return err
	}
	c.LetBe = append(c.LetBe, f.Kind)
	return d.saveCredential(ctx, c, true, "let be")
}
