package promise

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// undecided checks that what went unanswered says so, and nothing of what it is about.
func (k *kit) undecided(what string, err error, w connector.Worth) {
	k.Helper()
	if !unanswered(err) {
		k.Errorf("%s, answer lost: %v, want an error that leaves open whether it was done", what, err)
	}
	if err != nil {
		k.hush(w, err.Error())
	}
}

func issuingCutOff(k *kit) {
	i := k.issuer()
	for n, kind := range i.Issues() {
		for m, f := range []Fault{LostAnswer, Late} {
			ann := k.account(fmt.Sprintf("ann%d%d", n, m))
			first := k.issue(i, k.order(kind, ann, "zero"))
			// 1. An order that goes unanswered.
			o := k.order(kind, ann, "one")
			k.broken(f, func() {
				k.undecided("Issue", k.late(func(ctx context.Context) error { _, err := i.Issue(ctx, o); return err }), o.Worth)
			})
			last := first
			if kind.Chosen {
				last.Worth = o.Worth
				k.lets(i, last, true)
			} else {
				ids := k.marked(i, o)
				if len(ids) != 1 {
					k.Fatalf("Issue, %s: the mark finds %q, want what it made", f, ids)
				}
				k.within(func(ctx context.Context) {
					list, _ := i.Marked(ctx, o)
					k.kill(i, list[0])
				})
				if ids := k.marked(i, o); len(ids) > 0 {
					k.Errorf("after it was killed the mark finds %q", ids)
				}
				k.lets(i, first, true)
			}
			// 2. A killing that does.
			k.broken(f, func() {
				k.undecided("Kill", k.late(func(ctx context.Context) error { return i.Kill(ctx, last.Credential) }), last.Worth)
			})
			k.dies(i, last)
		}
		liesAndRefusals(k, i, kind, k.account(fmt.Sprintf("bob%d", n)))
	}
}

// late makes a call that ends before long; for longer, where the time was too short to
// send anything.
func (k *kit) late(do func(ctx context.Context) error) (err error) {
	for wait := time.Second; ; wait *= 3 {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		err = do(ctx)
		cancel()
		if !errors.Is(err, connector.ErrUnreachable) || wait > 20*time.Second {
			return err
		}
	}
}

func liesAndRefusals(k *kit, i connector.Issuer, kind connector.IssuedKind, bob string) {
	made := k.issue(i, k.order(kind, bob, "zero"))
	k.broken(Lie, func() {
		o := k.order(kind, bob, "one")
		k.within(func(ctx context.Context) {
			if lie, err := i.Issue(ctx, o); err == nil && k.try(i, lie.Credential, lie.Worth) {
				k.Error("Try lets in what the target only said it made")
			}
			_ = i.Kill(ctx, made.Credential) // any answer will do but the deed
		})
		k.lets(i, made, true)
	})
	k.broken(Refuse, func() {
		o := k.order(kind, bob, "two")
		k.not(i, o, "that the target refuses", connector.ErrRefused)
		if ids := k.marked(i, o); len(ids) > 0 {
			k.Errorf("the target refused, and the mark finds %q", ids)
		}
		k.within(func(ctx context.Context) {
			if err := i.Kill(ctx, made.Credential); !errors.Is(err, connector.ErrRefused) {
				k.Errorf("Kill that the target refuses: %v, want %q", err, connector.ErrRefused)
			}
		})
		k.lets(i, made, true)
	})
}

func credentialsDown(k *kit) {
	i := k.issuer()
	ann := k.account("ann")
	for _, kind := range i.Issues() {
		made := k.issue(i, k.order(kind, ann, "one"))
		o := k.order(kind, ann, "two")
		ask := func(what string, ctx context.Context) {
			_, issue := i.Issue(ctx, o)
			_, marked := i.Marked(ctx, o)
			in, try := i.Try(ctx, made.Credential, made.Worth)
			for call, err := range map[string]error{"Issue": issue, "Kill": i.Kill(ctx, made.Credential), "Try": try, "Marked": marked} {
				switch {
				case call == "Marked" && kind.Chosen: // there is nothing to ask
				case err == nil:
					k.Errorf("%s, %s: no error (in %t)", call, what, in)
				default:
					k.hush(made.Worth, err.Error())
					k.hush(o.Worth, err.Error())
				}
				if (call == "Issue" || call == "Kill") && !errors.Is(err, connector.ErrUnreachable) {
					k.Errorf("%s, %s: %v, want %q", call, what, err, connector.ErrUnreachable)
				}
			}
		}
		k.broken(Down, func() { k.within(func(ctx context.Context) { ask("while the target is down", ctx) }) })
		over, cancel := context.WithCancel(context.Background())
		cancel()
		ask("in a context that is over", over)
		k.lets(i, made, true)
	}
}
