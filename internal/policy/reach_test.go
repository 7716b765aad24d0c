package policy_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// What is implied needs whoever answers for all of it, or for its system; where
// the entitlement's own owners do, their stage is the one.
func TestImpliedNeedsWhoAnswersForIt(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, nil)
	for _, c := range []struct {
		name, entitlement string
		implied           []string
		stages            string
		who               map[string][]string // stage -> who can approve it
	}{
		{"nothing", "git:dev", nil, "manager:1", nil},
		{"of the same owner", "git:docs", []string{"git:review"}, "manager:1 owner:1", map[string][]string{"owner": {"otto"}}},
		{"of another", "git:docs", []string{"git:dev"}, "implied/git:1 manager:1", map[string][]string{"implied/git": {"olga"}}},
		{"of two who share nothing", "git:docs", []string{"git:dev", "git:review"}, "implied/git:1 manager:1", map[string][]string{"implied/git": nil}},
		{"in two systems", "git:docs", []string{"git:dev", "saas:crm"}, "implied/git:1 implied/saas:1 manager:1",
			map[string][]string{"implied/git": {"olga"}, "implied/saas": {"olga"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := askLine(t, policy.Facts{Now: noon, Directory: company().directory()}, strings.Fields("ann "+c.entitlement+" 1h"))
			f.Reach = access.Reach{Declared: "standard", Class: "standard", Implied: c.implied}
			f.Item.Decision = set.MayRequest(f)
			var got []string
			for _, st := range f.Item.Decision.Stages {
				got = append(got, st.Name+":"+string(rune('0'+st.Count)))
			}
			// The shipped default adds manager and owner to whatever hands out access.
			want := c.stages
			if len(c.implied) > 0 && !strings.Contains(want, "owner:1") {
				want += " owner:1"
			}
			if strings.Join(got, " ") != want || !f.Item.Decision.Allow {
				t.Errorf("stages %v, want %s; %s", got, want, f.Item.Decision.Why)
			}
			if !slices.Equal(f.Item.Decision.Reach.Implied, c.implied) {
				t.Errorf("the decision says %v is implied", f.Item.Decision.Reach.Implied)
			}
			for stage, want := range c.who {
				if who := set.WhoCanApprove(f, stage); !slices.Equal(who, want) {
					t.Errorf("%s: %v, want %v", stage, who, want)
				}
			}
			for _, voter := range []string{"sam", "dora"} {
				for stage := range c.who {
					if d := set.MayApprove(f, access.Actor{Identity: voter}, stage); d.Allow {
						t.Errorf("%s approves %s: %s", voter, stage, d.Why)
					}
				}
			}
		})
	}
}

// Rules read the class that is reached, in a scope and as an attribute; the label
// is another attribute. The facts' digest tells the two apart.
func TestRulesReadWhatIsReached(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, fstest.MapFS{"a.cedar": {Data: []byte(`
@id("by-scope") @needs("none")
permit (principal, action == Action::"request", resource in Class::"privileged");
@id("by-attribute") @needs("none")
permit (principal, action == Action::"request", resource) when { resource.entitlement.class == "privileged" };
@id("by-label") @needs("none")
permit (principal, action == Action::"request", resource) when { resource.entitlement.declared == "standard" };
@id("low") @needs("none")
permit (principal, action == Action::"request", resource in Class::"standard");
`)}})
	f := askLine(t, policy.Facts{Now: noon, Directory: company().directory()}, strings.Fields("ann git:dev 1h"))
	plain := set.MayRequest(f)
	f.Reach = access.Reach{Declared: "standard", Class: "privileged", Path: "because"}
	reached := set.MayRequest(f)
	for _, c := range []struct {
		d    access.Decision
		want string
	}{{plain, "by-label low"}, {reached, "by-attribute by-label by-scope"}} {
		var ids []string
		for _, r := range c.d.Rules {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("rules %s, want %s", got, c.want)
		}
	}
	if plain.Facts == reached.Facts {
		t.Error("the facts' digest is the same for both")
	}
	if !plain.Reach.IsZero() || reached.Reach.Path != "because" {
		t.Errorf("the decisions say %+v and %+v", plain.Reach, reached.Reach)
	}
}

// Duties are looked for in what either of the two implies, and never within one.
func TestClashesThroughWhatIsImplied(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, nil)
	for _, c := range []struct {
		name    string
		reach   []string
		implies map[string][]string
		allow   bool
	}{
		{"nothing", nil, nil, true},
		{"the asked implies one", []string{"git:review"}, nil, false},
		{"both of them in the asked", []string{"db:pay", "git:review"}, nil, false}, // db:pay is held beside it
		{"what is held implies nothing of it", nil, map[string][]string{"db:pay": {"git:dev"}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := askLine(t, policy.Facts{Now: noon, Directory: company().directory()}, strings.Fields("ann git:docs 1h"))
			f.Held, f.Implies = []string{"db:pay"}, c.implies
			f.Reach = access.Reach{Declared: "standard", Class: "standard", Implied: c.reach}
			if d := set.MayRequest(f); d.Allow != c.allow {
				t.Errorf("allow=%v: %s", d.Allow, d.Why)
			}
			f.Held = nil
			if d := set.MayRequest(f); !d.Allow {
				t.Errorf("beside nothing: %s", d.Why)
			}
		})
	}
}
