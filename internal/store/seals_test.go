package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func sealed(id, account string) access.Seal {
	return access.Seal{ID: id, System: "dir", Account: account, Opens: []string{"dir:root"}, Custodians: []string{"ada", "nora"}, Place: "safe", State: access.SealWhole,
		At: noon, By: "sara", Until: noon.Add(time.Hour)}
}

// One account has one seal that stands, nobody saves what has moved, and no custodian
// settles a use, whatever code does.
func TestSealsAreStored(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		add := func(s access.Seal) error {
			return write(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddSeal(ctx, s) })
		}
		must(t, add(sealed("sl-1", "glass")))
		if add(sealed("sl-2", "glass")) == nil {
			t.Error("two seals stand for one account")
		}
		alone := sealed("sl-3", "other")
		alone.Custodians[1] = "ada"
		if add(alone) == nil {
			t.Error("one person keeps it alone")
		}
		save := func(was access.SealState, change func(*access.Seal)) error {
			s := sealed("sl-1", "glass")
			change(&s)
			return write(t, db, func(ctx context.Context, tx *Tx) error { return tx.SaveSeal(ctx, s, was) })
		}
		if save(access.SealWhole, func(s *access.Seal) { s.SettledBy = "nora" }) == nil {
			t.Error("a custodian settled it")
		}
		must(t, save(access.SealWhole, func(s *access.Seal) { s.State = access.SealBroken }))
		if err := save(access.SealWhole, func(s *access.Seal) { s.State = access.SealRenewed }); !errors.Is(err, access.ErrConflict) {
			t.Errorf("saved though it had moved: %v", err)
		}
		must(t, save(access.SealBroken, func(s *access.Seal) { s.State = access.SealRenewed }))
		must(t, add(sealed("sl-2", "glass")))
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			list, err := tx.SealsAt(t.Context(), "dir")
			if err != nil || len(list) != 1 || list[0].ID != "sl-2" {
				t.Errorf("standing: %+v, %v", list, err)
			}
			all, err := tx.Seals(t.Context(), "sl-2", 10)
			if err != nil || len(all) != 1 || all[0].State != access.SealRenewed {
				t.Errorf("before: %+v, %v", all, err)
			}
			return err
		}))
	})
}
