package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
)

// issue has the target make the new one. If we stop after it has, nobody knows its
// worth: whoever goes on finds it by its mark, kills it, and has another made.
func (w *work) issue(ctx context.Context) error {
	if w.Issuer == nil {
		return fmt.Errorf("the connector of %s makes no credentials", w.System)
	}
	// 1. Can it be delivered at all? What cannot is not made.
	n, err := w.current(ctx)
	if err != nil {
		return err
	}
	if n >= w.task.Generation {
		w.out.Step, w.out.Above, w.out.How = engine.StepLost, n, fmt.Sprintf("the store has generation %d already", n)
		return nil
	}
	// 2. Whatever an earlier order of this rotation has made is lost.
	if err := w.killMarked(ctx, w.task.Mark(), ""); err != nil {
		return err
	}
	// 3. The new one.
	o := w.order(w.task.Mark())
	if w.task.Lasts > 0 {
		o.Ends = w.Now().Add(w.task.Lasts.D())
	}
	var made connector.Issued
	if err := w.change(ctx, "issue", func(ctx context.Context) error { made, err = w.Issuer.Issue(ctx, o); return err }); err != nil {
		return err
	}
	w.worth = made.Worth
	w.out.Step, w.out.Native, w.out.Ends = engine.StepIssued, made.ID, made.Ends
	return nil
}

// deliver gives the new one to its consumers, and sees that it lets in.
func (w *work) deliver(ctx context.Context) error {
	n, err := w.current(ctx)
	if err != nil {
		return err
	}
	switch {
	case w.worth == nil && n != w.task.Generation, n > w.task.Generation:
		// 1. Its worth went with whoever had it made, or the store is ahead.
		return w.lost(ctx, n)
	case w.worth != nil:
		// 2. Consumers get it. Once this was answered, nothing is lost with us any more.
		err := w.put(ctx, w.worth)
		if errors.Is(err, deliver.ErrOlder) {
			return w.lost(ctx, n)
		} else if err != nil {
			return err
		}
		w.forget()
	}
	// 3. Seen.
	if err := w.delivered(ctx); err != nil {
		return err
	}
	w.out.Step = engine.StepDelivered
	return nil
}

// lost kills what was issued and can be delivered no more.
func (w *work) lost(ctx context.Context, above int64) error {
	w.forget()
	if err := w.end(ctx, w.credential(w.task.Native)); err != nil {
		return err
	}
	if err := w.killMarked(ctx, w.task.Mark(), ""); err != nil {
		return err
	}
	w.out.Step, w.out.Above, w.out.How = engine.StepLost, above, "what was issued was never delivered, and is killed"
	return nil
}

// choose makes up the worth of the new one and has consumers get it, before it is set:
// whoever still has the old one is let in until then, and what is in the store is not
// lost with us. It begins only if the target answers.
func (w *work) choose(ctx context.Context) error {
	n, err := w.current(ctx)
	if err != nil {
		return err
	}
	old, known, err := w.oldWorth(ctx)
	if err != nil {
		return err
	}
	defer clear(old)
	switch {
	case n > w.task.Generation:
		w.out.Step, w.out.Above, w.out.How = engine.StepLost, n, fmt.Sprintf("the store has generation %d already", n)
		return nil
	case n == w.task.Generation:
		// 1. It was put before. The old one's worth under its number was put back there.
		worth, ok, err := w.get(ctx, w.task.Store, w.task.Ref, n)
		defer clear(worth)
		if err != nil {
			return err
		}
		if !ok || known && same(worth, old) {
			w.out.Step, w.out.Above, w.out.How = engine.StepLost, n, "what was chosen could not be set"
			return nil
		}
	default:
		// 2. A new one.
		if known && w.task.Killed.IsZero() {
			if _, err := w.try(ctx, w.oldNative(), old); err != nil {
				return err
			}
		}
		worth, err := chosen(w.Rand)
		defer clear(worth)
		if err != nil {
			return err
		}
		if err := w.put(ctx, worth); err != nil && !errors.Is(err, deliver.ErrOlder) {
			return err
		}
		if n, err = w.current(ctx); err != nil {
			return err
		}
		if n != w.task.Generation {
			return fmt.Errorf("consumers get generation %d, and %d was put", n, w.task.Generation)
		}
		// 3. What was chosen before and could not be set is of no use to anybody.
		if before := w.task.Generation - 1; !w.isOld(before) {
			if err := w.unkeep(ctx, w.task.Store, w.task.Ref, before); err != nil {
				return err
			}
		}
	}
	w.out.Step = engine.StepDelivered
	return nil
}

// set has the target take what consumers have been given. It ends the old one in the
// same moment. Done twice, it sets the same.
func (w *work) set(ctx context.Context) error {
	if w.Issuer == nil {
		return fmt.Errorf("the connector of %s makes no credentials", w.System)
	}
	// 1. What it is to be.
	worth, ok, err := w.get(ctx, w.task.Store, w.task.Ref, w.task.Generation)
	defer clear(worth)
	if err != nil {
		return err
	}
	old, known, err := w.oldWorth(ctx)
	defer clear(old)
	if err != nil {
		return err
	}
	if !ok || known && same(worth, old) {
		w.out.Step, w.out.Above, w.out.How = engine.StepLost, w.task.Generation, "what was chosen is in the store no more"
		return nil
	}
	// 2. It is set, once more if it was: to try it first would count as a failed sign-in.
	o := w.order(w.task.Mark())
	o.Worth, o.Ends = worth, w.ends()
	native, ends := w.oldNative(), o.Ends
	var made connector.Issued
	switch err := w.change(ctx, "issue", func(ctx context.Context) error { made, err = w.Issuer.Issue(ctx, o); return err }); {
	case err == nil:
		native, ends = made.ID, made.Ends
	case !errors.Is(err, connector.ErrRefused):
		return err
	default:
		// 3. The target does not take it: because it is set already, and nothing twice; or
		// else consumers get back what lets them in.
		in, err2 := w.try(ctx, native, worth)
		if err2 != nil {
			return errors.Join(err, err2)
		}
		if !in && known && w.task.Killed.IsZero() {
			return errors.Join(err, w.put(ctx, old))
		}
		if !in {
			return err
		}
	}
	// 4. Seen.
	w.task.Native = native
	if err := w.delivered(ctx); err != nil {
		return err
	}
	w.out.Step, w.out.Native, w.out.Ends = engine.StepIssued, native, ends
	return nil
}

func (w *work) ends() time.Time {
	if w.task.Lasts == 0 {
		return time.Time{}
	}
	return w.Now().Add(w.task.Lasts.D())
}

// oldWorth is what lets consumers in until the new one is set, if its store has it.
func (w *work) oldWorth(ctx context.Context) (worth connector.Worth, ok bool, err error) {
	for i := len(w.task.Olds) - 1; i >= 0 && !ok && err == nil; i-- {
		o := w.task.Olds[i]
		worth, ok, err = w.get(ctx, o.Store, o.Ref, o.Generation)
	}
	return worth, ok, err
}

// isOld tells whether one of the old ones has that number.
func (w *work) isOld(generation int64) bool {
	return slices.ContainsFunc(w.task.Olds, func(o access.OldCredential) bool { return o.Generation == generation })
}

// oldNative is what the target names it: of a chosen worth, that stays.
func (w *work) oldNative() string {
	for _, o := range w.task.Olds {
		if o.Native != "" {
			return o.Native
		}
	}
	return ""
}

// watch looks whether consumers use the new one.
func (w *work) watch(ctx context.Context) error {
	if !w.task.Watch || !w.task.Used.IsZero() {
		return nil
	}
	list, err := w.marked(ctx, w.task.Mark())
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.ID == w.task.Native && c.Used.After(w.task.Delivered.Add(usedAfter)) {
			w.out.Step, w.out.Used = engine.StepUsed, c.Used
		}
	}
	return nil
}
