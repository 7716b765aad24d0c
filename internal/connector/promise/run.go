package promise

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// patience bounds a call that nothing stands in the way of.
const patience = time.Minute

// Promise is one promise of the port, as a deed that shows whether it is kept.
type Promise struct {
	// Name is short; What says what is promised, to whoever has to keep it.
	Name, What string
	tag        string // ends every name it uses
	hold       func(k *kit)
}

// Concerns says whether it is about something that this connector can do: some are
// about what only some can do besides.
func (p Promise) Concerns(c connector.Connector) (does bool) {
	among := func(list []Promise) bool {
		return slices.ContainsFunc(list, func(q Promise) bool { return q.tag == p.tag })
	}
	switch {
	case among(sessionPromises):
		return c.Capabilities().Sessions
	case among(accountPromises):
		_, does = connector.As[connector.Accounts](c)
		return does
	case among(feedPromises):
		_, does = connector.As[connector.Feed](c)
		return does
	case among(issuePromises):
		_, does = connector.As[connector.Issuer](c)
		return does
	}
	return true
}

// All are the promises, each independent of the others: none uses the names of
// another, so that they may share one server, and whatever else a server holds
// is left alone.
func All() []Promise {
	return slices.Concat(applyPromises, lookPromises, observePromises, namePromises, faultPromises, lifePromises,
		sessionPromises, accountPromises, feedPromises, issuePromises)
}

// Hold holds the target to the promise and tells t what is wrong.
func (p Promise) Hold(t T, target Target) {
	t.Helper()
	p.hold(&kit{T: t, Target: target, tag: p.tag})
}

// kit is one target in the hands of one promise.
type kit struct {
	T
	Target
	tag string
}

// wait is how long to wait for what a target does by and by.
func (k *kit) wait() time.Duration { return cmp.Or(k.Patience, patience) }

func (k *kit) account(name string) string { k.Helper(); return k.Account(name + "-" + k.tag) }
func (k *kit) object(name string) string  { k.Helper(); return k.Object(name + "-" + k.tag) }

// gone gives references to an account and an object that were there once.
func (k *kit) gone() (account, object string) {
	k.Helper()
	account, object = k.account("gone"), k.object("gone")
	k.DropAccount(account)
	k.DropObject(object)
	return account, object
}

func add(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}, Want: true}
}

func remove(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}}
}

// applyIn makes one call and checks that each change is answered, in order.
func (k *kit) applyIn(ctx context.Context, changes ...connector.Change) []connector.Result {
	k.Helper()
	results := k.Connector.Apply(ctx, changes)
	if len(results) != len(changes) {
		k.Fatalf("Apply answered %d of %d changes", len(results), len(changes))
	}
	for i, r := range results {
		if r.Ref != changes[i].Ref {
			k.Fatalf("Apply's answer %d is for %v; change %d is %v", i, r.Ref, i, changes[i].Ref)
		}
	}
	return results
}

func (k *kit) apply(changes ...connector.Change) []connector.Result {
	k.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return k.applyIn(ctx, changes...)
}

// ok applies changes that must be answered without an error.
func (k *kit) ok(changes ...connector.Change) {
	k.Helper()
	for i, r := range k.apply(changes...) {
		if r.Err != nil {
			k.Errorf("%s: %v, want no error", word(changes[i]), r.Err)
		}
	}
}

// fails applies one change that must be answered with that error.
func (k *kit) fails(want error, c connector.Change) {
	k.Helper()
	if err := k.apply(c)[0].Err; !errors.Is(err, want) {
		k.Errorf("%s: %v, want %q", word(c), err, want)
	}
}

func word(c connector.Change) string {
	if c.Want {
		return "add of " + short(c.Account) + " to " + short(c.Object)
	}
	return "removal of " + short(c.Account) + " from " + short(c.Object)
}

func short(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return s
}

// holders checks who holds the object by the target's own account.
func (k *kit) holders(object string, want ...string) {
	k.Helper()
	got := k.Members(object)
	want = slices.Sorted(slices.Values(want))
	if slices.Equal(got, want) {
		return
	}
	if len(want) > 20 || len(got) > 20 {
		k.Errorf("%s is held by %d, want %d (or others): %v", short(object), len(got), len(want), firstDifference(got, want))
		return
	}
	k.Errorf("%s is held by %q, want %q", short(object), got, want)
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return "got " + short(got[i]) + " where " + short(want[i]) + " was due"
		}
	}
	return "one list is the beginning of the other"
}

// lookIn makes one call and checks that each reference is answered once.
func (k *kit) lookIn(ctx context.Context, refs ...connector.Ref) map[connector.Ref]connector.Seen {
	k.Helper()
	list := k.Connector.Look(ctx, refs)
	seen := map[connector.Ref]connector.Seen{}
	for _, s := range list {
		seen[s.Ref] = s
	}
	for _, r := range refs {
		if _, ok := seen[r]; !ok {
			k.Fatalf("Look says nothing of %v", r)
		}
	}
	if len(list) != len(refs) {
		k.Fatalf("Look gave %d answers to %d references", len(list), len(refs))
	}
	return seen
}

// look makes one call that must succeed for every reference.
func (k *kit) look(refs ...connector.Ref) map[connector.Ref]connector.Seen {
	k.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seen := k.lookIn(ctx, refs...)
	for r, s := range seen {
		switch {
		case s.Err != nil:
			k.Errorf("look at %v: %v", r, s.Err)
		case s.Path == "":
			k.Errorf("look at %v: does not say by which path", r)
		case s.At.IsZero():
			k.Errorf("look at %v: does not say when", r)
		case s.Direct && !s.Effective:
			k.Errorf("look at %v: held directly, yet not effectively", r)
		}
	}
	return seen
}

// sees looks at one holding and checks that it is there, or is not.
func (k *kit) sees(account, object string, want bool) {
	k.Helper()
	r := connector.Ref{Account: account, Object: object}
	s := k.look(r)[r]
	if s.Direct != want || s.Effective != want {
		k.Errorf("look at %v: direct %t, effective %t, want both %t (%s)", r, s.Direct, s.Effective, want, s.Path)
	}
}

// observe reads holdings and gives the accounts by object.
func (k *kit) observe(objects ...string) map[string][]string {
	k.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got := map[string][]string{}
	err := k.Connector.Observe(ctx, objects, func(h connector.Holding) error {
		got[h.Object] = append(got[h.Object], h.Account)
		return nil
	})
	if err != nil {
		k.Fatalf("Observe: %v", err)
	}
	for _, accounts := range got {
		slices.Sort(accounts)
	}
	return got
}

// observed checks one object's part of what Observe gave.
func (k *kit) observed(got map[string][]string, object string, want ...string) {
	k.Helper()
	want = slices.Sorted(slices.Values(want))
	switch {
	case slices.Equal(got[object], want):
	case len(want) > 20 || len(got[object]) > 20:
		k.Errorf("Observe gave %d holders of %s, want %d (or others): %s", len(got[object]), short(object), len(want), firstDifference(got[object], want))
	default:
		k.Errorf("Observe gave %q as holders of %s, want %q", got[object], short(object), want)
	}
}
