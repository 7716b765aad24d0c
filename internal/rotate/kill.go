package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
)

// kill ends the old ones, once the new one was seen to let in; of what is retired or
// compromised, at once. What the target answers is a hint: it is proved next.
func (w *work) kill(ctx context.Context) error {
	// 1. Never before consumers have one that lets them in.
	if w.task.Renew && w.task.Cause != access.CauseCompromised {
		if err := w.delivered(ctx); err != nil {
			return err
		}
	}
	// 2. All that is old, and all that was made beside it.
	if w.Issuer == nil {
		w.out.Step = engine.StepKilled // only people can: it is looked for until it is gone
		return nil
	}
	for _, o := range w.task.Alive() {
		if err := w.killOld(ctx, o); err != nil {
			return err
		}
	}
	w.out.Step = engine.StepKilled
	return nil
}

func (w *work) killOld(ctx context.Context, o access.OldCredential) error {
	native := o.Native
	if native == "" && w.task.Chosen {
		if native = w.oldNative(); native == "" {
			var err error
			if native, err = w.overwrite(ctx); errors.Is(err, connector.ErrNoObject) {
				return nil // nor is there an account that could have one
			} else if err != nil {
				return err
			}
		}
	}
	if native != "" {
		if err := w.end(ctx, w.credential(native)); err != nil {
			return err
		}
	}
	return w.killMarked(ctx, o.Mark, w.task.Native)
}

// overwrite sets what nobody has, where nobody knows how the target names what there may
// be of a chosen worth; then it does.
func (w *work) overwrite(ctx context.Context) (native string, err error) {
	worth, err := chosen(w.Rand)
	defer clear(worth)
	if err != nil {
		return "", err
	}
	o := w.order(w.task.Mark())
	o.Worth = worth
	var made connector.Issued
	err = w.change(ctx, "issue", func(ctx context.Context) error { made, err = w.Issuer.Issue(ctx, o); return err })
	return made.ID, err
}

// prove tries the old ones, one a step, with what they were worth. One that still lets
// in is killed again, for ever: it is never taken for dead.
func (w *work) prove(ctx context.Context) error {
	for i, o := range w.task.Olds {
		if !o.Dead.IsZero() {
			continue
		}
		how, err := w.proof(ctx, o)
		if err != nil {
			return err
		}
		w.out.Step, w.out.Old, w.out.How = engine.StepProved, i, how
		return nil
	}
	return w.finish(ctx)
}

// proof says how one of the old ones is known to be dead, or what keeps it from being.
func (w *work) proof(ctx context.Context, o access.OldCredential) (how string, err error) {
	// 1. Nothing that was made under its mark is there.
	if err := w.killMarked(ctx, o.Mark, w.task.Native); err != nil {
		return "", err
	}
	// 2. Its worth is tried.
	worth, known, err := w.get(ctx, o.Store, o.Ref, o.Generation)
	defer clear(worth)
	if err != nil {
		return "", err
	}
	if known {
		in, err := w.try(ctx, o.Native, worth)
		switch {
		case err != nil:
			return "", err
		case !in:
			return "tried: it lets nobody in", nil
		case w.task.Chosen && w.task.Renew: // it was replaced; to kill it would kill the new one
			return "", errors.Join(fmt.Errorf("generation %d still lets in", o.Generation), w.setAgain(ctx))
		}
		return "", errors.Join(fmt.Errorf("generation %d still lets in", o.Generation), w.end(ctx, w.credential(o.Native)))
	}
	// 3. Nobody has its worth: it is gone when the target shows it no more.
	switch {
	case w.task.Chosen && w.task.Renew:
		return "replaced; nobody has its worth", nil
	case w.Listing != nil && o.Native != "":
		return w.gone(ctx, o)
	case o.Mark != "" && w.Issuer != nil && !w.task.Chosen:
		return "nothing of its mark is there; nobody has its worth", nil
	case w.task.Chosen:
		return "killed; nobody has its worth", nil
	}
	return "", errors.New("nobody has its worth, and the target does not list what lets in: see that it is gone, and end it there by hand")
}

// setAgain sets the new one once more, if it does not let in: a call that somebody who
// no longer has the lease had left behind may have put the old one back.
func (w *work) setAgain(ctx context.Context) error {
	worth, ok, err := w.get(ctx, w.task.Store, w.task.Ref, w.task.Generation)
	defer clear(worth)
	if err != nil || !ok {
		return err
	}
	if in, err := w.try(ctx, w.task.Native, worth); err != nil || in {
		return err
	}
	o := w.order(w.task.Mark())
	o.Worth, o.Ends = worth, w.task.Ends
	return w.change(ctx, "issue", func(ctx context.Context) error { _, err := w.Issuer.Issue(ctx, o); return err })
}

// gone looks for one in the target's own list.
func (w *work) gone(ctx context.Context, o access.OldCredential) (how string, err error) {
	there := false
	err = w.call(ctx, "list", func(ctx context.Context) error {
		return w.Listing.Credentials(ctx, func(c connector.Credential) error {
			there = there || c.ID == o.Native
			return nil
		})
	})
	switch {
	case err != nil:
		return "", err
	case !there:
		return "the target lists it no more; nobody has its worth", nil
	case w.Issuer == nil:
		return "", errors.New("it is still listed, and only people can end it there: do so by hand")
	}
	return "", errors.Join(errors.New("it is still listed"), w.end(ctx, w.credential(o.Native)))
}

// mostForgotten is how many lost generations are looked for in a store.
const mostForgotten = 16

// finish checks once more that exactly the new one is there, and has the store forget
// the old ones, now that they are proved.
func (w *work) finish(ctx context.Context) error {
	// 1. Nothing that was lost on the way is left, and the new one lets in.
	if w.task.Renew {
		if err := w.killMarked(ctx, w.task.Mark(), w.task.Native); err != nil {
			return err
		}
		if err := w.delivered(ctx); err != nil {
			return err
		}
	}
	// 2. What is dead is of no more use to anybody. The one in force is kept: its readers
	// would take nothing for an error of the store.
	for _, o := range w.task.Olds {
		if err := w.unkeep(ctx, o.Store, o.Ref, o.Generation); err != nil {
			return err
		}
		for g := max(o.Generation+1, w.task.Generation-mostForgotten); o.Generation > 0 && g < w.task.Generation; g++ {
			if err := w.unkeep(ctx, o.Store, o.Ref, g); err != nil {
				return err
			}
		}
	}
	w.out.Step = engine.StepFinished
	return nil
}

func (w *work) unkeep(ctx context.Context, store, ref string, generation int64) error {
	if store == "" || generation == 0 {
		return nil
	}
	s, err := w.store(store)
	if err != nil {
		return err
	}
	err = w.change(ctx, "forget", func(ctx context.Context) error { return s.Forget(ctx, ref, generation) })
	if errors.Is(err, deliver.ErrCurrent) || errors.Is(err, deliver.ErrNotFound) {
		return nil
	}
	return err
}
