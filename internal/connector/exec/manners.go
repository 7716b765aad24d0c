package exec

import (
	"context"
	"errors"
	"fmt"
)

// Manner is one thing that a program owes to the protocol alone, whatever its
// target. Hold starts the program as often as it needs to.
type Manner struct {
	Name, What string
	Hold       func(ctx context.Context, cfg Config) error
}

// Manners are all of them.
func Manners() []Manner {
	return []Manner{
		{"a ping", "ping is answered with ok", pingIsAnswered},
		{"a verb it does not know", "an unknown verb is answered with an error, and the next request is answered as ever", unknownVerb},
		{"test verbs outside a test", "unless hello says test, every test verb is answered with an error", testVerbsShut},
		{"the end of its input", "once its input has ended it ends by itself, within a second", endsWithInput},
	}
}

// alone runs one program for a manner.
func alone(ctx context.Context, cfg Config, test bool, do func(ctx context.Context, p *program) error) error {
	c, err := New(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // what it was asked has been answered
	p, err := c.spawn()
	if err != nil {
		return err
	}
	defer func() { p.end(errClosed); <-p.exited }()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := p.greet(ctx, test); err != nil {
		return err
	}
	return do(ctx, p)
}

func ping(ctx context.Context, p *program) error {
	a, err := p.ask(ctx, request{Verb: "ping"})
	switch {
	case err != nil:
		return fmt.Errorf("ping: %w", err)
	case a.OK == nil:
		return fmt.Errorf(`ping was answered with %s, not with "ok":true`, a.parts()[0])
	}
	select {
	case <-p.over: // the answer came, after something that is none
		return fmt.Errorf("ping: the program %w", p.reason())
	default:
		return nil
	}
}

func pingIsAnswered(ctx context.Context, cfg Config) error { return alone(ctx, cfg, false, ping) }

func unknownVerb(ctx context.Context, cfg Config) error {
	return alone(ctx, cfg, false, func(ctx context.Context, p *program) error { return p.mustNot(ctx, "abracadabra") })
}

func testVerbsShut(ctx context.Context, cfg Config) error {
	return alone(ctx, cfg, false, func(ctx context.Context, p *program) error {
		if p.hello.Test != nil {
			return errors.New(`its hello offers "test" though ours did not ask for it`)
		}
		for _, verb := range []string{"test_account", "test_drop_account", "test_object", "test_drop_object", "test_put", "test_members", "test_nest", "test_break", "test_mend",
			"test_rename", "test_open", "test_alive", "test_leave"} {
			if err := p.mustNot(ctx, verb); err != nil {
				return err
			}
		}
		return nil
	})
}

// mustNot sends a verb that must be answered with an error, and sees that the program lives on.
func (p *program) mustNot(ctx context.Context, verb string) error {
	a, err := p.ask(ctx, request{Verb: verb, Name: "nobody", Account: "nobody", Object: "nothing", Inner: "nothing"})
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", verb, err)
	case a.Error == nil:
		return fmt.Errorf(`%s was answered with %s, not with an error of kind "refused"`, verb, a.parts()[0])
	case a.Error.Kind != "refused":
		return fmt.Errorf(`%s was answered with an error of kind %q, not "refused"`, verb, a.Error.Kind)
	}
	return ping(ctx, p)
}

func endsWithInput(ctx context.Context, cfg Config) error {
	return alone(ctx, cfg, false, func(ctx context.Context, p *program) error {
		if p.retire(grace); !p.endedItself() {
			return fmt.Errorf("it still ran %s after its input had ended, and had to be killed", grace)
		}
		return nil
	})
}
