package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// How much one reading may bring about: a system full of old keys must not bury its
// owner at the first reading. The newest are told first, the rest by later readings.
const (
	mostCredentials = 200 // findings that one reading opens
	mostHinted      = 20  // of those that say who could have made it
	mostMakers      = 200 // of whom a hint counts
)

// judgeCredentials opens and closes what is found about those that are there.
func (d *deed) judgeCredentials(ctx context.Context, sys access.System, last time.Time, there []access.Credential, drift *CredentialDrift) error {
	slices.SortStableFunc(there, func(a, b access.Credential) int {
		return cmp.Or(b.Found.Compare(a.Found), b.Issued.Compare(a.Issued), cmp.Compare(a.ID, b.ID))
	})
	orphans, err := d.openOf(ctx, credentialOrphan)
	if err != nil {
		return err
	}
	under, err := d.openOf(ctx, credentialUnderGrant)
	if err != nil {
		return err
	}
	ours, err := d.managed(ctx)
	if err != nil {
		return err
	}
	sealed, err := d.sealsAt(ctx, sys.ID)
	if err != nil {
		return err
	}
	opened := 0
	hints := d.hinting(sys, last)
	for _, c := range there {
		f, is := d.orphaned(sys, c)
		_, kept := sealed[cmp.Or(c.Account, c.Native)]
		is = is && !kept
		if drift.Orphans += one(is); is && opened < mostHinted && !orphans[c.ID] {
			hint, err := hints.of(ctx, c)
			if err != nil {
				return err
			}
			f.Text += hint
		}
		if err := d.tellOne(ctx, c, f, is, orphans[c.ID], &opened, drift); err != nil {
			return err
		}
		if slices.Contains(c.LetBe, credentialUnderGrant) { // what it came under is over, and stays so
			continue
		}
		if ours.plan(c) != "" { // made by us, and ended by us
			f, is = access.Finding{Kind: credentialUnderGrant}, false
		} else if f, is, err = d.outlived(ctx, c); err != nil {
			return err
		}
		drift.Outlived += one(is)
		if err := d.tellOne(ctx, c, f, is, under[c.ID], &opened, drift); err != nil {
			return err
		}
	}
	there = slices.DeleteFunc(there, func(c access.Credential) bool { return sealed[cmp.Or(c.Account, c.Native)].Whole(d.now) }) // a seal has its own end
	return d.tellUnending(ctx, sys, there, ours, drift)
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// openOf tells about what a finding of that kind is open.
func (d *deed) openOf(ctx context.Context, kind string) (map[string]bool, error) {
	list, err := d.OpenFindings(ctx, kind)
	open := make(map[string]bool, len(list))
	for _, f := range list {
		open[f.Subject] = true
	}
	return open, err
}

// tellOne opens or closes one finding about one credential. What somebody let be stays
// so for as long as it is as it was.
func (d *deed) tellOne(ctx context.Context, c access.Credential, f access.Finding, is, open bool, opened *int, drift *CredentialDrift) error {
	let := slices.Contains(c.LetBe, f.Kind)
	switch {
	case is && (open || let), !is && !open && !let:
		return nil
	case is && *opened >= mostCredentials:
		drift.Waiting++
		return nil
	case is:
		*opened++
		f.Subject = c.ID
		return d.finding(ctx, f)
	case open:
		return d.settleFinding(ctx, f.Kind, c.ID, "it is as it should be")
	}
	c.LetBe = slices.DeleteFunc(slices.Clone(c.LetBe), func(kind string) bool { return kind == f.Kind })
	return d.saveCredential(ctx, c, true, "changed")
}

// orphaned tells whether nobody answers for it: it acts as nobody's account, or as
// that of somebody who has left.
func (d *deed) orphaned(sys access.System, c access.Credential) (f access.Finding, is bool) {
	f = access.Finding{Kind: credentialOrphan, Owner: sys.Owner, DueAt: d.now.Add(7 * 24 * time.Hour)}
	if !c.GoodAt(d.now) {
		return f, false
	}
	holder := d.holderOf(c)
	settle := fmt.Sprintf("Delete it there; or write in the directory whose it is (the account %s at %s); or accept it.", quoted(cmp.Or(c.Account, c.Native)), c.System)
	switch {
	case holder == "" && c.Account == "":
		f.Text = "acts as no account, so nobody answers for it"
	case holder == "":
		f.Text = "acts as an account that is nobody's the directory knows"
	default:
		gone := d.goneOf(holder)
		if gone == "" {
			return f, false
		}
		f.Text, f.DueAt = "is "+holder+"'s, and "+gone, d.now.Add(24*time.Hour)
		settle = "Delete it there, or accept it."
	}
	f.Text = fmt.Sprintf("%s %s. %s%s", called(c), f.Text, came(c), settle)
	return f, true
}

// goneOf says who of those that answer for an identity has left; empty: nobody.
func (d *deed) goneOf(holder string) string {
	dir := d.world.Directory
	id, _ := dir.Identity(holder)
	for _, who := range []string{holder, dir.PersonOf(holder), id.Owner} {
		if i, ok := dir.Identity(who); who != "" && (!ok || !i.ActiveAt(d.now)) {
			return who + " is no longer active"
		}
	}
	return ""
}

// hints say who held, when a credential came, what its holders can make more of: one
// of them may have made it. They are for people, and only of what came since the first
// reading. What came in the same time is asked about once.
type hints struct {
	d      *deed
	system string
	last   time.Time // the reading before
	makers []string  // objects
	told   map[[2]int64]string
}

func (d *deed) hinting(sys access.System, last time.Time) *hints {
	h := &hints{d: d, system: sys.ID, last: last, told: map[[2]int64]string{}}
	dir := d.world.Directory
	for _, id := range dir.Entitlements() {
		if ent, _ := dir.Entitlement(id); ent.System == sys.ID && makes(ent) {
			h.makers = append(h.makers, ent.Object)
		}
	}
	return h
}

func (h *hints) of(ctx context.Context, c access.Credential) (text string, err error) {
	from, to, known := when(c, h.last)
	if h.last.IsZero() || !known {
		return "", nil
	}
	span := [2]int64{from.UnixMicro(), to.UnixMicro()}
	if text, asked := h.told[span]; asked {
		return text, nil
	}
	grants, err := h.d.GrantsOfDuring(ctx, h.system, h.makers, from, to, mostMakers)
	if err != nil {
		return "", err
	}
	var who []string
	for _, g := range grants {
		if ent, ok := h.d.world.Directory.Entitlement(g.Entitlement); ok && makes(ent) {
			who = append(who, fmt.Sprintf("%s held %s (grant %s)", g.Identity, g.Entitlement, g.ID))
		}
	}
	if len(who) > 0 {
		text = " When it came, " + strings.Join(who[:min(len(who), mostNamed)], ", ")
		switch more := len(who) - mostNamed; {
		case len(grants) == mostMakers:
			text += " and more than can be told"
		case more > 0:
			text += fmt.Sprintf(" and %d more", more)
		}
		text += "."
	}
	h.told[span] = text
	return text, nil
}

// outlived tells whether it came while its account held what its holders can make more
// of, and is still good though that was seen gone.
func (d *deed) outlived(ctx context.Context, c access.Credential) (f access.Finding, is bool, err error) {
	f = access.Finding{Kind: credentialUnderGrant, DueAt: d.now.Add(7 * 24 * time.Hour)}
	if c.Grant == "" || !c.GoodAt(d.now) {
		return f, false, nil
	}
	g, err := d.Grant(ctx, c.Grant)
	if err != nil {
		return f, false, err
	}
	job, err := d.Assignment(ctx, g.Assignment)
	if err != nil || g.State != access.Ended || job.State != access.Absent {
		return f, false, err
	}
	f.Owner = g.Owner
	f.Text = fmt.Sprintf("%s came while its account held %s (grant %s), which has ended and was seen gone. %s%sDelete it there, or accept it.",
		called(c), g.Entitlement, g.ID, came(c), ends(c))
	return f, true, nil
}

// tellUnending opens, renews or closes the finding of those that never end, one a system.
func (d *deed) tellUnending(ctx context.Context, sys access.System, there []access.Credential, ours managed, drift *CredentialDrift) error {
	var list []string
	dir := d.world.Directory
	for _, c := range there {
		if _, kept := dir.Plan(ours.plan(c)); c.Unending() && !kept { // one in a plan is made anew in time
			list = append(list, called(c))
		}
	}
	drift.Unending = len(list)
	if len(list) == 0 {
		return d.settleFinding(ctx, credentialUnending, sys.ID, "every one has an end")
	}
	text := fmt.Sprintf("%d credentials at %s never end: %s", len(list), sys.ID, strings.Join(list[:min(len(list), mostNamed)], ", "))
	if more := len(list) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return d.renew(ctx, access.Finding{Kind: credentialUnending, Subject: sys.ID, Owner: sys.Owner, DueAt: d.now.Add(30 * 24 * time.Hour),
		Text: text + ". Give them an end, or put ones that have one in their place."}, "which they are has changed")
}

// called names a credential for people.
func called(c access.Credential) string {
	says := []string{c.Native}
	if c.Print != "" {
		says = append(says, c.Print)
	}
	if c.Account != "" {
		says = append(says, "account "+quoted(c.Account))
	}
	if n := len(c.Objects); n > 0 {
		opens := strings.Join(c.Objects[:min(n, 5)], " and ")
		if n > 5 {
			opens += fmt.Sprintf(" and %d more", n-5)
		}
		says = append(says, "opens "+plain(opens))
	}
	name := c.Kind
	if c.Name != "" {
		name += " " + quoted(c.Name)
	}
	return name + " (" + strings.Join(says, "; ") + ")"
}

// came says when it did, as far as that is known.
func came(c access.Credential) string {
	if !c.Issued.IsZero() {
		return "It was made " + c.Issued.Format(time.RFC3339) + ". "
	}
	return "It was first seen " + c.Found.Format(time.RFC3339) + ". "
}

func ends(c access.Credential) string {
	switch {
	case c.EndUnknown:
		return "When it ends is not known. "
	case c.Ends.IsZero():
		return "It never ends. "
	}
	return "It ends " + c.Ends.Format(time.RFC3339) + ". "
}
