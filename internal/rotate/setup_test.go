package rotate_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/rotate"
	"github.com/lessor-iam/lessor/internal/store"
)

const (
	month = 30 * 24 * time.Hour
	ref   = "apps/robot"
)

// bench is a company whose workload robot has a credential at git, kept by a plan.
type bench struct {
	*enginetest.Fixture
	t    *testing.T
	keys *enginetest.Keys
	safe *enginetest.Safe
	lane *rotate.Lane
	seam func(step string)
}

// plan is the plan of robot's credential.
func plan(kind string, change ...func(*access.CredentialPlan)) access.CredentialPlan {
	p := access.CredentialPlan{ID: "robot-git", System: "git", Account: "robot", Kind: kind, Store: "safe", Ref: ref, Every: access.Term(month), Overlap: access.Term(time.Hour)}
	if kind == enginetest.Password {
		p.Overlap = 0
	}
	for _, do := range change {
		do(&p)
	}
	return p
}

func newBench(t *testing.T, d store.Dialect, plans ...access.CredentialPlan) *bench {
	t.Helper()
	b := &bench{t: t, Fixture: enginetest.Open(t, d, func(o *enginetest.Options) { o.Company.Plans = slices.Clone(plans) })}
	b.keys, b.safe = enginetest.NewKeys(b.Now, b.Engine.Pace.Call), enginetest.NewSafe(b.Now, b.Engine.Pace.Call)
	b.lane = b.another("lane")
	return b
}

// another is a lane as another replica has it.
func (b *bench) another(holder string) *rotate.Lane {
	return rotate.New(rotate.Config{Door: b.Engine, System: "git", Issuer: b.keys, Listing: b.keys, Holder: holder, Pace: b.Engine.Pace, Backstop: time.Minute, Now: b.Now, Rand: enginetest.Rand(b.t),
		Stores: func(id string) (deliver.Store, bool) { return b.safe, id == "safe" },
		Seam: func(step string) {
			if b.seam != nil {
				b.seam(step)
			}
		}})
}

// each runs a test on both databases, and asks the oracle afterwards.
func each(t *testing.T, do func(b *bench), plans ...access.CredentialPlan) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		b := newBench(t, d, plans...)
		do(b)
		b.Check()
	})
}

// stopped is what a process that dies panics with.
type stopped struct{ step string }

// once does one turn, and says whether the process died in it.
func (b *bench) once(l *rotate.Lane) (claimed int, died bool) {
	b.t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stopped); !ok {
				panic(r)
			}
			died = true
		}
	}()
	n, err := l.Once(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return n, false
}

// run lets time pass until then, and everything that falls due is done at its moment.
func (b *bench) run(d time.Duration) {
	b.t.Helper()
	end := b.Now().Add(d)
	for range 100_000 {
		if _, err := b.Engine.PlanRotations(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		for {
			if n, died := b.once(b.lane); n == 0 || died {
				break
			}
		}
		next, ok, err := b.Engine.NextRotation(b.t.Context(), "git")
		if err != nil {
			b.t.Fatal(err)
		}
		if !ok || next.After(end) {
			if next = end; !b.Now().Before(end) {
				return
			}
		}
		if look := b.look(); next.After(look) {
			next = look
		}
		if !next.After(b.Now()) {
			next = b.Now().Add(time.Millisecond)
		}
		b.Clock.To(next)
	}
	b.t.Fatal("there is always something to do")
}

// look is when plans are looked at next: often while there is something to be seen, and
// else now and then, and when one comes due.
func (b *bench) look() time.Time {
	r, soon := b.newest(), b.Now().Add(15*time.Minute)
	p, planned := b.Engine.World().Directory.Plan("robot-git")
	if !planned || !r.State.Over() && r.ID != "" {
		return soon
	}
	look := b.Now().Add(12 * time.Hour)
	due := b.Now()
	if r.State == access.RotationDone && r.Store == p.Store && r.Ref == p.Ref {
		due = p.Next(r.Issued, r.Generation)
	}
	if due, _ = p.Begin(due); due.Before(look) && r.State != access.RotationDead {
		look = due
	}
	if look.Before(soon) {
		return soon
	}
	return look
}

// every is which of many like cases a test takes: from which on, and each how many-th. The
// ordinary run takes some, beginning elsewhere each time; LESSOR_TEST_LONG takes all.
func every(t *testing.T, n int) (first, step int) {
	t.Helper()
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		return 0, 1
	}
	first = rand.IntN(n)
	t.Logf("each %d. case, from %d on", n, first)
	return first, n
}

// newest is the newest rotation of robot's credential.
func (b *bench) newest() (r store.Rotating) {
	b.t.Helper()
	if err := b.DB.Read(b.t.Context(), func(tx *store.Tx) error {
		list, err := tx.RotationsOf(b.t.Context(), "robot-git", 1)
		if len(list) > 0 {
			r = list[0]
		}
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return r
}

// one checks that exactly what consumers read lets in.
func (b *bench) one(kind string) (worth string) {
	b.t.Helper()
	worth = b.safe.Read(ref)
	if alive := b.keys.Alive("robot", kind); !slices.Equal(alive, []string{worth}) || worth == "" {
		b.t.Errorf("consumers read %q, and what lets in is %q", worth, alive)
	}
	return worth
}

// state checks in which state the newest rotation is.
func (b *bench) state(want access.RotationState) store.Rotating {
	b.t.Helper()
	r := b.newest()
	if r.State != want {
		b.t.Errorf("the rotation is %s (%s), want %s", r.State, r.Work.Trouble, want)
	}
	return r
}

// open lists the kinds of the open findings, in order.
func (b *bench) open() (kinds []string) {
	b.t.Helper()
	for _, f := range b.Findings(true) {
		kinds = append(kinds, f.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

func (b *bench) found(want ...string) {
	b.t.Helper()
	if got := b.open(); !slices.Equal(got, want) {
		b.t.Errorf("open findings: %v, want %v", got, want)
	}
}

// has somebody do a deed and fails the test if it is refused.
func (b *bench) must(r access.Rotation, err error) access.Rotation {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// nowhere checks that no worth stands in anything we store.
func (b *bench) nowhere() {
	b.t.Helper()
	var worths []string
	for _, kind := range []string{enginetest.Token, enginetest.Password} {
		worths = append(worths, b.keys.Alive("robot", kind)...)
	}
	worths = append(worths, b.safe.Read(ref))
	err := b.DB.Read(b.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.RotationsAfter(b.t.Context(), "", 1000)
		events, err2 := tx.Events(b.t.Context(), 0, 1<<20)
		if err != nil || err2 != nil {
			return fmt.Errorf("%w %w", err, err2)
		}
		all := fmt.Sprintf("%+v", rows)
		for _, e := range events {
			all += string(e.Body)
		}
		for _, w := range worths {
			if w != "" && strings.Contains(all, w) {
				b.t.Errorf("the worth %q is stored", w)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

var _ rotate.Door = (*engine.Engine)(nil)
var _ connector.Issuer = (*enginetest.Keys)(nil)
