package policy

import (
	"io/fs"
	"slices"

	"github.com/cedar-policy/cedar-go"

	"github.com/lessor-iam/lessor/internal/access"
)

// Lead is what one permit lets some people have a say in or see, as far as its
// scope and its first demands tell: never too few people, never too little.
type Lead struct {
	Everyone    bool
	Who         []string // identities, sorted; of no meaning for everyone
	Entitlement string   // what it is about: this entitlement,
	System      string   // or this system; neither: it may be about anything
}

// Means tells whether the permit could mean this identity.
func (l Lead) Means(identity string) bool {
	if l.Everyone {
		return true
	}
	_, found := slices.BinarySearch(l.Who, identity)
	return found
}

// Leads lists where the permits for a question lead, but for those among the
// shipped rules that are named in known and stand as they were shipped: a list
// that is found by what those say need not be read whole.
func (s *Set) Leads(question string, d *access.Directory, known ...string) []Lead {
	shipped := shippedTexts()
	var list []Lead
	for _, r := range s.index[question].all {
		if r.Effect != "permit" || (slices.Contains(known, r.ID) && (r.Guard || shipped[r.ID] == unannotated(r.policy))) {
			continue
		}
		var who candidates
		bound, _ := boundTo(tree(r.policy).Principal)
		who.permitted(bound, tree(r.policy), d)
		l := Lead{Everyone: who.everyone}
		if !who.everyone {
			l.Who = who.listed(d)
		}
		switch about, _ := boundTo(tree(r.policy).Resource); about.Type {
		case entitlementType:
			l.Entitlement = string(about.ID)
		case systemType:
			l.System = string(about.ID)
		}
		list = append(list, l)
	}
	return list
}

// unannotated is the text of a rule without its annotations, which have no fixed order.
func unannotated(p *cedar.Policy) string {
	t := *tree(p)
	t.Annotations = nil
	return string(cedar.NewPolicyFromAST(asPolicy(&t)).MarshalCedar())
}

// shippedTexts are the shipped default rules, unannotated.
func shippedTexts() map[string]string {
	texts := map[string]string{}
	names, err := fs.Glob(Defaults(), "*.cedar")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	for _, name := range names {
		raw, err := fs.ReadFile(Defaults(), name)
		if err != nil {
			panic(err)
		}
		rules, err := cedar.NewPolicyListFromBytes(name, raw)
		if err != nil {
			panic(err)
		}
		for _, r := range rules {
			texts[string(r.Annotations()["id"])] = unannotated(r)
		}
	}
	return texts
}
