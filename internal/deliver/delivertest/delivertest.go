// Package delivertest is the conformance suite of the port to secret stores. A store
// passes it from a test file of a few lines, against the real thing:
//
//	func TestConformance(t *testing.T) { delivertest.Run(t, newTarget) }
//
// It knows no store's formats and holds no store's own tests.
package delivertest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/promise"
	"github.com/lessor-iam/lessor/internal/deliver"
)

// Fault is one way in which the line between Lessor and the store fails.
type Fault = promise.Fault

// Target is one real store as the suite uses it. Every function but the stores works by
// the store's own means and fails the test if it cannot.
type Target struct {
	// Store is what is tested; its line is the one Break breaks.
	Store deliver.Store
	// Other is the same store as another replica of Lessor has it; its line stays whole.
	Other deliver.Store
	// Ref makes a reference of that name, which no other test uses.
	Ref func(t testing.TB, name string) string
	// Read is what a consumer gets at the reference; nil where there is nothing.
	Read func(t testing.TB, ref string) []byte
	// Holds tells whether the store keeps that worth anywhere for the reference, in force
	// or not, as whoever administers the store can find out.
	Holds func(t testing.TB, ref string, worth []byte) bool
	// Hostile are references that must be refused, beside the suite's own.
	Hostile []string
	// Barred are references that have their form and lead where nothing may be read or
	// written: CheckRef, which asks nobody, cannot know.
	Barred []string
	// Break makes the line fail that way until mend is called; after that every write that
	// was held back has landed. Nil where there is no line.
	Break func(t testing.TB, f Fault) (mend func())
}

// Run holds a store to every promise of the port, one subtest a promise. newTarget is
// called once in each; the targets may share one server.
func Run(t *testing.T, newTarget func(t *testing.T) Target) {
	t.Helper()
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			target := newTarget(t)
			if p.line && target.Break == nil {
				t.Skip("there is no line that could break")
			}
			p.hold(t, target.watched(t))
		})
	}
}

type promised struct {
	name string
	line bool // it needs one that breaks
	hold func(t testing.TB, x Target)
}

var promises = []promised{
	{"nothing is there", false, nothing},
	{"what is put is read", false, put},
	{"again replaces", false, again},
	{"earlier ones are kept until forgotten", false, earlier},
	{"an older one is refused", false, older},
	{"many at once", false, many},
	{"forgotten under way", false, forgottenUnderWay},
	{"unfit", false, unfit},
	{"no such reference", false, noReference},
	{"neighbours", false, neighbours},
	{"no time, or closed", false, over},
	{"lost answer", true, lostAnswer},
	{"late", true, late},
	{"refused", true, refused},
	{"down", true, down},
}

// marked is in every worth of the suite, so that it is found wherever it gets to.
const marked = "hunter2-"

// tell says whether a text holds a worth, however it was written down.
func tell(text string) bool {
	for _, enc := range []string{marked, hex.EncodeToString([]byte(marked)), "104 117 110 116"} {
		if strings.Contains(strings.ToLower(text), enc) {
			return true
		}
	}
	for _, before := range []string{"", "x", "xx"} { // base64 shifts what it writes
		enc := base64.RawStdEncoding.EncodeToString([]byte(before + marked))
		if strings.Contains(text, enc[(8*len(before)+5)/6:8*len(before+marked)/6]) {
			return true
		}
	}
	return false
}

// watch looks at every error that a store gives.
type watch struct {
	deliver.Store
	t testing.TB
}

func (x Target) watched(t testing.TB) Target {
	x.Store, x.Other = watch{x.Store, t}, watch{x.Other, t}
	return x
}

func (w watch) see(what string, err error) error {
	w.t.Helper()
	if err != nil && (tell(err.Error()) || tell(fmt.Sprintf("%+v %#v", err, err))) {
		w.t.Errorf("%s: the error holds the worth", what)
	}
	return err
}

func (w watch) Put(ctx context.Context, ref string, n int64, worth connector.Worth) error {
	w.t.Helper()
	return w.see("Put", w.Store.Put(ctx, ref, n, worth))
}

func (w watch) Get(ctx context.Context, ref string, n int64) (connector.Worth, error) {
	w.t.Helper()
	worth, err := w.Store.Get(ctx, ref, n)
	return worth, w.see("Get", err)
}

func (w watch) Current(ctx context.Context, ref string) (int64, error) {
	w.t.Helper()
	n, err := w.Store.Current(ctx, ref)
	return n, w.see("Current", err)
}

func (w watch) Forget(ctx context.Context, ref string, n int64) error {
	w.t.Helper()
	return w.see("Forget", w.Store.Forget(ctx, ref, n))
}

func worth(text string) connector.Worth { return connector.Worth(marked + text) }

// puts puts what must go in.
func (x Target) puts(t testing.TB, ref string, n int64, w connector.Worth) {
	t.Helper()
	if err := x.Store.Put(t.Context(), ref, n, w); err != nil {
		t.Fatalf("put %d: %v", n, err)
	}
}

// forgets forgets what must be forgotten.
func (x Target) forgets(t testing.TB, ref string, n int64) {
	t.Helper()
	if err := x.Store.Forget(t.Context(), ref, n); err != nil {
		t.Fatalf("forget %d: %v", n, err)
	}
}

// inForce says which generation consumers must have, and its worth.
func (x Target) inForce(t testing.TB, ref string, n int64, w connector.Worth) {
	t.Helper()
	for which, s := range map[string]deliver.Store{"the store": x.Store, "the other": x.Other} {
		if is, err := s.Current(t.Context(), ref); err != nil || is != n {
			t.Errorf("%s: current is %d, %v; want %d", which, is, err, n)
		}
	}
	if got := x.Read(t, ref); !bytes.Equal(got, w) {
		t.Errorf("consumers get %d bytes (%t), which is not generation %d", len(got), got != nil, n)
	}
	if n > 0 {
		x.has(t, ref, n, w)
	}
}

// has says that a generation can be read back, and is that worth.
func (x Target) has(t testing.TB, ref string, n int64, w connector.Worth) {
	t.Helper()
	if got, err := x.Store.Get(t.Context(), ref, n); err != nil || !bytes.Equal(got, w) {
		t.Errorf("generation %d: %d bytes, %v; want %d that were put", n, len(got), err, len(w))
	}
}

// lacks says that a generation cannot be read back.
func (x Target) lacks(t testing.TB, ref string, n int64) {
	t.Helper()
	if got, err := x.Store.Get(t.Context(), ref, n); !errors.Is(err, deliver.ErrNotFound) || got != nil {
		t.Errorf("generation %d: %d bytes, %v; want %v", n, len(got), err, deliver.ErrNotFound)
	}
}

func want(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
