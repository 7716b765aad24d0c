package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/policy/policytest"
)

// A comparison of engines that do not answer alike compares nothing.
func TestAnswersAreTheSame(t *testing.T) {
	t.Parallel()
	const rules, questions = 1000, 1000
	w := policytest.New(1, 2_000, 400)
	set := w.Load(rules)
	opa := start(t, w, rules)
	pick, allowed := policytest.Picker(23), 0
	for n := range questions {
		f := w.Ask(&pick)
		f.Item.Decision = set.MayRequest(f)
		same(t, n, f.Item.Decision, opa, policy.QuestionRequest, opa.requestInput(f))
		for _, stage := range []string{"manager", "owner", "sponsor", "security", "team01", "nobody-knows"} {
			voter := access.Actor{Identity: policytest.Person(pick.N(w.People))}
			if who := set.WhoCanApprove(f, stage); len(who) > 0 && !pick.OneIn(3) {
				voter.Identity = who[pick.N(len(who))]
			}
			d := set.MayApprove(f, voter, stage)
			same(t, n, d, opa, policy.QuestionApprove, opa.approveInput(f, voter, stage))
			if d.Allow {
				allowed++
			}
		}
		if f.Item.Decision.Allow {
			allowed++
		}
	}
	if allowed < questions/2 {
		t.Errorf("only %d yes in %d questions: too few to prove anything", allowed, 7*questions)
	}
}

func same(t *testing.T, n int, d access.Decision, opa *engine, question string, input ast.Value) {
	t.Helper()
	_, rules, err := opa.decide(t.Context(), question, input)
	var ours []string
	for _, r := range d.Rules {
		ours = append(ours, r.ID)
	}
	if err != nil || len(d.Errors) > 0 || !slices.Equal(ours, rules) {
		t.Fatalf("%s %d: Cedar %v %q, OPA %v (%v)\n%s", question, n, ours, d.Errors, rules, err, input)
	}
}

func start(t testing.TB, w *policytest.World, rules int) *engine {
	t.Helper()
	opa, err := newEngine(t.Context(), w, rules)
	if err != nil {
		t.Fatal(err)
	}
	return opa
}

// BenchmarkAgainstOPA asks both engines the same questions in turn, a few of
// each at a time, so that whatever else the machine does falls on both, and
// reports how many times longer OPA took.
func BenchmarkAgainstOPA(b *testing.B) {
	w := policytest.New(1, 10_000, 4_000)
	for _, rules := range []int{15, 100, 1000} {
		set, opa := w.Load(rules), start(b, w, rules)
		pick := policytest.Picker(11)
		var asks []policy.Facts
		var requests, approvals []ast.Value
		voter := func(i int) access.Actor { return access.Actor{Identity: policytest.Person(i % 1000)} }
		for i := range 1000 {
			f := w.Ask(&pick)
			f.Item.Decision = set.MayRequest(f)
			asks, requests = append(asks, f), append(requests, opa.requestInput(f))
			approvals = append(approvals, opa.approveInput(f, voter(i), "owner"))
		}
		b.Run(fmt.Sprintf("request/rules=%d", rules), func(b *testing.B) {
			race(b, func(i int) { set.MayRequest(asks[i]) }, func(i int) error {
				_, _, err := opa.decide(b.Context(), policy.QuestionRequest, requests[i])
				return err
			})
		})
		b.Run(fmt.Sprintf("approve/rules=%d", rules), func(b *testing.B) {
			race(b, func(i int) { set.MayApprove(asks[i], voter(i), "owner") }, func(i int) error {
				_, _, err := opa.decide(b.Context(), policy.QuestionApprove, approvals[i])
				return err
			})
		})
	}
}

// race runs both over all questions for each of b.N rounds.
func race(b *testing.B, ours func(int), theirs func(int) error) {
	const questions, turn = 1000, 20
	var us, them time.Duration
	rounds := 0
	for b.Loop() {
		for from := 0; from < questions; from += turn {
			at := time.Now()
			for i := range turn {
				ours(from + i)
			}
			us += time.Since(at)
			at = time.Now()
			for i := range turn {
				if err := theirs(from + i); err != nil {
					b.Fatal(err)
				}
			}
			them += time.Since(at)
		}
		rounds += questions
	}
	b.ReportMetric(float64(us.Nanoseconds())/float64(rounds), "lessor-ns/decision")
	b.ReportMetric(float64(them.Nanoseconds())/float64(rounds), "opa-ns/decision")
	b.ReportMetric(float64(them)/float64(us), "times-opa")
	b.ReportMetric(0, "ns/op")
}
