package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/lessor-iam/lessor/internal/access"
)

// connectedWithin is how long a transaction waits for a connection: where all of them are
// taken for so long, more who wait would only make it longer.
const connectedWithin = 5 * time.Second

// errNoConnection says that all are taken.
var errNoConnection = errors.New("every connection to the database is taken by others, and none was given back in time")

// begin begins a transaction; giveBack gives back what it took, when it is over.
func (db *DB) begin(ctx context.Context, on *sql.DB, opts *sql.TxOptions) (tx *sql.Tx, giveBack func(), err error) {
	if db.Dialect != Postgres { // whoever writes waits for the one that does
		tx, err = on.BeginTx(ctx, opts)
		return tx, func() {}, err
	}
	conn, err := db.connection(ctx, on)
	if err != nil {
		return nil, nil, err
	}
	giveBack = func() { _ = conn.Close() }
	if tx, err = conn.BeginTx(ctx, opts); err != nil {
		giveBack()
	}
	return tx, giveBack, err
}

// connection is one of the pool, if one is free in time.
func (db *DB) connection(ctx context.Context, on *sql.DB) (*sql.Conn, error) {
	wait, cancel := context.WithTimeoutCause(ctx, db.connectedWithin, errNoConnection)
	defer cancel()
	conn, err := on.Conn(wait)
	if err != nil && errors.Is(context.Cause(wait), errNoConnection) {
		return nil, fmt.Errorf("%w: %w", access.ErrUnavailable, errNoConnection)
	}
	return conn, err
}

// away are the answers of PostgreSQL that mean that it serves nobody at the moment, or not
// this connection: it stops, it starts, it has no more connections, it has ended this one.
var away = []string{"57P01", "57P02", "57P03", "53300", "25P03", "55P03"}

// unavailable says of an error that means that the database could not be asked that it is
// so. Where nobody knows whether it was done it says nothing.
func unavailable(ctx context.Context, err error, unasked bool) error {
	if err == nil || !unasked || errors.Is(err, access.ErrUnavailable) || errors.Is(context.Cause(ctx), context.Canceled) || !cannotAsk(err) {
		return err
	}
	return fmt.Errorf("%w: %w", access.ErrUnavailable, err)
}

func cannotAsk(err error) bool {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		return slices.Contains(away, pg.Code) || strings.HasPrefix(pg.Code, "08")
	}
	if lite := (*sqlite.Error)(nil); errors.As(err, &lite) {
		code := lite.Code() & 0xff
		return code == 5 || code == 6 // locked by another program
	}
	connect, network := (*pgconn.ConnectError)(nil), net.Error(nil)
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}
