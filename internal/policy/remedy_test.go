package policy_test

import (
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

func found(entitlement, holder string) policy.Found {
	system, _, _ := strings.Cut(entitlement, ":")
	return policy.Found{Now: noon, Directory: company().directory(), System: system, Entitlement: entitlement, Holder: holder,
		Finding: access.Finding{ID: "fi-1", Kind: "unexpected_access", Subject: entitlement, Owner: "olga"}}
}

// What is done by itself is what one rule says; silence, a forbid, an error and
// rules that differ do nothing.
func TestRemedy(t *testing.T) {
	t.Parallel()
	const remove = `@id("out") @remedy("remove") permit (principal, action == Action::"remedy", resource in System::"git");`
	const adopt = `@id("in") @remedy("adopt") permit (principal, action == Action::"remedy", resource in Class::"standard");`
	for name, tc := range map[string]struct {
		rules, entitlement, holder string
		want                       policy.Remedy
		why                        string
	}{
		"no rule":               {``, "git:dev", "ann", policy.Alert, "no rule says"},
		"a rule for everything": {`@id("all") permit (principal, action, resource) when { resource.entitlement.known };`, "git:dev", "ann", policy.Alert, "no rule says"},
		"removed":               {remove, "git:dev", "ann", policy.Remove, ""},
		"adopted":               {adopt, "git:dev", "ann", policy.Adopt, ""},
		"two that differ":       {remove + adopt, "git:dev", "ann", policy.Alert, "different remedies (adopt, remove)"},
		"forbidden":             {remove + `@id("not") forbid (principal, action == Action::"remedy", resource);`, "git:dev", "ann", policy.Alert, "forbids"},
		"an orphan":             {remove + `@id("not") forbid (principal, action == Action::"remedy", resource) when { principal.kind == "unknown" };`, "git:dev", "", policy.Alert, "forbids"},
		"an error":              {remove + `@id("err") forbid (principal, action == Action::"remedy", resource) when { 9223372036854775807 + (if principal.active then 1 else 2) > 0 };`, "git:dev", "ann", policy.Alert, "could not be answered"},
		"of another system":     {remove, "db:read", "ann", policy.Alert, "no rule says"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := `@id("ask") @needs("none") permit (principal, action == Action::"request", resource);` + tc.rules
			if name == "a rule for everything" {
				text = strings.Replace(tc.rules, "permit", `@needs("none") permit`, 1)
			}
			f := found(tc.entitlement, tc.holder)
			got, d := mustLoad(t, rules(text)).Remedy(f)
			if got != tc.want || !strings.Contains(d.Why, tc.why) || d.Allow != (tc.want != policy.Alert) {
				t.Errorf("%s (%+v), want %s: %s", got, d, tc.want, tc.why)
			}
		})
	}
}

// Who settles: owners and security, nobody in their own favour, people alone.
func TestMaySettle(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, nil)
	for _, tc := range []struct {
		who, holder string
		how         policy.Remedy
		allow       bool
	}{
		{"olga", "ann", policy.Adopt, true},
		{"olga", "ann", policy.Remove, true},
		{"sam", "ann", policy.Accept, true},
		{"sam", "", policy.Remove, true},
		{"mia", "ann", policy.Adopt, false},
		{"olga", "olga", policy.Adopt, false},
		{"olga", "olga", policy.Remove, true}, // to lose something is no favour
		{"sam", "sam", policy.Accept, false},
		{"left", "ann", policy.Remove, false},
		{"bot", "ann", policy.Remove, false}, // in security, and no person
		{"nobody", "ann", policy.Remove, false},
	} {
		d := set.MaySettle(found("git:dev", tc.holder), access.Actor{Identity: tc.who}, tc.how)
		if d.Allow != tc.allow || d.Why == "" {
			t.Errorf("%s %s what %q holds: %+v, want %t", tc.who, tc.how, tc.holder, d, tc.allow)
		}
	}
	// What an owner's workload holds is the owner's.
	f := found("git:dev", "bot")
	if d := set.MaySettle(f, access.Actor{Identity: "ann"}, policy.Adopt); d.Allow {
		t.Error("ann adopts what her own bot holds")
	}
}
