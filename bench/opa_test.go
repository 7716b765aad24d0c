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
// each at a time, so that whatever else the machine does falls on both. Lessor's
// figure is of whole decisions: facts gathered from the nouns, held to the schema
// and digested, obligations added up. OPA's is of evaluation alone, its input
// parsed beforehand; times-opa-asked counts in the making of its input.
func BenchmarkAgainstOPA(b *testing.B) {
	w := policytest.New(1, 10_000, 4_000)
	for _, rules := range []int{15, 100, 1000} {
		set, opa := w.Load(rules), start(b, w, rules)
		pick := policytest.Picker(11)
		var asks, pending []policy.Facts // pending: those that wait for votes
		for len(asks) < 1000 || len(pending) < 400 {
			f := w.Ask(&pick)
			asks = append(asks, f)
			if f.Item.Decision = set.MayRequest(f); f.Item.Decision.Allow {
				pending = append(pending, f)
			}
		}
		asks, pending = asks[:1000], pending[:400]
		voter := func(i int) access.Actor { return access.Actor{Identity: policytest.Person(i)} }
		b.Run(fmt.Sprintf("request/rules=%d", rules), func(b *testing.B) {
			race(b, opa, policy.QuestionRequest, len(asks), func(i int) { set.MayRequest(asks[i]) },
				func(i int) ast.Value { return opa.requestInput(asks[i]) })
		})
		b.Run(fmt.Sprintf("approve/rules=%d", rules), func(b *testing.B) {
			race(b, opa, policy.QuestionApprove, len(pending), func(i int) { set.MayApprove(pending[i], voter(i), "owner") },
				func(i int) ast.Value { return opa.approveInput(pending[i], voter(i), "owner") })
		})
	}
}

// race runs both over all questions for each round, turn by turn. What is
// reported is the median turn: on a machine that others use as well, the mean
// tells how often it was taken away.
func race(b *testing.B, opa *engine, question string, questions int, ours func(int), input func(int) ast.Value) {
	const turn = 20
	inputs := make([]ast.Value, questions)
	for i := range inputs {
		inputs[i] = input(i)
	}
	var us, making, deciding []time.Duration
	timed := func(turns *[]time.Duration, from int, do func(int)) {
		at := time.Now()
		for i := range turn {
			do(from + i)
		}
		*turns = append(*turns, time.Since(at))
	}
	for b.Loop() {
		for from := 0; from < questions; from += turn {
			timed(&us, from, ours)
			timed(&making, from, func(i int) { input(i) })
			timed(&deciding, from, func(i int) {
				if _, _, err := opa.decide(b.Context(), question, inputs[i]); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
	median := func(turns []time.Duration) float64 {
		slices.Sort(turns)
		return float64(turns[len(turns)/2].Nanoseconds()) / turn
	}
	lessor, made, decided := median(us), median(making), median(deciding)
	b.ReportMetric(lessor, "lessor-ns")
	b.ReportMetric(decided, "opa-ns")
	b.ReportMetric(decided/lessor, "times-opa")
	b.ReportMetric((made+decided)/lessor, "times-opa-asked")
	b.ReportMetric(0, "ns/op")
}
