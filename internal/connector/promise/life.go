package promise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var lifePromises = []Promise{
	{"many calls at once", "calls at the same time do not lose or disturb each other's effects",
		"conc", manyAtOnce},
	{"the same change at once", "the same change asked for several times at once is no error",
		"same", sameAtOnce},
	{"close", "after Close nothing is sent",
		"close", closeEnds},
	{"close ends calls under way", "Close ends calls under way",
		"closing", closeUnderWay},
}

// Eight callers change the same four objects, each for accounts of its own, and
// look at them, while one more observes.
func manyAtOnce(k *kit) {
	const callers, each = 8, 3
	var objects []string
	for i := range 4 {
		objects = append(objects, k.object(fmt.Sprintf("o%d", i)))
	}
	staff := make([][]string, callers)
	want := map[string][]string{}
	for c := range callers {
		for a := range each {
			account := k.account(fmt.Sprintf("p%d-%d", c, a))
			staff[c] = append(staff[c], account)
			for o, object := range objects {
				if (o+a)%2 == 0 {
					want[object] = append(want[object], account)
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	var watching, calling sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			// The system moves meanwhile: an error is as good as any list.
			_ = k.Connector.Observe(ctx, objects, func(connector.Holding) error { return nil })
		}
	})
	for c := range callers {
		calling.Go(func() { k.call(ctx, staff[c], objects) })
	}
	calling.Wait()
	cancel()
	watching.Wait()
	got := k.observe(objects...)
	for _, o := range objects {
		k.holders(o, want[o]...)
		k.observed(got, o, want[o]...)
	}
}

// call adds the accounts to every object, looks, and takes half of them out. It
// runs beside the test, so it reports and does not stop it.
func (k *kit) call(ctx context.Context, accounts, objects []string) {
	var in, out []connector.Change
	var refs []connector.Ref
	for a, account := range accounts {
		for o, object := range objects {
			in = append(in, add(account, object))
			refs = append(refs, in[len(in)-1].Ref)
			if (o+a)%2 == 1 {
				out = append(out, remove(account, object))
			}
		}
	}
	for _, changes := range [][]connector.Change{in, out} {
		for i, r := range k.Connector.Apply(ctx, changes) {
			if r.Err != nil {
				k.Errorf("%s: %v", word(changes[i]), r.Err)
			}
		}
		for _, s := range k.Connector.Look(ctx, refs) {
			gone := slices.ContainsFunc(out, func(c connector.Change) bool { return c.Ref == s.Ref })
			if want := changes[0].Want || !gone; s.Err != nil || s.Direct != want {
				k.Errorf("look at %v: direct %t, want %t, error %v", s.Ref, s.Direct, want, s.Err)
			}
		}
	}
}

// Two callers may want the same, as two replicas that hold one lease by mistake do.
func sameAtOnce(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, c := range []struct {
		change  connector.Change
		holders []string
	}{
		{add(ann, object), []string{ann}},
		{add(bob, object), []string{ann, bob}},
		{remove(ann, object), []string{bob}},
		{remove(bob, object), nil},
	} {
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for _, r := range k.Connector.Apply(ctx, []connector.Change{c.change}) {
					if r.Err != nil {
						k.Errorf("%s, six times at once: %v", word(c.change), r.Err)
					}
				}
			})
		}
		wg.Wait()
		k.holders(object, c.holders...)
	}
}

func closeEnds(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, bob)
	k.sees(bob, object, true)
	if err := k.Connector.Close(); err != nil {
		k.Errorf("Close: %v", err)
	}
	for _, c := range []connector.Change{add(ann, object), remove(bob, object)} {
		if err := k.apply(c)[0].Err; !errors.Is(err, connector.ErrUnreachable) {
			k.Errorf("%s after Close: %v, want %q", word(c), err, connector.ErrUnreachable)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for r, s := range k.lookIn(ctx, connector.Ref{Account: bob, Object: object}) {
		if s.Err == nil {
			k.Errorf("look at %v after Close gave no error", r)
		}
	}
	if err := k.Connector.Observe(ctx, []string{object}, func(connector.Holding) error { return nil }); err == nil {
		k.Error("Observe after Close gave no error")
	}
	k.holders(object, bob)
}

// A write that is held back never ends by itself, so that it ends is Close's doing.
func closeUnderWay(k *kit) {
	ann, object := k.account("ann"), k.object("db")
	mend := k.Break(Late)
	defer mend()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- k.Connector.Apply(ctx, []connector.Change{add(ann, object)})[0].Err }()
	for range 10 { // each takes at least as long as what comes before the write
		k.sees(ann, object, false)
	}
	if err := k.Connector.Close(); err != nil {
		k.Errorf("Close: %v", err)
	}
	select {
	case err := <-answer:
		if err == nil {
			k.Error("a call that Close ended gave no error")
		}
	case <-time.After(patience / 6):
		k.Error("Close did not end a call under way")
		cancel()
		<-answer //nolint:errcheck // it only has to end
	}
}
