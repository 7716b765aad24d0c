package store

import (
	"strings"
	"testing"
)

// What is asked for one account, or for some objects, is found by these, however many
// others their system has: it is asked for each of a system's credentials in one transaction.
func TestWhatIsAskedOfCredentialsIsFoundByAnIndex(t *testing.T) {
	t.Parallel()
	db := open(t, SQLite)
	during, args := duringQuery("a.system = $1 and a.account = $2", []any{"dir", "eve"}, noon, noon)
	traces, of := tracesQuery("dir", "eve")
	makers, which := duringOfQuery("dir", []string{"admins", "owners"}, noon, noon, 10)
	must(t, db.Read(t.Context(), func(tx *Tx) error {
		for _, asks := range []struct {
			query, by string
			args      []any
		}{{during, "(system=? AND account=?", args}, {traces, "(system=? AND account=?", of}, {makers, "(system=? AND object=?", which}} {
			plan, err := all(t.Context(), tx, func(s scanner) (detail string, err error) {
				err = s.Scan(new(any), new(any), new(any), &detail)
				return detail, err
			}, "explain query plan "+asks.query, asks.args...)
			if err != nil {
				return err
			}
			if text := strings.Join(plan, "; "); !strings.Contains(text, asks.by) {
				t.Errorf("%s: %s", asks.query, text)
			}
		}
		return nil
	}))
}
