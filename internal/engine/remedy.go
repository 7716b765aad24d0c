package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// strayAccess is the finding that accounts hold an entitlement nobody granted.
const strayAccess = "unexpected_access"

// heldBack is the finding that rules would remove more at once than is believed.
const heldBack = "removals_held_back"

// How much one reading may bring about. Rules that match too much, or a database
// put back from yesterday, must not empty a system or flood its approvers: what is
// more waits for the next reading, or for people.
const (
	mostAdopted  = 200
	fewRemoved   = 5   // are always believed
	shareRemoved = 0.2 // of all that was read
)

// stray is one holding that nobody granted, with what is done about it.
type stray struct {
	Held
	holder  string // whose account it is; empty where it is nobody's, or cannot be told
	already bool   // it was there at the first reading: it is asked for or told, never removed by itself
	remedy  policy.Remedy
	basis   access.Decision
	request string // the adoption asked for
	note    string // for people
}

// strays decides what is done about everything that nobody granted, remembers it,
// and opens, renews or closes one finding an entitlement.
func (d *deed) strays(ctx context.Context, r Reading, found map[Held]bool, drift *Drift) error {
	// 1. What earlier readings left.
	before, err := d.earlier(ctx, r.System)
	if err != nil {
		return err
	}
	accounts := map[string][]string{}
	for h := range found {
		accounts[h.Object] = append(accounts[h.Object], h.Account)
	}
	// 2. What rules say of each.
	of := map[string][]stray{}
	var removals []*stray
	for _, ent := range d.catalogOf(r) {
		who := accounts[ent.Object]
		slices.Sort(who)
		if of[ent.ID], err = d.judgeStrays(ctx, r, ent, who, before); err != nil {
			return err
		}
		for i := range of[ent.ID] {
			if s := &of[ent.ID][i]; s.remedy == policy.Remove {
				removals = append(removals, s)
			}
		}
	}
	// 3. What is to be done, within bounds.
	if err := d.boundRemovals(ctx, r, removals, drift); err != nil {
		return err
	}
	for _, ent := range d.catalogOf(r) {
		if err := d.carryOut(ctx, ent, of[ent.ID], drift); err != nil {
			return err
		}
		if err := d.tellStrays(ctx, r, ent, of[ent.ID]); err != nil {
			return err
		}
	}
	// 4. What is over.
	for h, a := range before.adoptions {
		if !found[h] && slices.Contains(r.Objects, h.Object) {
			if err := d.DropAdoption(ctx, a); err != nil {
				return err
			}
		}
	}
	// 5. What was adopted and comes to its end.
	return d.certifications(ctx, r.System)
}

// catalogOf lists the entitlements of the system whose objects were read, in order, one an object.
func (d *deed) catalogOf(r Reading) (list []access.Entitlement) {
	named := map[string]bool{}
	for _, o := range r.Objects {
		named[o] = true
	}
	for _, id := range d.world.Directory.Entitlements() {
		if ent, _ := d.world.Directory.Entitlement(id); ent.System == r.System && named[ent.Object] {
			list = append(list, ent)
			delete(named, ent.Object)
		}
	}
	return list
}

// earlierReadings is what was left by them.
type earlierReadings struct {
	objects   map[string]store.InventoryObject
	adoptions map[Held]store.Adoption
}

func (d *deed) earlier(ctx context.Context, system string) (e earlierReadings, err error) {
	e = earlierReadings{map[string]store.InventoryObject{}, map[Held]store.Adoption{}}
	objects, err := d.InventoryObjects(ctx, system)
	if err != nil {
		return e, err
	}
	for _, o := range objects {
		e.objects[o.Object] = o
	}
	adoptions, err := d.Adoptions(ctx, system)
	for _, a := range adoptions {
		e.adoptions[Held{a.Account, a.Object}] = a
	}
	return e, err
}

// judgeStrays remembers who holds the object, and asks what is done about each.
func (d *deed) judgeStrays(ctx context.Context, r Reading, ent access.Entitlement, who []string, before earlierReadings) ([]stray, error) {
	was, read := before.objects[ent.Object]
	is := store.InventoryObject{System: r.System, Object: ent.Object, Since: was.Since, Stray: who}
	if read {
		is.Already = both(was.Already, who)
	} else { // the first reading: all of it was there before us
		is.Since, is.Already = r.At, who
	}
	if !read || !slices.Equal(is.Already, was.Already) || !slices.Equal(is.Stray, was.Stray) {
		if err := d.SetInventoryObject(ctx, is); err != nil {
			return nil, err
		}
	}
	list := make([]stray, len(who))
	for i, a := range who {
		s := stray{Held: Held{a, ent.Object}, request: before.adoptions[Held{a, ent.Object}].Request}
		_, s.already = slices.BinarySearch(is.Already, a)
		s.holder, _ = d.world.Directory.ByAccount(r.System, a)
		s.remedy, s.basis = d.world.Policy.Remedy(d.found(access.Finding{Kind: strayAccess, Subject: ent.ID, Owner: ent.Owners[0]}, ent, s.holder))
		if s.remedy == policy.Remove && s.already {
			s.remedy, s.note = policy.Alert, "there before the first reading"
		}
		if seal := d.broken[s.Held]; seal != "" {
			if s.note = "what seal " + seal + " opens, which is broken"; s.remedy == policy.Remove {
				s.remedy = policy.Alert
			}
		}
		if end, over := d.over[s.Held]; over {
			if s.note = "unknown to the backup that was put back; kept until " + stampOf(end); s.remedy == policy.Remove {
				s.remedy = policy.Alert
			}
		}
		list[i] = s
	}
	return list, nil
}

// both is what is in both of two sorted lists.
func both(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { _, in := slices.BinarySearch(b, s); return !in })
}

func (d *deed) found(f access.Finding, ent access.Entitlement, holder string) policy.Found {
	return policy.Found{Now: d.now, Directory: d.world.Directory, Finding: f, System: ent.System, Entitlement: ent.ID, Holder: holder}
}

// boundRemovals holds all of them back if there are more than is believed.
func (d *deed) boundRemovals(ctx context.Context, r Reading, removals []*stray, drift *Drift) error {
	m := measured{n: len(removals), of: len(r.Holdings)}
	if r.Part {
		var err error
		if m, err = d.measurePart(ctx, r.System, m.n); err != nil || m.n == 0 {
			return err
		}
	}
	if m.held || m.n > fewRemoved && float64(m.n) > shareRemoved*float64(m.of) {
		for _, s := range removals {
			s.remedy, s.note = policy.Alert, "held back"
		}
		drift.HeldBack = len(removals)
		sys, _ := d.world.Directory.System(r.System)
		return d.finding(ctx, access.Finding{Kind: heldBack, Subject: r.System, Owner: sys.Owner, DueAt: d.now.Add(4 * time.Hour),
			Text: fmt.Sprintf("Rules would remove %d of the %d holdings read at %s, which nobody granted%s. That is more than is done by itself, and none is removed: the rules may match too much, or the database may not be the latest. If it is meant, remove them by hand (lessor findings remove).", m.n, m.of, r.System, m.with)})
	}
	if r.Part {
		return d.SetCount(ctx, removedOf(r.System), m.n)
	}
	if err := d.SetCount(ctx, removedOf(r.System), 0); err != nil {
		return err
	}
	return d.settleFinding(ctx, heldBack, r.System, "no more is to be removed than is believed")
}

// measured is how many of how many holdings would be removed.
type measured struct {
	n, of int
	held  bool   // so many were to be before that none is
	with  string // what is counted besides, for people
}

// measurePart measures what is to be removed of a part of a system by the whole, with
// all that parts had removed since that was read: bit by bit no more goes than at
// once. While the whole's are held back, so are a part's.
func (d *deed) measurePart(ctx context.Context, system string, n int) (m measured, err error) {
	if n == 0 {
		return m, nil
	}
	before, err := d.Count(ctx, removedOf(system))
	if err != nil {
		return m, err
	}
	if m.n = n + before; before > 0 {
		m.with = fmt.Sprintf(" (with %d that parts had removed since it was read whole)", before)
	}
	if m.of, err = d.Count(ctx, "inventory/"+system); err != nil {
		return m, err
	}
	_, err = d.OpenFinding(ctx, heldBack, system)
	if m.held = err == nil; errors.Is(err, access.ErrNotFound) {
		err = nil
	}
	return m, err
}

// removedOf counts what readings of parts of a system had removed since it was read whole.
func removedOf(system string) string { return "removed/" + system }

// carryOut asks for what is adopted and hands to the lane what is removed.
func (d *deed) carryOut(ctx context.Context, ent access.Entitlement, list []stray, drift *Drift) error {
	for i := range list {
		s := &list[i]
		switch s.remedy {
		case policy.Adopt:
			if err := d.adoptStray(ctx, ent, s, drift); err != nil {
				return err
			}
		case policy.Remove:
			drift.Removing++
			s.note = "being removed"
			if err := d.removeStray(ctx, ent, s.Held, s.holder, "nobody granted it; "+s.basis.Why, access.Digests{Policy: s.basis.Policy, Facts: s.basis.Facts}); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeStray makes an assignment of access that nobody granted and has it looked
// at: what is seen and has no live grant is removed by the one loop there is.
func (d *deed) removeStray(ctx context.Context, ent access.Entitlement, h Held, holder, why string, basis access.Digests) error {
	job, err := d.AssignmentAt(ctx, ent.System, h.Account, h.Object)
	if errors.Is(err, access.ErrNotFound) {
		job = store.Job{Assignment: access.Assignment{ID: d.e.ids.next("as", d.now), System: ent.System, Account: h.Account, Object: h.Object,
			Identity: holder, Entitlement: ent.ID, State: access.Absent}}
		if err := d.AddAssignment(ctx, job); err != nil {
			return err
		}
		ev := d.event("assignment.absent")
		ev.Assignment, ev.To, ev.Note, ev.Digests, ev.After = job.ID, string(access.Absent), why, basis, job.Assignment
		err = d.tell(ctx, ev)
	}
	if err != nil {
		return err
	}
	return d.dueAt(ctx, job, d.now)
}

// tellStrays opens, renews or closes the finding of an entitlement.
func (d *deed) tellStrays(ctx context.Context, r Reading, ent access.Entitlement, list []stray) error {
	if len(list) == 0 {
		return d.settleFinding(ctx, strayAccess, ent.ID, "nobody holds it ungranted any more")
	}
	text := fmt.Sprintf("%d accounts hold %s that nobody granted: %s. Adopt it for those who need it, and remove it from the others.", len(list), ent.ID, named(list, r.By))
	return d.renew(ctx, access.Finding{Kind: strayAccess, Subject: ent.ID, Owner: ent.Owners[0], Text: text, DueAt: d.now.Add(7 * 24 * time.Hour)}, "who holds it has changed")
}

// renew opens a finding; one that is open and says something else is closed first.
func (d *deed) renew(ctx context.Context, f access.Finding, why string) error {
	open, err := d.OpenFinding(ctx, f.Kind, f.Subject)
	if err == nil && open.Text != f.Text {
		err = d.settleFinding(ctx, f.Kind, f.Subject, why)
	}
	if err != nil && !errors.Is(err, access.ErrNotFound) {
		return err
	}
	return d.finding(ctx, f)
}

// named lists accounts with who they are and what is done about each, as far as a
// reader wants to read. Those of whom there is most to say come first.
func named(list []stray, by map[Held]string) string {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b stray) int { return strings.Compare(order(a, by), order(b, by)) })
	var parts []string
	for _, s := range list[:min(len(list), mostNamed)] {
		says := []string{"nobody we know"}
		if s.holder != "" {
			says[0] = s.holder
		}
		if s.note != "" {
			says = append(says, s.note)
		}
		if who := by[s.Held]; who != "" {
			says = append(says, "given by "+plain(who))
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", quoted(s.Account), strings.Join(says, "; ")))
	}
	if more := len(list) - mostNamed; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

// quoted writes a name that somebody at a target chose: one that could pass for
// words of ours is put in quotation marks.
func quoted(name string) string {
	if unclean(name, mostName) != "" || strings.ContainsAny(name, "\"();\n\t") || strings.Contains(name, ", ") || strings.TrimSpace(name) != name {
		return strconv.QuoteToGraphic(name)
	}
	return name
}

// plain is what a target said, without what would steer a reader's screen, and not too long.
func plain(said string) string { return cleaned(said, mostName) }

func cleaned(said string, most int) string {
	clean := strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return unicode.ReplacementChar
		}
		return c
	}, said)
	if r := []rune(clean); len(r) > most {
		clean = string(r[:most]) + "…"
	}
	return clean
}

// order puts what came lately, and was given by somebody, before what was always there.
func order(s stray, by map[Held]string) string {
	switch {
	case by[s.Held] != "":
		return "0"
	case !s.already:
		return "1"
	}
	return "2"
}

// strayNow lists, of the accounts named, those that held the object ungranted when
// it was last read; all of them if none is named.
func (d *deed) strayNow(ctx context.Context, ent access.Entitlement, accounts []string) ([]string, error) {
	o, err := d.InventoryObject(ctx, ent.System, ent.Object)
	if err != nil {
		return nil, err
	}
	if len(accounts) == 0 {
		return o.Stray, nil
	}
	in := map[string]bool{}
	for _, a := range accounts {
		if _, ok := slices.BinarySearch(o.Stray, a); !ok {
			return nil, fmt.Errorf("%w: account %.80q did not hold %s ungranted when it was last read", access.ErrInvalid, a, ent.ID)
		}
		in[a] = true
	}
	return slices.Sorted(maps.Keys(in)), nil
}
