package delivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/promise"
	"github.com/lessor-iam/lessor/internal/deliver"
)

// memory is a store that keeps every promise, but for what wrong has it break.
type memory struct {
	*shelf
	closed chan struct{}
}

type shelf struct {
	mu    sync.Mutex
	refs  map[string]*slot
	fault Fault
	held  []func()
	wrong string
}

type slot struct {
	current int64
	worths  map[int64]connector.Worth
}

var memoryForm = regexp.MustCompile(`^[a-z0-9.-]{1,100}$`)

func (m memory) CheckRef(ref string) error {
	if (!memoryForm.MatchString(ref) || ref == "." || ref == "..") && m.wrong != "any reference" {
		return fmt.Errorf("%w: %.20q", connector.ErrRefused, ref)
	}
	return nil
}

// enter locks the shelf.
func (m memory) enter(ctx context.Context, ref string) (*slot, func(), error) {
	if err := m.CheckRef(ref); err != nil {
		return nil, nil, err
	}
	select {
	case <-m.closed:
		return nil, nil, connector.ErrUnreachable
	case <-ctx.Done():
		if m.wrong != "no time" {
			return nil, nil, connector.ErrUnreachable
		}
	default:
	}
	m.mu.Lock()
	if m.fault == promise.Down {
		m.mu.Unlock()
		return nil, nil, connector.ErrUnreachable
	}
	s := m.refs[ref]
	if s == nil {
		s = &slot{worths: map[int64]connector.Worth{}}
		m.refs[ref] = s
	}
	return s, m.mu.Unlock, nil
}

// write does it, or what the line makes of it. The shelf is locked.
func (m memory) write(do func() error) error {
	switch m.fault {
	case promise.LostAnswer:
		_ = do()
		return connector.ErrUnanswered
	case promise.Late:
		m.held = append(m.held, func() { _ = do() })
		return connector.ErrUnanswered
	case promise.Refuse:
		return connector.ErrRefused
	}
	return do()
}

func (m memory) Put(ctx context.Context, ref string, n int64, w connector.Worth) error {
	if err := deliver.Fit(n, w); err != nil && m.wrong != "unfit" {
		return err
	}
	s, leave, err := m.enter(ctx, ref)
	if err != nil {
		return err
	}
	defer leave()
	if m.wrong == "tells" && n > 1 {
		return fmt.Errorf("%w: cannot put %q", connector.ErrRefused, []byte(w))
	}
	was := s.current
	return m.write(func() error {
		now := s.current
		if m.wrong == "late" {
			now = was
		}
		if n < now && m.wrong != "older" {
			return deliver.ErrOlder
		}
		if m.wrong == "keeps none" {
			clear(s.worths)
		}
		if m.wrong != "again" || s.worths[n] == nil {
			s.worths[n] = bytes.Clone(w)
		}
		s.current = n
		return nil
	})
}

func (m memory) Get(ctx context.Context, ref string, n int64) (connector.Worth, error) {
	s, leave, err := m.enter(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer leave()
	w, ok := s.worths[n]
	if !ok {
		return nil, deliver.ErrNotFound
	}
	if m.wrong == "trims" {
		w = bytes.TrimSpace(w)
	}
	return w, nil
}

func (m memory) Current(ctx context.Context, ref string) (int64, error) {
	s, leave, err := m.enter(ctx, ref)
	if err != nil {
		return 0, err
	}
	defer leave()
	return s.current, nil
}

func (m memory) Forget(ctx context.Context, ref string, n int64) error {
	s, leave, err := m.enter(ctx, ref)
	if err != nil {
		return err
	}
	defer leave()
	if n == s.current && n > 0 && m.wrong != "forgets the one in force" {
		return deliver.ErrCurrent
	}
	return m.write(func() error {
		switch m.wrong {
		case "forgets nothing":
		case "forgets all":
			maps.DeleteFunc(s.worths, func(k int64, _ connector.Worth) bool { return k != s.current })
		default:
			delete(s.worths, n)
		}
		return nil
	})
}

func (m memory) Close() error { close(m.closed); return nil }

func target(wrong string) Target {
	s := &shelf{refs: map[string]*slot{}, wrong: wrong}
	one, other := memory{s, make(chan struct{})}, memory{&shelf{}, make(chan struct{})}
	other.shelf = s
	whole := wholeLine{other}
	return Target{Store: one, Other: whole,
		Ref: func(_ testing.TB, name string) string { return name },
		Read: func(_ testing.TB, ref string) []byte {
			s.mu.Lock()
			defer s.mu.Unlock()
			if x := s.refs[ref]; x != nil && x.current > 0 {
				return x.worths[x.current]
			}
			return nil
		},
		Holds: func(_ testing.TB, ref string, w []byte) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.refs[ref] != nil && slices.ContainsFunc(slices.Collect(maps.Values(s.refs[ref].worths)), func(k connector.Worth) bool { return bytes.Equal(k, w) })
		},
		Break: func(_ testing.TB, f Fault) func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.fault = f
			return func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.fault = ""
				for _, do := range s.held {
					do()
				}
				s.held = nil
			}
		},
	}
}

// wholeLine is a store whose own line is whole while the other's is broken.
type wholeLine struct{ memory }

func (w wholeLine) whole(do func() error) error {
	w.mu.Lock()
	fault := w.fault
	w.fault = ""
	w.mu.Unlock()
	err := do()
	w.mu.Lock()
	w.fault = fault
	w.mu.Unlock()
	return err
}

func (w wholeLine) Put(ctx context.Context, ref string, n int64, v connector.Worth) error {
	return w.whole(func() error { return w.memory.Put(ctx, ref, n, v) })
}

func (w wholeLine) Forget(ctx context.Context, ref string, n int64) error {
	return w.whole(func() error { return w.memory.Forget(ctx, ref, n) })
}

// A store that keeps every promise passes.
func TestRight(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) Target { return target("") })
}

// noted is a test that only notes that it has failed.
type noted struct {
	testing.TB
	mu     sync.Mutex
	failed bool
}

func (n *noted) fail() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = true
}
func (n *noted) Error(...any)          { n.fail() }
func (n *noted) Errorf(string, ...any) { n.fail() }
func (n *noted) Fatal(...any)          { n.fail(); runtime.Goexit() }
func (n *noted) Fatalf(string, ...any) { n.fail(); runtime.Goexit() }

// Each way of being wrong is noticed by the promise that is broken.
func TestWrong(t *testing.T) {
	t.Parallel()
	for wrong, broken := range map[string][]string{
		"older":                    {"an older one is refused"},
		"late":                     {"late"},
		"again":                    {"again replaces"},
		"keeps none":               {"earlier ones are kept until forgotten"},
		"trims":                    {"what is put is read"},
		"forgets nothing":          {"earlier ones are kept until forgotten", "forgotten under way"},
		"forgets all":              {"earlier ones are kept until forgotten"},
		"forgets the one in force": {"earlier ones are kept until forgotten"},
		"any reference":            {"no such reference"},
		"unfit":                    {"unfit"},
		"tells":                    {"earlier ones are kept until forgotten"},
		"no time":                  {"no time, or closed"},
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			for _, p := range promises {
				if !slices.Contains(broken, p.name) {
					continue
				}
				n := &noted{TB: t}
				done := make(chan struct{})
				go func() {
					defer close(done)
					p.hold(n, target(wrong).watched(n))
				}()
				<-done
				if !n.failed {
					t.Errorf("%q was not noticed", p.name)
				}
			}
		})
	}
}

// The suite finds a worth in an error however it was written down.
func TestTell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"nothing": false, "pass hunter2-x": true, "HUNTER2-X": true, "68756e746572322d78": true, "[104 117 110 116 101]": true,
		"aHVudGVyMi14": true, "eGh1bnRlcjIteA": true, "eHhodW50ZXIyLXg": true, "aHVudGVyMQ": false,
	} {
		if got := tell(text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	w := watch{memory{&shelf{refs: map[string]*slot{}, wrong: "tells"}, make(chan struct{})}, &noted{TB: t}}
	if err := w.Put(t.Context(), "x", 2, worth("x")); !errors.Is(err, connector.ErrRefused) || !w.t.(*noted).failed {
		t.Error("an error that holds the worth was not noticed")
	}
}
