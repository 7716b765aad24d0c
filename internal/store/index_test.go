package store

import (
	"strings"
	"testing"
)

// Every index is paid for by each write: no two are the same.
func TestNoIndexIsThereTwice(t *testing.T) {
	t.Parallel()
	db := open(t, SQLite)
	must(t, db.Read(t.Context(), func(tx *Tx) error {
		list, err := all(t.Context(), tx, func(s scanner) (i [2]string, err error) { err = s.Scan(&i[0], &i[1]); return i, err },
			"select name, sql from sqlite_schema where type = 'index' and sql is not null and name not like 'river%' order by name")
		if err != nil || len(list) < 20 {
			t.Fatalf("%d indexes: %v", len(list), err)
		}
		is := map[string]string{}
		for _, i := range list {
			_, on, _ := strings.Cut(i[1], " on ")
			on = strings.Join(strings.Fields(on), " ")
			if other := is[on]; other != "" {
				t.Errorf("%s and %s are both on %s", other, i[0], on)
			}
			is[on] = i[0]
		}
		return nil
	}))
}
