package survive

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Of two servers one stands still in the middle of a storm, with leases in its hand,
// for far longer than they last, and then goes on. The other has done its work
// meanwhile: nothing is missed, nothing is done twice, and what the first one saw
// before it stood still settles nothing.
func TestFrozen(t *testing.T) {
	still, at := 3*lease, []string{"acted"} // after it has sent
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		still, at = time.Minute, append(at, "looked first") // and right before
	}
	w, c := newTargets(t), newCluster(t)
	for _, seam := range at {
		t.Run(seam, func(t *testing.T) {
			l := begin(t, w, c, 2, false, map[string]int{})
			cold := l.replicas[0]
			cold.kill()
			cold.plan.Stops = true
			cold.start(t, seam, 1)
			cold.ready(t)
			storm, calm := context.WithCancel(t.Context())
			defer calm()
			crowd := &crowd{urls: []string{l.replicas[1].url, cold.url}, tokens: l.tokens, line: l.line, kept: l.kept}
			var all sync.WaitGroup
			for i := range 6 {
				all.Go(func() { crowd.run(storm, i, rand.New(rand.NewPCG(uint64(i), 7))) })
			}
			testserver.Await(t, "one that stands still", time.Minute, func() error {
				if !cold.stopped() {
					return errors.New("it goes on")
				}
				return nil
			})
			l.line.add("STANDS STILL %s, at %s", cold.name, seam)
			wait(t.Context(), still)
			_ = cold.cmd.Process.Signal(syscall.SIGCONT)
			l.line.add("GOES ON %s", cold.name)
			testserver.Await(t, "the end of its batch", time.Minute, func() error {
				said, err := os.ReadFile(cold.said)
				if err == nil && !refused.Match(said) {
					err = errors.New("nothing it saw was refused yet")
				}
				return err
			})
			calm()
			all.Wait()
			problems := append(l.judge(t.Context()), l.twice(t.Context())...)
			l.fails(0, "standing still at "+seam, append(problems, l.end(t.Context())...))
		})
	}
}

// refused is a batch of which something was refused at settling, because the lease was gone.
var refused = regexp.MustCompile(`"msg":"reconciled".*"refused":[1-9]`)

// twice says where slapd has done something that nobody had in mind at that time: its
// own log tells of each change that took effect, and the ledger of each intent.
func (l *life) twice(ctx context.Context) (problems []error) {
	out, err := l.slapdLog(ctx, l.begun)
	if err != nil {
		return []error{err}
	}
	deeds, group := map[deed]int{}, ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if dn, ok := strings.CutPrefix(line, "reqDN: "); ok {
			group = dn
		}
		for mark, to := range map[string]access.AssignmentState{"reqMod: member:+ uid=": access.Adding, "reqMod: member:- uid=": access.Removing} {
			if who, ok := strings.CutPrefix(line, mark); ok {
				account, _, _ := strings.Cut(who, ",")
				deeds[deed{account, group, to}]++
			}
		}
	}
	if len(deeds) == 0 {
		return []error{errors.New("slapd's own log tells of no change")}
	}
	intents, err := l.intents(ctx)
	if err != nil {
		return []error{err}
	}
	for d, n := range deeds {
		if n > intents[d] {
			problems = append(problems, errors.New(strings.Join([]string{d.account, "at", d.object, "was", string(d.to), "more often than it was meant to be"}, " ")))
		}
	}
	return problems
}

// deed is a change of who is in a group.
type deed struct {
	account, object string
	to              access.AssignmentState
}

// intents counts how often the ledger meant each deed.
func (l *life) intents(ctx context.Context) (intents map[deed]int, err error) {
	intents = map[deed]int{}
	err = l.db.Read(ctx, func(tx *store.Tx) error {
		jobs, err1 := tx.AssignmentsAfter(ctx, "", 1<<30)
		placed, err2 := tx.Events(ctx, 0, 1<<30)
		waiting, err3 := tx.Unsequenced(ctx, 1<<30)
		of := map[string]store.Job{}
		for _, j := range jobs {
			of[j.ID] = j
		}
		for _, row := range append(placed, waiting...) {
			var ev access.Event
			if err := json.Unmarshal(row.Body, &ev); err != nil {
				return err
			}
			if to := access.AssignmentState(ev.To); ev.Assignment != "" && ev.From != ev.To && (to == access.Adding || to == access.Removing) {
				intents[deed{of[ev.Assignment].Account, of[ev.Assignment].Object, to}]++
			}
		}
		return errors.Join(err1, err2, err3)
	})
	return intents, err
}
