package survive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// holder is who stands still in every storm: what she holds, nobody touches but the
// trouble that asks what becomes of it.
var holder = asker(asking)

// try is how long one call of a trouble's own may take.
const try = 5 * time.Second

// holds has the holder hold two things for an hour, one at each target, before the trouble.
func (l *life) holds(*rand.Rand) {
	ctx := l.t.Context()
	l.await("the holder lets go of what she had", func() (err error) {
		for _, g := range l.open(ctx) {
			if there, unread := l.grant(g); unread == nil && there.Identity == holder && there.State != access.Ended {
				err = errors.Join(err, client.New(l.replicas[0].url, l.tokens[security]).Revoke(ctx, g, "another round"))
			}
		}
		return err
	})
	l.held = [2]string{}
	for i, ent := range []string{"ldap:g0", "pg:r0"} {
		l.await("the holder is granted "+ent, func() error {
			r, err := l.asks(l.replicas[0], ent, time.Hour)
			if err == nil {
				l.held[i] = r.Items[0].Grant
			}
			return err
		})
		l.await("the holder holds "+ent, func() error { return l.holding(l.held[i], true) })
	}
}

// asks has the holder ask for something that needs nobody.
func (l *life) asks(r *replica, entitlement string, term time.Duration) (access.Request, error) {
	ctx, cancel := context.WithTimeout(context.Background(), try)
	defer cancel()
	req, err := client.New(r.url, l.tokens[holder]).Submit(ctx, engine.Ask{Entitlements: []string{entitlement}, Reason: "to hold it", Term: access.Term(term)})
	if err == nil && (req.State != access.Approved || req.Items[0].Grant == "") {
		err = fmt.Errorf("request %s is %s", req.ID, req.State)
	}
	return req, err
}

func (l *life) grant(id string) (g access.Grant, err error) {
	err = l.db.Read(context.Background(), func(tx *store.Tx) (err error) { g, err = tx.Grant(context.Background(), id); return err })
	return g, err
}

// holding says what is not so: that the grant's access is at its target, or that it is not.
func (l *life) holding(id string, want bool) error {
	g, err := l.grant(id)
	if err != nil {
		return err
	}
	var j store.Job
	if err := l.db.Read(context.Background(), func(tx *store.Tx) (err error) { j, err = tx.Assignment(context.Background(), g.Assignment); return err }); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), try)
	defer cancel()
	held, err := l.targets.held(ctx, j.System)
	if is := slices.Contains(held, connector.Ref{Account: j.Account, Object: j.Object}); err == nil && is != want {
		err = fmt.Errorf("grant %s is %s, its assignment %s, and at the target it is held: %t", id, g.State, j.State, is)
	}
	return err
}

// stands tells whether a grant has not ended, and its access is there.
func (l *life) stands(id string) bool {
	g, err := l.grant(id)
	return err == nil && g.State == access.Live && l.holding(id, true) == nil
}

// onlyEnds holds servers to what a halt is: who asks is refused and told why, and who
// is revoked is gone.
func (l *life) onlyEnds(some []*replica, reason access.HaltReason) {
	for _, r := range some {
		l.await(r.name+" refuses", func() error {
			req, err := l.asks(r, "ldap:g1", time.Second)
			switch {
			case err == nil:
				l.wrong("halt: %s made grant %s in spite of the halt %q", r.name, req.Items[0].Grant, reason)
				return nil
			case errors.Is(err, access.ErrHalted):
				return nil
			}
			return err
		})
	}
	l.await("who is revoked during a halt is gone", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), try)
		defer cancel()
		err := client.New(some[0].url, l.tokens[security]).Revoke(ctx, l.held[1], "at once")
		if g, read := l.grant(l.held[1]); read == nil && g.State == access.Ended {
			err = l.holding(l.held[1], false)
		}
		return err
	})
}

// grantsAgain holds every server to it that things are granted once the trouble is over.
func (l *life) grantsAgain(context.Context) {
	for _, r := range l.replicas {
		l.await(r.name+" grants again", func() error {
			_, err := l.asks(r, "ldap:g1", time.Second)
			return err
		})
	}
}
