package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// call is one request that is not wholly answered.
type call struct {
	id      uint64
	answers chan answer
	given   bool        // nobody waits for it any more
	hangs   *time.Timer // ends the program
}

// deliver hands an answer to whoever waits for it.
func (p *program) deliver(a answer) error {
	p.mu.Lock()
	c := p.calls[*a.ID]
	if c == nil {
		p.mu.Unlock()
		return fmt.Errorf("an answer to %d, which was not asked or is answered already", *a.ID)
	}
	p.used = time.Now()
	given := c.given
	if a.last() {
		delete(p.calls, *a.ID)
		if c.hangs != nil {
			c.hangs.Stop()
		}
		<-p.slots
	}
	p.mu.Unlock()
	if given {
		return nil
	}
	select {
	case c.answers <- a:
	case <-p.over: // whoever reads a stream has gone
	}
	return nil
}

// begin sends a request. Its error says that nothing was sent, or that something was.
func (p *program) begin(ctx context.Context, req request) (*call, error) {
	// 1. A place among the requests under way.
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the program is busy: %w", connector.ErrUnreachable, ctx.Err())
	case <-p.over:
		return nil, p.unsent()
	}
	// 2. It is known before it can be answered.
	c := &call{answers: make(chan answer, 1)}
	p.mu.Lock()
	p.last++
	req.ID, c.id = p.last, p.last
	p.calls[req.ID] = c
	p.mu.Unlock()
	until, _ := ctx.Deadline()
	if req.Deadline = time.Until(until).Milliseconds(); until.IsZero() {
		req.Deadline = 0
	}
	// 3. One line, whole. The program acts on none that has no end, so one that
	// broke off makes the program useless, but what became of it is anyone's guess.
	n, err := p.write(ctx, until, req)
	if err == nil {
		return c, nil
	}
	p.mu.Lock()
	if p.calls[req.ID] == c {
		delete(p.calls, req.ID)
		<-p.slots
	}
	p.mu.Unlock()
	if n == 0 {
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) { // the program knows better why than the pipe
			select {
			case <-p.over:
				return nil, p.unsent()
			case <-ctx.Done():
			}
		}
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	p.end(fmt.Errorf("took %d bytes of a request and no more: %w", n, err))
	return nil, fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
}

func (p *program) unsent() error {
	return fmt.Errorf("%w: the program %w", connector.ErrUnreachable, p.reason())
}

func (p *program) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// write tells how many bytes of the line went out.
func (p *program) write(ctx context.Context, until time.Time, req request) (int, error) {
	line, err := marshal(req)
	if err != nil {
		return 0, err
	}
	select {
	case p.writing <- struct{}{}:
		defer func() { <-p.writing }()
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-p.over:
		return 0, p.reason()
	}
	if err := ctx.Err(); err != nil { // a select picks any that is ready
		return 0, err
	}
	if err := p.in.SetWriteDeadline(until); err != nil { // it says "use of closed file", and is not os.ErrClosed
		return 0, fmt.Errorf("%w: %w", os.ErrClosed, err)
	}
	return p.in.Write(line)
}

// next waits for an answer. After an error the call is given up: its answer may
// still come, but not for ever.
func (p *program) next(ctx context.Context, c *call, asked time.Duration) (answer, error) {
	select {
	case a := <-c.answers:
		return a, nil
	default:
	}
	select {
	case a := <-c.answers:
		return a, nil
	case <-p.over:
		select {
		case a := <-c.answers: // said before it died
			return a, nil
		default:
		}
		return answer{}, fmt.Errorf("%w: the program %w", connector.ErrUnanswered, p.reason())
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls[c.id] != c { // its last line came just now
		select {
		case a := <-c.answers:
			return a, nil
		case <-p.over:
			return answer{}, fmt.Errorf("%w: the program %w", connector.ErrUnanswered, p.why)
		}
	}
	c.given = true
	c.hangs = time.AfterFunc(max((hangs-1)*asked, p.leastHang), func() {
		p.end(fmt.Errorf("hangs: a request is unanswered, long after its %s", asked.Round(time.Millisecond)))
	})
	return answer{}, fmt.Errorf("%w: %w", connector.ErrUnanswered, ctx.Err())
}

// ask sends a request and gives its one answer. Its error wraps one of the
// port's sentinels; a failure the program tells of is in the answer.
func (p *program) ask(ctx context.Context, req request) (answer, error) {
	began := time.Now()
	c, err := p.begin(ctx, req)
	if err != nil {
		return answer{}, err
	}
	until, _ := ctx.Deadline()
	return p.next(ctx, c, until.Sub(began))
}

// blame ends a program that broke the protocol, and says of its answer that it
// is none.
func (p *program) blame(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	p.end(err)
	return fmt.Errorf("%w: the program %w", connector.ErrUnanswered, err)
}
