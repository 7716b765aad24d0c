package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// at is a moment in a column: microseconds since 1970 UTC, null for the zero time.
type at struct{ t *time.Time }

func (a at) Value() any {
	if a.t.IsZero() {
		return nil
	}
	return a.t.UnixMicro()
}

// moment writes a time for a statement.
func moment(t time.Time) any { return at{&t}.Value() }

// Scan implements [sql.Scanner].
func (a at) Scan(src any) error {
	var n sql.NullInt64
	if err := n.Scan(src); err != nil {
		return err
	}
	if !n.Valid {
		*a.t = time.Time{}
		return nil
	}
	*a.t = time.UnixMicro(n.Int64).UTC()
	return nil
}

// span is a term in a column, in microseconds.
type span struct{ t *access.Term }

func micros(t access.Term) int64 { return t.D().Microseconds() }

// Scan implements [sql.Scanner].
func (s span) Scan(src any) error {
	var n sql.NullInt64
	if err := n.Scan(src); err != nil {
		return err
	}
	*s.t = access.Term(time.Duration(n.Int64) * time.Microsecond)
	return nil
}

// nested is a value kept as JSON in a column.
type nested struct{ v any }

// Scan implements [sql.Scanner].
func (n nested) Scan(src any) error {
	switch s := src.(type) {
	case string:
		return json.Unmarshal([]byte(s), n.v)
	case []byte:
		return json.Unmarshal(s, n.v)
	}
	return fmt.Errorf("a JSON column holds %T", src)
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our nouns marshal
	}
	return string(b)
}

// scanner is what *sql.Row and *sql.Rows share.
type scanner interface{ Scan(dest ...any) error }

// all reads every row before the next statement is sent: pgx allows only one at a time in a transaction.
func all[T any](ctx context.Context, tx *Tx, scan func(scanner) (T, error), query string, args ...any) (list []T, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		tx.saw(v)
		list = append(list, v)
	}
	return list, rows.Err()
}

// one reads a single row; no row is [access.ErrNotFound].
func one[T any](ctx context.Context, tx *Tx, what string, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	list, err := all(ctx, tx, scan, query, args...)
	if err != nil {
		var zero T
		return zero, fmt.Errorf("%s: %w", what, err)
	}
	if len(list) == 0 {
		var zero T
		return zero, fmt.Errorf("%w: %s", access.ErrNotFound, what)
	}
	return list[0], nil
}

// exec runs a statement that must change exactly one row; otherwise the stored
// state is not the one presumed: [access.ErrConflict].
func (tx *Tx) exec(ctx context.Context, what, query string, args ...any) error {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%w: %s: stored state has moved on", access.ErrConflict, what)
	}
	return nil
}
