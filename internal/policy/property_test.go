package policy_test

import (
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/policy/policytest"
)

// Parts that random rules are made of. Some err, some can be true of nobody,
// some name the voter the wrong way round.
var (
	principals = []string{"principal", "principal", "principal in Group::\"security\"", "principal in Group::\"team01\"", "principal in Group::\"g003\"",
		"principal == Identity::\"p00004\"", "principal is Identity", "principal is Identity in Group::\"g001\""}
	resources = []string{"resource", "resource", "resource in Class::\"standard\"", "resource in Class::\"privileged\"", "resource in System::\"s3\"",
		"resource in Entitlement::\"s7:e0007\"", "resource is Request", "resource is Request in System::\"s5\""}
	ofBoth = []string{`resource.entitlement.owners.contains(principal.person)`, `resource.entitlement.owners.contains(principal)`,
		`principal in Group::"team02"`, `principal in [Group::"team03", Group::"g005"]`, `principal == resource.beneficiary`, `Identity::"p00009" == principal`,
		`resource.beneficiary.person has manager && principal.person == resource.beneficiary.person.manager.person`,
		`principal has manager && principal.manager == Identity::"p00001"`, `principal.department == "d3"`, `principal.external`, `!principal.external`,
		`[Identity::"p00002", Identity::"p00003"].contains(principal)`, `principal.department like "d*"`, `resource.held.contains(Entitlement::"s1:e0001")`,
		`if principal.external then resource.extension else resource.term <= duration("4h")`, `resource.hands.contains(principal.person)`,
		`resource.term.toMilliseconds() * 92233720368547 > 0`, `9223372036854775807 + resource.term.toMilliseconds() > 0`, `principal.person.department == resource.beneficiary.department`,
		`resource.entitlement.powers.contains("admin")`, `resource.entitlement.class == "standard"`, `resource.entitlement.class == "privileged"`, `resource.end < datetime("2026-03-02T12:00:00Z")`, `resource.start > context.now`, `principal.active`}
	ofApprove = []string{`context.stage == "owner"`, `context.stage == "manager"`, `"security" == context.stage`, `context has group && principal in context.group`,
		`context.voted.isEmpty()`, `context.strength == context.stepUp`, `context.stage != "owner"`}
)

// randomRules is a folder of up to a dozen rules over the world of policytest.
func randomRules(t *rapid.T, seed string) fstest.MapFS {
	var b strings.Builder
	for n := range rapid.IntRange(1, 12).Draw(t, "rules "+seed) {
		question := rapid.SampledFrom([]string{"approve", "approve", "request", "request", "oblige", "view", "hold"}).Draw(t, "question")
		effect := rapid.SampledFrom([]string{"permit", "permit", "forbid"}).Draw(t, "effect")
		switch question {
		case "oblige":
			effect = "permit"
		case "hold":
			effect = "forbid"
		}
		fmt.Fprintf(&b, "@id(\"r%d\")\n", n)
		if question == "oblige" || (question == "request" && effect == "permit") {
			fmt.Fprintf(&b, "@needs(%q)\n", rapid.SampledFrom([]string{"none", "manager", "owner", "security:2", "manager, team01"}).Draw(t, "needs"))
		}
		fmt.Fprintf(&b, "%s (%s, action == Action::%q, %s)", effect, rapid.SampledFrom(principals).Draw(t, "principal"), question, rapid.SampledFrom(resources).Draw(t, "resource"))
		if rapid.Bool().Draw(t, "conditional") {
			fmt.Fprintf(&b, "\nwhen { %s }", condition(t, question, 2))
		}
		if rapid.IntRange(0, 4).Draw(t, "unless") == 0 {
			fmt.Fprintf(&b, "\nunless { %s }", condition(t, question, 1))
		}
		b.WriteString(";\n")
	}
	return fstest.MapFS{"r.cedar": {Data: []byte(b.String())}}
}

func condition(t *rapid.T, question string, depth int) string {
	parts := ofBoth
	if question == "approve" {
		parts = append(slices.Clone(ofApprove), ofBoth...)
	}
	if depth == 0 {
		return "(" + rapid.SampledFrom(parts).Draw(t, "part") + ")"
	}
	switch rapid.IntRange(0, 5).Draw(t, "shape") {
	case 0:
		return "(" + condition(t, question, depth-1) + " || " + condition(t, question, depth-1) + ")"
	case 1, 2:
		return "(" + condition(t, question, depth-1) + " && " + condition(t, question, depth-1) + ")"
	case 3:
		return "!(" + condition(t, question, depth-1) + ")"
	}
	return condition(t, question, depth-1)
}

// loadable draws until the rules load: some can never apply, which Load refuses.
func loadable(t *rapid.T) *policy.Set {
	for n := range 40 {
		if set, err := policy.Load(randomRules(t, fmt.Sprint(n))); err == nil {
			return set
		}
	}
	t.Skip("no rules that load")
	return nil
}

// randomQuestion is one item as it may stand: asked, decided, with some votes.
func randomQuestion(t *rapid.T, w *policytest.World, set *policy.Set) policy.Facts {
	pick := policytest.Picker(rapid.Uint64().Draw(t, "question"))
	f := w.Ask(&pick)
	if rapid.Bool().Draw(t, "decided") {
		f.Item.Decision = set.MayRequest(f)
	}
	cast := make([]string, pick.N(4))
	for n := range cast {
		cast[n] = stages[pick.N(len(stages))]
	}
	if pick.OneIn(2) { // all that it needs
		cast = cast[:0]
		for _, st := range f.Item.Decision.Stages {
			cast = append(cast, slices.Repeat([]string{st.Name}, st.Count)...)
		}
	}
	for n, stage := range cast {
		v := access.Approval{ID: fmt.Sprintf("v%d", n), Request: f.Request.ID, Revision: f.Request.Revision, Digest: f.Request.Digest, Entitlement: f.Item.Entitlement,
			Stage: stage, Voter: policytest.Person(pick.N(w.People)), Verdict: access.Approve, At: f.Now.Add(time.Duration(pick.N(3)) * time.Minute)}
		if who := set.WhoCanApprove(f, stage); len(who) > 0 && !pick.OneIn(8) {
			v.Voter = who[pick.N(len(who))]
		}
		f.Votes = append(f.Votes, v)
	}
	return f
}

var stages = []string{"manager", "owner", "sponsor", "security", "team01", "g003", "nobody-knows"}

// The residual rules name whom to look at; looking at everybody finds nobody else.
func TestWhoCanApproveIsAskingEverybody(t *testing.T) {
	t.Parallel()
	w := policytest.New(3, 80, 60)
	found, asked := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		set := loadable(t)
		f := randomQuestion(t, w, set)
		stage := rapid.SampledFrom(stages).Draw(t, "stage")
		strength := set.MayApprove(f, access.Actor{Identity: "nobody"}, stage).StepUp
		var want []string
		for _, id := range append(w.Directory.Identities(), "nobody") {
			if set.MayApprove(f, access.Actor{Identity: id, Strength: strength}, stage).Allow {
				want = append(want, id)
			}
		}
		if got := set.WhoCanApprove(f, stage); !slices.Equal(got, want) {
			t.Fatalf("stage %s: got %v, asking everybody finds %v", stage, got, want)
		}
		asked++
		found += min(len(want), 1)
	})
	if found*50 < asked {
		t.Errorf("somebody was found in %d of %d questions: the worlds are too empty to prove anything", found, asked)
	}
}

// The index changes neither decisions nor reasons nor errors. What was read is
// less: a full scan walks from a resource to the entitlement to learn that it is
// not in some class.
func TestIndexLosesNothing(t *testing.T) {
	t.Parallel()
	w := policytest.New(4, 80, 60)
	allowed, erred, asked := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		set := loadable(t)
		full := policy.FullScan(set)
		for range 5 {
			f := randomQuestion(t, w, set)
			voter := access.Actor{Identity: policytest.Person(rapid.IntRange(0, w.People).Draw(t, "voter"))}
			f.Request.Items = []access.Item{f.Item}
			answer := func(s *policy.Set) []access.Decision {
				out := []access.Decision{s.MayRequest(f), s.MayHold(f), s.MayView(f.Directory, f.Now, voter, f.Request),
					s.MayRevoke(f.Directory, f.Now, voter, access.Grant{ID: "g", Identity: f.Request.Beneficiary, Entitlement: f.Item.Entitlement})}
				for _, stage := range stages {
					out = append(out, s.MayApprove(f, voter, stage))
				}
				return out
			}
			got, want := answer(set), answer(full)
			for i := range got {
				got[i].Facts, want[i].Facts = "", ""
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("with the index: %+v\nwithout: %+v", got[i], want[i])
				}
				asked++
				if got[i].Allow {
					allowed++
				}
				if len(got[i].Errors) > 0 {
					erred++
				}
			}
		}
	})
	if allowed*50 < asked || erred == 0 {
		t.Errorf("of %d answers %d were yes and %d erred: too few to prove anything", asked, allowed, erred)
	}
}

// Equal questions get equal answers, in whatever order their facts come.
func TestOrderOfFactsDoesNotMatter(t *testing.T) {
	t.Parallel()
	w := policytest.New(5, 80, 60)
	rapid.Check(t, func(t *rapid.T) {
		set := loadable(t)
		f := randomQuestion(t, w, set)
		first := answers(set, f)
		shuffled := f
		shuffled.Held, shuffled.Votes = slices.Clone(f.Held), slices.Clone(f.Votes)
		order := rand.New(rand.NewSource(rapid.Int64().Draw(t, "order")))
		order.Shuffle(len(f.Held), func(i, j int) { shuffled.Held[i], shuffled.Held[j] = shuffled.Held[j], shuffled.Held[i] })
		order.Shuffle(len(f.Votes), func(i, j int) { shuffled.Votes[i], shuffled.Votes[j] = shuffled.Votes[j], shuffled.Votes[i] })
		if again := answers(set, shuffled); !reflect.DeepEqual(first, again) {
			t.Fatalf("the order of the facts matters:\n%+v\n%+v", first, again)
		}
	})
}

// A changed fact that changes a decision changes its digest of the facts.
func TestFactsDigestIsOfAllThatDecides(t *testing.T) {
	t.Parallel()
	w := policytest.New(6, 80, 60)
	changes := map[string]func(*policy.Facts){
		"held":     func(f *policy.Facts) { f.Held = slices.Concat(f.Held, w.Directory.Entitlements()) },
		"siblings": func(f *policy.Facts) { f.Siblings = w.Directory.Entitlements() },
		"makers":   func(f *policy.Facts) { f.Request.Makers = w.Directory.Identities()[:3] },
		"authors":  func(f *policy.Facts) { f.Authors = w.Directory.Identities()[:40] },
		"later":    func(f *policy.Facts) { f.Now = f.Now.Add(20 * time.Hour) },
		"start":    func(f *policy.Facts) { f.Request.Start = f.Now.Add(5 * time.Hour) },
		"fixed":    func(f *policy.Facts) { f.Request.Start, f.Request.Fixed = f.Now.Add(-9*time.Hour), true },
		"term":     func(f *policy.Facts) { f.Item.Term = access.Term(300 * time.Hour) },
		"chain":    func(f *policy.Facts) { f.Request.Extends, f.ChainFor = "g", access.Term(70*time.Hour) },
		"votes":    func(f *policy.Facts) { f.Votes = nil },
		"narrowed": func(f *policy.Facts) {
			f.Votes = slices.Clone(f.Votes)
			for i := range f.Votes {
				f.Votes[i].Term = access.Term(time.Minute)
			}
		},
		"revision": func(f *policy.Facts) { f.Request.Revision++ },
		"stored": func(f *policy.Facts) {
			f.Item.Decision = access.Decision{Allow: true, MaxTerm: access.Term(time.Minute), Stages: []access.Stage{{Name: "team07", Count: 1}}}
		},
		"nobody": func(f *policy.Facts) { f.Request.Requester = "nobody" },
		"group":  func(f *policy.Facts) { f.Directory = access.NewDirectory(nil, nil, nil, nil, nil) },
	}
	effective := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		set := loadable(t)
		before := randomQuestion(t, w, set)
		first := answers(set, before)
		for name, change := range changes {
			after := before
			change(&after)
			for i, d := range answers(set, after) {
				d.At = first[i].At
				same := d.Facts == first[i].Facts
				d.Facts = first[i].Facts
				if !reflect.DeepEqual(first[i], d) {
					effective[name] = true
					if same {
						t.Fatalf("%s: one digest of the facts for two decisions:\n%+v\n%+v", name, first[i], d)
					}
				}
			}
		}
	})
	if len(effective)*3 < len(changes)*2 {
		t.Errorf("of %d changes only %v ever changed a decision: too few to prove anything", len(changes), effective)
	}
}

func answers(set *policy.Set, f policy.Facts) []access.Decision {
	voter := access.Actor{Identity: policytest.Person(2)}
	out := []access.Decision{set.MayRequest(f), set.MayHold(f)}
	for _, stage := range stages {
		out = append(out, set.MayApprove(f, voter, stage))
	}
	return out
}
