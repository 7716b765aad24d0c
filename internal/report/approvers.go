package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Approver is how one person answered.
type Approver struct {
	Person     string
	Votes      int // answers: the votes of one request cast at one moment are one
	Approved   int
	Narrowed   int // of the approved ones, for less than was asked
	Known      int // how often it is known when they laid it open
	Dwell      time.Duration
	Dwell10    time.Duration // one in ten looked for no longer
	Hasty      int           // of the known ones, under hastyBelow
	Bulk       int           // cast within bulkWithin of another answer of theirs
	Overturned int           // approved, and the grant was ended by an owner, security or a review
}

// Pair is two people who approved each other's requests.
type Pair struct {
	A, B     string
	AtoB     int // A approved for B
	BtoA     int
	Smallest int
}

const (
	hastyBelow = 5 * time.Second
	bulkWithin = 10 * time.Second
	mostPairs  = 10
)

// answer is what one person said to one request at one moment.
type answer struct {
	store.Cast
	narrowed, overturned bool
}

func (c *counting) approvers(ctx context.Context) error {
	casts, err := c.tx.Casts(ctx, c.From, mostVotes)
	if err != nil {
		return err
	}
	if err := c.beyond(ctx, c.tx.MoreVotes, mostVotes, "votes, the newest 5 000"); err != nil {
		return err
	}
	of := map[string][]answer{}
	pairs := map[[2]string]int{}
	for _, v := range casts {
		list := of[v.Person]
		if n := len(list); n > 0 && list[n-1].Request == v.Request && list[n-1].At.Equal(v.At) {
			list[n-1].add(v)
			continue
		}
		a := answer{Cast: v}
		a.add(v)
		of[v.Person] = append(list, a)
	}
	for person, list := range of {
		c.Approvers = append(c.Approvers, tally(person, list))
		for _, a := range list {
			if a.Verdict != access.Approve {
				continue
			}
			for _, hand := range c.dir.Hands(a.Beneficiary) {
				pairs[[2]string{person, hand}]++
			}
		}
	}
	slices.SortFunc(c.Approvers, func(a, b Approver) int {
		return cmp.Or(cmp.Compare(b.Votes, a.Votes), cmp.Compare(a.Person, b.Person))
	})
	c.Pairs = reciprocal(pairs)
	return nil
}

// add joins another vote of the same answer: one no among yeses is an approval of less.
func (a *answer) add(v store.Cast) {
	a.narrowed = a.narrowed || v.Verdict != a.Verdict || (v.Verdict == access.Approve && v.Term != 0)
	if v.Verdict == access.Approve {
		a.Verdict = access.Approve
	}
	a.overturned = a.overturned || (v.Verdict == access.Approve && (v.Ended == access.EndRevoked || v.Ended == access.EndReview))
}

// tally sums up one person's answers, newest first as they come.
func tally(person string, list []answer) Approver {
	t := Approver{Person: person, Votes: len(list)}
	var looked []time.Duration
	for i, a := range list {
		if a.Verdict == access.Approve {
			t.Approved++
			if a.narrowed {
				t.Narrowed++
			}
		}
		if a.overturned {
			t.Overturned++
		}
		if !a.Opened.IsZero() && !a.Opened.After(a.At) {
			looked = append(looked, a.At.Sub(a.Opened))
		}
		near := func(b answer) bool { return b.Request != a.Request && b.At.Sub(a.At).Abs() < bulkWithin }
		if (i > 0 && near(list[i-1])) || (i+1 < len(list) && near(list[i+1])) {
			t.Bulk++
		}
	}
	slices.Sort(looked)
	t.Known, t.Dwell, t.Dwell10 = len(looked), at(looked, 0.5), at(looked, 0.1)
	for _, d := range looked {
		if d < hastyBelow {
			t.Hasty++
		}
	}
	return t
}

// reciprocal keeps who approved for one another, the most mutual first.
func reciprocal(pairs map[[2]string]int) (list []Pair) {
	for who, n := range pairs {
		back := pairs[[2]string{who[1], who[0]}]
		if who[0] < who[1] && back > 0 {
			list = append(list, Pair{who[0], who[1], n, back, min(n, back)})
		}
	}
	slices.SortFunc(list, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(b.Smallest, a.Smallest), cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B))
	})
	return list[:min(len(list), mostPairs)]
}
