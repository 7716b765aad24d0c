package promise

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var applyPromises = []Promise{
	{"add and remove", "an add makes the holding be there, a removal makes it be gone, and asking for what is so already is no error",
		"ar", addAndRemove},
	{"nothing to do", "no changes and no references give no answers, and no error",
		"nd", nothingToDo},
	{"add to a missing object", "adding to an object that is not there is no_object",
		"amo", addToMissingObject},
	{"add for a missing account", "adding an account that is not there is no_object, and leaves nothing behind",
		"ama", addForMissingAccount},
	{"remove where nothing is there", "removing from or for what is not there is no error, and touches nothing",
		"rn", removeWhereNothing},
	{"remove for a dropped holder", "an account that was deleted while it held can be removed, and is then seen gone",
		"rdh", removeDroppedHolder},
	{"a batch with bad among good", "each change is answered for itself, in order, and a bad one does not stop the others",
		"bbg", mixedBatch},
	{"the same change twice in a batch", "a change that stands twice in a batch is done, without an error",
		"twice", sameTwice},
	{"never touches what it was not asked about", "no other account and no other object is touched",
		"nt", neverTouches},
	{"an object at its minimum size", "the first holder can be added, and the last one removed",
		"min", minimumSize},
	{"an object made anew under its name", "what is deleted and made anew under its old name inherits nothing, and can be used",
		"anew", madeAnew},
	{"a context already over", "once the time is up nothing is sent",
		"over", contextOver},
}

func addAndRemove(k *kit) {
	ann, object := k.account("ann"), k.object("db")
	for _, step := range []struct {
		what    string
		change  connector.Change
		holders []string
	}{
		{"remove before any add", remove(ann, object), nil},
		{"add", add(ann, object), []string{ann}},
		{"add again", add(ann, object), []string{ann}},
		{"remove", remove(ann, object), nil},
		{"remove again", remove(ann, object), nil},
		{"add after removal", add(ann, object), []string{ann}},
	} {
		k.Log(step.what)
		k.ok(step.change)
		k.holders(object, step.holders...)
	}
}

func nothingToDo(k *kit) {
	k.apply()
	k.look()
}

func addToMissingObject(k *kit) {
	_, gone := k.gone()
	k.fails(connector.ErrNoObject, add(k.account("ann"), gone))
}

func addForMissingAccount(k *kit) {
	gone, _ := k.gone()
	bob, object := k.account("bob"), k.object("db")
	k.Put(object, bob)
	k.fails(connector.ErrNoObject, add(gone, object))
	k.holders(object, bob)
}

func removeWhereNothing(k *kit) {
	goneAccount, goneObject := k.gone()
	ann, object := k.account("ann"), k.object("db")
	k.Put(object, ann)
	k.ok(remove(ann, goneObject))
	k.ok(remove(goneAccount, object))
	k.ok(remove(goneAccount, goneObject))
	k.holders(object, ann)
}

// Some targets let go of an account that is deleted, others keep listing it.
// Either way its removal must be no error, and must leave nothing behind.
func removeDroppedHolder(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, ann, bob)
	k.DropAccount(ann)
	k.look(connector.Ref{Account: ann, Object: object})
	k.ok(remove(ann, object))
	k.holders(object, bob)
	k.sees(ann, object, false)
}

func mixedBatch(k *kit) {
	goneAccount, goneObject := k.gone()
	one, two, three := k.object("one"), k.object("two"), k.object("three")
	ann, bob, cat, dan := k.account("ann"), k.account("bob"), k.account("cat"), k.account("dan")
	k.Put(one, bob)
	k.Put(two, bob, dan)
	batch := []struct {
		connector.Change
		err error
	}{
		{add(ann, one), nil},
		{add(goneAccount, two), connector.ErrNoObject},
		{remove(bob, one), nil},
		{add(cat, two), nil},
		{add(ann, goneObject), connector.ErrNoObject},
		{remove(ann, three), nil}, // is not there
		{remove(dan, two), nil},
		{remove(goneAccount, one), nil},
		{remove(bob, goneObject), nil},
		{add(dan, three), nil},
		{add(bob, two), nil}, // is there
	}
	var changes []connector.Change
	for _, b := range batch {
		changes = append(changes, b.Change)
	}
	for i, r := range k.apply(changes...) {
		if (batch[i].err == nil) != (r.Err == nil) || !errors.Is(r.Err, batch[i].err) {
			k.Errorf("change %d, %s: %v, want %v", i, word(changes[i]), r.Err, batch[i].err)
		}
	}
	k.holders(one, ann)
	k.holders(two, bob, cat)
	k.holders(three, dan)
}

func sameTwice(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, bob)
	k.ok(add(ann, object), remove(bob, object), add(ann, object), remove(bob, object))
	k.holders(object, ann)
}

func neverTouches(k *kit) {
	asked, neighbour := k.object("asked"), k.object("asked-too")
	var staff []string
	for _, name := range []string{"ann", "anna", "ann-2", "bob", "cat"} {
		staff = append(staff, k.account(name))
	}
	ann, others := staff[0], staff[1:]
	k.Put(asked, others...)
	k.Put(neighbour, staff...)
	k.ok(add(ann, asked))
	k.holders(asked, staff...)
	k.holders(neighbour, staff...)
	k.ok(remove(ann, asked))
	k.holders(asked, others...)
	k.holders(neighbour, staff...)
	k.ok(remove(others[0], asked), add(ann, asked))
	k.holders(asked, append([]string{ann}, others[1:]...)...)
	k.holders(neighbour, staff...)
}

func minimumSize(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.holders(object)
	k.sees(ann, object, false)
	k.ok(add(ann, object)) // the first
	k.holders(object, ann)
	k.ok(add(bob, object), remove(ann, object)) // one for the other
	k.holders(object, bob)
	k.ok(remove(bob, object)) // the last
	k.holders(object)
	k.sees(bob, object, false)
	if got := k.observe(object)[object]; len(got) != 0 {
		k.Errorf("Observe gave %q as holders of an object nobody holds", got)
	}
	k.ok(add(bob, object), add(ann, object))
	k.holders(object, ann, bob)
	k.ok(remove(bob, object), remove(ann, object)) // all at once
	k.holders(object)
}

// A connector may find out only once what a name stands for, and keep it.
func madeAnew(k *kit) {
	ann, object := k.account("ann"), k.object("db")
	k.ok(add(ann, object))
	k.DropObject(object)
	k.sees(ann, object, false)
	if again := k.object("db"); again != object {
		k.Logf("made anew, %s is %s: nothing to confuse", object, again)
		object = again
	}
	k.sees(ann, object, false)
	k.ok(add(ann, object))
	k.holders(object, ann)
	k.sees(ann, object, true)

	k.DropAccount(ann)
	ann = k.account("ann")
	bob := k.account("bob")
	k.ok(add(ann, object), add(bob, object))
	if got := k.Members(object); !slices.Contains(got, ann) || !slices.Contains(got, bob) {
		k.Errorf("%s is held by %q, want %s and %s among them", object, got, ann, bob)
	}
	k.sees(ann, object, true)
}

func contextOver(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, bob)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancelLate := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancelLate()
	for _, ctx := range []context.Context{cancelled, late} {
		for _, c := range []connector.Change{add(ann, object), remove(bob, object)} {
			if err := k.applyIn(ctx, c)[0].Err; !errors.Is(err, connector.ErrUnreachable) {
				k.Errorf("%s in a context that says %v: %v, want %q", word(c), ctx.Err(), err, connector.ErrUnreachable)
			}
		}
		for r, s := range k.lookIn(ctx, connector.Ref{Account: bob, Object: object}) {
			if s.Err == nil {
				k.Errorf("look at %v in a context that says %v gave no error", r, ctx.Err())
			}
		}
		if err := k.Connector.Observe(ctx, []string{object}, func(connector.Holding) error { return nil }); err == nil {
			k.Errorf("Observe in a context that says %v gave no error", ctx.Err())
		}
	}
	k.holders(object, bob)
}
