package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// What has been gone for more than a year is told of by the log alone; what is there, and
// what went lately, stays. The log and the tables still say the same.
func TestCredentialsLongGoneAreForgotten(t *testing.T) {
	withVault(t, func(v *vault) {
		all := func() (names []string) {
			t := v.t
			if err := v.DB.Read(t.Context(), func(tx *store.Tx) error {
				list, err := tx.CredentialsAfter(t.Context(), "", 100)
				names = nil
				for _, c := range list {
					names = append(names, c.Native)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			slices.Sort(names)
			return names
		}
		sweep := func() {
			if _, err := v.Engine.Sweep(v.t.Context()); err != nil {
				v.t.Fatal(err)
			}
		}
		v.put("k1", "eve")
		v.put("k2", "eve")
		v.put("k3", "eve")
		v.read()
		v.take("k1")
		v.read()
		v.Clock.Pass(390 * 24 * time.Hour)
		v.take("k2")
		v.read()
		if sweep(); !slices.Equal(all(), []string{"k1", "k2", "k3"}) {
			v.t.Errorf("after 390 days there are %v", all())
		}
		v.Clock.Pass(11 * 24 * time.Hour)
		for range 2 {
			if sweep(); !slices.Equal(all(), []string{"k2", "k3"}) {
				v.t.Errorf("after 401 days there are %v", all())
			}
		}
		said := 0
		if err := v.DB.Read(v.t.Context(), func(tx *store.Tx) error {
			said = 0
			list, err := tx.Unsequenced(v.t.Context(), 1000)
			for _, ev := range list {
				if ev.Kind == "credential."+access.Forgotten {
					said++
				}
			}
			return err
		}); err != nil || said != 1 {
			v.t.Errorf("%d events say that one is forgotten", said)
		}
		// One under its name is another.
		v.put("k1", "bob")
		if v.read(); !slices.Equal(all(), []string{"k1", "k2", "k3"}) {
			v.t.Errorf("there are %v", all())
		}
	})
}
