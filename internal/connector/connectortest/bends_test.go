package connectortest_test

import (
	"context"
	"maps"
	"runtime"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// The faults of wrongs that take more than a few lines.

const patienceTooMuch = 2500 * time.Millisecond

func refsOf(changes []connector.Change) []connector.Ref {
	refs := make([]connector.Ref, len(changes))
	for i, ch := range changes {
		refs[i] = ch.Ref
	}
	return refs
}

// silenceIs takes a call that went unanswered for something it is not known to be.
func silenceIs(what error) func(*world, *right) connector.Connector {
	return func(_ *world, c *right) connector.Connector {
		return answers(c, func(_ connector.Change, err error) error {
			if isAny(err, connector.ErrUnanswered) {
				return what
			}
			return err
		})
	}
}

// believer answers a look with what was last written without an error.
func believer(_ *world, c *right) connector.Connector {
	wrote := map[connector.Ref]bool{}
	b := sights(c, func(s *connector.Seen) {
		if held, ok := wrote[s.Ref]; ok && s.Err == nil {
			s.Direct, s.Effective = held, held
		}
	}).(bent)
	b.apply = func(ctx context.Context, changes []connector.Change) []connector.Result {
		results := c.Apply(ctx, changes)
		for i, r := range results {
			if r.Err == nil {
				wrote[r.Ref] = changes[i].Want
			}
		}
		return results
	}
	return b
}

// firstPage observes no more than so many holdings, and says nothing of the rest.
func firstPage(size int) func(*world, *right) connector.Connector {
	return func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, observe: func(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
			n := 0
			return c.Observe(ctx, objects, func(h connector.Holding) error {
				if n++; n > size {
					return nil
				}
				return yield(h)
			})
		}}
	}
}

// readModifyWrite reads an object's holders, changes its copy and stores that.
func readModifyWrite(w *world, c *right) connector.Connector {
	return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
		results := make([]connector.Result, len(changes))
		for i, ch := range changes {
			results[i].Ref = ch.Ref
			w.mu.Lock()
			holders := maps.Clone(w.objects[ch.Object].holders)
			w.mu.Unlock()
			for range 20 {
				runtime.Gosched()
			}
			if ch.Want {
				holders[ch.Account] = true
			} else {
				delete(holders, ch.Account)
			}
			w.mu.Lock()
			w.objects[ch.Object].holders = holders
			w.mu.Unlock()
		}
		return results
	}}
}

// open does not close.
type open struct{ *right }

func (open) Close() error { return nil }
