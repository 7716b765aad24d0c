package policy

import (
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// byBirth has the owner of a birthright rule answer in place of the stages: whatever
// else was decided stands. Of a rule that somebody owns or wrote they have nothing by
// birth (law 10): for them it is asked for like anything else. The rule is named among
// those that decided, with its owner as its author, so that the guards on authors know
// whom it must not let through.
func byBirth(d access.Decision, f *Facts) access.Decision {
	b := f.Birthright
	if b == nil || !d.Allow {
		return d
	}
	hands := f.Directory.Hands(f.Request.Beneficiary)
	for _, who := range []string{b.Owner, b.Author} {
		if who != "" && slices.Contains(hands, f.Directory.PersonOf(who)) {
			return d
		}
	}
	if owner, ok := f.Directory.Identity(b.Owner); !ok || !owner.ActiveAt(f.Now) {
		return d // nobody answers for it
	}
	d.Stages, d.StepUp = nil, ""
	rule := access.Rule{ID: "birthright." + b.ID, Effect: "permit", Author: b.Owner, Reason: "The owner of the rule, " + b.Owner + ", answers for it."}
	d.Rules = append(slices.Clone(d.Rules), rule)
	slices.SortFunc(d.Rules, func(a, b access.Rule) int { return strings.Compare(a.ID, b.ID) })
	d.Why = "The birthright " + b.ID + " gives it, and its owner, " + b.Owner + ", answers for it."
	d.Facts = access.Digest(d.Facts + " and the birthright " + access.Digest(b))
	return d
}
