package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/policy"
)

// AB-36: what a change of rules makes easier, and for whom, is known before it
// is in force; whoever gains by it has no part in deciding on it.
func TestAB36WhoGainsByAChangeOfRules(t *testing.T) {
	t.Parallel()
	const ask = `permit (principal, action == Action::"request", resource in Entitlement::"git:docs");`
	const others = `@id("others") @needs("owner") permit (principal, action == Action::"request", resource in Entitlement::"git:ann");`
	for _, tc := range []struct {
		name, before, after  string
		easier, harder, gain string // of ann asking for git:docs; gain over all
	}{
		{"nothing", `@id("a") @needs("owner") ` + ask, `@id("renamed") @needs("owner") ` + ask, "", "", ""},
		{"a rule for one", `@id("a") @needs("owner") ` + ask, `@id("a") @needs("owner") ` + ask + ` @id("b") @needs("none") permit (principal == Identity::"bert", action == Action::"request", resource in Entitlement::"git:dev");`, "", "", "bert"},
		{"a rule for a workload is for its owner", `@id("a") @needs("owner") ` + ask, `@id("a") @needs("owner") ` + ask + ` @id("b") @needs("none") permit (principal == Identity::"bot", action == Action::"request", resource in Entitlement::"git:dev");`, "", "", "ann bot"},
		{"a stage less", `@id("a") @needs("manager, owner") ` + ask, `@id("a") @needs("owner") ` + ask, "it no longer needs manager", "", "*"},
		{"a stage more", `@id("a") @needs("owner") ` + ask, `@id("a") @needs("manager, owner") ` + ask, "", "it needs manager", ""},
		{"fewer people", `@id("a") @needs("security:2") ` + ask, `@id("a") @needs("security") ` + ask, "it no longer needs security:2", "", "*"},
		{"another stage is both", `@id("a") @needs("manager") ` + ask, `@id("a") @needs("owner") ` + ask, "it no longer needs manager", "it needs owner", "*"},
		{"a longer term", `@id("a") @needs("owner") @max_term("2h") ` + ask, `@id("a") @needs("owner") @max_term("4h") ` + ask, "its longest term is 4h, not 2h", "", "*"},
		{"a shorter term", `@id("a") @needs("owner") @max_term("4h") ` + ask, `@id("a") @needs("owner") @max_term("2h") ` + ask, "", "its longest term is 2h, not 4h", ""},
		{"no sign-in", `@id("a") @needs("owner") @step_up("mfa") ` + ask, `@id("a") @needs("owner") ` + ask, "its votes no longer need the sign-in mfa", "", "*"},
		{"a sign-in", `@id("a") @needs("owner") ` + ask, `@id("a") @needs("owner") @step_up("mfa") ` + ask, "", "its votes need the sign-in mfa", ""},
		{"another sign-in", `@id("a") @needs("owner") @step_up("mfa") ` + ask, `@id("a") @needs("owner") @step_up("sms") ` + ask, "its votes need the sign-in sms, not mfa", "", "*"},
		{"it is forbidden", `@id("a") @needs("owner") ` + ask, `@id("a") @needs("owner") ` + ask + ` @id("no") @reason("Not now.") forbid (principal, action == Action::"request", resource);`, "", "it may not be asked for: Not now.", ""},
		{"a vote for oneself and friends", `@id("a") @needs("owner") ` + ask, `@id("a") @needs("owner") ` + ask + ` @id("v") permit (principal == Identity::"bert", action == Action::"approve", resource);
			@id("w") permit (principal, action == Action::"approve", resource) when { context.stage == "owner" && resource.entitlement.owners.contains(principal.person) };`, "", "", "bert"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := company().directory()
			before, after := mustLoad(t, rules(tc.before+others)), mustLoad(t, rules(tc.after+others))
			changes := policy.Compare(before, after, policy.OwnAsks(d, noon))
			i := slices.IndexFunc(changes, func(c policy.Change) bool { return c.Beneficiary == "ann" && c.Entitlement == "git:docs" })
			var got policy.Change
			if i >= 0 {
				got = changes[i]
			}
			if easier, harder := strings.Join(got.Easier, "; "), strings.Join(got.Harder, "; "); easier != tc.easier || harder != tc.harder {
				t.Errorf("easier %q, harder %q; want %q and %q", easier, harder, tc.easier, tc.harder)
			}
			gain := policy.Gain(d, changes)
			if all := strings.Join(gain, " "); all != tc.gain && (tc.gain != "*" || !slices.Contains(gain, "ann") || !slices.Contains(gain, "dora")) {
				t.Errorf("%q gain, want %q", all, tc.gain)
			}
			if back := policy.Compare(after, before, policy.OwnAsks(d, noon)); tc.gain != "bert" && len(back) != len(changes) {
				t.Errorf("%d changes one way, %d back", len(changes), len(back))
			}
		})
	}
}
