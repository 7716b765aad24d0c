package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
)

// told is a target that tells its accounts apart by ids.
type told struct {
	*enginetest.Target
	ids map[string]string
	err error
}

// Accounts implements [connector.Accounts].
func (g *told) Accounts(_ context.Context, yield func(connector.Account) error) error {
	for _, name := range slices.Sorted(maps.Keys(g.ids)) {
		if err := yield(connector.Account{Name: name, ID: g.ids[name]}); err != nil {
			return err
		}
	}
	return g.err
}

// withAccounts is a company whose system dir tells its accounts apart.
func withAccounts(t *testing.T, do func(t *testing.T, f *enginetest.Fixture, g *told, r *inventory.Reader)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		g := &told{Target: f.Targets["dir"], ids: map[string]string{}}
		for id := range f.Company.People {
			g.ids[id] = "id-" + id
		}
		r := inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: g, Now: f.Now,
			Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
		read(t, r)
		do(t, f, g, r)
		f.Check()
	})
}

// An account of nobody is found, by name if it was somebody's under another.
func TestOrphans(t *testing.T) {
	withAccounts(t, func(t *testing.T, f *enginetest.Fixture, g *told, r *inventory.Reader) {
		if one := finding(f, "orphan_accounts"); one.ID != "" {
			t.Fatalf("everybody is known: %+v", one)
		}
		g.ids["ghost"] = "id-ghost"
		delete(g.ids, "bob")
		g.ids["bobby"] = "id-bob"
		read(t, r)
		one := finding(f, "orphan_accounts")
		if one.Subject != "dir" || one.Owner != "owen" || !strings.Contains(one.Text, "2 accounts at dir") || !strings.Contains(one.Text, "bobby (was called bob; the directory says so still), ghost.") {
			t.Errorf("finding is %+v", one)
		}
		delete(g.ids, "ghost")
		delete(g.ids, "bobby")
		read(t, r)
		if finding(f, "orphan_accounts").ID != "" {
			t.Error("still open")
		}
		g.err = errors.New("cut short")
		if _, err := r.Read(t.Context()); err == nil {
			t.Error("a reading of accounts that was cut short is taken for whole")
		}
	})
}

// An account made anew under an old name inherits nothing: its grants end, what it
// holds is removed, and nothing is given to it until somebody has said whose it is.
func TestAnAccountMadeAnewInheritsNothing(t *testing.T) {
	withAccounts(t, func(t *testing.T, f *enginetest.Fixture, g *told, r *inventory.Reader) {
		wiki := engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(8 * time.Hour), Reason: "work"}
		live := f.Granted("eve", wiki, "mia")
		later := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: access.Term(time.Hour), Start: f.Now().Add(48 * time.Hour), Reason: "work"}, "mia")
		pending := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:pay"}, Reason: "work"})
		other := f.Granted("bob", wiki, "mia")
		f.Work()
		g.ids["eve"] = "id-somebody"
		read(t, r)
		f.Work()
		if f.Targets["dir"].Holds("eve", "wiki") || !f.Targets["dir"].Holds("bob", "wiki") {
			t.Errorf("held: %v", f.Held("dir"))
		}
		for id, want := range map[string]access.EndReason{live.ID: access.EndEligibilityLost, later.ID: access.EndEligibilityLost, other.ID: ""} {
			if got := f.Grant(id).Ended; got != want {
				t.Errorf("grant %s ended %q, want %q", id, got, want)
			}
		}
		one := finding(f, "account_made_anew")
		if one.Subject != "dir eve" || one.Owner != "owen" || !strings.Contains(one.Text, "(id-eve, and now id-somebody)") || !strings.Contains(one.Text, "2 grants of eve") {
			t.Errorf("finding is %+v", one)
		}
		if r := f.Approve("mia", pending); r.State != access.Denied || !strings.Contains(r.Items[0].Why, "was made anew") {
			t.Errorf("granted to an account nobody has vouched for: %+v", r)
		}
		// Nobody vouches for himself.
		m := engine.Remedy{Finding: one.ID, Reason: "it is hers: she was hired again"}
		if err := f.Engine.Accept(t.Context(), f.As("eve"), m); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("eve: %v", err)
		}
		if err := f.Engine.Accept(t.Context(), f.As("owen"), m); err != nil {
			t.Fatal(err)
		}
		read(t, r)
		if finding(f, "account_made_anew").ID != "" {
			t.Error("found again though nothing changed")
		}
		f.Granted("eve", wiki, "mia")
		f.Work()
		f.CheckQuiet()
	})
}

// Access that is gone though it is wanted is not given back to an account that may
// be another by now: the accounts are read first.
func TestDriftWaitsForTheAccounts(t *testing.T) {
	withAccounts(t, func(t *testing.T, f *enginetest.Fixture, g *told, r *inventory.Reader) {
		a := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(8 * time.Hour), Reason: "work"}, "mia")
		b := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(8 * time.Hour), Reason: "work"}, "mia")
		f.Work()
		f.Targets["dir"].Take("eve", "wiki") // deleted, and made anew by somebody
		f.Targets["dir"].Take("bob", "wiki") // taken out, and himself still
		g.ids["eve"] = "id-somebody"
		jobs := len(f.Jobs("inventory"))
		f.Advance(time.Hour + time.Minute) // the recheck finds both gone
		for _, id := range []string{a.Assignment, b.Assignment} {
			if f.Job(id).State != access.Adding {
				t.Fatalf("it is %s", f.Job(id).State)
			}
		}
		if len(f.Jobs("inventory")) != jobs+1 {
			t.Errorf("%d readings are asked for", len(f.Jobs("inventory"))-jobs)
		}
		f.Work()
		if len(f.Held("dir")) != 0 {
			t.Fatalf("given back at once: %v", f.Held("dir"))
		}
		read(t, r)
		f.Work()
		if f.Targets["dir"].Holds("eve", "wiki") || !f.Targets["dir"].Holds("bob", "wiki") {
			t.Errorf("held: %v", f.Held("dir"))
		}
		f.CheckQuiet()
		// A reading that never comes keeps nobody waiting for ever.
		f.Targets["dir"].Take("bob", "wiki")
		f.Advance(time.Hour + 12*time.Minute)
		if !f.Targets["dir"].Holds("bob", "wiki") {
			t.Error("not given back")
		}
	})
}

// A system put back from a copy, where everybody is another: nothing is done by
// itself, and somebody says so. A reading of accounts that has shrunk is not believed.
func TestAB61EverybodyIsAnother(t *testing.T) {
	withAccounts(t, func(t *testing.T, f *enginetest.Fixture, g *told, r *inventory.Reader) {
		a := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(8 * time.Hour), Reason: "work"}, "mia")
		f.Work()
		for id := range g.ids {
			g.ids[id] = "copy-" + id
		}
		for range 2 {
			read(t, r)
		}
		one := finding(f, "accounts_made_anew")
		if f.Grant(a.ID).Ended != "" || one.Owner != "owen" {
			t.Fatalf("grant ended %q, finding %+v", f.Grant(a.ID).Ended, one)
		}
		if err := f.Engine.Accept(t.Context(), f.As("sara"), engine.Remedy{Finding: one.ID, Reason: "it was put back from yesterday"}); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			g.ids[fmt.Sprintf("more%02d", i)] = "x"
		}
		read(t, r)
		if finding(f, "accounts_made_anew").ID != "" || finding(f, "orphan_accounts").ID == "" {
			t.Errorf("findings: %+v", f.Findings(true))
		}
		kept := g.ids
		g.ids = map[string]string{"eve": "id-somebody"}
		read(t, r)
		if finding(f, "accounts_shrunk").Owner == "" || finding(f, "account_made_anew").ID != "" || f.Grant(a.ID).Ended != "" {
			t.Errorf("a sick answer is believed: %+v", f.Findings(true))
		}
		g.ids = kept
		read(t, r)
		if finding(f, "accounts_shrunk").ID != "" {
			t.Error("still open")
		}
	})
}
