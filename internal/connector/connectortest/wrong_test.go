package connectortest_test

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// wrong is a connector with one fault, and the subtest that must catch it.
type wrong struct {
	fault, caught string
	bend          func(w *world, c *right) connector.Connector
}

var wrongs = []wrong{
	{"caches looks", "a look is never cached", func(_ *world, c *right) connector.Connector {
		m := &memo{said: map[connector.Ref]connector.Seen{}}
		return sights(c, m.first)
	}},
	{"believes its own writes", "a target that lies", believer},
	{"touches a neighbour", "never touches what it was not asked about", func(w *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			w.mu.Lock()
			for _, ch := range changes {
				for o, thing := range w.objects {
					if strings.HasPrefix(o, "asked") && !ch.Want {
						delete(thing.holders, ch.Account)
					}
				}
			}
			w.mu.Unlock()
			return c.Apply(ctx, changes)
		}}
	}},
	{"replaces the whole list of holders", "never touches what it was not asked about", func(w *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			w.mu.Lock()
			for _, ch := range changes {
				if o := w.objects[ch.Object]; o != nil && ch.Want {
					clear(o.holders)
				}
			}
			w.mu.Unlock()
			return c.Apply(ctx, changes)
		}}
	}},
	{"takes no answer for done", "an answer that is lost", silenceIs(nil)},
	{"takes no answer for done, when late", "an effect that comes late", silenceIs(nil)},
	{"takes no answer for done, in a batch", "an answer that is lost in a batch", silenceIs(nil)},
	{"takes no answer for a refusal", "an answer that is lost", silenceIs(connector.ErrRefused)},
	{"takes no answer for nothing sent", "an answer that is lost in a batch", silenceIs(connector.ErrUnreachable)},
	{"takes a refusal for silence", "a target that refuses", func(_ *world, c *right) connector.Connector {
		return answers(c, func(_ connector.Change, err error) error {
			if isAny(err, connector.ErrRefused) {
				return connector.ErrUnanswered
			}
			return err
		})
	}},
	{"waits for an answer for ever", "an effect that comes late", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			if _, soon := ctx.Deadline(); soon && ctx.Err() == nil {
				var cancel context.CancelFunc
				end, _ := ctx.Deadline()
				ctx, cancel = context.WithDeadline(context.WithoutCancel(ctx), end.Add(patienceTooMuch))
				defer cancel()
			}
			return c.Apply(ctx, changes)
		}}
	}},
	{"sends though the context is over", "a context already over", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			return c.Apply(context.WithoutCancel(ctx), changes)
		}}
	}},
	{"takes an unreachable target for an empty one", "a target that is down", func(_ *world, c *right) connector.Connector {
		return sights(c, func(s *connector.Seen) { s.Err = nil })
	}},
	{"observes nothing of an unreachable target", "a target that is down", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, observe: func(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
			if c.reach(ctx) != nil {
				return nil
			}
			return c.Observe(ctx, objects, yield)
		}}
	}},
	{"minds a removal of what is not there", "remove where nothing is there", func(w *world, c *right) connector.Connector {
		return answers(c, func(ch connector.Change, err error) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if err == nil && (w.objects[ch.Object] == nil || !w.accounts[ch.Account]) {
				return connector.ErrNoObject
			}
			return err
		})
	}},
	{"adds an account that is missing", "add for a missing account", func(w *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			w.mu.Lock()
			for _, ch := range changes {
				w.set(ch)
			}
			w.mu.Unlock()
			return c.Apply(ctx, changes)
		}}
	}},
	{"does not mind a missing object", "add to a missing object", func(_ *world, c *right) connector.Connector {
		return answers(c, func(_ connector.Change, err error) error {
			if isAny(err, connector.ErrNoObject) {
				return nil
			}
			return err
		})
	}},
	{"minds an add of what is there", "add and remove", func(w *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			before := c.Look(ctx, refsOf(changes))
			results := c.Apply(ctx, changes)
			for i := range results {
				if before[i].Direct && changes[i].Want {
					results[i].Err = connector.ErrRefused
				}
			}
			return results
		}}
	}},
	{"gives a batch up at the first error", "a batch with bad among good", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			results := make([]connector.Result, len(changes))
			var err error
			for i, ch := range changes {
				if err == nil {
					err = c.one(ctx, ch)
				}
				results[i] = connector.Result{Ref: ch.Ref, Err: err}
			}
			return results
		}}
	}},
	{"answers in another order", "a batch with bad among good", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			results := c.Apply(ctx, changes)
			slices.Reverse(results)
			return results
		}}
	}},
	{"does only the first of a large batch", "a large object", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			done := c.Apply(ctx, changes[:min(len(changes), 100)])
			for _, ch := range changes[len(done):] {
				done = append(done, connector.Result{Ref: ch.Ref})
			}
			return done
		}}
	}},
	{"keeps the last holder", "an object at its minimum size", func(w *world, c *right) connector.Connector {
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			results := make([]connector.Result, len(changes))
			for i, ch := range changes {
				w.mu.Lock()
				o := w.objects[ch.Object]
				last := o != nil && len(o.holders) == 1 && o.holders[ch.Account]
				w.mu.Unlock()
				if results[i].Ref = ch.Ref; ch.Want || !last {
					results[i].Err = c.one(ctx, ch)
				}
			}
			return results
		}}
	}},
	{"remembers what a name stood for", "an object made anew under its name", func(w *world, c *right) connector.Connector {
		known := map[string]*thing{}
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			results := c.Apply(ctx, changes)
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, ch := range changes {
				switch now := w.objects[ch.Object]; {
				case known[ch.Object] == nil:
					known[ch.Object] = now
				case now != nil && known[ch.Object] != now && ch.Want:
					delete(now.holders, ch.Account) // it went to the old one
				}
			}
			return results
		}}
	}},
	{"reads names as patterns", "hostile names", func(w *world, c *right) connector.Connector {
		return sending(c, func(ch *connector.Change) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for a := range w.accounts {
				if ok, _ := path.Match(ch.Account, a); ok && !w.accounts[ch.Account] {
					ch.Account = a
				}
			}
		})
	}},
	{"trims names", "hostile names", func(_ *world, c *right) connector.Connector {
		return sending(c, func(ch *connector.Change) { ch.Object = strings.TrimSpace(ch.Object) })
	}},
	{"drops what it cannot write", "names made at random", func(_ *world, c *right) connector.Connector {
		return sending(c, func(ch *connector.Change) { ch.Account = strings.ReplaceAll(ch.Account, `"`, "") })
	}},
	{"takes an empty name for any", "names nothing can bear", func(w *world, c *right) connector.Connector {
		return sending(c, func(ch *connector.Change) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for a := range w.accounts {
				if ch.Account == "" {
					ch.Account = a
				}
			}
		})
	}},
	{"sees what is missing as an error", "a look at what is missing", func(w *world, c *right) connector.Connector {
		return sights(c, func(s *connector.Seen) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.objects[s.Object] == nil || !w.accounts[s.Account] {
				s.Err = connector.ErrNoObject
			}
		})
	}},
	{"mixes up the answers of a look", "a look at many", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, look: func(ctx context.Context, refs []connector.Ref) []connector.Seen {
			seen := c.Look(ctx, refs)
			for i := range seen {
				seen[i].Ref = refs[len(refs)-1-i]
			}
			return seen
		}}
	}},
	{"does not look inside", "a look through nested objects", func(_ *world, c *right) connector.Connector {
		return sights(c, func(s *connector.Seen) { s.Effective, s.Residual = s.Direct, nil })
	}},
	{"takes nested for direct", "a look through nested objects", func(_ *world, c *right) connector.Connector {
		return sights(c, func(s *connector.Seen) { s.Direct = s.Effective })
	}},
	{"takes a ring for a grant", "a look through nested objects in a ring", func(w *world, c *right) connector.Connector {
		return sights(c, func(s *connector.Seen) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if o := w.objects[s.Object]; o != nil && len(o.inner) > 0 {
				s.Effective, s.Residual = true, append(s.Residual, "two-ring")
			}
		})
	}},
	{"observes a first page only", "observe more objects than fit a page", firstPage(20)},
	{"cuts a long list short", "a large object", firstPage(200)},
	{"observes more than it was asked", "observe one, several and all", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, observe: func(ctx context.Context, _ []string, yield func(connector.Holding) error) error {
			return c.Observe(ctx, nil, yield)
		}}
	}},
	{"fails to observe where one is missing", "observe what is missing", func(w *world, c *right) connector.Connector {
		return bent{Connector: c, observe: func(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, o := range objects {
				if w.objects[o] == nil {
					return connector.ErrNoObject
				}
			}
			return nil
		}}
	}},
	{"swallows the error that stops it", "observe stops at the first error", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, observe: func(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
			_ = c.Observe(ctx, objects, yield)
			return nil
		}}
	}},
	{"goes on observing after an error", "observe stops at the first error", func(_ *world, c *right) connector.Connector {
		return bent{Connector: c, observe: func(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
			var first error
			err := c.Observe(ctx, objects, func(h connector.Holding) error {
				if err := yield(h); first == nil {
					first = err
				}
				return nil
			})
			if first != nil {
				return first
			}
			return err
		}}
	}},
	{"writes back what it read before", "many calls at once", func(w *world, c *right) connector.Connector {
		return readModifyWrite(w, c)
	}},
	{"minds company", "the same change at once", func(_ *world, c *right) connector.Connector {
		turn := make(chan struct{}, 1)
		return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
			select {
			case turn <- struct{}{}:
				defer func() { <-turn }()
				c.Look(ctx, refsOf(slices.Repeat(changes, 20_000))) // long enough to meet
				return c.Apply(ctx, changes)
			default:
				results := make([]connector.Result, len(changes))
				for i, ch := range changes {
					results[i] = connector.Result{Ref: ch.Ref, Err: connector.ErrRefused}
				}
				return results
			}
		}}
	}},
	{"works on after Close", "close", func(_ *world, c *right) connector.Connector { return open{c} }},
	{"lets calls run on after Close", "close ends calls under way", func(_ *world, c *right) connector.Connector { return open{c} }},
}
