package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

func sealing(change ...func(*engine.Sealing)) engine.Sealing {
	a := engine.Sealing{System: "dir", Account: "glass", Opens: []string{"dir:root"}, Custodians: []string{"ada", "nora"}, Place: "the safe on the third floor", Print: "SHA256:one"}
	for _, do := range change {
		do(&a)
	}
	return a
}

// safe is a fixture with a sealed account, and readings of it.
type safe struct {
	*enginetest.Fixture
	t     *testing.T
	used  time.Time
	holds []engine.Held
}

func newSafe(t *testing.T, f *enginetest.Fixture) *safe {
	return &safe{Fixture: f, t: t, holds: []engine.Held{{Account: "glass", Object: "root"}}}
}

func (s *safe) seal(change ...func(*engine.Sealing)) access.Seal {
	s.t.Helper()
	is, err := s.Engine.Seal(s.t.Context(), s.As("sara"), sealing(change...))
	if err != nil {
		s.t.Fatal(err)
	}
	s.Clock.Pass(time.Minute)
	return is
}

// read is a whole reading of accounts, sessions and holdings, a minute later.
func (s *safe) read(sessions ...engine.UseSeen) {
	s.t.Helper()
	s.Clock.Pass(time.Minute)
	if _, err := s.Engine.ObservedAccounts(s.t.Context(), "dir", s.Now(), []engine.AccountSeen{{Name: "glass", ID: "n1", Used: s.used}, {Name: "eve", ID: "n2"}, {Name: "bob", ID: "n3"}}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Engine.ObservedUses(s.t.Context(), "dir", s.Now(), sessions); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Engine.Observed(s.t.Context(), engine.Reading{System: "dir", At: s.Now(), Objects: []string{"wiki", "root"}, Holdings: s.holds}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *safe) is(what string, want ...string) {
	s.t.Helper()
	var is []string
	for _, f := range s.Findings(true) {
		is = append(is, f.Kind)
	}
	slices.Sort(is)
	if !slices.Equal(is, want) {
		s.t.Errorf("%s: findings are %v, want %v: %+v", what, is, want, s.Findings(true))
	}
}

func (s *safe) state(id string) access.Seal {
	s.t.Helper()
	list, err := s.Engine.Seals(s.t.Context(), s.As("sara"), "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, one := range list {
		if one.ID == id {
			return one
		}
	}
	s.t.Fatalf("no seal %s", id)
	return access.Seal{}
}

// What whole seals say is no surprise; whatever else is seen of them is a use, told
// loudly, broken until renewed, and settled by naming an incident, by no custodian.
func TestAB38_ASealedCredential(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		s := newSafe(t, f)
		s.used = f.Now().Add(-24 * time.Hour)
		one := s.seal()
		told := f.Notices()
		if last := told[len(told)-1]; !slices.Equal(last.To, []string{"otto", "owen", "security", "ada", "nora"}) {
			t.Errorf("told: %+v", last)
		}
		s.read()
		s.read()
		s.is("whole")
		// 1. Somebody signs in by it.
		s.used = f.Now()
		s.read()
		s.is("used", "seal_used", "unexpected_access")
		is := s.state(one.ID)
		if is.State != access.SealBroken || !is.Used.Equal(s.used) || !strings.Contains(is.Broken, "signed in by its account") {
			t.Errorf("seal is %+v", is)
		}
		told = f.Notices()
		var used engine.Notice
		for _, n := range told {
			if strings.Contains(n.Subject, "sealed credential") {
				used = n
			}
		}
		if used.Loud == 0 || !slices.Contains(used.To, "otto") || !slices.Contains(used.To, "security") || !strings.Contains(used.Text, one.ID) {
			t.Errorf("told: %+v", used)
		}
		for _, o := range f.Findings(true) {
			if o.Kind == access.SealUsed && (o.Owner != "otto" || !o.DueAt.Equal(f.Now().Add(6*time.Hour)) || o.Subject != one.ID) {
				t.Errorf("finding %+v", o)
			}
			if o.Kind == "unexpected_access" && !strings.Contains(o.Text, "what seal "+one.ID+" opens, which is broken") {
				t.Errorf("finding %+v", o)
			}
		}
		// 2. The same reading again, and another use: one finding, and the log.
		n := len(f.Notices())
		s.read()
		s.used = f.Now()
		s.read()
		if len(f.Notices()) != n {
			t.Errorf("told again: %+v", f.Notices()[n:])
		}
		s.is("used again", "seal_used", "unexpected_access")
		// 3. Who settles it, and how not.
		word := engine.SealUse{Seal: one.ID, Incident: "INC-9", Text: "the control plane was down from 3 to 4"}
		settle := func(by string, change func(*engine.SealUse)) error {
			w := word
			change(&w)
			_, err := f.Engine.SettleSeal(t.Context(), f.As(by), w)
			return err
		}
		same := func(*engine.SealUse) {}
		refused(t, "a custodian", settle("nora", same), access.ErrDenied, "custodian")
		refused(t, "a stranger", settle("eve", same), access.ErrNotFound, one.ID)
		refused(t, "an auditor", settle("anna", same), access.ErrDenied, "")
		refused(t, "no incident", settle("sven", func(u *engine.SealUse) { u.Incident = " " }), access.ErrInvalid, "incident")
		refused(t, "no such incident", settle("sven", func(u *engine.SealUse) { u.Incident = "that one" }), access.ErrInvalid, "is not like")
		refused(t, "no word", settle("sven", func(u *engine.SealUse) { u.Text = "" }), access.ErrInvalid, "text")
		for _, o := range f.Findings(true) {
			if o.Kind == access.SealUsed {
				refused(t, "let be", f.Engine.Accept(t.Context(), f.As("sara"), engine.Remedy{Finding: o.ID, Reason: "fine"}), access.ErrInvalid, "closes when")
			}
		}
		if err := settle("otto", same); err != nil {
			t.Fatal(err)
		}
		refused(t, "twice", settle("otto", same), access.ErrGone, "no use")
		s.is("settled, and not renewed", "unexpected_access")
		// 4. Used once more before it is renewed: it is asked for again.
		s.used = f.Now()
		s.read()
		s.is("used after it was settled", "seal_used", "unexpected_access")
		if err := settle("sven", same); err != nil {
			t.Fatal(err)
		}
		// 5. Renewed, by another fingerprint.
		_, err := f.Engine.Seal(t.Context(), f.As("sara"), sealing())
		refused(t, "the old fingerprint", err, access.ErrInvalid, "make the credential anew")
		two := s.seal(func(a *engine.Sealing) { a.Print = "SHA256:two" })
		if s.state(one.ID).State != access.SealRenewed || two.Renews != one.ID {
			t.Errorf("the old one is %+v, the new one %+v", s.state(one.ID), two)
		}
		s.read()
		s.read()
		s.is("renewed")
		f.Check()
	})
}

// Every way by which a system tells that a sealed credential was used.
func TestAB38_HowAUseIsSeen(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		s := newSafe(t, f)
		for what, use := range map[string]func(){
			"a session":                          func() { s.read(engine.UseSeen{Account: "glass", Program: "psql", From: "10.0.0.9"}) },
			"a sign-in before the first reading": func() { s.used = f.Now(); s.read() },
			"beyond what it says":                func() { s.holds = append(s.holds, engine.Held{Account: "glass", Object: "wiki"}); s.read() },
			"a credential in use": func() {
				s.keys(engine.CredentialSeen{ID: "k", Kind: "key", Account: "glass", Issued: f.Now().Add(-time.Hour), Used: f.Now()})
			},
			"a credential that came": func() { s.keys(engine.CredentialSeen{ID: "k", Kind: "key", Account: "glass", Issued: f.Now()}) },
			"a credential without a date": func() {
				s.keys()
				s.keys(engine.CredentialSeen{ID: "password/1", Kind: "password", Account: "glass"})
			},
		} {
			s.used, s.holds = time.Time{}, s.holds[:1]
			s.keys()
			one := s.seal(func(a *engine.Sealing) { a.Print = "" })
			use()
			if is := s.state(one.ID); is.State != access.SealBroken || !strings.HasPrefix(is.Broken, "used: ") {
				t.Errorf("%s: seal is %+v", what, is)
			}
			if _, err := f.Engine.SettleSeal(t.Context(), f.As("sven"), engine.SealUse{Seal: one.ID, Incident: "INC-1", Text: what}); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			f.Clock.Pass(time.Minute)
		}
		f.Check()
	})
}

func (s *safe) keys(list ...engine.CredentialSeen) {
	s.t.Helper()
	s.Clock.Pass(time.Minute)
	if _, err := s.Engine.ObservedCredentials(s.t.Context(), "dir", s.Now(), list); err != nil {
		s.t.Fatal(err)
	}
}

// What a seal is not: its account is no orphan, nor are its credentials, while it stands.
func TestAB38_ASealedAccountIsNoOrphan(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		s := newSafe(t, f)
		s.keys(engine.CredentialSeen{ID: "k", Kind: "key", Account: "glass", Issued: f.Now().Add(-time.Hour)})
		s.read()
		s.is("nobody's", "credential_orphan", "credential_unending", "orphan_accounts", "unexpected_access")
		one := s.seal()
		s.keys(engine.CredentialSeen{ID: "k", Kind: "key", Account: "glass", Issued: f.Now().Add(-time.Hour)})
		s.read()
		s.is("sealed")
		refusedUnseal := func(by string, retire bool, kind error) {
			t.Helper()
			_, err := f.Engine.Unseal(t.Context(), f.As(by), engine.Unsealing{Seal: one.ID, Retire: retire, Reason: "it is gone from the safe"})
			refused(t, by, err, kind, "")
		}
		refusedUnseal("eve", false, access.ErrNotFound)
		refusedUnseal("otto", false, access.ErrDenied)
		refusedUnseal("nora", true, access.ErrDenied)
		if _, err := f.Engine.Unseal(t.Context(), f.As("nora"), engine.Unsealing{Seal: one.ID, Reason: "the envelope is torn"}); err != nil {
			t.Fatal(err)
		}
		refusedUnseal("nora", false, access.ErrGone)
		s.read()
		s.is("broken by hand", "unexpected_access")
		if _, err := f.Engine.Unseal(t.Context(), f.As("sven"), engine.Unsealing{Seal: one.ID, Retire: true, Reason: "the account goes"}); err != nil {
			t.Fatal(err)
		}
		s.keys(engine.CredentialSeen{ID: "k", Kind: "key", Account: "glass", Issued: f.Now().Add(-time.Hour)})
		s.read()
		s.is("retired", "credential_orphan", "credential_unending", "orphan_accounts", "unexpected_access")
		f.Check()
	})
}

// Who seals what, and when one is no longer to be relied on.
func TestAB38_WhoSealsAndUntilWhen(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, c := range []struct {
			by, says string
			kind     error
			change   func(*engine.Sealing)
		}{
			{"owen", "security", access.ErrDenied, func(*engine.Sealing) {}},
			{"sara", "keep themselves", access.ErrDenied, func(a *engine.Sealing) { a.Custodians[0] = "sara" }},
			{"sara", "two custodians", access.ErrInvalid, func(a *engine.Sealing) { a.Custodians = a.Custodians[:1] }},
			{"sara", "two people", access.ErrInvalid, func(a *engine.Sealing) { a.Custodians = []string{"mia", "mia.2"} }},
			{"sara", "only people", access.ErrInvalid, func(a *engine.Sealing) { a.Custodians[0] = "robot" }},
			{"sara", "not active", access.ErrInvalid, func(a *engine.Sealing) { a.Custodians[0] = "zoe" }},
			{"sara", "external", access.ErrInvalid, func(a *engine.Sealing) { a.Custodians[0] = "xena" }},
			{"sara", "is somebody's", access.ErrInvalid, func(a *engine.Sealing) { a.Account = "eve" }},
			{"sara", "no system", access.ErrInvalid, func(a *engine.Sealing) { a.System = "nowhere" }},
			{"sara", "no entitlement", access.ErrInvalid, func(a *engine.Sealing) { a.Opens = []string{"git:deploy"} }},
			{"sara", "opens must name", access.ErrInvalid, func(a *engine.Sealing) { a.Opens = nil }},
			{"sara", "place", access.ErrInvalid, func(a *engine.Sealing) { a.Place = "" }},
			{"sara", "until", access.ErrInvalid, func(a *engine.Sealing) { a.Until = f.Now().Add(400 * 24 * time.Hour) }},
		} {
			_, err := f.Engine.Seal(t.Context(), f.As(c.by), sealing(c.change))
			refused(t, c.says, err, c.kind, c.says)
		}
		s := newSafe(t, f)
		// A custodian leaves; the account becomes somebody's; its time is over.
		for says, change := range map[string]func(){
			"custodian nora": func() {
				f.Change(func(c *enginetest.Company) { n := c.People["nora"]; n.Inactive = true; c.People["nora"] = n })
			},
			"is somebody's": func() {
				f.Change(func(c *enginetest.Company) {
					c.People["robot2"] = access.Identity{ID: "robot2", Kind: access.Workload, Owner: "eve", Accounts: map[string]string{"dir": "glass"}}
				})
			},
			"had to be renewed": func() { f.Clock.Pass(48 * time.Hour) },
		} {
			one := s.seal(func(a *engine.Sealing) { a.Until = f.Now().Add(24 * time.Hour); a.Print = "" })
			change()
			s.read()
			if is := s.state(one.ID); is.State != access.SealBroken || !strings.Contains(is.Broken, says) {
				t.Errorf("%s: seal is %+v", says, is)
			}
			f.Change(func(c *enginetest.Company) {
				n := c.People["nora"]
				n.Inactive = false
				c.People["nora"] = n
				delete(c.People, "robot2")
			})
		}
		// Where it lies is not for everybody who may know of it.
		if list, err := f.Engine.Seals(t.Context(), f.As("otto"), "", 10); err != nil || len(list) != 3 || list[0].Place != "" {
			t.Errorf("to otto: %+v, %v", list, err)
		}
		if list, err := f.Engine.Seals(t.Context(), f.As("eve"), "", 10); err != nil || len(list) != 0 {
			t.Errorf("to eve: %+v, %v", list, err)
		}
		f.Check()
	})
}
