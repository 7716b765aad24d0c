package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// vault is what a target lists, and how it is told.
type vault struct {
	*enginetest.Fixture
	t    *testing.T
	list []engine.CredentialSeen
}

// withVault is a company whose system git lists credentials.
func withVault(t *testing.T, do func(v *vault)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		v := &vault{Fixture: enginetest.Open(t, d), t: t}
		do(v)
		v.Check()
	})
}

// read is a whole reading, a minute after the one before.
func (v *vault) read() engine.CredentialDrift {
	v.t.Helper()
	v.Advance(time.Minute)
	drift, err := v.Engine.ObservedCredentials(v.t.Context(), "git", v.Now(), slices.Clone(v.list))
	if err != nil {
		v.t.Fatal(err)
	}
	return drift
}

// put lists one that ends in a year; change it on its way.
func (v *vault) put(id, account string, change ...func(*engine.CredentialSeen)) {
	c := engine.CredentialSeen{ID: id, Kind: "access token", Account: account, Name: "for " + id, Ends: v.Now().Add(365 * 24 * time.Hour)}
	for _, do := range change {
		do(&c)
	}
	v.take(id)
	v.list = append(v.list, c)
}

func (v *vault) take(id string) {
	v.list = slices.DeleteFunc(v.list, func(c engine.CredentialSeen) bool { return c.ID == id })
}

// open lists the open findings of a kind, in order of what they say.
func (v *vault) open(kind string) (list []access.Finding) {
	for _, f := range v.Findings(true) {
		if f.Kind == kind {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b access.Finding) int { return strings.Compare(a.Text, b.Text) })
	return list
}

// says fails the test unless exactly these findings of the kind are open.
func (v *vault) says(kind string, want ...string) {
	v.t.Helper()
	got := v.open(kind)
	if len(got) != len(want) {
		v.t.Fatalf("%s: %d findings, want %d: %+v", kind, len(got), len(want), got)
	}
	for i, f := range got {
		if !strings.Contains(f.Text, want[i]) || f.Owner == "" || !f.DueAt.After(v.Now()) {
			v.t.Errorf("%s says %+v, want one that says %q", kind, f, want[i])
		}
	}
}

func (v *vault) accept(by, kind string) {
	v.t.Helper()
	for _, f := range v.open(kind) {
		if err := v.Engine.Accept(v.t.Context(), v.As(by), engine.Remedy{Finding: f.ID, Reason: "it is the build's, and known"}); err != nil {
			v.t.Fatal(err)
		}
	}
}

func unending(c *engine.CredentialSeen) { c.Ends = time.Time{} }

func opens(objects ...string) func(*engine.CredentialSeen) {
	return func(c *engine.CredentialSeen) { c.Kind, c.Objects = "deploy key", objects }
}

// Nobody's credentials are found, each by itself, and no longer once they are gone or
// somebody's; of somebody who has left, within a day.
func TestCredentialsOfNobody(t *testing.T) {
	withVault(t, func(v *vault) {
		v.put("1", "eve")
		v.put("2", "ghost")
		v.put("3", "", opens("shop/web:write"))
		v.put("4", "zoe")
		v.put("5", "robot")
		v.put("6", "ghost", func(c *engine.CredentialSeen) { c.Ends = v.Now() }) // over
		drift := v.read()
		if drift != (engine.CredentialDrift{New: 6, Orphans: 3}) {
			v.t.Errorf("drift is %+v", drift)
		}
		v.says("credential_orphan", `access token for 2 (2; account ghost) acts as an account that is nobody's`,
			`access token for 4 (4; account zoe) is zoe's, and zoe is no longer active`,
			`deploy key for 3 (3; opens shop/web:write) acts as no account, so nobody answers for it`)
		if f := v.open("credential_orphan"); f[1].DueAt.Sub(v.Now()) != 24*time.Hour || f[0].Owner != "owen" {
			v.t.Errorf("%+v", f)
		}
		// Whose a workload is matters: its owner leaves, and so does whoever answers for the token.
		v.Change(func(c *enginetest.Company) {
			eve := c.People["eve"]
			eve.Inactive = true
			c.People["eve"] = eve
			key := c.People["robot"]
			key.ID, key.Owner, key.Accounts = "ci", "mia", map[string]string{"git": "3"}
			c.People["ci"] = key
		})
		v.take("2")
		if drift := v.read(); drift != (engine.CredentialDrift{Gone: 1, Orphans: 3}) {
			v.t.Errorf("drift is %+v", drift)
		}
		v.says("credential_orphan", "eve is no longer active", "zoe is no longer active", "access token for 5 (5; account robot) is robot's, and eve is no longer active")
	})
}

// What somebody let be stays so while it is as it was: for its successor under the
// old name, for another key under it, or for what it opens now, it says nothing.
func TestACredentialMadeAnewInheritsNothing(t *testing.T) {
	withVault(t, func(v *vault) {
		made := v.Now().Add(-time.Hour)
		key := func(c *engine.CredentialSeen) { c.Issued, c.Print = made, "SHA256:one" }
		v.put("9", "", opens("shop/web:read"), key)
		v.read()
		// Nobody but who answers for the system, or security, lets it be.
		f := v.open("credential_orphan")[0]
		m := engine.Remedy{Finding: f.ID, Reason: "it is mine"}
		if err := v.Engine.Accept(v.t.Context(), v.As("eve"), m); !errors.Is(err, access.ErrNotFound) {
			v.t.Errorf("eve: %v", err)
		}
		v.accept("owen", "credential_orphan")
		v.put("9", "", opens("shop/web:read"), key, func(c *engine.CredentialSeen) { c.Used, c.Name = v.Now(), "renamed" })
		if drift := v.read(); drift.New != 0 || drift.Gone != 0 {
			v.t.Errorf("drift is %+v", drift)
		}
		v.says("credential_orphan")
		for what, change := range map[string]func(*engine.CredentialSeen){
			"another time": func(c *engine.CredentialSeen) { c.Issued = v.Now() },
			"another key":  func(c *engine.CredentialSeen) { c.Print = "SHA256:two" },
			"opens more":   opens("shop/web:write"),
		} {
			v.put("9", "", opens("shop/web:read"), key)
			v.read()
			v.accept("sara", "credential_orphan")
			v.put("9", "", opens("shop/web:read"), key, change)
			if drift := v.read(); drift.New != 1 || drift.Gone != 1 {
				v.t.Errorf("%s: drift is %+v", what, drift)
			}
			if n := len(v.open("credential_orphan")); n != 1 {
				v.t.Errorf("%s: %d findings", what, n)
			}
		}
		// Gone and put back, exactly as it was.
		v.put("9", "", opens("shop/web:read"), key)
		v.read()
		v.accept("sara", "credential_orphan")
		list := v.list
		v.list = nil
		v.read()
		v.list = list
		v.read()
		v.says("credential_orphan", "SHA256:one")
	})
}

// A credential that somebody made while holding what can be made more of, and that
// outlasts it, is found once that was seen gone. Others are not.
func TestCredentialUnderAGrant(t *testing.T) {
	withVault(t, func(v *vault) {
		v.Change(func(c *enginetest.Company) {
			e := c.Entitlements["git:deploy"]
			e.Powers = []string{"admin"}
			c.Entitlements["git:deploy"] = e
		})
		v.put("before", "eve")
		v.read()
		g := v.Granted("eve", engine.Ask{Entitlements: []string{"git:deploy"}, Term: access.Term(time.Hour), Reason: "work"}, "mia", "otto")
		v.Work()
		v.Advance(10 * time.Minute)
		v.put("kept", "eve", unending)
		v.put("short", "eve", func(c *engine.CredentialSeen) { c.Ends = v.Now().Add(30 * time.Minute) })
		v.put("other", "bob")
		if drift := v.read(); drift.Outlived != 0 || drift.New != 3 {
			v.t.Fatalf("drift is %+v", drift)
		}
		v.Advance(time.Hour)
		if v.Grant(g.ID).State != access.Ended {
			v.t.Fatal("it goes on")
		}
		// Made while it lasted and read only now: the system remembers when.
		v.put("late", "eve", func(c *engine.CredentialSeen) { c.Issued = v.Now().Add(-time.Hour) })
		v.put("after", "eve", func(c *engine.CredentialSeen) { c.Issued = v.Now() })
		if drift := v.read(); drift.Outlived != 2 {
			v.t.Errorf("drift is %+v", drift)
		}
		v.says("credential_under_grant", "access token for kept (kept; account eve) came while its account held git:deploy (grant "+g.ID+")", "access token for late")
		if f := v.open("credential_under_grant")[0]; f.Owner != g.Owner || !strings.Contains(f.Text, "It never ends.") {
			v.t.Errorf("%+v", f)
		}
		v.take("late")
		v.accept("otto", "credential_under_grant")
		v.read()
		v.says("credential_under_grant")
		v.read()
		v.says("credential_under_grant")
	})
}

// A key made while access waits to be removed came under it, too.
func TestCredentialMadeWhileAccessIsBeingRemoved(t *testing.T) {
	withVault(t, func(v *vault) {
		v.Change(func(c *enginetest.Company) {
			e := c.Entitlements["git:deploy"]
			e.Powers = []string{"admin"}
			c.Entitlements["git:deploy"] = e
		})
		v.read()
		g := v.Granted("eve", engine.Ask{Entitlements: []string{"git:deploy"}, Term: access.Term(time.Hour), Reason: "work"}, "mia", "otto")
		v.Work()
		v.Targets["git"].Always(enginetest.Refuse, enginetest.None)
		v.Advance(90 * time.Minute)
		v.put("late", "eve", func(c *engine.CredentialSeen) { c.Issued = v.Now() })
		v.Advance(time.Minute)
		v.Targets["git"].Mend()
		v.Advance(time.Hour)
		if v.Job(g.Assignment).State != access.Absent {
			v.t.Fatalf("it is %s", v.Job(g.Assignment).State)
		}
		v.put("after", "eve", func(c *engine.CredentialSeen) { c.Issued = v.Now() })
		if drift := v.read(); drift.Outlived != 1 {
			v.t.Errorf("drift is %+v", drift)
		}
		v.says("credential_under_grant", "access token for late")
	})
}

// What is planted behind our back is told with who could have done it.
func TestWhoCouldHavePlantedIt(t *testing.T) {
	withVault(t, func(v *vault) {
		v.Change(func(c *enginetest.Company) {
			e := c.Entitlements["git:deploy"]
			e.Powers = []string{"admin"}
			c.Entitlements["git:deploy"] = e
		})
		v.put("old", "", opens("shop/web:read"))
		v.read()
		g := v.Granted("eve", engine.Ask{Entitlements: []string{"git:deploy"}, Term: access.Term(time.Hour), Reason: "work"}, "mia", "otto")
		v.Work()
		v.put("planted", "", opens("shop/web:write"))
		v.read()
		v.says("credential_orphan", "deploy key for old", "eve held git:deploy (grant "+g.ID+")")
		if strings.Contains(v.open("credential_orphan")[0].Text, "eve") {
			v.t.Error("what was there before is put down to eve")
		}
	})
}

// However many could have: what is asked and told of them has a bound, and is the same
// of all that came in the same time.
func TestHowManyCouldHavePlantedIt(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		v := &vault{Fixture: enginetest.Open(t, d), t: t} // its log does not have what is written here
		v.Change(func(c *enginetest.Company) {
			e := c.Entitlements["git:deploy"]
			e.Powers = []string{"admin"}
			c.Entitlements["git:deploy"] = e
		})
		v.read()
		g := v.Granted("eve", engine.Ask{Entitlements: []string{"git:deploy"}, Term: access.Term(time.Hour), Reason: "work"}, "mia", "otto")
		v.Work()
		copies := func(table, columns, values string) string {
			return fmt.Sprintf(`insert into %[1]s (id, %[2]s) with recursive n(i) as (select 0 union all select i + 1 from n where i < 299)
				select 'copy-' || i, %[3]s from n cross join %[1]s x where x.id in ('%[4]s', '%[5]s')`, table, columns, values, g.ID, g.Assignment)
		}
		if err := v.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.ExecContext(t.Context(), copies("assignment", "account, system, object, identity, entitlement, state, receipt, seen_at, holder, fence, attempts, told, confirm, trouble",
				"'copy-' || i, system, object, identity, entitlement, 'absent', receipt, seen_at, holder, fence, attempts, told, confirm, trouble"))
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(t.Context(), copies("grants", "assignment, request, revision, digest, identity, entitlement, state, start_at, end_at, term, seen_at, chain_start, owner, votes, hold, at, ended",
				"'copy-' || i, request, revision, digest, identity, entitlement, 'scheduled', start_at, end_at, term, seen_at, chain_start, owner, votes, hold, at, ended"))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		v.put("one", "", opens("shop/web:write"))
		v.put("two", "", opens("shop/web:write"))
		v.read()
		v.says("credential_orphan", "and more than can be told.", "and more than can be told.")
		for _, f := range v.open("credential_orphan") {
			if n := strings.Count(f.Text, " held git:deploy (grant "); n != 20 {
				t.Errorf("it names %d: %s", n, f.Text)
			}
		}
	})
}

// What never ends is one finding a system, as long as there is any.
func TestCredentialsWithoutAnEnd(t *testing.T) {
	withVault(t, func(v *vault) {
		v.put("1", "eve")
		v.put("2", "eve", unending)
		v.put("3", "bob", unending, func(c *engine.CredentialSeen) { c.EndUnknown = true })
		if drift := v.read(); drift.Unending != 1 {
			v.t.Errorf("drift is %+v", drift)
		}
		v.says("credential_unending", "1 credentials at git never end: access token for 2 (2; account eve).")
		v.put("2", "eve", func(c *engine.CredentialSeen) { c.Ends = v.Now().Add(time.Hour) })
		if drift := v.read(); drift != (engine.CredentialDrift{}) {
			v.t.Errorf("drift is %+v", drift)
		}
		v.says("credential_unending")
	})
}

// Whoever writes into the table by hand is found out by the log.
func TestATamperedCredentialShows(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		seen := []engine.CredentialSeen{{ID: "1", Kind: "deploy key"}}
		if _, err := f.Engine.ObservedCredentials(t.Context(), "git", f.Now(), seen); err != nil {
			t.Fatal(err)
		}
		f.Check()
		if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.ExecContext(t.Context(), "update credential set account = 'eve'")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		problems, err := f.Oracle().Problems(t.Context(), false)
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Error(), "I5: credential cr-") {
			t.Errorf("%v, %v", problems, err)
		}
	})
}
