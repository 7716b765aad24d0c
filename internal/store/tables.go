package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Table is one of our tables, for whoever copies whole databases.
type Table struct {
	Name string
	// Door is what lets people and programs in: who is signed in, and what doors prove
	// to themselves with; and who serves. A copy that is kept holds none of it.
	Door bool
}

// Tables are all of ours, each after those it refers to. River's jobs and the list of
// migrations are not among them: each database makes its own.
var Tables = []Table{
	{Name: "request"}, {Name: "approval"}, {Name: "assignment"}, {Name: "grants"}, {Name: "receipt"}, {Name: "finding"},
	{Name: "event"}, {Name: "tile"}, {Name: "checkpoint"}, {Name: "cosignature"}, {Name: "log_key"},
	{Name: "ticket"}, {Name: "nudge"}, {Name: "reading"},
	{Name: "inventory_object"}, {Name: "adoption"}, {Name: "account"}, {Name: "trace"}, {Name: "credential"},
	{Name: "session", Door: true}, {Name: "login", Door: true}, {Name: "person_token", Door: true}, {Name: "logout_said", Door: true},
	{Name: "door_key", Door: true}, {Name: "answered", Door: true}, {Name: "replica", Door: true}, {Name: "touched", Door: true}, {Name: "gate", Door: true},
	{Name: "authzen_task"}, {Name: "request_key"}, {Name: "opened"},
	{Name: "roster"}, {Name: "roster_version"}, {Name: "roster_urgent"}, {Name: "said_object"}, {Name: "said_powers"},
	{Name: "identity"}, {Name: "hand"}, {Name: "feed_record"}, {Name: "feed_mark"}, {Name: "feed_member"},
	{Name: "handover"}, {Name: "departure"}, {Name: "place"}, {Name: "birthright"},
	{Name: "registration"}, {Name: "machine_account"}, {Name: "rotation"},
	{Name: "delegation"}, {Name: "absence"}, {Name: "emergency"}, {Name: "seal"},
	{Name: "signal_heard"}, {Name: "signal_out"}, {Name: "halt"}, {Name: "clock"},
	{Name: "recovery"}, {Name: "held_over"}, {Name: "files"}, {Name: "sick"},
}

// seeded are the tables that migrating itself writes rows into: an empty database has them.
var seeded = map[string]bool{"roster_version": true, "roster_urgent": true, "said_powers": true, "reading": true}

// Column is one column of a table, the same on both databases.
type Column struct {
	Name string     `json:"name"`
	Type ColumnType `json:"type"`
}

// ColumnType is what a column holds. A value of it is an int64, a bool, a string or
// a []byte, or nil.
type ColumnType string

const (
	Whole ColumnType = "whole"
	Truth ColumnType = "truth"
	Words ColumnType = "words"
	Bytes ColumnType = "bytes"
)

// columnTypes reads what each database calls its types.
var columnTypes = map[string]ColumnType{
	"BIGINT": Whole, "INT8": Whole, "BOOLEAN": Truth, "BOOL": Truth, "TEXT": Words, "BYTEA": Bytes,
}

// EachRow hands out every row of a table, in no order; columns come once, before the
// first row, also where there is none. The row is good until yield returns.
func (tx *Tx) EachRow(ctx context.Context, table string, columns func([]Column) error, yield func(row []any) error) error {
	return tx.eachRow(ctx, table, "select * from "+table, nil, columns, yield)
}

func (tx *Tx) eachRow(ctx context.Context, table, query string, args []any, columns func([]Column) error, yield func(row []any) error) error {
	rows, err := tx.Tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read table %s: %w", table, err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return fmt.Errorf("read table %s: %w", table, err)
	}
	cols, dest := make([]Column, len(types)), make([]any, len(types))
	for i, t := range types {
		cols[i] = Column{t.Name(), columnTypes[strings.ToUpper(t.DatabaseTypeName())]}
		switch cols[i].Type {
		case Whole:
			dest[i] = new(sql.NullInt64)
		case Truth:
			dest[i] = new(sql.NullBool)
		case Words:
			dest[i] = new(sql.NullString)
		case Bytes:
			dest[i] = new(any)
		default:
			return fmt.Errorf("read table %s: column %s is of the type %s, which nobody copies", table, t.Name(), t.DatabaseTypeName())
		}
	}
	if err := columns(cols); err != nil {
		return err
	}
	row := make([]any, len(dest))
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("read table %s: %w", table, err)
		}
		for i, d := range dest {
			row[i] = plainValue(d)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

func plainValue(scanned any) any {
	switch v := scanned.(type) {
	case *sql.NullInt64:
		if v.Valid {
			return v.Int64
		}
	case *sql.NullBool:
		if v.Valid {
			return v.Bool
		}
	case *sql.NullString:
		if v.Valid {
			return v.String
		}
	case *any:
		return *v
	}
	return nil
}

// mostValues is how many values one statement that writes rows has; both databases take more.
const mostValues = 2000

// TableWriter writes rows into a table, many at a time.
type TableWriter struct {
	tx      *Tx
	table   string
	columns []Column
	pending []any
	rows    int
}

// IntoTable begins to write rows into a table; what migrating wrote there is gone.
func (tx *Tx) IntoTable(ctx context.Context, table string, columns []Column) (*TableWriter, error) {
	if len(columns) == 0 || len(columns) > mostValues {
		return nil, fmt.Errorf("write table %s: %d columns", table, len(columns))
	}
	if seeded[table] {
		if _, err := tx.Tx.ExecContext(ctx, "delete from "+table); err != nil {
			return nil, fmt.Errorf("write table %s: %w", table, err)
		}
	}
	return &TableWriter{tx: tx, table: table, columns: columns}, nil
}

// Add writes a row, now or with a later one; [TableWriter.Flush] writes the last.
func (w *TableWriter) Add(ctx context.Context, row []any) error {
	if len(row) != len(w.columns) {
		return fmt.Errorf("write table %s: a row has %d values for %d columns", w.table, len(row), len(w.columns))
	}
	w.pending = append(w.pending, row...)
	if w.rows++; (w.rows+1)*len(w.columns) > mostValues {
		return w.Flush(ctx)
	}
	return nil
}

// Flush writes what was not written yet.
func (w *TableWriter) Flush(ctx context.Context) error {
	if w.rows == 0 {
		return nil
	}
	var text strings.Builder
	text.WriteString("insert into " + w.table + " (")
	for i, c := range w.columns {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(c.Name)
	}
	text.WriteString(") values ")
	for i := range w.pending {
		switch {
		case i == 0:
			text.WriteString("(")
		case i%len(w.columns) == 0:
			text.WriteString("), (")
		default:
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "$%d", i+1)
	}
	text.WriteString(")")
	if _, err := w.tx.Tx.ExecContext(ctx, text.String(), w.pending...); err != nil {
		return fmt.Errorf("write table %s: %w", w.table, err)
	}
	w.pending, w.rows = w.pending[:0], 0
	return nil
}

// CopyTable copies a table of one database into the other's, which has it empty.
func CopyTable(ctx context.Context, from, to *Tx, table string) (rows int64, err error) {
	var into *TableWriter
	begin := func(columns []Column) (err error) { into, err = to.IntoTable(ctx, table, columns); return err }
	err = from.EachRow(ctx, table, begin, func(row []any) error {
		rows++
		return into.Add(ctx, row)
	})
	if err != nil {
		return rows, err
	}
	return rows, into.Flush(ctx)
}
