package exec

import (
	"context"
	"errors"
	"fmt"

	"github.com/lessor-iam/lessor/internal/connector"
)

// pieces cuts n things into runs that fit one request each: no more than most,
// and no more than lineAim bytes of names unless a single one has more.
func pieces(n, most int, size func(i int) int) (cuts [][2]int) {
	from, bytes := 0, 0
	for i := range n {
		if i > from && (i-from >= most || bytes+size(i) > lineAim) {
			cuts = append(cuts, [2]int{from, i})
			from, bytes = i, 0
		}
		bytes += size(i)
	}
	if from < n {
		cuts = append(cuts, [2]int{from, n})
	}
	return cuts
}

// Apply hands the changes over in as few requests as the program takes them, one
// after the other: what is asked twice in a batch is asked in its order.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	var at []int // of the changes a line can carry
	for i, ch := range changes {
		results[i].Ref = ch.Ref
		if results[i].Err = badRef(ch.Ref); results[i].Err == nil {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return results
	}
	most, err := c.batch(ctx)
	var left *connector.RetryAfter // it wants to be left alone
	for _, cut := range pieces(len(at), most, func(i int) int { return len(changes[at[i]].Account) + len(changes[at[i]].Object) }) {
		piece := at[cut[0]:cut[1]]
		failed := err
		switch {
		case left != nil:
			failed = &connector.RetryAfter{Err: fmt.Errorf("%w: not sent after %v", connector.ErrUnreachable, left.Err), Wait: left.Wait}
		case err == nil:
			failed = c.applyPiece(ctx, changes, piece, results)
		}
		if failed != nil {
			for _, i := range piece {
				results[i].Err = failed
			}
		}
		errors.As(failed, &left)
	}
	return results
}

// batch is how many changes or references the program takes at once.
func (c *Connector) batch(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	p, err := c.current(ctx)
	if err != nil {
		return c.target.Batch, err
	}
	return p.hello.Batch, nil
}

// applyPiece makes one request of the changes with the given indexes, and files
// each answer. An error is every change's answer.
func (c *Connector) applyPiece(ctx context.Context, changes []connector.Change, piece []int, results []connector.Result) error {
	req := request{Verb: "apply", Changes: make([]change, len(piece))}
	for n, i := range piece {
		req.Changes[n] = change{Account: changes[i].Account, Object: changes[i].Object, Want: changes[i].Want, Fence: changes[i].Fence}
	}
	p, a, err := c.ask(ctx, req)
	switch {
	case err != nil:
		return err
	case a.Results == nil:
		return p.blame("answered apply with %s", a.parts()[0])
	case len(a.Results) != len(piece):
		return p.blame("gave %d results for %d changes", len(a.Results), len(piece))
	}
	for n, r := range a.Results {
		if want := req.Changes[n]; r.Account != want.Account || r.Object != want.Object {
			return p.blame("result %d is of another account or object than change %d", n, n)
		}
	}
	for n, i := range piece {
		results[i].Err = a.Results[n].Error.err(p)
	}
	return nil
}
