package connectortest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

// What is right passes.
func TestRight(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, func(*testing.T) connectortest.Target {
		w, c := newWorld()
		return w.target(c)
	})
}

const bentVar = "LESSOR_TEST_BENT"

// What is wrong is caught, by the subtest that is there for it. Each wrong
// connector runs in a process of its own, where the suite may fail.
func TestWrongIsCaught(t *testing.T) {
	t.Parallel()
	for _, b := range slices.Concat(wrongs, wrongBesides, wrongIssuers) {
		t.Run(b.fault, func(t *testing.T) {
			t.Parallel()
			name := strings.ReplaceAll(b.caught, " ", "_")
			cmd := exec.Command(os.Args[0], "-test.run=^TestBent$/^"+name+"$", "-test.timeout=3m", "-test.count=1")
			cmd.Env = append(os.Environ(), bentVar+"="+b.fault)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("a connector that %s passes %q:\n%s", b.fault, b.caught, out)
			}
			if !bytes.Contains(out, []byte("--- FAIL: TestBent/"+name+" ")) || bytes.Contains(out, []byte("panic:")) {
				t.Errorf("a connector that %s does not fail %q as a test fails:\n%s", b.fault, b.caught, out)
			}
		})
	}
}

// TestBent is what TestWrongIsCaught runs in a process of its own.
func TestBent(t *testing.T) {
	fault := os.Getenv(bentVar)
	if fault == "" {
		t.Skip("run by TestWrongIsCaught")
	}
	for _, b := range slices.Concat(wrongs, wrongBesides, wrongIssuers) {
		if b.fault == fault {
			connectortest.Run(t, func(*testing.T) connectortest.Target {
				w, c := newWorld()
				g := w.target(b.bend(w, c))
				g.Patience = 3 * time.Second // in memory nothing takes long, and what is wrong is waited for in vain
				return g
			})
		}
	}
}

// bent is a right connector with some of its methods replaced.
type bent struct {
	connector.Connector
	apply   func(context.Context, []connector.Change) []connector.Result
	look    func(context.Context, []connector.Ref) []connector.Seen
	observe func(context.Context, []string, func(connector.Holding) error) error
}

func (b bent) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	if b.apply == nil {
		return b.Connector.Apply(ctx, changes)
	}
	return b.apply(ctx, changes)
}

func (b bent) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	if b.look == nil {
		return b.Connector.Look(ctx, refs)
	}
	return b.look(ctx, refs)
}

func (b bent) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	if b.observe == nil {
		return b.Connector.Observe(ctx, objects, yield)
	}
	return b.observe(ctx, objects, yield)
}

// answers bends every answer to a change.
func answers(c *right, bend func(connector.Change, error) error) connector.Connector {
	return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
		results := c.Apply(ctx, changes)
		for i := range results {
			results[i].Err = bend(changes[i], results[i].Err)
		}
		return results
	}}
}

// sights bends everything a look sees.
func sights(c *right, bend func(*connector.Seen)) connector.Connector {
	return bent{Connector: c, look: func(ctx context.Context, refs []connector.Ref) []connector.Seen {
		seen := c.Look(ctx, refs)
		for i := range seen {
			bend(&seen[i])
		}
		return seen
	}}
}

// sending bends the changes before they are sent.
func sending(c *right, bend func(*connector.Change)) connector.Connector {
	return bent{Connector: c, apply: func(ctx context.Context, changes []connector.Change) []connector.Result {
		other := append([]connector.Change{}, changes...)
		for i := range other {
			bend(&other[i])
		}
		results := c.Apply(ctx, other)
		for i := range results {
			results[i].Ref = changes[i].Ref
		}
		return results
	}}
}

// memo remembers what was said of each holding.
type memo struct {
	mu   sync.Mutex
	said map[connector.Ref]connector.Seen
}

func (m *memo) first(s *connector.Seen) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.said[s.Ref]; ok {
		*s = old
	}
	m.said[s.Ref] = *s
}

func isAny(err error, of ...error) bool {
	for _, o := range of {
		if errors.Is(err, o) {
			return true
		}
	}
	return false
}
