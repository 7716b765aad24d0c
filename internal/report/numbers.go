package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Numbers are the figures of one window. What each means is said by [Definitions];
// what is late, still open or not known is in them, never left out.
type Numbers struct {
	From, To  time.Time
	Head      store.Checkpoint
	Lag       Lag
	Standing  []Standing // by class
	Use       Use
	Approvers []Approver // most votes first
	Pairs     []Pair
	Speed     []Speed // by class
	Dots      []Dot
	Drift     []Drift
	Evidence  []Step
	Glass     Glass
	Cut       []string // what was more than is read, in words
}

// How much of the past one look at the figures reads.
const (
	mostEnds   = 5000
	mostVotes  = 5000
	mostGrants = 2000
	mostFound  = 5000
	mostStrays = 5000
)

// Count counts the figures of a window from what is stored.
func Count(ctx context.Context, db *store.DB, dir *access.Directory, from, to time.Time) (n Numbers, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		n = Numbers{From: from, To: to}
		c := &counting{Numbers: &n, tx: tx, dir: dir}
		if n.Head, err = tx.LastCheckpoint(ctx); err != nil {
			return err
		}
		for _, part := range []func(context.Context) error{c.lag, c.standing, c.approvers, c.speed, c.drift, c.glass, c.evidence} {
			if err := part(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// counting is one count under way.
type counting struct {
	*Numbers
	tx   *store.Tx
	dir  *access.Directory
	ends []store.End // in the window, without the same moment twice
}

// cut notes that only part was read.
func (c *counting) cut(read, most int, what string) {
	if read >= most {
		c.Cut = append(c.Cut, what)
	}
}

// beyond is cut for what is read newest first and sorted out afterwards: there, how
// much is left says nothing of what was not read.
func (c *counting) beyond(ctx context.Context, more func(context.Context, time.Time, int) (bool, error), most int, what string) error {
	is, err := more(ctx, c.From, most)
	if is {
		c.Cut = append(c.Cut, what)
	}
	return err
}

// class is what the catalog calls an entitlement now.
func (c *counting) class(entitlement string) string {
	e, ok := c.dir.Entitlement(entitlement)
	if !ok {
		return "no longer in the catalog"
	}
	return cmp.Or(e.Class, "standard")
}

// at is the value below which that share of a sorted list lies, by nearest rank;
// zero of an empty one.
func at(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(share*float64(len(sorted)) + 0.999999)
	return sorted[min(max(i, 1), len(sorted))-1]
}

// median of a list that need not be sorted.
func median(list []time.Duration) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return at(list, 0.5)
}

// standingFor is how far a chain of grants reaches that is called standing.
const standingFor = 30 * 24 * time.Hour

// Standing is how much of what was granted of one class stood.
type Standing struct {
	Class    string
	Granted  time.Duration // all hours granted within the window
	Standing time.Duration // … of them by chains that reach further than 30 days
	Open     int           // grants not ended
	Stands   int           // … of them standing
	Strays   int           // held at the last reading, and nobody granted it: no end at all
}

func (c *counting) standing(ctx context.Context) error {
	hours, err := c.tx.GrantHours(ctx, c.From, c.To, standingFor)
	if err != nil {
		return err
	}
	of := map[string]*Standing{}
	row := func(class string) *Standing {
		if of[class] == nil {
			of[class] = &Standing{Class: class}
		}
		return of[class]
	}
	for _, h := range hours {
		r := row(c.class(h.Entitlement))
		r.Granted += h.Granted
		r.Open += h.Open
		if h.Standing {
			r.Standing += h.Granted
			r.Stands += h.Open
		}
	}
	strays, err := c.tx.Strays(ctx, mostStrays)
	if err != nil {
		return err
	}
	c.cut(len(strays), mostStrays, "access nobody granted, of the first 5 000 objects")
	if len(strays) > 0 {
		named := map[string]string{}
		for _, id := range c.dir.Entitlements() {
			e, _ := c.dir.Entitlement(id)
			named[e.System+" "+e.Object] = id
		}
		for _, o := range strays {
			row(c.class(named[o.System+" "+o.Object])).Strays += len(o.Stray)
		}
	}
	for _, r := range of {
		c.Standing = append(c.Standing, *r)
	}
	slices.SortFunc(c.Standing, func(a, b Standing) int { return cmp.Compare(a.Class, b.Class) })
	return nil
}

// Use is what is known of whether access was used.
type Use struct {
	Grants   int // that ended in the window
	Known    int // of them, at systems that tell when access was last used
	Returned int // given back before their end: the one sign of disuse there always is
}

// Drift is how findings of one kind went.
type Drift struct {
	Kind    string
	Opened  int           // in the window
	Open    int           // now
	Oldest  time.Duration // of those open: how old the oldest is
	Settled time.Duration // median from opened to closed, those open at their age now
}

func (c *counting) drift(ctx context.Context) error {
	list, err := c.tx.Found(ctx, c.From, mostFound)
	if err != nil {
		return err
	}
	if err := c.beyond(ctx, c.tx.MoreFindings, mostFound, "findings, the newest 5 000 and as many open ones"); err != nil {
		return err
	}
	of := map[string]*Drift{}
	ages := map[string][]time.Duration{}
	for _, f := range list {
		d := of[f.Kind]
		if d == nil {
			d = &Drift{Kind: f.Kind}
			of[f.Kind] = d
		}
		if !f.Opened.Before(c.From) {
			d.Opened++
		}
		closed := f.Closed
		if closed.IsZero() {
			closed = c.To
			d.Open++
			d.Oldest = max(d.Oldest, c.To.Sub(f.Opened))
		}
		ages[f.Kind] = append(ages[f.Kind], closed.Sub(f.Opened))
	}
	for kind, d := range of {
		d.Settled = median(ages[kind])
		c.Drift = append(c.Drift, *d)
	}
	slices.SortFunc(c.Drift, func(a, b Drift) int { return cmp.Compare(a.Kind, b.Kind) })
	return nil
}
