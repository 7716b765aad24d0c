package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
)

// A reading that has shrunk is believed the second time, and a system full of old
// keys opens so many findings at once and no more, the newest first.
func TestManyCredentials(t *testing.T) {
	withVault(t, func(v *vault) {
		for i := range 230 {
			v.put(fmt.Sprintf("k%03d", i), "", opens("shop/web:read"), func(c *engine.CredentialSeen) { c.Issued = v.Now().Add(time.Duration(i-1000) * time.Hour) })
		}
		if drift := v.read(); drift.Orphans != 230 || drift.Waiting != 30 {
			v.t.Errorf("drift is %+v", drift)
		}
		all := v.open("credential_orphan")
		if len(all) != 200 || !strings.Contains(all[0].Text, "k030") {
			v.t.Errorf("%d findings, the first %+v", len(all), all[0])
		}
		if drift := v.read(); drift.Waiting != 0 || len(v.open("credential_orphan")) != 230 {
			v.t.Errorf("drift is %+v, findings %d", drift, len(v.open("credential_orphan")))
		}
		whole := v.list
		v.list = whole[:10]
		if drift := v.read(); drift != (engine.CredentialDrift{Braked: true}) || len(v.open("credential_orphan")) != 230 {
			v.t.Errorf("drift is %+v, findings %d", drift, len(v.open("credential_orphan")))
		}
		v.says("credentials_shrunk", "has 10 credentials where the last one that was believed had 230")
		if drift := v.read(); drift.Gone != 220 || len(v.open("credential_orphan")) != 10 {
			v.t.Errorf("drift is %+v, findings %d", drift, len(v.open("credential_orphan")))
		}
		v.says("credentials_shrunk")
	})
}

// Where there are few, too, an empty answer says nothing before the next one says the
// same, and what somebody let be stays so.
func TestFewCredentialsAreNotLostAtOnce(t *testing.T) {
	withVault(t, func(v *vault) {
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			v.put(id, "", opens("shop/web:read"))
		}
		v.read()
		v.accept("owen", "credential_orphan")
		whole := slices.Clone(v.list)
		for i, step := range []struct {
			there        int
			gone, fresh  int
			braked       bool
			shrunk, open int
		}{
			{there: 0, braked: true, shrunk: 1},
			{there: 5},
			{there: 0, braked: true, shrunk: 1},
			{there: 3, braked: true, shrunk: 1}, // it says another thing
			{there: 0, braked: true, shrunk: 1},
			{there: 4, gone: 1}, // one goes every day
			{there: 2, braked: true, shrunk: 1},
			{there: 2, gone: 2},
			{there: 0, braked: true, shrunk: 1},
			{there: 0, gone: 2},
			{there: 5, fresh: 5, open: 5},
		} {
			v.list = whole[:step.there]
			if drift := v.read(); drift.Braked != step.braked || drift.Gone != step.gone || drift.New != step.fresh {
				v.t.Errorf("step %d: drift is %+v", i, drift)
			}
			if few, open := len(v.open("credentials_shrunk")), len(v.open("credential_orphan")); few != step.shrunk || open != step.open {
				v.t.Errorf("step %d: %d findings that it shrank, %d of nobody's", i, few, open)
			}
		}
	})
}

// A reading that was begun before another and comes after it changes nothing.
func TestAnOlderReadingOfCredentials(t *testing.T) {
	withVault(t, func(v *vault) {
		v.put("1", "ghost")
		v.read()
		drift, err := v.Engine.ObservedCredentials(v.t.Context(), "git", v.Now().Add(-time.Second), nil)
		if err != nil || drift != (engine.CredentialDrift{}) || len(v.open("credential_orphan")) != 1 {
			v.t.Errorf("%+v, %v", drift, err)
		}
	})
}
