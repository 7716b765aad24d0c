package postgres

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

var (
	_ connector.Accounts = (*Connector)(nil)
	_ connector.Lineage  = (*Connector)(nil)
)

// What somebody with CREATEROLE made and handed out, and what he owns, is read off
// the catalogs, for him and for nobody else.
func TestTraces(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		maker, friend, other := w.account(t, "ln maker"), w.account(t, "ln friend"), w.account(t, "ln other")
		w.Exec(t, fmt.Sprintf("alter role %s createrole", quoted(maker)))
		w.Exec(t, fmt.Sprintf("create database ln owner %s", quoted(other)))
		w.Exec(t, fmt.Sprintf("create table ln_notes (n int); alter table ln_notes owner to %s", quoted(maker)))
		w.Exec(t, fmt.Sprintf(`set session authorization %s; create role "ln door"; grant "ln door" to %s; reset session authorization`, quoted(maker), quoted(friend)))
		of := func(accounts ...string) (list []string) {
			traces, err := c.Traces(t.Context(), accounts)
			if err != nil {
				t.Fatal(err)
			}
			for _, tr := range traces {
				if strings.HasPrefix(tr.By, "ln ") {
					list = append(list, tr.By+" "+tr.What)
				}
			}
			return list
		}
		want := []string{`ln maker granted role "ln door" to "ln friend"`, "ln maker owns table public.ln_notes"}
		if w.modern() {
			want = append(want, `ln maker may hand out role "ln door"`)
		}
		slices.Sort(want)
		if got := of(maker); !slices.Equal(got, want) {
			t.Errorf("maker: %q, want %q", got, want)
		}
		if got := of(other); !slices.Equal(got, []string{"ln other owns database ln"}) {
			t.Errorf("other: %q", got)
		}
		if got := of(friend); len(got) != 0 {
			t.Errorf("friend: %q", got)
		}
		if got := of(); len(got) != len(want)+1 {
			t.Errorf("all: %q", got)
		}
		w.Exec(t, `drop role "ln door"; drop table ln_notes`)
		if got := of(maker); len(got) != 0 {
			t.Errorf("settled, there is %q", got)
		}
	})
}

// A role dropped and created anew under its name is another account.
func TestAccountsHaveIDs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		ids := func() (id string) {
			if err := c.Accounts(t.Context(), func(a connector.Account) error {
				if a.Name == svc {
					t.Error("our own account is one of theirs")
				}
				if a.Name == "id ann" {
					id = a.ID
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return id
		}
		w.account(t, "id ann")
		before := ids()
		w.drop(t, "id ann")
		w.account(t, "id ann")
		if after := ids(); before == "" || before == after {
			t.Errorf("before %q, after %q", before, after)
		}
	})
}

// AB-51: whoever holds a privileged role uses it to make a role, gives that to a
// friend, and does the same by his own hand. When the grant is over all of it is
// named, the grant is not closed before it is undone or somebody answers for it,
// and what was there before is nobody's finding.
func TestAB51AccessUsedToMakeMoreAccess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		// 1. The company's eve and root, under names of this test's own.
		eve, friend, root := w.account(t, "ab51 eve"), w.account(t, "ab51 friend"), w.object(t, "ab51 root")
		w.Exec(t, fmt.Sprintf("alter role %s createrole; alter role %s createrole", quoted(root), quoted(eve)))
		w.Exec(t, fmt.Sprintf(`set session authorization %s; create role "ab51 old"; grant "ab51 old" to %s; reset session authorization`, quoted(eve), quoted(friend)))
		f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) {
			p := o.Company.People["eve"]
			p.Accounts = map[string]string{"dir": eve}
			o.Company.People["eve"] = p
			e := o.Company.Entitlements["dir:root"]
			e.Object = root
			o.Company.Entitlements["dir:root"] = e
		})
		c := connect(t, w.config())
		reader := inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: c, Now: f.Now, Log: slog.New(slog.DiscardHandler),
			Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }})
		lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: c, Holder: "ab51", Pace: enginetest.Pace, Backstop: time.Minute, Now: f.Now})
		work := func() {
			t.Helper()
			for n := 1; n > 0; {
				var err error
				if n, err = lane.Once(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := reader.Read(t.Context()); err != nil {
			t.Fatal(err)
		}

		// 2. An hour of root, well used. That it can hand out the rest the server itself
		// says, and so whoever answers for the rest is asked.
		f.Clock.Pass(time.Minute)
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:root"}, Term: access.Term(time.Hour)}, "mia", "otto", "owen")
		work()
		s := w.session(t, eve, "set role "+quoted(root), `create role "ab51 door"`, `grant "ab51 door" to `+quoted(friend), "reset role",
			`create role "ab51 own"`, `grant "ab51 own" to `+quoted(friend))
		f.Clock.Pass(2 * time.Hour)
		work()
		if err := s.Ping(t.Context()); err == nil {
			t.Error("her session goes on")
		}
		if job := f.Job(g.Assignment); job.State != access.Absent {
			t.Fatalf("the assignment is %s (%s)", job.State, job.Work.Trouble)
		}
		if asked := f.Jobs(engine.LineageJob{}.Kind()); len(asked) != 1 || !strings.Contains(string(asked[0]), g.Assignment) {
			t.Fatalf("asked what she made: %s", asked)
		}

		// 3. All of it is named, and the grant is ended and not closed.
		want := []string{`granted role "ab51 own" to "ab51 friend"`, `granted role "ab51 door" to "ab51 friend" (as ab51 root, as which others may act, too)`}
		if w.modern() {
			want = append(want, `may hand out role "ab51 own"`, `may hand out role "ab51 door" (as ab51 root`)
		}
		left, err := reader.Lineage(t.Context(), g.Assignment)
		if err != nil || left != len(want) {
			t.Fatalf("%d things are left behind, want %d: %v", left, len(want), err)
		}
		found := func() (open access.Finding) {
			for _, one := range f.Findings(true) {
				if one.Kind == "left_behind" && one.Subject == g.ID {
					open = one
				}
			}
			return open
		}
		for _, what := range want {
			if !strings.Contains(found().Text, what) {
				t.Errorf("%s is not in %q", what, found().Text)
			}
		}
		if strings.Contains(found().Text, "ab51 old") || found().Owner != "otto" {
			t.Errorf("finding is %+v", found())
		}
		shown := func() engine.Holding {
			h, _, err := f.Engine.Grant(t.Context(), f.As("eve"), g.ID)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		if h := shown(); h.Grant.State != access.Ended || h.LeftBehind != len(want) {
			t.Errorf("shown as %s with %d left behind", h.Grant.State, h.LeftBehind)
		}

		// 4. What is undone there is off the list; the rest somebody else answers for.
		w.Exec(t, `drop role "ab51 own"`)
		f.Clock.Pass(time.Hour)
		if _, err := reader.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h := shown(); h.LeftBehind != len(want)/2 || strings.Contains(found().Text, "ab51 own") {
			t.Errorf("%d left behind, finding %+v", h.LeftBehind, found())
		}
		m := engine.Remedy{Finding: found().ID, Reason: "the door is meant: it is the team's"}
		if err := f.Engine.Accept(t.Context(), f.As("eve"), m); err == nil {
			t.Error("she answers for it herself")
		}
		if err := f.Engine.Accept(t.Context(), f.As("otto"), m); err != nil {
			t.Fatal(err)
		}
		if _, err := reader.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h := shown(); h.LeftBehind != 0 || found().ID != "" {
			t.Errorf("accepted, %d left behind, finding %+v", h.LeftBehind, found())
		}
		f.Check()
	})
}
