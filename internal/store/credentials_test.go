package store

import (
	"strings"
	"testing"
)

// What is asked for one account is found by the account, however many others its
// system has: it is asked for each of a system's credentials in one transaction.
func TestWhatIsAskedOfOneAccountIsFoundByIt(t *testing.T) {
	t.Parallel()
	db := open(t, SQLite)
	during, args := duringQuery("dir", "eve", noon, noon)
	traces, of := tracesQuery("dir", "eve")
	must(t, db.Read(t.Context(), func(tx *Tx) error {
		for query, args := range map[string][]any{during: args, traces: of} {
			plan, err := all(t.Context(), tx, func(s scanner) (detail string, err error) {
				err = s.Scan(new(any), new(any), new(any), &detail)
				return detail, err
			}, "explain query plan "+query, args...)
			if err != nil {
				return err
			}
			if text := strings.Join(plan, "; "); !strings.Contains(text, "(system=? AND account=?") {
				t.Errorf("%s: %s", query, text)
			}
		}
		return nil
	}))
}
