package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestSaidObjects(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		root := access.SaidObject{System: "pg", Object: "root", Description: "all of it", Powers: []string{"admin"}, Why: "SUPERUSER", Since: noon}
		gone := access.SaidObject{System: "dir", Object: "was", Since: noon, Gone: noon.Add(time.Hour)}
		must(t, db.Write(t.Context(), func(tx *Tx) error {
			first := root
			first.Powers = []string{"read"}
			return errors.Join(tx.SetSaid(t.Context(), first), tx.SetSaid(t.Context(), gone), tx.SetSaid(t.Context(), root), tx.SetSaidPowers(t.Context(), "b"))
		}))
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			same := func(what string, got []access.SaidObject, err error, want ...access.SaidObject) {
				t.Helper()
				must(t, err)
				for i := range got {
					if len(got[i].Powers) == 0 {
						got[i].Powers = nil
					}
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %+v", what, got)
				}
			}
			list, err := tx.SaidAt(t.Context(), "dir")
			same("of a system", list, err, gone)
			list, err = tx.SaidPowerful(t.Context())
			same("with powers", list, err, root)
			list, err = tx.SaidAfter(t.Context(), "", "", 10)
			same("all", list, err, gone, root)
			list, err = tx.SaidAfter(t.Context(), "dir", "was", 10)
			same("after the first", list, err, root)
			one, err := tx.Said(t.Context(), "pg", "root")
			same("one", []access.SaidObject{one}, err, root)
			if _, err := tx.Said(t.Context(), "pg", "was"); !errors.Is(err, access.ErrNotFound) {
				t.Errorf("another system's: %v", err)
			}
			if name, err := tx.SaidPowers(t.Context()); err != nil || name != "b" {
				t.Errorf("%q %v", name, err)
			}
			return nil
		}))
	})
}
