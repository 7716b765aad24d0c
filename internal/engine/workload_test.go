package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// whole is a contract that leaves nothing open.
func whole() access.Contract {
	return access.Contract{Purpose: "reads the wiki", Environment: "test", Systems: []string{"dir"}, RotateEvery: 90 * 24 * hour, ReviewEvery: 90 * 24 * hour, RetiresWhen: "the wiki is gone"}
}

func newBot(id string, change ...func(*engine.NewWorkload)) engine.NewWorkload {
	w := engine.NewWorkload{ID: id, Name: "Bot " + id, Contract: whole(), Reason: "we run it"}
	for _, do := range change {
		do(&w)
	}
	return w
}

func TestWorkloadLife(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		ctx := t.Context()
		// 1. An account that nobody has written down is found, with whoever made it.
		seen := []engine.AccountSeen{{Name: "svc-wiki", ID: "1", By: "bob"}, {Name: "eve", ID: "2"}, {Name: "holiday", ID: "3"}, {Name: "kube", ID: "4", Kind: "built-in"}}
		if _, err := f.Engine.ObservedAccounts(ctx, "dir", f.Now(), seen); err != nil {
			t.Fatal(err)
		}
		found := openOf(f, access.WorkloadUnregistered)
		if len(found) != 1 || found[0].Subject != "dir svc-wiki" || found[0].Owner != "bob" {
			t.Fatalf("%+v", found)
		}
		// 2. Only whoever was proposed, or owns the system, claims it; security for another.
		from := func(w *engine.NewWorkload) { w.Finding = found[0].ID }
		account := func(w *engine.NewWorkload) { w.Accounts = map[string]string{"dir": "svc-wiki"} }
		for by, kind := range map[string]error{"eve": access.ErrDenied, "sara": access.ErrDenied, "robot": access.ErrDenied, "pilot": access.ErrDenied, "xena": access.ErrDenied} {
			_, err := f.Engine.RegisterWorkload(ctx, f.As(by), newBot("wiki-bot", account))
			refused(t, by, err, kind, "")
		}
		_, err := f.Engine.RegisterWorkload(ctx, f.As("eve"), newBot("wiki-bot", from))
		refused(t, "eve from the finding", err, access.ErrNotFound, "finding")
		_, err = f.Engine.RegisterWorkload(ctx, f.As("bob"), engine.NewWorkload{ID: "Bad", Owner: "zoe", Contract: access.Contract{Systems: []string{"nowhere"}}})
		refused(t, "everything wrong", err, access.ErrInvalid, "purpose")
		r, err := f.Engine.RegisterWorkload(ctx, f.As("owen"), newBot("wiki-bot", from, func(w *engine.NewWorkload) { w.Owner = "eve" }))
		if err != nil || !r.Decided.IsZero() {
			t.Fatalf("%+v, %v", r, err)
		}
		// 3. It counts once its owner has accepted it.
		if _, err := f.Engine.AcceptWorkload(ctx, f.As("owen"), r.ID); err == nil {
			t.Error("accepted by another")
		}
		_, err = f.Engine.AcceptWorkload(ctx, f.As("bob"), r.ID)
		refused(t, "bob accepts", err, access.ErrNotFound, r.ID)
		if list, err := f.Engine.WaitingWorkloads(ctx, f.As("eve")); err != nil || len(list) != 1 {
			t.Errorf("%+v, %v", list, err)
		}
		if len(openOf(f, access.WorkloadUnregistered)) != 1 {
			t.Error("what was found is settled before anybody answers for it")
		}
		if _, err := f.Engine.AcceptWorkload(ctx, f.As("eve"), r.ID); err != nil {
			t.Fatal(err)
		}
		if len(openOf(f, access.WorkloadUnregistered)) != 0 {
			t.Error("it is registered, and found still")
		}
		_, err = f.Engine.AcceptWorkload(ctx, f.As("eve"), r.ID)
		refused(t, "twice", err, access.ErrGone, r.ID)
		// 4. Within its contract it is granted what it asks for; beyond, it is not.
		g := f.Granted("wiki-bot", ask("dir:wiki"), "owen")
		if r := f.Ask("eve", engine.Ask{Entitlements: []string{"git:deploy"}, Beneficiary: "wiki-bot"}); r.State != access.Denied {
			t.Errorf("beyond its contract: %s", r.State)
		}
		pending := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Beneficiary: "wiki-bot"})
		f.Work()
		// 5. Its contract is for its owner to change.
		wider := whole()
		wider.Systems, wider.Deputy = []string{"dir", "git"}, "mia"
		refused(t, "owen changes", f.Engine.ChangeContract(ctx, f.As("owen"), "wiki-bot", wider, "more"), access.ErrDenied, "eve")
		for who, may := range map[string]bool{"eve": true, "owen": false, "sara": false} {
			if w, err := f.Engine.Workload(ctx, f.As(who), "wiki-bot"); err != nil || w.Changes != may {
				t.Errorf("%s changes it: %t, %v", who, w.Changes, err)
			}
		}
		refused(t, "bob changes", f.Engine.ChangeContract(ctx, f.As("bob"), "wiki-bot", wider, "more"), access.ErrNotFound, "wiki-bot")
		if err := f.Engine.ChangeContract(ctx, f.As("eve"), "wiki-bot", wider, "it deploys, too"); err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.ReviewWorkload(ctx, f.As("mia"), "wiki-bot", "still needed"); err != nil {
			t.Fatal(err)
		}
		w, err := f.Engine.Workload(ctx, f.As("mia"), "wiki-bot")
		if err != nil || !slices.Equal(w.Identity.Contract.Systems, wider.Systems) || !w.Identity.Contract.Reviewed.Equal(f.Now()) {
			t.Errorf("%+v, %v", w, err)
		}
		if w, err = f.Engine.Workload(ctx, f.As("eve"), "wiki-bot"); err != nil || len(w.Grants) != 1 {
			t.Errorf("%+v, %v", w, err)
		}
		_, err = f.Engine.Workload(ctx, f.As("bob"), "wiki-bot")
		refused(t, "bob looks", err, access.ErrNotFound, "wiki-bot")
		// 6. Retired, it holds and awaits nothing.
		if n, err := f.Engine.RetireWorkload(ctx, f.As("eve"), "wiki-bot", "the wiki is gone"); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		if g = f.Grant(g.ID); g.State != access.Ended {
			t.Errorf("its grant is %s", g.State)
		}
		if p := f.Request(pending.ID); p.State != access.Cancelled {
			t.Errorf("what it asked for is %s", p.State)
		}
		f.Work()
		if r := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Beneficiary: "wiki-bot"}); r.State != access.Denied {
			t.Errorf("it is retired and gets %s", r.State)
		}
		_, err = f.Engine.RegisterWorkload(ctx, f.As("bob"), newBot("wiki-bot"))
		refused(t, "under its name again", err, access.ErrConflict, "wiki-bot")
		f.CheckQuiet()
	})
}

func openOf(f *enginetest.Fixture, kind string) (list []access.Finding) {
	for _, x := range f.Findings(true) {
		if x.Kind == kind {
			list = append(list, x)
		}
	}
	return list
}

// Of a workload of the files only that is kept here which the files do not say.
func TestWorkloadOfTheFiles(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) {
			r := c.People["robot"]
			k := whole()
			r.Contract = &k
			c.People["robot"] = r
		})
		if err := f.Engine.ReviewWorkload(t.Context(), f.As("eve"), "robot", ""); err != nil {
			t.Fatal(err)
		}
		if w, err := f.Engine.Workload(t.Context(), f.As("eve"), "robot"); err != nil || !w.Identity.Contract.Reviewed.Equal(f.Now()) || w.Identity.Contract.Purpose == "" || !w.Answers || w.Changes {
			t.Errorf("%+v, %v", w, err)
		}
		refused(t, "change", f.Engine.ChangeContract(t.Context(), f.As("eve"), "robot", whole(), "other"), access.ErrConflict, "files")
		f.Change(func(c *enginetest.Company) { delete(c.People, "robot") })
		if f.WorldAt(f.Now()).Directory.HasIdentity("robot") {
			t.Error("the files have it no more, and it is there")
		}
	})
}

// Every kind of finding is opened by what it is about, and closed when that is over;
// about a workload that is as it should be there is none.
func TestJudgeWorkloads(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		ctx := t.Context()
		bot := func(id string, change func(*access.Identity)) func(*enginetest.Company) {
			return func(c *enginetest.Company) {
				k := whole()
				k.Reviewed = f.Now()
				i := access.Identity{ID: id, Kind: access.Workload, Name: id, Owner: "eve", Accounts: map[string]string{"dir": id, "git": id}, Contract: &k}
				change(&i)
				c.People[id] = i
			}
		}
		plan := map[string]func(*access.Identity){
			access.WorkloadUnowned:     func(i *access.Identity) { i.Owner = "zoe" },
			access.WorkloadOverpowered: func(i *access.Identity) { i.Contract.Entitlements = []string{"dir:reports"} },
			access.WorkloadProduction:  func(*access.Identity) {},
			access.WorkloadThirdParty:  func(i *access.Identity) { i.Contract.ThirdParty, i.Contract.Reviewed = "Acme", time.Time{} },
			access.WorkloadUnreviewed:  func(i *access.Identity) { i.Contract.Reviewed = f.Now().Add(-91 * day) },
			access.WorkloadShared:      func(i *access.Identity) { i.Contract.Consumers = []string{"a", "b"} },
			access.WorkloadByPerson:    func(*access.Identity) {},
			access.WorkloadUnused:      func(*access.Identity) {},
			access.WorkloadUnending:    func(*access.Identity) {},
			access.WorkloadOverdue:     func(*access.Identity) {},
			access.WorkloadWeak:        func(*access.Identity) {},
			access.WorkloadExposed:     func(*access.Identity) {},
		}
		if len(plan) != len(access.WorkloadKinds) {
			t.Fatalf("%d kinds, %d planned", len(access.WorkloadKinds), len(plan))
		}
		f.Change(func(c *enginetest.Company) {
			delete(c.People, "robot")
			delete(c.People, "pilot")
			for kind, change := range plan {
				bot("b-"+kind, change)(c)
			}
			bot("b-good", func(i *access.Identity) { i.Contract.Consumers = []string{"wiki-reader"} })(c)
			pay := c.Entitlements["dir:pay"]
			pay.Environment = access.Production
			c.Entitlements["dir:pay"] = pay
		})
		// What readings see.
		var accounts []engine.AccountSeen
		for kind := range plan {
			a := engine.AccountSeen{Name: "b-" + kind, ID: kind, Kind: "machine", Used: f.Now().Add(-day)}
			if kind == access.WorkloadUnused {
				a.Used = f.Now().Add(-91 * day)
			}
			accounts = append(accounts, a)
		}
		accounts = append(accounts, engine.AccountSeen{Name: "b-good", ID: "good", Kind: "machine", Used: f.Now().Add(-day)})
		if _, err := f.Engine.ObservedAccounts(ctx, "dir", f.Now(), accounts); err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.ObservedUses(ctx, "dir", f.Now(), []engine.UseSeen{{Account: "b-" + access.WorkloadByPerson, Program: "psql", From: "10.0.0.1", Person: true},
			{Account: "b-good", Program: "wiki-reader"}, {Account: "nobody", Program: "psql", Person: true}}); err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.ObservedExposures(ctx, "dir", f.Now(), []engine.ExposureSeen{{Account: "b-" + access.WorkloadExposed, What: "Deployment shop/web: a password stands in plain"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.ObservedCredentials(ctx, "dir", f.Now(), []engine.CredentialSeen{
			{ID: "1", Kind: "password", Account: "b-" + access.WorkloadUnending, Issued: f.Now()},
			{ID: "2", Kind: "password", Account: "b-" + access.WorkloadOverdue, Issued: f.Now().Add(-90 * day), Ends: f.Now().Add(day)},
			{ID: "3", Kind: "md5 password", Account: "b-" + access.WorkloadWeak, Issued: f.Now(), Ends: f.Now().Add(day)},
			{ID: "4", Kind: "key", Account: "b-good", Print: "SHA256:x", Issued: f.Now(), Ends: f.Now().Add(day)},
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.Observed(ctx, engine.Reading{System: "dir", At: f.Now(), Objects: []string{"pay", "wiki"}, Holdings: []engine.Held{
			{Account: "b-" + access.WorkloadProduction, Object: "pay"}, {Account: "b-" + access.WorkloadOverpowered, Object: "wiki"}, {Account: "b-good", Object: "wiki"}}}); err != nil {
			t.Fatal(err)
		}
		check := func(when string, want map[string]string) {
			t.Helper()
			for range 2 { // twice is the same as once
				if _, err := f.Engine.JudgeWorkloads(ctx); err != nil {
					t.Fatal(err)
				}
			}
			got := map[string]string{}
			for _, x := range f.Findings(true) {
				if _, ours := access.WorkloadKinds[x.Kind]; ours {
					got[x.Subject+" "+x.Kind] = x.Owner
				}
			}
			for k, owner := range want {
				if got[k] != owner {
					t.Errorf("%s: %s is for %q, want %q", when, k, got[k], owner)
				}
				delete(got, k)
			}
			for k := range got {
				t.Errorf("%s: nobody planted %s", when, k)
			}
		}
		want := map[string]string{}
		for kind := range plan {
			want["b-"+kind+" "+kind] = "eve"
		}
		want["b-"+access.WorkloadUnowned+" "+access.WorkloadUnowned] = "owen" // the systems' owner
		check("planted", want)
		c, err := f.Engine.WorkloadCoverage(ctx, f.As("anna"), false)
		if err != nil || c.Workloads != len(plan)+1 || c.Owner != len(plan) || c.Purpose != c.Workloads || c.Used != c.Workloads || c.End != c.Workloads || c.Review != c.Workloads-2 {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := f.Engine.WorkloadCoverage(ctx, f.As("bob"), false); err == nil {
			t.Error("bob sees the whole estate's figures")
		}
		// All mended.
		f.Change(func(c *enginetest.Company) {
			for kind := range plan {
				bot("b-"+kind, func(*access.Identity) {})(c)
			}
		})
		for n := range accounts {
			accounts[n].Used = f.Now()
		}
		f.Clock.Pass(31 * day)
		if _, err := f.Engine.ObservedAccounts(ctx, "dir", f.Now(), accounts); err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.ObservedExposures(ctx, "dir", f.Now(), nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			f.Clock.Pass(time.Minute)
			if _, err := f.Engine.ObservedCredentials(ctx, "dir", f.Now(), nil); err != nil { // a shrunk reading is believed the second time
				t.Fatal(err)
			}
			if _, err := f.Engine.Observed(ctx, engine.Reading{System: "dir", At: f.Now(), Objects: []string{"pay", "wiki"}}); err != nil {
				t.Fatal(err)
			}
		}
		check("mended", nil)
	})
}

const day = 24 * time.Hour
