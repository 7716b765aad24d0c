package exec

import (
	"context"
	"errors"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Look hands the references over in as few requests as the program takes them.
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	seen := make([]connector.Seen, len(refs))
	var at []int // of the references a line can carry
	for i, r := range refs {
		seen[i] = connector.Seen{Ref: r, At: c.now(), Err: badRef(r)}
		if seen[i].Err == nil {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return seen
	}
	most, err := c.batch(ctx)
	for _, cut := range pieces(len(at), most, func(i int) int { return len(refs[at[i]].Account) + len(refs[at[i]].Object) }) {
		piece := at[cut[0]:cut[1]]
		failed := err
		if failed == nil {
			failed = c.lookPiece(ctx, refs, piece, seen)
		}
		if failed != nil {
			for _, i := range piece {
				seen[i] = connector.Seen{Ref: refs[i], Err: failed}
			}
		}
	}
	return seen
}

// lookPiece makes one request of the references with the given indexes. What it
// sees is as old as the request.
func (c *Connector) lookPiece(ctx context.Context, refs []connector.Ref, piece []int, seen []connector.Seen) error {
	req := request{Verb: "look", Refs: make([]ref, len(piece))}
	for n, i := range piece {
		req.Refs[n] = ref{Account: refs[i].Account, Object: refs[i].Object}
	}
	at := c.now()
	p, a, err := c.ask(ctx, req)
	switch {
	case err != nil:
		return err
	case a.Seen == nil:
		return p.blame("answered look with %s", a.parts()[0])
	case len(a.Seen) != len(piece):
		return p.blame("saw %d of %d references", len(a.Seen), len(piece))
	}
	for n, s := range a.Seen {
		if want := req.Refs[n]; s.Account != want.Account || s.Object != want.Object {
			return p.blame("what it saw %d is of another account or object than reference %d", n, n)
		}
	}
	for n, i := range piece {
		seen[i] = a.Seen[n].read(p, refs[i])
		seen[i].At = at
	}
	return nil
}

// read turns one answer into what was seen. What does not add up is an error,
// for whatever is made of it instead could prove a removal that never happened.
func (s sight) read(p *program, r connector.Ref) connector.Seen {
	seen := connector.Seen{Ref: r, Path: p.clean(s.Path)}
	two := p.hello.Effective
	switch {
	case s.Error != nil:
		seen.Err = s.Error.err(p)
	case s.Direct == nil:
		seen.Err = errors.New("the program does not say direct")
	case s.Path == "":
		seen.Err = errors.New("the program does not say by which path it looked")
	case two && s.Effective == nil:
		seen.Err = errors.New("the program does not say effective, though in hello it said that it can")
	case !two && (s.Effective != nil || len(s.Residual) > 0):
		seen.Err = errors.New("the program says effective or residual, though in hello it said that it cannot")
	case two && !*s.Effective && (*s.Direct || len(s.Residual) > 0):
		seen.Err = errors.New("the program says that it is held, by direct or residual, and that it is not, by effective")
	case two:
		seen.Direct, seen.Effective = *s.Direct, *s.Effective
		for _, way := range s.Residual {
			seen.Residual = append(seen.Residual, p.clean(way))
		}
	default:
		seen.Direct, seen.Effective = *s.Direct, *s.Direct
	}
	return seen
}
