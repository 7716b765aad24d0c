package store

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Every table there is has its place in the list of those that are copied, after all
// that it refers to.
func TestTablesAreAllNamed(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		query := "select name from sqlite_schema where type = 'table' and name not like 'sqlite%'"
		if db.Dialect == Postgres {
			query = "select table_name from information_schema.tables where table_schema = current_schema()"
		}
		var there, named []string
		must(t, db.Read(t.Context(), func(tx *Tx) (err error) {
			there, err = all(t.Context(), tx, func(s scanner) (n string, err error) { err = s.Scan(&n); return n, err }, query)
			return err
		}))
		there = slices.DeleteFunc(there, func(n string) bool {
			return n == "move" || strings.HasPrefix(n, "river") || strings.HasPrefix(n, "goose")
		})
		for _, table := range Tables {
			named = append(named, table.Name)
		}
		slices.Sort(there)
		slices.Sort(named)
		if !slices.Equal(there, named) {
			t.Errorf("there are %v\nthe list has %v: a new table needs its place in it, and whether it lets somebody in", there, named)
		}
	})
}

// A database is copied whole, into the same kind and the other: what is read back is
// what was there, to the type.
func TestTablesAreCopied(t *testing.T) {
	each(t, func(t *testing.T, from *DB) {
		base(t, from)
		must(t, write(t, from, func(ctx context.Context, tx *Tx) error {
			if _, err := tx.ExecContext(ctx, "update roster_version set version = 7"); err != nil {
				return err
			}
			for i := range 700 { // more than one statement writes
				if err := tx.AddEvent(ctx, Event{ID: fmt.Sprintf("ev-%03d", i), Kind: "grant.live", At: noon, Body: []byte(`{"a":"ö"}`), Salt: []byte{0, 1, 255}}); err != nil {
					return err
				}
			}
			return tx.SetTile(ctx, 0, 3, []byte{9, 0, 9})
		}))
		for _, d := range []Dialect{SQLite, Postgres} {
			to := open(t, d)
			must(t, from.Read(t.Context(), func(read *Tx) error {
				return write(t, to, func(ctx context.Context, tx *Tx) error {
					if filled, err := tx.Filled(ctx); err != nil || filled != "" {
						t.Errorf("a new database is not empty: %q, %v", filled, err)
					}
					// The triggers let nothing begin in the middle; a copy is made before they are there.
					for _, table := range Tables {
						if _, err := CopyTable(ctx, read, tx, table.Name); err != nil {
							return err
						}
					}
					filled, err := tx.Filled(ctx)
					if filled != "request" {
						t.Errorf("it is filled, and said is %q", filled)
					}
					return err
				})
			}))
			for _, table := range Tables {
				if a, b := rowsOf(t, from, table.Name), rowsOf(t, to, table.Name); !reflect.DeepEqual(a, b) {
					t.Errorf("%s in %s: %v\nwas %v", table.Name, d, b, a)
				}
			}
		}
	})
}

func rowsOf(t *testing.T, db *DB, table string) (list []string) {
	t.Helper()
	must(t, db.Read(t.Context(), func(tx *Tx) error {
		var names []Column
		return tx.EachRow(t.Context(), table, func(c []Column) error { names = c; return nil }, func(row []any) error {
			text := ""
			for i, v := range row {
				text += fmt.Sprintf("%s=%T:%v ", names[i].Name, v, v)
			}
			list = append(list, text)
			return nil
		})
	}))
	slices.Sort(list)
	return list
}
