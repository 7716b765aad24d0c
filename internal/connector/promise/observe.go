package promise

import (
	"context"
	"errors"
	"fmt"

	"github.com/lessor-iam/lessor/internal/connector"
)

var observePromises = []Promise{
	{"observe one, several and all", "the holdings of the objects asked for are read, all of them and no others; asked for none, of all objects",
		"obs", observeScopes},
	{"observe what is missing", "a missing object has no holdings; that is no error",
		"om", observeMissing},
	{"observe stops at the first error", "a read that is told to stop stops, and says why",
		"stop", observeStops},
	{"observe more objects than fit a page", "a read goes on to the last page",
		"page", observePages},
	{"a large object", "an object with very many holders is read and changed whole",
		"large", largeObject},
}

func observeScopes(k *kit) {
	one, two, three := k.object("one"), k.object("two"), k.object("three")
	ann, bob, cat := k.account("ann"), k.account("bob"), k.account("cat")
	k.Put(one, ann, bob)
	k.Put(two, bob)
	k.Put(three, ann, bob, cat)

	got := k.observe(two)
	k.observed(got, two, bob)
	k.only(got, two)

	got = k.observe(three, one)
	k.observed(got, one, ann, bob)
	k.observed(got, three, ann, bob, cat)
	k.only(got, one, three)

	got = k.observe()
	k.observed(got, one, ann, bob)
	k.observed(got, two, bob)
	k.observed(got, three, ann, bob, cat)
}

func (k *kit) only(got map[string][]string, objects ...string) {
	k.Helper()
	if len(got) != len(objects) {
		k.Errorf("Observe gave holders of %d objects, asked for %q: %q", len(got), objects, got)
	}
}

func observeMissing(k *kit) {
	gone, goneObject := k.gone()
	ann, object := k.account("ann"), k.object("db")
	k.Put(object, ann)
	got := k.observe(goneObject, object)
	k.observed(got, object, ann)
	k.only(got, object)
	if got := k.observe(goneObject); len(got) != 0 {
		k.Errorf("Observe of a missing object gave %q", got)
	}
	k.sees(gone, object, false)
}

func observeStops(k *kit) {
	one, two := k.object("one"), k.object("two")
	ann, bob := k.account("ann"), k.account("bob")
	k.Put(one, ann, bob)
	k.Put(two, ann, bob)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	enough, calls := errors.New("enough"), 0
	err := k.Connector.Observe(ctx, []string{one, two}, func(connector.Holding) error {
		if calls++; calls == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		k.Errorf("Observe: %v, want the error that stopped it", err)
	}
	if calls != 2 {
		k.Errorf("Observe went on for %d holdings after it was stopped", calls-2)
	}
}

func observePages(k *kit) {
	const objects = 45 // the smallest page we know of holds 20
	ann, bob := k.account("ann"), k.account("bob")
	var all []string
	for i := range objects {
		all = append(all, k.object(fmt.Sprintf("o%02d", i)))
		k.Put(all[i], []string{ann, bob}[i%2])
	}
	whole, some := k.observe(), k.observe(all...)
	k.only(some, all...)
	for i, o := range all {
		k.observed(whole, o, []string{ann, bob}[i%2])
		k.observed(some, o, []string{ann, bob}[i%2])
	}
}

func largeObject(k *kit) {
	size := k.Large
	if size == 0 {
		size = 2000
	}
	object, late := k.object("db"), k.account("late")
	staff := make([]string, size)
	for i := range staff {
		staff[i] = k.account(fmt.Sprintf("p%06d", i))
	}
	k.Put(object, staff...)
	k.observed(k.observe(object), object, staff...)
	k.observed(k.observe(), object, staff...)
	for _, a := range []string{staff[0], staff[size/2], staff[size-1]} {
		k.sees(a, object, true)
	}
	k.sees(late, object, false)

	k.ok(add(late, object), remove(staff[size/2], object))
	k.sees(late, object, true)
	k.sees(staff[size/2], object, false)
	k.ok(remove(late, object), add(staff[size/2], object))
	k.holders(object, staff...)

	// More than Apply likes to have at once.
	many := min(size-1, k.Connector.Capabilities().Batch+1)
	var away, back []connector.Change
	for _, a := range staff[:many] {
		away, back = append(away, remove(a, object)), append(back, add(a, object))
	}
	k.ok(away...)
	k.holders(object, staff[many:]...)
	k.observed(k.observe(object), object, staff[many:]...)
	k.ok(back...)
	k.holders(object, staff...)
}
