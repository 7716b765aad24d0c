package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// maxIdle is how long an unused connection is trusted: what stands between may
// forget it without telling either side.
const maxIdle = time.Minute

// longAgo, as a deadline, ends whatever a connection is about at once.
var longAgo = time.Unix(1, 0)

// line is one bound connection, used by one caller at a time.
type line struct {
	conn  *goldap.Conn
	raw   *metered
	doubt bool // it rested, and has not answered since: it may have died unnoticed
	spent bool // it may hold half an answer and must not be used again
	since time.Time
}

// metered counts what is read, so that no answer grows without bound.
type metered struct {
	net.Conn
	left atomic.Int64
}

var errTooLong = fmt.Errorf("%w: answer over %d bytes", connector.ErrRefused, maxAnswer)

// Read fails once the answer is too long.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if m.left.Add(-int64(n)) < 0 {
		return 0, errTooLong
	}
	return n, err
}

func (l *line) drop() {
	// In this order: the library's Close waits for a writer that may be stuck.
	_ = l.raw.Close()
	_ = l.conn.Close()
}

// asker sends requests over a connection and gives what came of them, in the
// port's errors.
type asker func(ctx context.Context, do func(*goldap.Conn) error) error

// ask reads over any connection.
func (c *Connector) ask(ctx context.Context, do func(*goldap.Conn) error) error {
	return c.borrow(ctx, func(l *line) error { return c.over(l)(ctx, do) })
}

// borrow reads over one connection. What one that rested does not answer is read
// once more over a new one; never for a write.
func (c *Connector) borrow(ctx context.Context, read func(*line) error) error {
	l, err := c.lend(ctx)
	if err != nil {
		return err
	}
	err = read(l)
	died := l.doubt && errors.Is(err, connector.ErrUnanswered) && ctx.Err() == nil
	c.giveBack(l)
	if !died {
		return err
	}
	c.hangUp() // the others are no better
	if l, err = c.lend(ctx); err != nil {
		return err
	}
	defer c.giveBack(l)
	return read(l)
}

// write sends one write, once.
func (c *Connector) write(ctx context.Context, do func(*goldap.Conn) error) error {
	l, err := c.lend(ctx)
	if err != nil {
		return err
	}
	defer c.giveBack(l)
	return c.over(l)(ctx, do)
}

// over asks on that connection. The library knows no contexts, so the moment
// ours ends the connection is cut, which ends do.
func (c *Connector) over(l *line) asker {
	return func(ctx context.Context, do func(*goldap.Conn) error) error {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		defer context.AfterFunc(c.closed, cancel)()
		if l.spent || ctx.Err() != nil {
			return fmt.Errorf("%w: %w", connector.ErrUnreachable, or(ctx.Err(), net.ErrClosed))
		}
		l.raw.left.Store(maxAnswer)
		uncut := context.AfterFunc(ctx, func() { _ = l.raw.SetDeadline(longAgo) })
		err := do(l.conn)
		if !uncut() || l.conn.IsClosing() {
			l.spent = true
		}
		if err != nil && l.raw.left.Load() < 0 {
			l.spent = true
			return errTooLong
		}
		err = meaning(err)
		if !errors.Is(err, connector.ErrUnanswered) {
			l.doubt = false
			return err
		}
		l.spent = true
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, ctx.Err())
		}
		return err
	}
}

// lend waits for a connection: a used one if it is young, else a new one.
func (c *Connector) lend(ctx context.Context) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: no connection free: %w", connector.ErrUnreachable, ctx.Err())
	}
	if err := ctx.Err(); err != nil { // with both ready, select takes either
		<-c.slots
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	if l := c.rested(); l != nil {
		return l, nil
	}
	l, err := c.dial(ctx)
	if err != nil {
		<-c.slots
		return nil, err
	}
	return l, nil
}

// rested takes the youngest idle connection, if one is still good.
func (c *Connector) rested() *line {
	for {
		c.mu.Lock()
		n := len(c.idle)
		if n == 0 {
			c.mu.Unlock()
			return nil
		}
		l := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		if !l.conn.IsClosing() && c.now().Sub(l.since) < maxIdle {
			return l
		}
		l.drop()
	}
}

// hangUp drops what is idle.
func (c *Connector) hangUp() {
	c.mu.Lock()
	idle := c.idle
	c.idle = nil
	c.mu.Unlock()
	for _, l := range idle {
		l.drop()
	}
}

func (c *Connector) giveBack(l *line) {
	defer func() { <-c.slots }()
	c.mu.Lock()
	keep := !l.spent && c.closed.Err() == nil
	if keep {
		l.since, l.doubt = c.now(), true
		c.idle = append(c.idle, l)
	}
	c.mu.Unlock()
	if !keep {
		l.drop()
	}
}

// dial connects, secures and binds: nothing of the connection is used before all
// three are done.
func (c *Connector) dial(ctx context.Context) (*line, error) {
	password := c.password()
	if password == "" {
		return nil, fmt.Errorf("%w: no password for %s", connector.ErrUnreachable, c.bindDN)
	}
	return c.reach(ctx, func(l *line) error {
		if err := l.conn.Bind(c.bindDN, password); err != nil {
			return c.bindError(err)
		}
		return nil
	})
}

// reach connects and secures, and gives what bind has bound.
func (c *Connector) reach(ctx context.Context, bind func(*line) error) (*line, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	raw := &metered{Conn: nc}
	raw.left.Store(maxAnswer)
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(longAgo) })()
	l, err := c.secure(ctx, raw)
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("%w: TLS with %s: %w", connector.ErrUnreachable, c.address, err)
	}
	if err := bind(l); err != nil {
		l.drop()
		return nil, err
	}
	if err := ctx.Err(); err != nil { // the cut may come too late for the bind, but not for what follows
		l.drop()
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	return l, nil
}

func (c *Connector) secure(ctx context.Context, raw *metered) (*line, error) {
	if c.starttls || c.plain {
		conn := goldap.NewConn(raw, false)
		conn.Start()
		if c.plain {
			return &line{conn: conn, raw: raw}, nil
		}
		if err := conn.StartTLS(c.tls); err != nil {
			_ = raw.Close()
			_ = conn.Close()
			return nil, err
		}
		return &line{conn: conn, raw: raw}, nil
	}
	sec := tls.Client(raw, c.tls)
	if err := sec.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	conn := goldap.NewConn(sec, true)
	conn.Start()
	return &line{conn: conn, raw: raw}, nil
}

// bindError tells a server's no from no answer. Either way nothing else was sent.
func (c *Connector) bindError(err error) error {
	what := connector.ErrUnreachable
	if m := meaning(err); errors.Is(m, connector.ErrRefused) || errors.Is(m, connector.ErrNoObject) {
		what = connector.ErrRefused
	}
	return fmt.Errorf("%w: bind as %s: %w%s", what, c.bindDN, err, whyNot(err))
}
