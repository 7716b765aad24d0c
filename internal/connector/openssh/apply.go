package openssh

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

// Apply sends changes as they are; the host's program makes them file by file,
// each file whole. With a removal the certificates signed for it so far die too.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	var send []host.Change
	var at []int // where each of them stands in changes
	flush := func() {
		if len(send) > 0 {
			c.change(ctx, send, at, results)
		}
		send, at = nil, nil
	}
	for i, ch := range changes {
		results[i].Ref = ch.Ref
		if err := c.senseless(ch); err != nil || !accountName(ch.Account) || !userName(ch.Object) {
			results[i].Err = err
			continue
		}
		one := host.Change{Principal: Principal(ch.Account), Object: ch.Object, Want: ch.Want}
		if !ch.Want {
			one.First, one.Last = serial(ch.Ref, time.Unix(0, 0)), serial(ch.Ref, c.now())
		}
		send, at = append(send, one), append(at, i)
		if len(send) == batch {
			flush()
		}
	}
	flush()
	return results
}

// senseless refuses what the host need not be asked.
func (c *Connector) senseless(ch connector.Change) error {
	switch {
	case ch.Object == c.user:
		return fmt.Errorf("%w: %q is the connector's own user", connector.ErrRefused, ch.Object)
	case ch.Want && !userName(ch.Object):
		return fmt.Errorf("%w: no UNIX user can be called %.60q", connector.ErrNoObject, ch.Object)
	case ch.Want && !accountName(ch.Account):
		return fmt.Errorf("%w: an account has a name of 1 to %d bytes, not %.60q", connector.ErrNoObject, maxName, ch.Account)
	}
	return nil
}

func (c *Connector) change(ctx context.Context, send []host.Change, at []int, results []connector.Result) {
	a, err := c.ask(ctx, host.Request{Verb: "change", Changes: send})
	if err == nil && len(a.Results) != len(send) {
		err = fmt.Errorf("%w: the host's program answered %d of %d changes", connector.ErrUnanswered, len(a.Results), len(send))
	}
	for i, to := range at {
		if err != nil {
			results[to].Err = err
		} else if f := a.Results[i]; f != nil {
			results[to].Err = meaning(f)
		}
	}
}

// serial numbers the certificates of one assignment by the second they are signed
// in: above 32 bits stands which assignment, below them when. So all that were
// signed until now can be revoked without a list of them, and what is signed when
// the assignment is given again is not meant. If two assignments should share
// their bits, a removal of one costs the other a new certificate.
func serial(r connector.Ref, at time.Time) uint64 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, r.Object+"\x00"+r.Account) // a hash takes everything
	return uint64(h.Sum32())<<32 | uint64(uint32(at.Unix()))
}
