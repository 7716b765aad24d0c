package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Difference says how a row of one database stands to that of another.
type Difference string

const (
	Missing Difference = "missing" // the other has none of that key
	Changed Difference = "changed" // the other's holds something else
	Extra   Difference = "extra"   // only the other has one of that key
)

// Settled is how much of two tables will never change any more: rows of it need
// not be read again. Zero: all must.
type Settled struct {
	Seq     int64  // of the log, without the last
	Receipt string // looks up to that one
}

// SettledBy reads how much of the database is such.
func (tx *Tx) SettledBy(ctx context.Context) (s Settled, err error) {
	err = tx.QueryRowContext(ctx, `select (select coalesce(max(seq) + 1, 0) from event), (select coalesce(max(id), '') from receipt)`).Scan(&s.Seq, &s.Receipt)
	return s, err
}

// beyond is the condition on rows that are not settled.
func (s Settled) beyond(table string) (where string, args []any) {
	switch {
	case table == "event" && s.Seq > 0:
		return " where seq is null or seq >= $1", []any{s.Seq}
	case table == "receipt" && s.Receipt != "":
		return " where id > $1", []any{s.Receipt}
	}
	return "", nil
}

// Rows counts the rows of a table that are settled.
func (s Settled) Rows(ctx context.Context, tx *Tx, table string) (n int64, err error) {
	switch table {
	case "event":
		err = tx.QueryRowContext(ctx, `select count(*) from event where seq < $1`, s.Seq).Scan(&n)
	case "receipt":
		err = tx.QueryRowContext(ctx, `select count(*) from receipt where id <= $1`, s.Receipt).Scan(&n)
	}
	return n, err
}

// Key is the primary key of a table, in its order.
func (tx *Tx) Key(ctx context.Context, table string) ([]string, error) {
	query := `select name from pragma_table_info($1) where pk > 0 order by pk`
	if tx.db.Dialect == Postgres {
		query = `select a.attname from pg_index i cross join lateral unnest(i.indkey) with ordinality k (num, place)
			join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num where i.indrelid = cast($1 as regclass) and i.indisprimary order by k.place`
	}
	return all(ctx, tx, func(s scanner) (name string, err error) { err = s.Scan(&name); return name, err }, query, table)
}

// Differences hands out, in order of the key, every row beyond what is settled in
// which a table of one database differs from that of the other: as the first has
// it, or as the other has it where it is extra. The row is good until yield returns.
func Differences(ctx context.Context, from, to *Tx, table string, s Settled, yield func(Difference, []any) error) error {
	key, err := from.Key(ctx, table)
	if err != nil || len(key) == 0 {
		return fmt.Errorf("compare table %s: it has no key: %w", table, err)
	}
	columns, err := from.columns(ctx, table)
	if err != nil {
		return err
	}
	c := comparing{columns: columns}
	for _, k := range key {
		c.key = append(c.key, slices.IndexFunc(columns, func(col Column) bool { return col.Name == k }))
	}
	a, stopA := iter.Pull2(from.ordered(ctx, table, key, columns, s))
	defer stopA()
	b, stopB := iter.Pull2(to.ordered(ctx, table, key, columns, s))
	defer stopB()
	return c.merge(a, b, yield)
}

type comparing struct {
	columns []Column
	key     []int
}

type pull func() ([]any, error, bool)

func (c comparing) merge(a, b pull, yield func(Difference, []any) error) error {
	x, err, more := a()
	y, err2, moreY := b()
	for more || moreY {
		if err != nil || err2 != nil {
			return cmp.Or(err, err2)
		}
		order := 0
		switch {
		case !moreY:
			order = -1
		case !more:
			order = 1
		default:
			order = c.order(x, y)
		}
		switch {
		case order < 0:
			err = yield(Missing, x)
		case order > 0:
			err = yield(Extra, y)
		case !sameRow(x, y):
			err = yield(Changed, x)
		}
		if err != nil {
			return err
		}
		if order <= 0 {
			x, err, more = a()
		}
		if order >= 0 {
			y, err2, moreY = b()
		}
	}
	return cmp.Or(err, err2)
}

func (c comparing) order(x, y []any) int {
	for _, i := range c.key {
		if o := orderOf(x[i], y[i]); o != 0 {
			return o
		}
	}
	return 0
}

func orderOf(a, b any) int {
	switch x := a.(type) {
	case int64:
		y, _ := b.(int64)
		return cmp.Compare(x, y)
	case string:
		y, _ := b.(string)
		return strings.Compare(x, y)
	case []byte:
		y, _ := b.([]byte)
		return bytes.Compare(x, y)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) // false is before true
}

func sameRow(x, y []any) bool {
	return slices.EqualFunc(x, y, func(a, b any) bool {
		if p, ok := a.([]byte); ok {
			q, ok := b.([]byte)
			return ok && bytes.Equal(p, q)
		}
		return a == b
	})
}

// columns reads which columns a table has.
func (tx *Tx) columns(ctx context.Context, table string) (list []Column, err error) {
	err = tx.eachRow(ctx, table, "select * from "+table+" where 1 = 0", nil, func(c []Column) error { list = c; return nil }, nil)
	return list, err
}

// ordered reads the rows of a table that are not settled, by its key, letters in
// the order of their bytes on either database.
func (tx *Tx) ordered(ctx context.Context, table string, key []string, columns []Column, s Settled) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		where, args := s.beyond(table)
		query := "select " + names(columns) + " from " + table + where + " order by "
		for i, k := range key {
			if i > 0 {
				query += ", "
			}
			query += k
			if at := slices.IndexFunc(columns, func(c Column) bool { return c.Name == k }); tx.db.Dialect == Postgres && columns[at].Type == Words {
				query += ` collate "C"`
			}
		}
		err := tx.eachRow(ctx, table, query, args, func([]Column) error { return nil }, func(row []any) error {
			if !yield(slices.Clone(row), nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough { //nolint:errorlint // ours, and never wrapped
			yield(nil, err)
		}
	}
}

var errEnough = fmt.Errorf("enough rows")

func names(columns []Column) string {
	var list []string
	for _, c := range columns {
		list = append(list, c.Name)
	}
	return strings.Join(list, ", ")
}

// Put writes rows as they stand, over those of the same key.
func (tx *Tx) Put(ctx context.Context, table string, rows [][]any) error {
	columns, err := tx.columns(ctx, table)
	if err != nil {
		return err
	}
	key, err := tx.Key(ctx, table)
	if err != nil {
		return err
	}
	var set []string
	for _, c := range columns {
		if !slices.Contains(key, c.Name) {
			set = append(set, c.Name+" = excluded."+c.Name)
		}
	}
	do := "do nothing"
	if len(set) > 0 {
		do = "do update set " + strings.Join(set, ", ")
	}
	for part := range slices.Chunk(rows, max(1, mostValues/len(columns))) {
		var marks []string
		var args []any
		for _, row := range part {
			var m []string
			for _, v := range row {
				args = append(args, v)
				m = append(m, fmt.Sprintf("$%d", len(args)))
			}
			marks = append(marks, "("+strings.Join(m, ", ")+")")
		}
		if _, err := tx.Tx.ExecContext(ctx, "insert into "+table+" ("+names(columns)+") values "+strings.Join(marks, ", ")+
			" on conflict ("+strings.Join(key, ", ")+") "+do, args...); err != nil {
			return fmt.Errorf("write table %s: %w", table, err)
		}
	}
	return nil
}

// Take deletes rows of these keys.
func (tx *Tx) Take(ctx context.Context, table string, rows [][]any) error {
	columns, err := tx.columns(ctx, table)
	if err != nil {
		return err
	}
	key, err := tx.Key(ctx, table)
	if err != nil {
		return err
	}
	for _, row := range rows {
		var where []string
		var args []any
		for i, c := range columns {
			if slices.Contains(key, c.Name) {
				args = append(args, row[i])
				where = append(where, fmt.Sprintf("%s = $%d", c.Name, len(args)))
			}
		}
		if _, err := tx.ExecContext(ctx, "delete from "+table+" where "+strings.Join(where, " and "), args...); err != nil {
			return fmt.Errorf("delete from table %s: %w", table, err)
		}
	}
	return nil
}
