package store

import (
	"context"
	"fmt"
	"strings"
)

// later are rows of one table that a transaction adds and has not written yet: a
// statement costs more than a row, and PostgreSQL a journey for each. They are written
// before anything that may read them, and before the commit.
type later struct {
	insert string // up to "values"
	names  []string
	width  int
	args   []any
}

// atOnce are how many rows one statement writes, so that there are few texts: see batch
// for why they are not more.
var atOnce = []int{20, 5, 1}

// addLater adds a row, soon. Every row of a table has the same columns.
func (tx *Tx) addLater(ctx context.Context, table, name, insert string, row ...any) error {
	w := tx.later[table]
	if w == nil {
		w = &later{insert: insert, width: len(row)}
		if tx.later == nil {
			tx.later = map[string]*later{}
		}
		tx.later[table] = w
	}
	w.names, w.args = append(w.names, name), append(w.args, row...)
	if len(w.names) < atOnce[0] {
		return nil
	}
	return tx.writeLater(ctx, table)
}

// writeLater writes what waits for a table.
func (tx *Tx) writeLater(ctx context.Context, table string) error {
	w := tx.later[table]
	delete(tx.later, table)
	for at := 0; at < len(w.names); {
		n := len(w.names) - at
		for _, most := range atOnce {
			if n >= most {
				n = most
				break
			}
		}
		query := w.insert + " values " + marksOf(n, w.width)
		res, err := tx.ExecContext(ctx, query, w.args[at*w.width:(at+n)*w.width]...)
		if err != nil {
			return fmt.Errorf("add %s to %s: %w", strings.Join(w.names[at:at+n], ", "), table, err)
		}
		wrote, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("add %d to %s: %w", n, table, err)
		}
		if wrote != int64(n) {
			return fmt.Errorf("add %d to %s: %d were written", n, table, wrote)
		}
		at += n
	}
	return nil
}

// marksOf writes the marks of n rows.
func marksOf(n, width int) string {
	var b strings.Builder
	for i := range n * width {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%width == 0:
			b.WriteString("),(")
		default:
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	b.WriteByte(')')
	return b.String()
}

// before writes what a statement may read or change, as far as it still waits.
func (tx *Tx) before(ctx context.Context, query string) error {
	for table := range tx.later {
		if strings.Contains(query, table) {
			if err := tx.writeLater(ctx, table); err != nil {
				return err
			}
		}
	}
	return nil
}

// end writes everything that waits.
func (tx *Tx) end(ctx context.Context) error {
	if tx.failed != nil {
		return tx.failed
	}
	for table := range tx.later {
		if err := tx.writeLater(ctx, table); err != nil {
			return err
		}
	}
	return nil
}
