// Package bench measures Lessor's policy against another engine under the same
// rules, on the same questions, in the same run. It is a module of its own so
// that no engine that is only measured enters the product. It decides nothing.
package bench

import (
	"fmt"
	"strings"

	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/policy/policytest"
)

// shared are the shipped guards and default rules for the questions request and
// approve, as somebody who knows Rego would write them: equalities on the input
// come first, where the rule index of OPA finds them, and memberships are
// looked up in a flat object, never walked.
const shared = `
requester := data.identity[input.requester]
beneficiary := data.identity[input.beneficiary]
entitlement := data.entitlement[input.entitlement]
behind := data.identity[beneficiary.person]
hands := {h | some h in input.hands}
powerful if { some p in entitlement.powers; p in {"admin", "grant"} }
person_active(id) if { data.identity[id].active; data.identity[id].kind == "person" }
`

const requestRules = `package lessor.request

` + shared + `
forbids contains "guard.requester-active" if not requester.active
forbids contains "guard.beneficiary-active" if not beneficiary.active
forbids contains "guard.entitlement-known" if not data.entitlement[input.entitlement]
forbids contains "guard.workload-owner" if { requester.kind == "workload"; not person_active(requester.owner) }
forbids contains "guard.workload-owner" if { beneficiary.kind == "workload"; not person_active(beneficiary.owner) }
forbids contains "guard.agent-sponsor" if { requester.kind == "agent"; not person_active(requester.sponsor) }
forbids contains "guard.agent-sponsor" if { beneficiary.kind == "agent"; not person_active(beneficiary.sponsor) }
delicate if entitlement.class == "privileged"
delicate if powerful
forbids contains "guard.external-privileged" if { beneficiary.external; delicate; not person_active(behind.sponsor) }
forbids contains "guard.conflict-of-duties" if count(input.clashes) > 0
forbids contains "guard.term-positive" if input.term <= 0
forbids contains "guard.term-longest" if input.term > 366 * 86400
forbids contains "guard.term-entitlement" if input.term > entitlement.max_term
forbids contains "guard.term-chain" if input.total > entitlement.max_total
forbids contains "guard.term-identity-end" if input.end > beneficiary.end
forbids contains "guard.term-identity-end" if input.end > behind.end
forbids contains "guard.window-over" if input.end <= input.now

answers_for if data.identity[behind.manager].person == requester.person
answers_for if data.identity[beneficiary.owner].person == requester.person
answers_for if data.identity[behind.sponsor].person == requester.person
forbids contains "ask-for-others" if { requester.person != beneficiary.person; not answers_for }
permits contains "ask-standard" if { entitlement.class == "standard"; beneficiary.kind == "person"; not beneficiary.external }
permits contains "ask-external" if { entitlement.class == "standard"; beneficiary.kind == "person"; beneficiary.external }
permits contains "ask-workload" if { entitlement.class == "standard"; beneficiary.kind != "person" }
permits contains "ask-privileged" if entitlement.class == "privileged"
permits contains "ask-third-party" if entitlement.class == "third-party"
obliges contains "oblige-power" if powerful
`

const approveRules = `package lessor.approve

` + shared + `
voter := data.identity[input.voter]
forbids contains "guard.entitlement-known" if not data.entitlement[input.entitlement]
forbids contains "guard.approver-person" if voter.kind != "person"
forbids contains "guard.approver-active" if not voter.active
forbids contains "guard.approver-external" if voter.external
forbids contains "guard.own-request" if voter.person == requester.person
forbids contains "guard.own-benefit" if voter.person == beneficiary.person
own if voter.person in hands
own if { voter.kind != "person"; data.identity[voter.owner].person in hands }
own if { voter.kind != "person"; data.identity[voter.sponsor].person in hands }
forbids contains "guard.own-workload" if { own; voter.person != requester.person; voter.person != beneficiary.person }
forbids contains "guard.own-rule" if voter.person in input.authors
forbids contains "guard.one-vote" if voter.person in input.voted
forbids contains "guard.step-up" if { input.step_up != ""; input.strength != input.step_up }
known if input.stage in {"manager", "owner", "sponsor"}
known if input.group
forbids contains "guard.stage-known" if not known

permits contains "approve-manager" if { input.stage == "manager"; voter.person == data.identity[behind.manager].person }
permits contains "approve-manager-of-owner" if {
	input.stage == "manager"
	voter.person == data.identity[data.identity[data.identity[beneficiary.owner].person].manager].person
}
permits contains "approve-owner" if { input.stage == "owner"; voter.person in entitlement.owners }
permits contains "approve-sponsor" if { input.stage == "sponsor"; voter.person == data.identity[behind.sponsor].person }
permits contains "approve-group" if voter.groups[input.group]
`

// regoOf writes a rule of a team in Rego.
func regoOf(r policytest.Spec) string {
	set, who := "permits", "requester"
	if r.Forbid {
		set = "forbids"
	}
	if r.Question == policy.QuestionApprove {
		who = "voter"
	}
	var conditions []string
	add := func(when bool, format string, args ...any) {
		if when {
			conditions = append(conditions, fmt.Sprintf(format, args...))
		}
	}
	add(r.Entitlement != "", "input.entitlement == %q", r.Entitlement)
	add(r.Question == policy.QuestionApprove, `input.stage == "owner"`)
	add(r.Class != "", "entitlement.class == %q", r.Class)
	add(r.Group != "", "%s.groups[%q]", who, r.Group)
	add(r.LongestHour != 0, "input.term <= %d", r.LongestHour*3600)
	add(r.Department != "", "beneficiary.department == %q", r.Department)
	return fmt.Sprintf("%s contains %q if { %s }\n", set, r.ID, strings.Join(conditions, "; "))
}

// modules are all rules in Rego, by question.
func modules(w *policytest.World, n int) map[string]string {
	text := map[string]string{policy.QuestionRequest: requestRules, policy.QuestionApprove: approveRules}
	for _, r := range w.Teams(n) {
		text[r.Question] += regoOf(r)
	}
	return text
}
