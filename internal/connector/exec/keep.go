package exec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// current gives the program that runs, or starts it. Its error wraps
// ErrUnreachable: nothing was asked yet.
func (c *Connector) current(ctx context.Context) (*program, error) {
	// 1. One caller at a time; the others get what it finds.
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, ctx.Err())
	case <-c.closed.Done():
	}
	if err := errors.Join(ctx.Err(), c.isClosed()); err != nil {
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	// 2. The one that runs, if it still can be used.
	c.mu.Lock()
	p := c.running
	c.mu.Unlock()
	if p != nil && c.usable(ctx, p) {
		return p, nil
	}
	// 3. Another, once the pause after the last failure is over.
	if err := c.waitPause(ctx); err != nil {
		return nil, err
	}
	p, err := c.start(ctx)
	if err != nil {
		c.failure()
		// %v: an unanswered hello is no unanswered write.
		return nil, fmt.Errorf("%w: program %s: %v", connector.ErrUnreachable, c.program, err)
	}
	c.mu.Lock()
	c.running = p
	c.mu.Unlock()
	return p, nil
}

func (c *Connector) isClosed() error {
	if c.closed.Err() != nil {
		return errClosed
	}
	return nil
}

// usable tells whether the program can be asked more. One that has long been
// silent is asked whether it is there before it is told to do anything: a write
// to a program found dead is one whose effect nobody knows.
func (c *Connector) usable(ctx context.Context, p *program) bool {
	select {
	case <-p.over:
		c.gone(p)
		return false
	default:
	}
	if _, secrets, err := c.environment(); err == nil && !maps.Equal(secrets, p.secrets) {
		c.log.Info("connector program is started anew: a secret has changed", "program", c.program)
		p.retire(c.timeout)
		return false
	}
	p.mu.Lock()
	idle := len(p.calls) == 0 && time.Since(p.used) > idlePing
	p.mu.Unlock()
	if !idle {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if a, err := p.ask(ctx, request{Verb: "ping"}); err != nil || a.OK == nil {
		p.end(errors.New("did not answer a ping"))
		return false
	}
	return true
}

// gone counts a program that is over: one that lived is started anew at once,
// one that did not after a pause that grows.
func (c *Connector) gone(p *program) {
	c.log.Warn("connector program is over", "program", c.program, "why", p.reason().Error())
	if time.Since(p.started) > settled {
		c.failed = 0
		return
	}
	c.failure()
}

func (c *Connector) failure() {
	pause := firstPause << min(c.failed, 16)
	c.failed++
	c.pause = time.Now().Add(min(pause, longPause))
}

func (c *Connector) waitPause(ctx context.Context) error {
	wait := time.Until(c.pause)
	if wait <= 0 {
		return nil
	}
	if until, ok := ctx.Deadline(); ok && until.Before(c.pause) {
		return &connector.RetryAfter{Wait: wait, Err: fmt.Errorf("%w: program %s failed %d times in a row", connector.ErrUnreachable, c.program, c.failed)}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", connector.ErrUnreachable, ctx.Err())
	case <-c.closed.Done():
		return fmt.Errorf("%w: %w", connector.ErrUnreachable, errClosed)
	}
}

// start runs the program, greets it, and holds what it says of the target to
// what the configuration says.
func (c *Connector) start(ctx context.Context) (*program, error) {
	p, err := c.spawn()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.alive[p] = false // not greeted yet
	c.mu.Unlock()
	go func() {
		<-p.exited
		c.mu.Lock()
		delete(c.alive, p)
		c.mu.Unlock()
	}()
	if c.closed.Err() != nil { // Close did not see it
		p.end(errClosed)
		return nil, errClosed
	}
	err = p.greet(ctx, c.rehearsed)
	if err == nil && !c.rehearsed {
		err = c.agrees(p.hello)
	}
	if err == nil && c.rehearsed {
		err = c.breakLine(ctx, p)
	}
	if err != nil {
		p.end(err)
		return nil, err
	}
	c.log.Info("connector program runs", "program", c.program, "pid", p.cmd.Process.Pid, "name", p.clean(p.hello.Name))
	return p, nil
}

// agrees: what Capabilities says never changes, so a program that says otherwise
// is not the one that was configured.
func (c *Connector) agrees(h hello) error {
	for _, f := range []struct {
		name       string
		says, conf any
	}{
		{"effective", h.Effective, c.target.Effective}, {"sessions", h.Sessions, c.target.Sessions}, {"fences", h.Fences, c.target.Fences},
		{"lingers", time.Duration(h.Lingers) * time.Millisecond, c.target.Lingers},
		{"accounts", h.Accounts, c.besides.Accounts}, {"authors", h.Authors, c.besides.Authors}, {"traces", h.Traces, c.besides.Traces},
		{"credentials", h.Credentials, c.besides.Credentials}, {"follows", h.Follows, c.besides.Follows},
	} {
		if f.says != f.conf {
			return fmt.Errorf("says %s: %v in hello, where the settings say %v; they must say the same", f.name, f.says, f.conf)
		}
	}
	return nil
}

// ask asks the program that runs, within the time of one request.
func (c *Connector) ask(ctx context.Context, req request) (*program, answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	p, err := c.current(ctx)
	if err != nil {
		return nil, answer{}, err
	}
	a, err := p.ask(ctx, req)
	if err == nil && a.Error != nil {
		err = a.Error.err(p)
	}
	return p, a, err
}
