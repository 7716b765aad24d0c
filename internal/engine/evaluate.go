package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// ScopeEvaluate lets an actor ask whether somebody holds something now: of what
// it may see, and nothing else.
const ScopeEvaluate = "evaluate"

// Standing is where authority and reality stand for one identity and one
// entitlement at a moment. Each value says more than the one before.
type Standing int

// From nothing to something to rely on.
const (
	NotGranted  Standing = iota // no live grant that the actor may know of
	NotSeen                     // a live grant, and not seen held
	NotReliable                 // seen held, and a call that may change it was or is under way
	HeldNow                     // a live grant, and seen held
)

// Hold answers whether an identity holds an entitlement.
type Hold struct {
	Identity, Entitlement string
	Standing              Standing
	Active                bool      // the identity, and the person it is of
	Grant, Request        string    // the reason that says most
	End                   time.Time // of that grant
	Seen                  time.Time // of the look it rests on
}

// reading runs a question of an actor that the door let in for that scope.
func (e *Engine) reading(ctx context.Context, by access.Actor, scope string, do func(*deed) error) error {
	if err := scoped(by, scope); err != nil {
		return err
	}
	return e.DB.Read(ctx, func(tx *store.Tx) error {
		return do(&deed{Tx: tx, e: e, now: e.Now().UTC().Truncate(time.Microsecond), by: by, world: e.World()})
	})
}

// Holds answers for one pair, from its open grants and what was last seen. What
// the actor may not know of is answered as what is not.
func (e *Engine) Holds(ctx context.Context, by access.Actor, identity, entitlement string) (h Hold, err error) {
	if err := scoped(by, ScopeEvaluate); err != nil {
		return h, err
	}
	d := &deed{e: e, now: e.Now().UTC().Truncate(time.Microsecond), by: by, world: e.World()}
	h = Hold{Identity: identity, Entitlement: entitlement, Active: d.active(identity)}
	list, err := e.DB.Reasons(ctx, identity, entitlement)
	if err != nil {
		return h, err
	}
	reasons, asked := make([]store.Reason, len(list)), make(map[string]access.Request, len(list))
	for i, r := range list {
		reasons[i], asked[r.Request] = r.Reason, r.Asked
	}
	return h, d.best(&h, reasons, func(request string) error { return d.maySeeAsked(asked[request]) })
}

// maySeeAsked refuses, as not found, a request that the actor may not know of.
func (d *deed) maySeeAsked(r access.Request) error {
	if !d.world.Policy.MayView(d.world.Directory, d.now, d.by, r).Allow {
		return fmt.Errorf("%w: request %s", access.ErrNotFound, r.ID)
	}
	return nil
}

// active tells whether an identity, and the person it is of, may act now.
func (d *deed) active(identity string) bool {
	dir := d.world.Directory
	id, ok := dir.Identity(identity)
	person, _ := dir.Identity(dir.PersonOf(identity))
	return ok && id.ActiveAt(d.now) && person.ActiveAt(d.now)
}

// best finds the reason that says most, among those the actor may know of: of
// several that say as much, the one that lasts longest.
func (d *deed) best(h *Hold, list []store.Reason, visible func(request string) error) error {
	slices.SortStableFunc(list, func(a, b store.Reason) int {
		if sa, sb := standingOf(a, d.now), standingOf(b, d.now); sa != sb {
			return int(sb - sa)
		}
		return b.End.Compare(a.End)
	})
	for _, r := range list {
		s := standingOf(r, d.now)
		if s == NotGranted {
			return nil
		}
		switch err := visible(r.Request); {
		case errors.Is(err, access.ErrNotFound):
			continue
		case err != nil:
			return err
		}
		h.Standing, h.Grant, h.Request, h.End, h.Seen = s, r.Grant, r.Request, r.End, r.SeenAt
		return nil
	}
	return nil
}

// standingOf is what one reason says at a moment.
func standingOf(r store.Reason, now time.Time) Standing {
	g := access.Grant{State: r.State, Start: r.Start, End: r.End}
	switch {
	case !g.LiveAt(now):
		return NotGranted
	case r.Held != access.Held || r.SeenAt.IsZero():
		return NotSeen
	case r.SeenAt.Before(r.SuspectUntil):
		return NotReliable
	}
	return HeldNow
}

// After is how far a list of holds has been read.
type After struct {
	Key   string `json:"key,omitempty"` // the last one's entitlement or identity
	Grant string `json:"grant,omitempty"`
}

// Holders lists up to limit identities that hold an entitlement now, as far as
// the actor may know of it, in order of identity; next is where the list goes
// on, and more whether it does.
func (e *Engine) Holders(ctx context.Context, by access.Actor, entitlement string, after After, limit int) (list []Hold, next After, more bool, err error) {
	return e.holds(ctx, by, after, limit, func(d *deed, from After, n int) ([]store.Reason, error) {
		return d.ReasonsFor(ctx, entitlement, from.Key, from.Grant, n)
	}, func(r store.Reason) string { return r.Identity })
}

// HeldBy lists up to limit entitlements that an identity holds now, as far as the
// actor may know of it, in order of entitlement, and goes on as Holders does.
func (e *Engine) HeldBy(ctx context.Context, by access.Actor, identity string, after After, limit int) (list []Hold, next After, more bool, err error) {
	return e.holds(ctx, by, after, limit, func(d *deed, from After, n int) ([]store.Reason, error) {
		return d.ReasonsOf(ctx, identity, from.Key, from.Grant, n)
	}, func(r store.Reason) string { return r.Entitlement })
}

// mostRead bounds how many grants one page looks at: what the actor may not know
// of takes nobody's place, and must not make one question read the whole table.
const mostRead = 5000

func (e *Engine) holds(ctx context.Context, by access.Actor, after After, limit int, page func(*deed, After, int) ([]store.Reason, error), key func(store.Reason) string) (list []Hold, next After, more bool, err error) {
	err = e.reading(ctx, by, ScopeEvaluate, func(d *deed) error {
		for read := 0; ; {
			n := min(2*limit+1, 200)
			rows, err := page(d, after, n)
			if err != nil {
				return err
			}
			for _, r := range rows {
				if len(list) == limit || read == mostRead {
					next, more = after, true
					return nil
				}
				read++
				after = After{key(r), r.Grant}
				if len(list) > 0 && key(r) == lastKey(list, key) {
					continue // another grant of the same
				}
				h := Hold{Identity: r.Identity, Entitlement: r.Entitlement, Active: d.active(r.Identity)}
				if standingOf(r, d.now) != HeldNow {
					continue
				}
				visible := func(request string) error { _, err := d.visible(ctx, request); return err }
				if err := d.best(&h, []store.Reason{r}, visible); err != nil {
					return err
				}
				if h.Standing == HeldNow {
					list = append(list, h)
				}
			}
			if len(rows) < n {
				next = after
				return nil
			}
		}
	})
	return list, next, more, err
}

func lastKey(list []Hold, key func(store.Reason) string) string {
	h := list[len(list)-1]
	return key(store.Reason{Identity: h.Identity, Entitlement: h.Entitlement})
}

// CouldAsk tells whether an ask of this actor would be let stand now: whether
// anybody would be asked, or nobody need be. longest is the longest term it could have.
func (e *Engine) CouldAsk(ctx context.Context, by access.Actor, beneficiary, entitlement string) (could bool, longest access.Term, err error) {
	err = e.reading(ctx, by, ScopeRequest, func(d *deed) error {
		ent, known := d.world.Directory.Entitlement(entitlement)
		if !known {
			return nil
		}
		longest = ent.MaxTerm
		asked, err := d.read(ctx, Ask{Beneficiary: beneficiary, Entitlements: []string{entitlement}, Reason: "to know whether it can be asked for", Ticket: someTicket, Term: min(longest, shortestAsk)})
		if errors.Is(err, access.ErrInvalid) {
			return nil
		} else if err != nil {
			return err
		}
		if err := d.spare(ctx, by.Identity); errors.Is(err, access.ErrDenied) {
			return nil
		} else if err != nil {
			return err
		}
		r := asked
		r.Items = slices.Clone(asked.Items)
		if _, _, err := d.foresee(ctx, asked, &r, 0); err != nil {
			return err
		}
		could = r.Items[0].Outcome == access.Undecided
		if m := r.Items[0].Decision.MaxTerm; m != 0 && m < longest {
			longest = m
		}
		return nil
	})
	return could, longest, err
}

// someTicket stands for the task that whoever asks in earnest names.
const someTicket = "lessor:some-task"

// shortestAsk is the term with which it is tried whether something can be asked for.
const shortestAsk = access.Term(time.Minute)

// Asked returns a request that the actor asked for, with the grant of one of its
// entitlements if there is one, and why policy would not grant it today, of a
// grant whose access is still to be seen for the first time. Somebody else's
// request is not found.
func (e *Engine) Asked(ctx context.Context, by access.Actor, request, entitlement string) (r access.Request, g access.Grant, lost string, err error) {
	scope := ScopeRequest
	if scoped(by, scope) != nil {
		scope = ScopeEvaluate
	}
	err = e.reading(ctx, by, scope, func(d *deed) error {
		if r, err = d.visible(ctx, request); err != nil {
			return err
		}
		if d.world.Directory.PersonOf(r.Requester) != d.world.Directory.PersonOf(by.Identity) {
			return fmt.Errorf("%w: request %s", access.ErrNotFound, request)
		}
		i := r.Item(entitlement)
		if i < 0 || r.Items[i].Grant == "" {
			return nil
		}
		if g, err = d.Grant(ctx, r.Items[i].Grant); err != nil || !g.Seen.IsZero() || g.State == access.Ended {
			return err
		}
		lost, err = d.lostSince(ctx, g)
		return err
	})
	return r, g, lost, err
}
