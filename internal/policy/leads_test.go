package policy_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/lessor-iam/lessor/internal/policy"
)

// A permit leads to what its scope and its first demands say, and to everything
// where they say nothing; a shipped one is left out only as it was shipped.
func TestLeadsSayWhomAPermitCouldMean(t *testing.T) {
	t.Parallel()
	known := []string{"approve-manager", "approve-manager-of-owner", "approve-owner", "approve-sponsor", "approve-group", "guard.implied-owner", "guard.stand-in"}
	dir := company().directory()
	if l := mustLoad(t, nil).Leads(policy.QuestionApprove, dir, known...); len(l) != 0 {
		t.Errorf("the shipped rules lead to %+v", l)
	}
	set := mustLoad(t, fstest.MapFS{"own.cedar": {Data: []byte(`
@id("approve-owner") permit (principal, action == Action::"approve", resource) when { context.stage == "owner" };
@id("one") permit (principal == Identity::"ann", action == Action::"approve", resource in Entitlement::"git:dev");
@id("two") permit (principal, action == Action::"approve", resource in System::"git") when { principal in Group::"security" };
@id("no") forbid (principal == Identity::"sam", action == Action::"approve", resource);
`)}})
	leads := set.Leads(policy.QuestionApprove, dir, known...)
	find := func(entitlement, system string) policy.Lead {
		i := slices.IndexFunc(leads, func(l policy.Lead) bool { return l.Entitlement == entitlement && l.System == system })
		if i < 0 {
			t.Fatalf("no lead to %q %q among %+v", entitlement, system, leads)
		}
		return leads[i]
	}
	if len(leads) != 3 {
		t.Errorf("%d leads: %+v", len(leads), leads)
	}
	if l := find("", ""); !l.Everyone || !l.Means("anybody") {
		t.Errorf("a rule that was changed: %+v", l)
	}
	if l := find("git:dev", ""); l.Everyone || !l.Means("ann") || l.Means("sam") {
		t.Errorf("a rule for one: %+v", l)
	}
	if l := find("", "git"); l.Everyone || !slices.Equal(l.Who, dir.MembersOf("security")) || len(l.Who) == 0 {
		t.Errorf("a rule for a group: %+v, members %v", l, dir.MembersOf("security"))
	}
}
