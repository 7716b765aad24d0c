package policy

import (
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// What lets its holder have or hand out other entitlements needs those who answer
// for them. The stage "implied" of @needs stands for one stage a system,
// "implied/SYSTEM": one approval by somebody who owns everything of it that is
// implied, or the system itself, so that no implied entitlement is given past all
// who answer for it.
const (
	impliedStage  = "implied"
	impliedPrefix = impliedStage + "/"
)

// mostImplied is how many of what is implied a decision lists.
const mostImplied = 200

// reach is what the item's entitlement can become: as handed in or, for a
// question that only looks, as the decision about it said.
func (f *Facts) reach() access.Reach {
	if f.Reach.IsZero() {
		return f.Item.Decision.Reach
	}
	return f.Reach
}

// answerable are the persons who answer for all that is implied in a system, sorted.
func (f *Facts) answerable(system string) []string {
	var common []string
	first := true
	for _, id := range f.reach().Implied {
		e, ok := f.Directory.Entitlement(id)
		if !ok || e.System != system {
			continue
		}
		owners := persons(f.Directory, e.Owners)
		if first {
			common, first = owners, false
		} else {
			common = slices.DeleteFunc(common, func(p string) bool { return !slices.Contains(owners, p) })
		}
	}
	if s, ok := f.Directory.System(system); ok && !first && s.Owner != "" {
		common = append(common, s.Owner)
	}
	return persons(f.Directory, common)
}

// expand puts the stages of what is implied in place of the word for them. Where
// whoever owns the entitlement answers for all of a system that it implies, the
// stage is the owner's.
func (f *Facts) expand(stages []access.Stage) []access.Stage {
	i := slices.IndexFunc(stages, func(st access.Stage) bool { return st.Name == impliedStage })
	if i < 0 {
		return stages
	}
	stages = slices.Delete(slices.Clone(stages), i, i+1)
	self, _ := f.Directory.Entitlement(f.Item.Entitlement)
	owners := persons(f.Directory, self.Owners)
	for _, system := range f.impliedSystems() {
		name, answer := impliedPrefix+system, f.answerable(system)
		if len(owners) > 0 && !slices.ContainsFunc(owners, func(o string) bool { return !slices.Contains(answer, o) }) {
			name = "owner"
		}
		stages = unite(stages, []access.Stage{{Name: name, Count: 1}})
	}
	return stages
}

// impliedSystems are the systems of what is implied, sorted.
func (f *Facts) impliedSystems() []string {
	var out []string
	for _, id := range f.reach().Implied {
		if e, ok := f.Directory.Entitlement(id); ok {
			out = append(out, e.System)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// answerers are who may fill the stage, where it is one of what is implied.
func (f *Facts) answerers(stage string) []string {
	system, ok := strings.CutPrefix(stage, impliedPrefix)
	if !ok {
		return nil
	}
	return f.answerable(system)
}
