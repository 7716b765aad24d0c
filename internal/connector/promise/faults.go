package promise

import (
	"context"
	"errors"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var faultPromises = []Promise{
	{"an answer that is lost", "a write whose answer got lost is unanswered: not done, not refused",
		"lost", lostAnswer},
	{"an answer that is lost in a batch", "in a batch, too, only what was certainly not sent may be answered with another error than unanswered",
		"lostb", lostAnswerInBatch},
	{"a target that lies", "a look sees what is so, whatever the target answered to the write",
		"lie", lie},
	{"an effect that comes late", "a write that is not answered in time is unanswered in time, for it may still take effect",
		"late", lateEffect},
	{"a target that refuses", "what the target said no to is refused",
		"refuse", refusal},
	{"a target that is down", "when nothing can be sent a write is unreachable and a look is an error, never absent",
		"down", down},
}

// unanswered says that an error means: it may have been done, or may yet be.
func unanswered(err error) bool {
	return err != nil && !errors.Is(err, connector.ErrRefused) &&
		!errors.Is(err, connector.ErrNoObject) && !errors.Is(err, connector.ErrUnreachable)
}

// broken runs do while the line fails that way.
func (k *kit) broken(f Fault, do func()) {
	k.Helper()
	mend := k.Break(f)
	defer mend()
	do()
}

func lostAnswer(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, bob)
	k.broken(LostAnswer, func() {
		for _, c := range []connector.Change{add(ann, object), remove(bob, object)} {
			if err := k.apply(c)[0].Err; !unanswered(err) {
				k.Errorf("%s, answer lost: %v, want an error that leaves open whether it was done", word(c), err)
			}
			k.sees(c.Account, object, c.Want) // reads still pass
		}
	})
	k.holders(object, ann)
	k.ok(add(ann, object), remove(bob, object)) // as whoever got no answer does
	k.holders(object, ann)
}

// Whatever a change in a batch is answered, the answer must be honest: only what
// may have been sent can have happened.
func lostAnswerInBatch(k *kit) {
	ann, bob := k.account("ann"), k.account("bob")
	var objects []string
	var changes []connector.Change
	for _, name := range []string{"one", "two", "three"} {
		o := k.object(name)
		k.Put(o, bob)
		objects = append(objects, o)
		changes = append(changes, add(ann, o), remove(bob, o))
	}
	k.broken(LostAnswer, func() {
		sent := 0
		results := k.apply(changes...)
		for i, r := range results {
			seen := k.look(r.Ref)[r.Ref]
			done := seen.Direct == changes[i].Want
			switch {
			case unanswered(r.Err):
				sent++
			case r.Err == nil:
				k.Errorf("%s, answer lost: no error", word(changes[i]))
			case done:
				k.Errorf("%s: %v, yet it was done", word(changes[i]), r.Err)
			}
		}
		if sent == 0 {
			k.Error("not one change of the batch was unanswered")
		}
	})
	k.ok(changes...)
	for _, o := range objects {
		k.holders(o, ann)
	}
}

func lie(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, bob)
	k.broken(Lie, func() {
		k.ok(add(ann, object), remove(bob, object))
		k.sees(ann, object, false)
		k.sees(bob, object, true)
		k.observed(k.observe(object), object, bob)
	})
	k.holders(object, bob)
	k.ok(add(ann, object), remove(bob, object))
	k.holders(object, ann)
}

func lateEffect(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, bob)
	for _, c := range []connector.Change{add(ann, object), remove(bob, object)} {
		k.broken(Late, func() {
			k.applyLate(c)
			k.sees(c.Account, object, !c.Want)
		})
		k.sees(c.Account, object, c.Want)
	}
	k.holders(object, ann)
	k.ok(remove(ann, object), add(bob, object))
	k.holders(object, bob)
}

// applyLate sends a change that gets no answer in time. A slow machine may use
// the time up before anything is sent, and says so: then there is more time.
func (k *kit) applyLate(c connector.Change) {
	k.Helper()
	for wait := time.Second; ; wait *= 3 {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		start := time.Now()
		err := k.applyIn(ctx, c)[0].Err
		cancel()
		if took := time.Since(start); took > wait+2*time.Second {
			k.Errorf("%s: took %s of the %s it had", word(c), took, wait)
		}
		if errors.Is(err, connector.ErrUnreachable) && wait < 20*time.Second {
			continue
		}
		if !unanswered(err) {
			k.Errorf("%s, not answered in time: %v, want an error that leaves open whether it will be done", word(c), err)
		}
		return
	}
}

func refusal(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, bob)
	k.broken(Refuse, func() {
		k.fails(connector.ErrRefused, add(ann, object))
		k.fails(connector.ErrRefused, remove(bob, object))
		for i, r := range k.apply(add(ann, object), remove(bob, object)) {
			if !errors.Is(r.Err, connector.ErrRefused) {
				k.Errorf("change %d of a batch refused: %v, want %q", i, r.Err, connector.ErrRefused)
			}
		}
		k.sees(ann, object, false)
		k.sees(bob, object, true)
	})
	k.holders(object, bob)
	k.ok(add(ann, object), remove(bob, object))
	k.holders(object, ann)
}

func down(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, bob)
	k.sees(bob, object, true) // connections are open
	k.broken(Down, func() {
		for i, r := range k.apply(add(ann, object), remove(bob, object)) {
			if !errors.Is(r.Err, connector.ErrUnreachable) {
				k.Errorf("change %d while the target is down: %v, want %q", i, r.Err, connector.ErrUnreachable)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for r, s := range k.lookIn(ctx, connector.Ref{Account: bob, Object: object}, connector.Ref{Account: ann, Object: object}) {
			if s.Err == nil {
				k.Errorf("look at %v while the target is down gave no error", r)
			}
			if s.Direct || s.Effective {
				k.Errorf("look at %v while the target is down claims it is held", r)
			}
		}
		err := k.Connector.Observe(ctx, []string{object}, func(h connector.Holding) error {
			k.Errorf("Observe while the target is down gave %v", h)
			return nil
		})
		if err == nil {
			k.Error("Observe while the target is down gave no error")
		}
	})
	k.holders(object, bob)
	k.sees(bob, object, true)
	k.ok(add(ann, object), remove(bob, object))
	k.holders(object, ann)
}
