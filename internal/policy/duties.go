package policy

import (
	"cmp"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// duties is what keeps entitlements apart: what a catalog's entitlements say of
// each other, which nothing excepts, and the duties beside them.
type duties struct {
	plain map[string][]string // entitlement -> what it says it conflicts with, or is said to
	of    map[string][]*access.Duty
}

func dutiesOf(d *access.Directory) *duties {
	x := &duties{plain: map[string][]string{}, of: map[string][]*access.Duty{}}
	for _, id := range d.Entitlements() {
		e, _ := d.Entitlement(id)
		for _, other := range e.Conflicts { // whichever side wrote it down
			x.plain[id] = append(x.plain[id], other)
			x.plain[other] = append(x.plain[other], id)
		}
	}
	list := d.Duties()
	for n := range list {
		for _, id := range list[n].Apart {
			x.of[id] = append(x.of[id], &list[n])
		}
	}
	return x
}

func (x *duties) none() bool { return len(x.plain)+len(x.of) == 0 }

// between is what keeps any of these from any of those.
func (x *duties) between(these, those []string) (plain bool, duties []*access.Duty) {
	for _, a := range these {
		for _, b := range x.plain[a] {
			plain = plain || (a != b && slices.Contains(those, b))
		}
		for _, duty := range x.of[a] {
			if !slices.Contains(duties, duty) && slices.ContainsFunc(those, func(b string) bool { return a != b && slices.Contains(duty.Apart, b) }) {
				duties = append(duties, duty)
			}
		}
	}
	return plain, duties
}

// clashes are those of what is held that nobody may hold beside the item, sorted:
// themselves, or by what one of the two lets its holder have or hand out. What a
// single entitlement implies is not held against itself: that is its owner's to
// settle, not the asker's. exceptions are those by which others may be beside it.
func (f *Facts) clashes(from *snapshot) (out []string, exceptions []access.Exception) {
	if from.duties.none() {
		return nil, nil
	}
	mine := append([]string{f.Item.Entitlement}, f.reach().Implied...)
	for _, held := range f.held() {
		plain, duties := from.duties.between(mine, append([]string{held}, f.Implies[held]...))
		if !plain && len(duties) == 0 {
			continue
		}
		if !plain && f.gives(way(duties), held) {
			continue
		}
		var by []access.Exception
		for _, duty := range duties {
			if e, ok := f.excepted(duty); ok {
				by = append(by, e)
			}
		}
		if plain || len(by) < len(duties) {
			out = append(out, held)
			continue
		}
		for _, e := range by {
			if !slices.Contains(exceptions, e) {
				exceptions = append(exceptions, e)
			}
		}
	}
	slices.SortFunc(exceptions, func(a, b access.Exception) int { return cmp.Or(cmp.Compare(a.Duty, b.Duty), a.End.Compare(b.End)) })
	return out, exceptions
}

// way tells whether all of these let the one asked for first go on.
func way(duties []*access.Duty) bool {
	return !slices.ContainsFunc(duties, func(d *access.Duty) bool { return d.Mode != access.DutyDrop })
}

// gives tells whether what is asked for beside the item is the one to be dropped:
// it is named later, and the person holds it by nothing else.
func (f *Facts) gives(drops bool, other string) bool {
	return drops && !slices.Contains(f.Held, other) && f.Request.Item(other) > f.Request.Item(f.Item.Entitlement)
}

// excepted finds the exception that lets the person behind the beneficiary hold
// what a duty keeps apart, for as long as the item would be held.
func (f *Facts) excepted(duty *access.Duty) (access.Exception, bool) {
	_, end := f.window()
	for _, person := range persons(f.Directory, f.Directory.Hands(f.Request.Beneficiary)) {
		for _, e := range duty.Exceptions {
			if f.Directory.PersonOf(e.Identity) == person && !e.End.Before(end) && f.Now.Before(e.End) {
				e.Duty = duty.ID
				return e, true
			}
		}
	}
	return access.Exception{}, false
}

// Violations lists pairs of what one person holds that a duty keeps apart and no
// exception lets be together at that moment. implies is what each lets its holder
// have or hand out.
func (s *Set) Violations(f Facts) [][2]string {
	x := s.snapshot(f.Directory).duties
	var out [][2]string
	held := slices.Compact(slices.Sorted(slices.Values(f.Held)))
	for i, a := range held {
		for _, b := range held[i+1:] {
			plain, duties := x.between(append([]string{a}, f.Implies[a]...), append([]string{b}, f.Implies[b]...))
			excepted := len(duties) > 0
			for _, duty := range duties {
				_, ok := f.excepted(duty)
				excepted = excepted && ok
			}
			if plain || (len(duties) > 0 && !excepted) {
				out = append(out, [2]string{a, b})
			}
		}
	}
	return out
}

// KeptApart are the entitlements that any duty is about.
func (s *Set) KeptApart(d *access.Directory) map[string]bool {
	x := s.snapshot(d).duties
	out := make(map[string]bool, len(x.plain)+len(x.of))
	for id := range x.plain {
		out[id] = true
	}
	for id := range x.of {
		out[id] = true
	}
	return out
}
