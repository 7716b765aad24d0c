package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lessor-iam/lessor/internal/connector"
)

// line is one connection in the hands of one caller.
type line struct {
	conn    *pgxpool.Conn
	pool    *pgxpool.Pool
	timeout time.Duration
	ctx     context.Context // ends with the call's, and with Close
	end     func()
}

// lend waits for a connection that answers.
func (c *Connector) lend(ctx context.Context) (*line, error) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.closed, cancel)
	end := func() { stop(); cancel() }
	wait, enough := context.WithTimeout(ctx, c.timeout)
	defer enough()
	conn, err := c.pool.Acquire(wait)
	if err == nil && ctx.Err() != nil {
		conn.Release()
		err = ctx.Err()
	}
	if err != nil {
		end()
		return nil, c.connectError(err)
	}
	// A little longer than the server gives itself: its own "no" says more.
	return &line{conn: conn, pool: c.pool, timeout: c.timeout + time.Second, ctx: ctx, end: end}, nil
}

// giveBack returns the connection; the pool keeps none that is inside a
// transaction. If it ended, the others are no better.
func (l *line) giveBack() {
	if l.conn.Conn().IsClosed() {
		l.pool.Reset()
	}
	l.conn.Release()
	l.end()
}

// modern says that the server keeps one row for each who granted a membership.
func (l *line) modern() bool { return major(l.conn.Conn()) >= 16 }

// exec sends statements that bear no values, in one go.
func (l *line) exec(statements string) error {
	_, err := l.run(statements)
	return err
}

// run does so and gives the server's word for the last one.
func (l *line) run(statements string) (tag string, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
	defer cancel()
	results := l.conn.Conn().PgConn().Exec(ctx, statements)
	for results.NextResult() {
		var last pgconn.CommandTag
		if last, err = results.ResultReader().Close(); err != nil {
			break
		}
		tag = last.String()
	}
	// The first error is the one that says why; what follows is that the line is closed.
	return tag, cmp.Or(err, results.Close())
}

// read asks for rows and gives all of them or an error.
func read[T any](l *line, sql string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
	defer cancel()
	rows, err := l.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

// ask lends a connection for reads alone and words what goes wrong.
func (c *Connector) ask(ctx context.Context, do func(*line) error) error {
	l, err := c.lend(ctx)
	if err != nil {
		return err
	}
	defer l.giveBack()
	err = do(l)
	for _, known := range []error{connector.ErrRefused, connector.ErrUnanswered, connector.ErrNoObject, connector.ErrUnreachable} {
		if err == nil || errors.Is(err, known) {
			return err
		}
	}
	if e := spoken(err); e != nil {
		return meaning(e)
	}
	return fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
}
