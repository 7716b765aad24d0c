package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// LateAfter is how long a removal may take before it is late, as the engine tells its owner.
const LateAfter = 30 * time.Second

// Lag is how long access outlived its grants.
type Lag struct {
	Rows     []LagRow // due, each event, all: in that order, those with any
	Systems  []LagRow
	Buckets  []Bucket
	Open     []OpenEnd // oldest first; at most mostOpen
	AllOpen  int
	Again    int // taken up by a new grant before they were seen gone
	Nothing  int // ended before anything was there to be removed
	SeenBack int // being removed and not in the rows: seen again, or granted by nobody
}

// LagRow is the lag of one kind of ends. Open ones count at their age now.
type LagRow struct {
	Name               string
	Ends, Late, Open   int
	P50, P95, P99, Max time.Duration
}

// Bucket counts the ends whose lag is below a bound, and not below the one before.
type Bucket struct {
	Below            time.Duration // zero: no bound
	Due, Event, Open int
}

// OpenEnd is access that has ended and was not seen gone.
type OpenEnd struct {
	store.End
	Age     time.Duration
	Tries   int
	Trouble string // what stood in the way; for those who can mend it
}

// mostOpen is how many open ends are listed one by one.
const mostOpen = 20

var bounds = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
	5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 0}

// Names of the rows that are no [access.EndReason].
const (
	lagDue = "due"
	lagAll = "all"
)

// lag reads every end of the window, and those before it that are still open.
func (c *counting) lag(ctx context.Context) error {
	ends, err := c.tx.Ends(ctx, c.From, c.To, c.Head.Size, mostEnds)
	if err != nil {
		return err
	}
	c.cut(len(ends), mostEnds, "ends, the newest 5 000")
	missed, err := c.tx.EndsMissed(ctx, c.To, c.Head.Size, mostEnds)
	if err != nil {
		return err
	}
	c.cut(len(missed), mostEnds, "ends that nothing has taken note of, the oldest 5 000")
	left, err := c.tx.EndsLeft(ctx, c.From, c.To, c.Head.Size, mostEnds)
	if err != nil {
		return err
	}
	c.cut(len(left), mostEnds, "ends from before that are not seen gone, the oldest 5 000")
	once := map[string]bool{}
	for _, e := range append(append(ends, missed...), left...) {
		// Two grants that end at one moment are one end.
		if key := e.Assignment + e.Due.String(); !once[key] {
			once[key] = true
			c.ends = append(c.ends, e)
		}
	}
	if c.Use.Grants, err = c.tx.CountEnded(ctx, c.From); err != nil {
		return err
	}
	c.sum()
	return c.stillOpen(ctx)
}

// sum sorts each end into the rows it belongs to.
func (c *counting) sum() {
	lags := map[string][]time.Duration{}
	rows, systems := map[string]*LagRow{}, map[string]*LagRow{}
	bySystem := map[string][]time.Duration{}
	l := &c.Lag
	for _, b := range bounds {
		l.Buckets = append(l.Buckets, Bucket{Below: b})
	}
	for _, e := range c.ends {
		lag, open := e.Gone.Sub(e.Due), false
		switch {
		case !e.Again.IsZero() && (e.Gone.IsZero() || e.Gone.After(e.Again)):
			l.Again++
			lag = e.Again.Sub(e.Due) // at least so long
		case e.Gone.IsZero() && e.State == access.Absent:
			l.Nothing++
			continue
		case e.Gone.IsZero():
			lag, open = c.To.Sub(e.Due), true
			l.Open = append(l.Open, OpenEnd{End: e, Age: lag})
		}
		if e.Why == access.EndReturned {
			c.Use.Returned++
		}
		for _, name := range []string{kindOf(e), lagAll} {
			put(rows, lags, name, lag, open)
		}
		put(systems, bySystem, e.System, lag, open)
		b := &l.Buckets[slices.IndexFunc(bounds, func(most time.Duration) bool { return most == 0 || lag < most })]
		switch {
		case open:
			b.Open++
		case kindOf(e) == lagDue:
			b.Due++
		default:
			b.Event++
		}
	}
	l.Rows, l.Systems = closed(rows, lags), closed(systems, bySystem)
	l.AllOpen = len(l.Open)
	slices.SortFunc(l.Open, func(a, b OpenEnd) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Grant, b.Grant)) })
}

// kindOf tells what ends by the clock from what somebody, or something that happened, ended.
func kindOf(e store.End) string {
	if e.Why == "" || e.Why == access.EndExpired {
		return lagDue
	}
	return string(e.Why)
}

func put(rows map[string]*LagRow, lags map[string][]time.Duration, name string, lag time.Duration, open bool) {
	r := rows[name]
	if r == nil {
		r = &LagRow{Name: name}
		rows[name] = r
	}
	r.Ends++
	if lag > LateAfter {
		r.Late++
	}
	if open {
		r.Open++
	}
	lags[name] = append(lags[name], lag)
}

// closed takes the percentiles, due first and all last.
func closed(rows map[string]*LagRow, lags map[string][]time.Duration) (list []LagRow) {
	for name, r := range rows {
		sorted := slices.Sorted(slices.Values(lags[name]))
		r.P50, r.P95, r.P99, r.Max = at(sorted, 0.5), at(sorted, 0.95), at(sorted, 0.99), sorted[len(sorted)-1]
		list = append(list, *r)
	}
	rank := func(name string) int {
		switch name {
		case lagDue:
			return 0
		case lagAll:
			return 2
		}
		return 1
	}
	slices.SortFunc(list, func(a, b LagRow) int {
		return cmp.Or(cmp.Compare(rank(a.Name), rank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// stillOpen says of the oldest open ones what stands in their way, and counts what
// is being removed besides: access seen again after it was gone, or granted by nobody.
func (c *counting) stillOpen(ctx context.Context) error {
	open := map[string]bool{}
	for _, e := range c.Lag.Open {
		open[e.Assignment] = true
	}
	jobs, err := c.tx.Removing(ctx, mostEnds)
	if err != nil {
		return err
	}
	of := map[string]store.Job{}
	for _, j := range jobs {
		of[j.ID] = j
		if !open[j.ID] {
			c.Lag.SeenBack++
		}
	}
	c.Lag.Open = c.Lag.Open[:min(len(c.Lag.Open), mostOpen)]
	for i := range c.Lag.Open {
		o := &c.Lag.Open[i]
		o.Tries, o.Trouble = of[o.Assignment].Work.Attempts, of[o.Assignment].Work.Trouble
	}
	return nil
}
