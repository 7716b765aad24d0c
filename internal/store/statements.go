package store

import (
	"context"
	"database/sql"
	"sync"
)

// statements keeps what SQLite has compiled: compiling a statement costs it more
// than running one that touches a row. A text is compiled for good once it has
// come often enough, after the transaction it came in, for within one the only
// connection that writes is taken. PostgreSQL's driver does the like by itself.
//
// Texts differ where lists of names are of different lengths, so that there is no
// bound on how many there are: both tables have one.
type statements struct {
	on   *sql.DB
	mu   sync.Mutex
	came map[string]int       // how often a text has come that is not ready
	made map[string]*sql.Stmt // ready
}

const (
	comesOften  = 5
	mostMade    = 300
	mostCounted = 5000
)

func newStatements(on *sql.DB) *statements {
	return &statements{on: on, came: map[string]int{}, made: map[string]*sql.Stmt{}}
}

// ready gives the compiled statement of a text, nil where there is none yet, and
// whether it has now come so often that it should be made.
func (s *statements) ready(query string) (stmt *sql.Stmt, often bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.made[query]; stmt != nil {
		return stmt, false
	}
	if len(s.came) >= mostCounted {
		clear(s.came)
	}
	s.came[query]++
	return nil, s.came[query] == comesOften && len(s.made) < mostMade
}

// make compiles a text. That it cannot be now is no harm: it runs uncompiled.
func (s *statements) make(ctx context.Context, query string) {
	stmt, err := s.on.PrepareContext(ctx, query)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.came, query)
	switch {
	case err != nil:
	case s.made[query] != nil || s.made == nil:
		_ = stmt.Close() //nolint:sqlclosecheck // only this one; others are kept
	default:
		s.made[query] = stmt
	}
}

// close frees them; the connections are closed by their pool.
func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.made {
		_ = stmt.Close()
	}
	s.made = nil
}

// statement gives the compiled statement of a text within this transaction, nil
// where there is none.
func (tx *Tx) statement(ctx context.Context, query string) *sql.Stmt {
	if tx.compiled == nil {
		return nil
	}
	if stmt := tx.using[query]; stmt != nil {
		return stmt
	}
	made, often := tx.compiled.ready(query)
	if often {
		tx.wanted = append(tx.wanted, query)
	}
	if made == nil {
		return nil
	}
	stmt := tx.Tx.StmtContext(ctx, made)
	if tx.using == nil {
		tx.using = map[string]*sql.Stmt{}
	}
	tx.using[query] = stmt
	return stmt
}

// ExecContext runs a statement, compiled before if it has come often.
func (tx *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := tx.before(ctx, query); err != nil {
		return nil, err
	}
	if stmt := tx.statement(ctx, query); stmt != nil { //nolint:sqlclosecheck // the transaction closes it
		return stmt.ExecContext(ctx, args...)
	}
	return tx.Tx.ExecContext(ctx, query, args...)
}

// QueryContext is the like for what gives rows.
func (tx *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := tx.before(ctx, query); err != nil {
		return nil, err
	}
	if stmt := tx.statement(ctx, query); stmt != nil { //nolint:sqlclosecheck // the transaction closes it
		return stmt.QueryContext(ctx, args...)
	}
	return tx.Tx.QueryContext(ctx, query, args...)
}

// QueryRowContext is the like for what gives one row.
func (tx *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := tx.before(ctx, query); err != nil && tx.failed == nil {
		tx.failed = err // a row has no way to say it; nothing of this is committed
	}
	if stmt := tx.statement(ctx, query); stmt != nil { //nolint:sqlclosecheck // the transaction closes it
		return stmt.QueryRowContext(ctx, args...)
	}
	return tx.Tx.QueryRowContext(ctx, query, args...)
}
