package exec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Follow runs a process of its own that tells of changes for as long as it lives. It
// is asked whether it is there from time to time: one that hangs says nothing either.
func (c *Connector) Follow(ctx context.Context, changed func(objects []string)) error {
	if err := c.can("follows", c.besides.Follows); err != nil {
		return err
	}
	return c.aside(ctx, func(p *program) error {
		if p.hello.InFlight < 2 {
			return p.blame("follows with an in_flight of %d: it would not answer a ping meanwhile", p.hello.InFlight)
		}
		call, err := p.begin(ctx, request{Verb: "follow"})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(ctx)
		var asking sync.WaitGroup
		defer asking.Wait()
		defer cancel()
		asking.Go(func() { p.pings(ctx, c.followPing) })
		return p.follow(ctx, c.timeout, call, changed)
	})
}

// follow passes on what the program says, the first of it within the time of a request.
func (p *program) follow(ctx context.Context, first time.Duration, c *call, changed func(objects []string)) error {
	late := time.NewTimer(first)
	defer late.Stop()
	for listens := false; ; {
		var a answer
		select {
		case a = <-c.answers:
		case <-p.over:
			select {
			case a = <-c.answers: // said before it died
			default:
				return fmt.Errorf("%w: the program %w", connector.ErrUnanswered, p.reason())
			}
		case <-late.C:
			return p.blame("did not say within %s that it follows", first)
		case <-ctx.Done():
			return ctx.Err()
		}
		switch {
		case a.Error != nil:
			return a.Error.err(p)
		case a.Changed == nil:
			return p.blame("answered follow with %s", a.parts()[0])
		case !listens && len(a.Changed) > 0:
			return p.blame("follows, and did not say first that all may have changed")
		}
		for _, o := range a.Changed {
			if bad(o) != "" {
				return p.blame("says that an object without a name has changed")
			}
		}
		listens = true
		late.Stop()
		changed(a.Changed)
	}
}

// pings ends the program where it does not answer one.
func (p *program) pings(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.over:
			return
		case <-ctx.Done():
			return
		}
		asked, cancel := context.WithTimeout(ctx, pingTime)
		a, err := p.ask(asked, request{Verb: "ping"})
		cancel()
		if ctx.Err() == nil && (err != nil || a.OK == nil) {
			p.end(errors.New("did not answer a ping while it followed"))
			return
		}
	}
}
