package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

// roomful is a target whose sessions outlive a removal.
type roomful struct {
	*enginetest.Target
	open     []connector.Session
	stubborn int // times an ended session stays open all the same
	blind    bool
	lingers  time.Duration
}

func (r *roomful) Capabilities() connector.Capabilities {
	c := r.Target.Capabilities()
	c.Sessions, c.Lingers = r.lingers == 0, r.lingers
	return c
}

func (r *roomful) ListSessions(_ context.Context, ref connector.Ref) (list []connector.Session, err error) {
	if r.blind {
		return nil, fmt.Errorf("%w: the list", connector.ErrUnreachable)
	}
	for _, s := range r.open {
		if s.Account == ref.Account {
			list = append(list, s)
		}
	}
	return list, nil
}

func (r *roomful) EndSession(_ context.Context, s connector.Session) error {
	if r.stubborn > 0 {
		r.stubborn--
		return fmt.Errorf("%w: it is busy", connector.ErrRefused)
	}
	for i, o := range r.open {
		if o.ID == s.ID {
			r.open = append(r.open[:i], r.open[i+1:]...)
			return nil
		}
	}
	return nil
}

// An open session is ended before a removal counts as seen gone; one that will
// not end, or a list that cannot be read, keeps the removal under way; where the
// target cannot end one, the receipt says how long it may last.
func TestSessionsOutlivingARemoval(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target  roomful
		want    access.AssignmentState // after the first try
		mend    func(*roomful)
		lingers bool
	}{
		"ended":            {roomful{}, access.Absent, nil, false},
		"stubborn once":    {roomful{stubborn: 1}, access.Removing, nil, false},
		"the list is away": {roomful{blind: true}, access.Removing, func(r *roomful) { r.blind = false }, false},
		"cannot be ended":  {roomful{lingers: 10 * time.Hour}, access.Absent, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := enginetest.Open(t, store.SQLite)
			target := c.target
			target.Target = f.Targets["dir"]
			target.open = []connector.Session{{ID: "1", Account: "eve"}, {ID: "2", Account: "bob"}}
			lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: &target, Holder: "sessions", Pace: enginetest.Pace, Backstop: time.Minute, Now: f.Now})
			work := func() {
				for n := 1; n > 0; {
					var err error
					if n, err = lane.Once(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			g := f.Granted("eve", wiki(access.Term(time.Hour)), "mia")
			work()
			f.Clock.Pass(2 * time.Hour)
			work()
			job := f.Job(g.Assignment)
			if job.State != c.want {
				t.Fatalf("the assignment is %s (%s), want %s", job.State, job.Work.Trouble, c.want)
			}
			if c.want == access.Removing {
				if job.Work.Trouble == "" {
					t.Error("nobody is told what stands in the way")
				}
				if c.mend != nil {
					c.mend(&target)
				}
				f.Clock.Pass(time.Minute)
				work()
				if job = f.Job(g.Assignment); job.State != access.Absent {
					t.Fatalf("still %s (%s)", job.State, job.Work.Trouble)
				}
			}
			if looks := f.Receipts(g.Assignment); looks[len(looks)-1].Until.IsZero() == c.lingers {
				t.Errorf("the receipt says %+v", looks[len(looks)-1])
			}
			left := 1 // bob's is none of ours
			if c.lingers {
				left = 2
			}
			if len(target.open) != left {
				t.Errorf("sessions left: %v", target.open)
			}
			f.Check()
		})
	}
}

// crowd is a roomful that is asked about many at once, and counts who is asked about singly.
type crowd struct {
	*roomful
	deaf  bool
	asked []string
}

func (c *crowd) MayBeOpen(_ context.Context, refs []connector.Ref) (map[connector.Ref]bool, error) {
	if c.deaf {
		return nil, fmt.Errorf("%w: the list", connector.ErrUnreachable)
	}
	may := map[connector.Ref]bool{}
	for _, r := range refs {
		for _, s := range c.open {
			may[r] = may[r] || s.Account == r.Account
		}
	}
	return may, nil
}

func (c *crowd) ListSessions(ctx context.Context, ref connector.Ref) ([]connector.Session, error) {
	c.asked = append(c.asked, ref.Account)
	return c.roomful.ListSessions(ctx, ref)
}

// Where many are asked about at once, only those with a session are asked about
// again; if that fails, each is.
func TestSessionsOfMany(t *testing.T) {
	t.Parallel()
	for deaf, want := range map[bool][]string{false: {"eve", "eve"}, true: {"bob", "eve", "eve"}} {
		f := enginetest.Open(t, store.SQLite)
		target := &crowd{roomful: &roomful{Target: f.Targets["dir"]}, deaf: deaf}
		lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: "many", Pace: enginetest.Pace, Backstop: time.Minute, Now: f.Now})
		once := func() {
			t.Helper()
			if n, err := lane.Once(t.Context()); err != nil || n != 2 {
				t.Fatalf("%d, %v", n, err)
			}
		}
		f.Granted("eve", wiki(hour), "mia")
		f.Granted("bob", wiki(hour), "mia")
		once()
		target.open = []connector.Session{{ID: "1", Account: "eve"}}
		f.Clock.Pass(time.Duration(hour))
		once()
		slices.Sort(target.asked)
		if !slices.Equal(target.asked, want) || len(target.open) > 0 {
			t.Errorf("deaf %t: asked about %v, open are %v", deaf, target.asked, target.open)
		}
		for _, a := range []string{"eve", "bob"} {
			if f.Targets["dir"].Holds(a, "wiki") {
				t.Errorf("%s still holds it", a)
			}
		}
		f.Check()
	}
}
