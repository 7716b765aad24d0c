package exec

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// The program is a process of its own. How it fails, where the line fails, is up
// to it: it says so, it dies, or it falls silent.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, manner := range []string{"says", "dies", "silent"} {
		t.Run(manner, func(t *testing.T) {
			t.Parallel()
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				w := newWorld(t, manner)
				w.hello.Sessions, w.hello.Accounts, w.hello.Follows = true, true, true
				c := w.connect(t, func(cfg *Config) {
					if manner == "silent" {
						cfg.Timeout = 3 * time.Second
					}
				})
				return w.target(c)
			})
		})
	}
}

func (w *world) target(c *Connector) connectortest.Target {
	do := func(f func()) {
		w.mu.Lock()
		defer w.mu.Unlock()
		f()
	}
	return connectortest.Target{
		Connector: c,
		Account: func(_ testing.TB, name string) string {
			do(func() { w.add(name) })
			return name
		},
		DropAccount: func(_ testing.TB, account string) {
			do(func() {
				delete(w.accounts, account)
				delete(w.numbers, account)
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
		Break: func(t testing.TB, f connectortest.Fault) func() {
			do(func() {
				if w.fault = string(f); f == connectortest.Down {
					w.cutOff()
				}
			})
			if f == connectortest.Down && w.manner == "dies" {
				w.killAll()
				awaitOver(t, c)
			}
			return func() {
				do(func() {
					w.fault = ""
					for _, effect := range w.held {
						effect()
					}
					w.held = nil
					close(w.mended)
					w.mended = make(chan struct{})
				})
			}
		},
		Rename: func(_ testing.TB, account, name string) string {
			do(func() { w.rename(account, name) })
			return name
		},
		Open:    func(_ testing.TB, account, _ string) connectortest.Session { return w.open(account) },
		Hostile: []string{"nul\x00inside", `{"id":1}`, "\\u0000", "a\r\nb", "line\u2028separator", `","want":true,"account":"x`},
		Large:   300,
		Rings:   true,
	}
}

// awaitOver waits until the connector knows that its program is over.
func awaitOver(t testing.TB, c *Connector) {
	t.Helper()
	c.mu.Lock()
	p := c.running
	c.mu.Unlock()
	if p == nil {
		return
	}
	testserver.Await(t, "the end of the program", 20*time.Second, func() error {
		select {
		case <-p.over:
			return nil
		default:
			return errClosed
		}
	})
}
