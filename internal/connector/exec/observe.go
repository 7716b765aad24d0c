package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Observe reads in a process of its own, started for it and ended with it: a
// long read keeps no removal waiting, and one that is given up goes on nowhere.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	for _, o := range objects {
		if why := bad(o); why != "" {
			return fmt.Errorf("%w: an object's name %s", connector.ErrRefused, why)
		}
	}
	return c.aside(ctx, func(p *program) error {
		if len(objects) == 0 {
			return c.holdings(ctx, p, request{Verb: "observe", All: true}, yield)
		}
		for _, cut := range pieces(len(objects), objectsAim, func(i int) int { return len(objects[i]) }) {
			if err := c.holdings(ctx, p, request{Verb: "observe", Objects: objects[cut[0]:cut[1]]}, yield); err != nil {
				return err
			}
		}
		return nil
	})
}

// aside starts a process for one read alone. One whose read is whole may end by itself.
func (c *Connector) aside(ctx context.Context, do func(p *program) error) error {
	if err := errors.Join(ctx.Err(), c.isClosed()); err != nil {
		return fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	p, err := c.start(ctx)
	if err != nil {
		return fmt.Errorf("%w: program %s: %v", connector.ErrUnreachable, c.program, err)
	}
	done := errors.New("was told to stop")
	if err := do(p); err != nil {
		p.end(done)
		return err
	}
	p.finish(done)
	return nil
}

// holdings makes one request and passes its holdings on as they come.
func (c *Connector) holdings(ctx context.Context, p *program, req request, yield func(connector.Holding) error) error {
	asked := map[string]bool{}
	for _, o := range req.Objects {
		asked[o] = true
	}
	return c.read(ctx, p, req, func(a answer) (int, error) {
		for _, h := range a.Holdings {
			if h.Account == "" || h.Object == "" || (!req.All && !asked[h.Object]) {
				return 0, p.blame("gave a holding without a name, or of an object that was not asked for")
			}
			if err := yield(connector.Holding{Ref: connector.Ref{Account: h.Account, Object: h.Object}}); err != nil {
				return 0, err
			}
		}
		return count(a.Holdings)
	})
}

// errOther: a line that is none of those that answer the request.
var errOther = errors.New("a line of another kind")

// read makes one request and hands over its lines, which take counts the things in.
// The whole may take as long as the context lets it, each line no longer than a
// request may.
func (c *Connector) read(ctx context.Context, p *program, req request, take func(a answer) (int, error)) error {
	call, err := p.begin(ctx, req)
	if err != nil {
		return err
	}
	for count := int64(0); ; {
		a, err := c.nextLine(ctx, p, call)
		switch {
		case err != nil:
			return fmt.Errorf("after %d %s: %w", count, req.what(), err)
		case a.Error != nil:
			return fmt.Errorf("after %d %s: %w", count, req.what(), a.Error.err(p))
		case a.End != nil && a.End.Count == nil:
			return p.blame("ended a read without its count")
		case a.End != nil && *a.End.Count != count:
			return p.blame("gave %d %s and counts %d", count, req.what(), *a.End.Count)
		case a.End != nil:
			return nil
		}
		n, err := take(a)
		switch {
		case errors.Is(err, errOther):
			return p.blame("answered %s with %s", req.Verb, a.parts()[0])
		case err != nil:
			return err
		}
		count += int64(n)
	}
}

// what is what a read gives.
func (r request) what() string {
	if r.Verb == "observe" {
		return "holdings"
	}
	return r.Verb
}

func (c *Connector) nextLine(ctx context.Context, p *program, call *call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return p.next(ctx, call, c.timeout)
}

// ListSessions asks for the sessions that could still use the holding.
func (c *Connector) ListSessions(ctx context.Context, r connector.Ref) ([]connector.Session, error) {
	if err := c.canSessions(r); err != nil {
		return nil, err
	}
	p, a, err := c.ask(ctx, request{Verb: "list_sessions", Account: r.Account, Object: r.Object})
	switch {
	case err != nil:
		return nil, err
	case a.Sessions == nil:
		return nil, p.blame("answered list_sessions with %s", a.parts()[0])
	case slices.ContainsFunc(a.Sessions, func(s session) bool { return s.ID == "" || s.Account == "" }):
		return nil, p.blame("lists a session without an id or account")
	}
	list := make([]connector.Session, len(a.Sessions))
	for i, s := range a.Sessions {
		list[i] = connector.Session{ID: s.ID, Account: s.Account, Until: s.Until}
	}
	return list, nil
}

// EndSession asks to end one.
func (c *Connector) EndSession(ctx context.Context, s connector.Session) error {
	if err := c.canSessions(connector.Ref{Account: s.Account, Object: s.ID}); err != nil {
		return err
	}
	p, a, err := c.ask(ctx, request{Verb: "end_session", Account: s.Account, Session: s.ID})
	if err == nil && a.OK == nil {
		err = p.blame("answered end_session with %s", a.parts()[0])
	}
	return err
}

func (c *Connector) canSessions(r connector.Ref) error {
	if !c.target.Sessions {
		return fmt.Errorf("%w: this target's sessions cannot be listed or ended", connector.ErrRefused)
	}
	return badRef(r)
}
