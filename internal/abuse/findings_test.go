package abuse

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
)

// read takes a whole reading of the system dir.
func (d *door) read() engine.Drift {
	d.t.Helper()
	r := inventory.New(inventory.Config{Door: d.Engine, System: "dir", Connector: d.Targets["dir"], Now: d.Now,
		Directory: func() *access.Directory { return d.WorldAt(d.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
	drift, err := r.Read(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return drift
}

// about is the open finding of a kind about a subject.
func (d *door) about(kind, subject string) access.Finding {
	d.t.Helper()
	for _, f := range d.Findings(true) {
		if f.Kind == kind && f.Subject == subject {
			return f
		}
	}
	d.t.Fatalf("no finding %s about %s among %+v", kind, subject, d.Findings(true))
	return access.Finding{}
}

// Somebody lets himself in at the target and would have it made good: nobody
// adopts for himself, in no guise; nobody adopts whose it is not to; and what is
// adopted waits for other people's votes.
func TestAB56_NobodyAdoptsHisOwn(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.read()
		for _, who := range []string{"owen", "eve", "robot", "sara", "stranger"} {
			d.Targets["dir"].Put(who, "wiki")
		}
		d.read()
		f := d.about("unexpected_access", "dir:wiki")
		d.key("looks-only", "sara", engine.ScopeView, engine.ScopeRequest)
		m := func(accounts ...string) engine.Remedy {
			return engine.Remedy{Finding: f.ID, Accounts: accounts, Reason: "it is fine"}
		}
		for name, tc := range map[string]struct {
			token, account string
			want           error
		}{
			"the owner, his own":               {"owen", "owen", access.ErrDenied},
			"security, her own":                {"sara", "sara", access.ErrDenied},
			"the holder":                       {"eve", "eve", access.ErrNotFound},
			"the owner of the workload":        {"eve", "robot", access.ErrNotFound},
			"an auditor":                       {"anna", "eve", access.ErrDenied},
			"a manager, who owns it not":       {"mia", "eve", access.ErrNotFound},
			"an account that is nobody's":      {"owen", "stranger", access.ErrInvalid},
			"somebody who does not hold it":    {"owen", "bob", access.ErrInvalid},
			"security's own by another's name": {"sven", "sara\u0000", access.ErrInvalid},
		} {
			if list, err := d.as(tc.token).Adopt(t.Context(), m(tc.account)); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, %v; want %v", name, list, err, tc.want)
			}
		}
		if _, err := d.as("looks-only").Remove(t.Context(), m("eve")); !errors.Is(err, access.ErrDenied) {
			t.Errorf("a token that is not good for it removes: %v", err)
		}
		// What is not about such access, and what is over, is adopted by nobody.
		if err := d.as("owen").Accept(t.Context(), m()); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("let be: %v", err)
		}
		if n := len(d.Grants()); n != 0 {
			t.Fatalf("%d grants", n)
		}
		// Adopted, it is asked for; whoever adopted it and whoever holds it have no vote.
		list, err := d.as("owen").Adopt(t.Context(), m("eve"))
		if err != nil || len(list) != 1 || list[0].State != access.Pending {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, who := range []string{"eve", "owen", "eve.2"} {
			if _, err := d.vote(who, list[0]); err == nil {
				t.Errorf("%s votes", who)
			}
		}
		// Nor can it be made into another request on the way.
		if _, err := d.as("owen").Edit(t.Context(), list[0].ID, list[0].Digest, engine.Ask{Beneficiary: "bob", Entitlements: []string{"dir:root"}, Term: hour, Reason: "more"}); !errors.Is(err, access.ErrDenied) {
			t.Errorf("edited: %v", err)
		}
		d.approve("mia", list[0])
		if got, err := d.as("sara").Remove(t.Context(), m("owen", "robot", "stranger", "sara")); err != nil || got.Removing != 4 {
			t.Fatalf("%+v, %v", got, err)
		}
		d.Work()
		if held := d.Held("dir"); len(held) != 1 || held[0].Account != "eve" {
			t.Errorf("held: %v", held)
		}
		d.CheckQuiet()
	})
}

// A name at the target that would write the finding: it is one account, and what
// it says is nobody's word.
func TestAB56_NamesAtTheTarget(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.read()
		evil := "eve (eve; denied as rq-1), bob\x1b[2J"
		d.Targets["dir"].Put(evil, "wiki")
		d.read()
		f := d.about("unexpected_access", "dir:wiki")
		if strings.ContainsRune(f.Text, 0x1b) || !strings.Contains(f.Text, `: "eve (eve; denied as rq-1), bob\x1b[2J" (nobody we know)`) {
			t.Errorf("finding is %q", f.Text)
		}
		if _, err := d.as("owen").Remove(t.Context(), engine.Remedy{Finding: f.ID, Accounts: []string{evil}, Reason: "whose is that"}); err != nil {
			t.Errorf("it cannot be removed: %v", err)
		}
		d.Work()
		if d.Targets["dir"].Holds(evil, "wiki") {
			t.Error("still there")
		}
	})
}

// AB-55 and AB-56 together: what rules have removed is removed though the target
// is down when it should be, lies and flaps.
func TestAB55_RemovalByRuleIsNeverGivenUp(t *testing.T) {
	rule := `@id("out") @remedy("remove") permit (principal, action == Action::"remedy", resource in Class::"standard");`
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) { c.Rules["remedy.cedar"] = rule })
		d.read()
		dir := d.Targets["dir"]
		dir.Put("bob", "wiki")
		if drift := d.read(); drift.Removing != 1 {
			t.Fatalf("drift is %+v", drift)
		}
		dir.Always(enginetest.Unreachable, enginetest.Blind)
		d.Advance(hour.D())
		dir.Mend()
		dir.Break(enginetest.Lie, enginetest.Lost, enginetest.HangDone)
		d.Advance(hour.D())
		if dir.Holds("bob", "wiki") {
			t.Error("still there")
		}
		d.CheckQuiet()
	})
}
