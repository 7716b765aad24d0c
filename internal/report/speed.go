package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Speed is how soon what was granted of one class was seen, beside how far it
// reaches and how long it was given for: speed alone would reward handing out much.
type Speed struct {
	Class    string
	Grants   int
	Seen     int
	Waiting  int           // granted, due, and not seen yet
	Never    int           // ended before it was seen
	ToSeen   time.Duration // median from the ask, or the start if that is later; those waiting at their age now
	Scope    int           // median of how many entitlements it leads to, itself counted
	Widest   int
	Term     time.Duration // median granted
	Narrowed int           // granted for less than was asked
}

// Dot is one grant on the two axes.
type Dot struct {
	Class string
	Took  time.Duration
	Scope int
}

func (c *counting) speed(ctx context.Context) error {
	list, err := c.tx.Granted(ctx, c.From, mostGrants)
	if err != nil {
		return err
	}
	if err := c.beyond(ctx, c.tx.MoreGrants, mostGrants, "grants, the newest 2 000"); err != nil {
		return err
	}
	of := map[string]*Speed{}
	took, terms := map[string][]time.Duration{}, map[string][]time.Duration{}
	scopes := map[string][]int{}
	for _, g := range list {
		class := c.class(g.Entitlement)
		s := of[class]
		if s == nil {
			s = &Speed{Class: class}
			of[class] = s
		}
		scope := scopeOf(g)
		s.Grants++
		s.Widest = max(s.Widest, scope)
		scopes[class], terms[class] = append(scopes[class], scope), append(terms[class], g.Granted.D())
		if g.Granted < g.Term {
			s.Narrowed++
		}
		begin := g.Asked
		if g.Start.After(begin) && g.Start.Sub(g.Asked) > time.Minute {
			begin = g.Start
		}
		switch {
		case !g.Seen.IsZero():
			s.Seen++
			took[class] = append(took[class], g.Seen.Sub(begin))
			c.Dots = append(c.Dots, Dot{class, g.Seen.Sub(begin), scope})
		case !g.Ended.IsZero():
			s.Never++
		case c.To.After(begin):
			s.Waiting++
			took[class] = append(took[class], c.To.Sub(begin))
		}
	}
	for class, s := range of {
		s.ToSeen, s.Term = median(took[class]), median(terms[class])
		slices.Sort(scopes[class])
		s.Scope = scopes[class][(len(scopes[class])-1)/2]
		c.Speed = append(c.Speed, *s)
	}
	slices.SortFunc(c.Speed, func(a, b Speed) int { return cmp.Compare(a.Class, b.Class) })
	return nil
}

// scopeOf is how many entitlements a grant leads to, as was found when it was decided.
func scopeOf(g store.Given) int {
	i := slices.IndexFunc(g.Items, func(it access.Item) bool { return it.Entitlement == g.Entitlement })
	if i < 0 {
		return 1
	}
	reach := g.Items[i].Decision.Reach
	return 1 + len(reach.Implied) + reach.More
}

// Step is one record that a grant's story calls for.
type Step struct {
	Name    string
	Due     int // how often it is called for
	Waiting int // written, and not yet under the signed head
	Missing int
	Grant   string // one that misses it
	Open    int    // … of the last step: not seen gone yet, and so not missing
}

// evidence counts, for each record that grants call for, how often the log has it.
// That each is as it was written, [Replay] and a bundle's reader check.
func (c *counting) evidence(ctx context.Context) error {
	list, err := c.tx.Proofs(ctx, c.From, c.Head.Size, mostGrants)
	if err != nil {
		return err
	}
	steps := make([]Step, 7)
	for i, name := range []string{"Request", "Decision", "Vote with its basis", "Grant", "Seen held", "End", "Removal seen"} {
		steps[i].Name = name
	}
	votes := map[string]bool{}
	for _, p := range list {
		steps[0].count(p.Grant, p.Submitted)
		steps[1].count(p.Grant, p.Decided)
		steps[3].count(p.Grant, p.Granted)
		if !votes[p.Request] { // once for all grants of a request
			votes[p.Request] = true
			steps[2].Due += p.Votes
			steps[2].Waiting += p.Cast - p.Placed
			if p.Cast < p.Votes {
				steps[2].Missing, steps[2].Grant = steps[2].Missing+p.Votes-p.Cast, p.Grant
			}
		}
		if p.WasSeen {
			steps[4].count(p.Grant, p.FirstSeen)
		}
		if p.HasEnded {
			steps[5].count(p.Grant, p.EndTold)
		}
	}
	c.removals(&steps[6])
	c.Evidence = steps
	return nil
}

func (s *Step) count(grant string, has int) {
	s.Due++
	switch has {
	case 0:
		s.Missing, s.Grant = s.Missing+1, grant
	case 1:
		s.Waiting++
	}
}

// removals counts the ends that were seen gone. A record that is written and not
// yet signed counts as waiting while the log is being signed.
func (c *counting) removals(s *Step) {
	for _, e := range c.ends {
		switch {
		case e.Gone.IsZero() && e.Again.IsZero() && e.State != access.Absent:
			s.Open++
		case e.Gone.IsZero() || (!e.Again.IsZero() && e.Gone.After(e.Again)):
		case e.Told:
			s.Due++
		case e.Gone.After(c.Head.At):
			s.Due, s.Waiting = s.Due+1, s.Waiting+1
		default:
			s.count(e.Grant, 0)
		}
	}
}
