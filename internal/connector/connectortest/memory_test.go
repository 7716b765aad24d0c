package connectortest_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

// world is a target in memory, and the line to it. It exists to show that the
// suite passes what is right and catches what is wrong.
type world struct {
	mu       sync.Mutex
	accounts map[string]bool
	objects  map[string]*thing
	fault    connectortest.Fault
	held     []func() // writes that wait for the line to be mended
	besides
}

type thing struct {
	holders map[string]bool
	inner   []string
}

// right is a connector as the port wants it.
type right struct {
	w      *world
	closed context.Context
	close  context.CancelFunc
}

func newWorld() (*world, *right) {
	w := &world{accounts: map[string]bool{}, objects: map[string]*thing{}, besides: nothing()}
	c := &right{w: w}
	c.closed, c.close = context.WithCancel(context.Background())
	return w, c
}

func (c *right) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: 100, Effective: true, Sessions: true}
}

func (c *right) Close() error { c.close(); return nil }

// reach says whether anything can be sent.
func (c *right) reach(ctx context.Context) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if ctx.Err() != nil || c.closed.Err() != nil || c.w.fault == connectortest.Down {
		return connector.ErrUnreachable
	}
	return nil
}

func (c *right) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	for i, ch := range changes {
		results[i] = connector.Result{Ref: ch.Ref, Err: c.one(ctx, ch)}
	}
	return results
}

func (c *right) one(ctx context.Context, ch connector.Change) error {
	if err := c.reach(ctx); err != nil {
		return err
	}
	c.w.mu.Lock()
	missing := c.w.objects[ch.Object] == nil || !c.w.accounts[ch.Account]
	c.w.mu.Unlock()
	switch {
	case missing && ch.Want:
		return fmt.Errorf("%w: %v", connector.ErrNoObject, ch.Ref)
	case missing:
		return nil
	}
	return c.w.write(ctx, c.closed, func() { c.w.set(ch) })
}

// set is the effect of one change; the lock is held.
func (w *world) set(ch connector.Change) {
	switch o := w.objects[ch.Object]; {
	case o == nil:
	case ch.Want:
		o.holders[ch.Account] = true
	default:
		delete(o.holders, ch.Account)
	}
	w.tell(ch.Object)
}

// write sends one write over the line.
func (w *world) write(ctx, closed context.Context, effect func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.fault {
	case connectortest.LostAnswer:
		effect()
		return connector.ErrUnanswered
	case connectortest.Lie:
		return nil
	case connectortest.Refuse:
		return connector.ErrRefused
	case connectortest.Late:
		w.held = append(w.held, effect)
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-closed.Done():
		}
		w.mu.Lock()
		return connector.ErrUnanswered
	}
	effect()
	return nil
}

func (c *right) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	var seen []connector.Seen
	for _, r := range refs {
		s := connector.Seen{Ref: r, Path: "memory", At: time.Now(), Err: c.reach(ctx)}
		if s.Err == nil {
			c.w.mu.Lock()
			s.Direct, s.Residual = c.w.ways(r)
			c.w.mu.Unlock()
			s.Effective = s.Direct || len(s.Residual) > 0
		}
		seen = append(seen, s)
	}
	return seen
}

// ways says whether the account holds the object directly, and through which
// inner ones.
func (w *world) ways(r connector.Ref) (direct bool, through []string) {
	been := map[string]bool{r.Object: true}
	for todo := []string{r.Object}; len(todo) > 0; todo = todo[1:] {
		o := w.objects[todo[0]]
		if o == nil {
			continue
		}
		if o.holders[r.Account] && todo[0] == r.Object {
			direct = true
		} else if o.holders[r.Account] {
			through = append(through, todo[0])
		}
		for _, in := range o.inner {
			if !been[in] {
				been[in] = true
				todo = append(todo, in)
			}
		}
	}
	return direct, through
}

func (c *right) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	if err := c.reach(ctx); err != nil {
		return err
	}
	c.w.mu.Lock()
	if len(objects) == 0 {
		objects = slices.Sorted(maps.Keys(c.w.objects))
	}
	var all []connector.Holding
	for _, o := range objects {
		if c.w.objects[o] == nil {
			continue
		}
		for _, a := range slices.Sorted(maps.Keys(c.w.objects[o].holders)) {
			all = append(all, connector.Holding{Ref: connector.Ref{Account: a, Object: o}})
		}
	}
	c.w.mu.Unlock()
	for _, h := range all {
		if err := yield(h); err != nil {
			return err
		}
	}
	return nil
}

// target gives the suite the world's own means.
func (w *world) target(c connector.Connector) connectortest.Target {
	do := func(f func()) {
		w.mu.Lock()
		defer w.mu.Unlock()
		f()
	}
	return connectortest.Target{
		Connector: c,
		Account: func(_ testing.TB, name string) string {
			do(func() { w.accounts[name] = true; w.number(name) })
			return name
		},
		DropAccount: func(_ testing.TB, account string) {
			do(func() {
				delete(w.accounts, account)
				delete(w.numbers, account)
				maps.DeleteFunc(w.issued, func(_ string, l *let) bool { return l.Account == account })
				for _, o := range w.objects {
					delete(o.holders, account)
				}
			})
		},
		Object: func(_ testing.TB, name string) string {
			do(func() { w.objects[name] = &thing{holders: map[string]bool{}} })
			return name
		},
		DropObject: func(_ testing.TB, object string) { do(func() { delete(w.objects, object) }) },
		Put: func(_ testing.TB, object string, accounts ...string) {
			do(func() {
				for _, a := range accounts {
					w.objects[object].holders[a] = true
				}
				w.tell(object)
			})
		},
		Members: func(_ testing.TB, object string) (list []string) {
			do(func() { list = slices.Sorted(maps.Keys(w.objects[object].holders)) })
			return list
		},
		Nest: func(_ testing.TB, outer, inner string) {
			do(func() { w.objects[outer].inner = append(w.objects[outer].inner, inner) })
		},
		Break: func(_ testing.TB, f connectortest.Fault) func() {
			do(func() {
				if w.fault = f; f == connectortest.Down {
					close(w.cut)
					w.cut = make(chan struct{})
				}
			})
			return func() {
				do(func() {
					w.fault = ""
					for _, effect := range w.held {
						effect()
					}
					w.held = nil
				})
			}
		},
		Enter:   func(_ testing.TB, account, kind string, worth []byte) bool { return w.enter(account, kind, worth) },
		Rename:  func(_ testing.TB, account, name string) string { do(func() { w.rename(account, name) }); return name },
		Open:    func(_ testing.TB, account, _ string) connectortest.Session { return w.open(account) },
		Hostile: []string{"nul\x00inside"},
		Large:   300,
		Rings:   true,
	}
}
