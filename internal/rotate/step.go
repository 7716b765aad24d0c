package rotate

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
)

// work is one rotation under one lease.
type work struct {
	*Lane
	task  engine.RotationTask
	worth connector.Worth // of the new one, between its making and its delivery
	out   engine.RotationOutcome
}

func (w *work) forget() {
	clear(w.worth)
	w.worth = nil
}

// step does what the rotation's state calls for.
func (w *work) step(ctx context.Context) {
	var err error
	switch s := w.task.State; {
	case s == access.RotationIssuing && !w.task.Chosen:
		err = w.issue(ctx)
	case s == access.RotationDelivering && !w.task.Chosen:
		err = w.deliver(ctx)
	case s == access.RotationDelivering:
		err = w.choose(ctx)
	case s == access.RotationIssuing:
		err = w.set(ctx)
	case s == access.RotationOverlapping:
		err = w.watch(ctx)
	case s == access.RotationKilling:
		err = w.kill(ctx)
	case s == access.RotationProving:
		err = w.prove(ctx)
	default:
		err = fmt.Errorf("there is nothing to do for what is %s", s)
	}
	if err == nil {
		return
	}
	w.out.Step, w.out.Trouble = engine.NoStep, err.Error()
	if again := new(connector.RetryAfter); errors.As(err, &again) {
		w.out.Wait = again.Wait
	}
}

// errShort: no call is sent whose deadline is not inside the lease (rule 1).
var errShort = errors.New("the lease was too short for another call")

// call makes one call to the outside, inside the lease.
func (w *work) call(ctx context.Context, what string, do func(context.Context) error) error {
	if !w.Now().Add(w.Pace.Call).Before(w.task.LeaseUntil) {
		return errShort
	}
	one, cancel := context.WithTimeout(ctx, w.Pace.Call)
	defer cancel()
	if err := do(one); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	w.Seam(what)
	return nil
}

// change is a call that changes something: what went unanswered may still land.
func (w *work) change(ctx context.Context, what string, do func(context.Context) error) error {
	err := w.call(ctx, what, do)
	if err != nil && !certainlyNothing(err) {
		w.out.Unanswered = true
	}
	return err
}

func certainlyNothing(err error) bool {
	for _, e := range []error{errShort, connector.ErrRefused, connector.ErrNoObject, connector.ErrUnreachable, deliver.ErrOlder, deliver.ErrCurrent, deliver.ErrNotFound} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (w *work) order(mark string) connector.Order {
	return connector.Order{Account: w.task.Account, Kind: w.task.Kind, Mark: mark, Scopes: w.task.Scopes}
}

func (w *work) credential(native string) connector.Credential {
	return connector.Credential{ID: native, Kind: w.task.Kind, Account: w.task.Account}
}

func (w *work) store(id string) (deliver.Store, error) {
	s, ok := w.Stores(id)
	if !ok {
		return nil, fmt.Errorf("there is no store %q in stores.yaml any more", id)
	}
	return s, nil
}

// current asks the store which generation consumers get.
func (w *work) current(ctx context.Context) (n int64, err error) {
	s, err := w.store(w.task.Store)
	if err != nil {
		return 0, err
	}
	err = w.call(ctx, "current", func(ctx context.Context) error { n, err = s.Current(ctx, w.task.Ref); return err })
	if err == nil && (n < 0 || n > mostGeneration) {
		return 0, fmt.Errorf("the store %s says that consumers of %s get generation %d, which nobody has come to: see who has written there, and delete it", w.task.Store, w.task.Ref, n)
	}
	return n, err
}

// mostGeneration is more than there will ever be of one credential. Whoever may write
// into a store may write any number: one above that could be counted on from no more.
const mostGeneration = 1 << 53

// get reads a generation's worth back; ok is false where the store has none.
func (w *work) get(ctx context.Context, store, ref string, generation int64) (worth connector.Worth, ok bool, err error) {
	if store == "" || generation == 0 {
		return nil, false, nil
	}
	s, err := w.store(store)
	if err != nil {
		return nil, false, err
	}
	err = w.call(ctx, "get", func(ctx context.Context) error { worth, err = s.Get(ctx, ref, generation); return err })
	if errors.Is(err, deliver.ErrNotFound) {
		return nil, false, nil
	}
	return worth, err == nil, err
}

func (w *work) put(ctx context.Context, worth connector.Worth) error {
	s, err := w.store(w.task.Store)
	if err != nil {
		return err
	}
	return w.change(ctx, "put", func(ctx context.Context) error { return s.Put(ctx, w.task.Ref, w.task.Generation, worth) })
}

func (w *work) try(ctx context.Context, native string, worth connector.Worth) (in bool, err error) {
	if w.Issuer == nil {
		return false, fmt.Errorf("%s cannot try what is there", w.System)
	}
	err = w.call(ctx, "try", func(ctx context.Context) error { in, err = w.Issuer.Try(ctx, w.credential(native), worth); return err })
	return in, err
}

// marked reads what orders with a mark have made, but for the one that is meant to be there.
func (w *work) marked(ctx context.Context, mark string) (list []connector.Credential, err error) {
	if w.Issuer == nil || mark == "" || w.task.Chosen {
		return nil, nil
	}
	err = w.call(ctx, "marked", func(ctx context.Context) error { list, err = w.Issuer.Marked(ctx, w.order(mark)); return err })
	return list, err
}

// killMarked kills all that a mark has made but one, and tells whether a look finds any.
func (w *work) killMarked(ctx context.Context, mark, except string) error {
	others := func() (list []connector.Credential, err error) {
		all, err := w.marked(ctx, mark)
		for _, c := range all {
			if c.ID != except || except == "" {
				list = append(list, c)
			}
		}
		return list, err
	}
	list, err := others()
	if err != nil || len(list) == 0 {
		return err
	}
	for _, c := range list {
		if err := w.end(ctx, c); err != nil {
			return err
		}
	}
	if list, err = others(); err == nil && len(list) > 0 {
		err = fmt.Errorf("%d that an order marked %s made are still there", len(list), mark)
	}
	return err
}

// end kills one at the target.
func (w *work) end(ctx context.Context, c connector.Credential) error {
	return w.change(ctx, "kill", func(ctx context.Context) error { return w.Issuer.Kill(ctx, c) })
}

// delivered checks that consumers get the new one, and that it lets in. It says what is
// not so; nothing of it changes anything.
func (w *work) delivered(ctx context.Context) error {
	n, err := w.current(ctx)
	if err != nil {
		return err
	}
	if n != w.task.Generation {
		return fmt.Errorf("consumers get generation %d, and %d is the new one", n, w.task.Generation)
	}
	worth, ok, err := w.get(ctx, w.task.Store, w.task.Ref, w.task.Generation)
	defer clear(worth)
	if err != nil || !ok {
		return errors.Join(err, errIf(!ok, "the store does not have the new one's worth"))
	}
	in, err := w.try(ctx, w.task.Native, worth)
	return errors.Join(err, errIf(err == nil && !in, "the new one does not let in"))
}

func errIf(is bool, text string) error {
	if !is {
		return nil
	}
	return errors.New(text)
}

func same(a, b connector.Worth) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// letters are what a chosen worth is made of: such that every target and every file takes them as they are.
const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"

// chosen makes a worth of 32 letters and digits, over 180 bits, with some of each as
// targets want it.
func chosen(r io.Reader) (connector.Worth, error) {
	for {
		worth, b := make(connector.Worth, 0, 32), make([]byte, 64)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("randomness: %w", err)
		}
		for _, c := range b {
			if int(c) < 256/len(letters)*len(letters) && len(worth) < cap(worth) {
				worth = append(worth, letters[int(c)%len(letters)])
			}
		}
		clear(b)
		if len(worth) == cap(worth) && bytes.ContainsAny(worth, letters[:24]) && bytes.ContainsAny(worth, letters[24:49]) && bytes.ContainsAny(worth, letters[49:]) {
			return worth, nil
		}
	}
}

// usedAfter is how long after its delivery a use counts as its consumers': our own try
// of it is a use too, and targets tell the time coarsely.
const usedAfter = time.Minute
