package postgres

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lessor-iam/lessor/internal/connector"
)

// busyWait is how long a server that is busy, or a lock that is held, is left alone.
const busyWait = 5 * time.Second

// spoken is the server's own answer if the error is one after which the
// connection still stands; nil if it ended, or no answer came.
func spoken(err error) *pgconn.PgError {
	var e *pgconn.PgError
	if !errors.As(err, &e) || strings.EqualFold(e.Severity, "FATAL") || strings.EqualFold(e.Severity, "PANIC") || strings.HasPrefix(e.Code, "08") {
		return nil
	}
	return e
}

// meaning words a "no" of the server: a statement happens whole or not at all,
// so nothing changed.
func meaning(e *pgconn.PgError) error {
	err := errors.New(words(e))
	switch {
	case e.Code == "42704":
		return fmt.Errorf("%w: %w", connector.ErrNoObject, err)
	case busy(e.Code):
		return &connector.RetryAfter{Err: fmt.Errorf("%w: %w", connector.ErrRefused, err), Wait: busyWait}
	}
	return fmt.Errorf("%w: %w", connector.ErrRefused, err)
}

// words are the server's, with what it says besides: which right is missing
// stands in the detail.
func words(e *pgconn.PgError) string {
	says := e.Message
	if e.Detail != "" {
		says += ": " + e.Detail
	}
	if e.Code == "2BP01" {
		says += " (what the account granted on must be revoked first; this connector never revokes with CASCADE)"
	}
	return says + " (SQLSTATE " + e.Code + ")"
}

// busy: a lock (55P03), a deadlock or conflict (40…), no room (53…), out of time
// or cancelled (57014), starting or stopping (57P0…).
func busy(code string) bool {
	return code == "55P03" || code == "57014" || strings.HasPrefix(code, "57P0") ||
		strings.HasPrefix(code, "40") || strings.HasPrefix(code, "53")
}

// crossed says that somebody else wrote the same row at the same time: before
// version 16 a server says so in these ways. Asked again, it sees what they did.
func crossed(e *pgconn.PgError) bool {
	return e.Code == "23505" || e.Code == "XX000" && strings.HasPrefix(e.Message, "tuple concurrently")
}

// divisible says that the server may have refused for the sake of some of the
// accounts of a statement only. A missing right concerns the role as a whole, and
// since version 16 so does a lock.
func divisible(e *pgconn.PgError, modern bool) bool {
	switch e.Code {
	case "42501", "57014":
		return false
	case "55P03":
		return !modern
	}
	return true
}

// connectError words what kept a connection from being made: nothing was sent.
// A server's "no" to who we are is one; everything else may pass.
func (c *Connector) connectError(err error) error {
	what := fmt.Sprintf("connect to %s as %q", c.host, c.user)
	var e *pgconn.PgError
	switch {
	case errors.As(err, &e) && busy(e.Code):
		return &connector.RetryAfter{Err: fmt.Errorf("%w: %s: %s", connector.ErrUnreachable, what, words(e)), Wait: busyWait}
	case errors.As(err, &e):
		return fmt.Errorf("%w: %s: %s", connector.ErrRefused, what, words(e))
	case errors.Is(err, errTooOld):
		return fmt.Errorf("%w: %s: %w", connector.ErrRefused, what, err)
	}
	return fmt.Errorf("%w: %s: %w", connector.ErrUnreachable, what, err)
}

// unsent words an error that came before anything was committed: whatever was
// sent, the server has undone or will undo. What is not there needs no removing.
func unsent(err error) error {
	for _, known := range []error{connector.ErrNoObject, connector.ErrRefused, connector.ErrUnreachable} {
		if errors.Is(err, known) {
			return err
		}
	}
	// %v: a request that went unanswered here is not a change that did.
	return fmt.Errorf("%w: nothing was committed: %v", connector.ErrUnreachable, err)
}
