// Package policy answers questions about entitlements by rules: may this be
// requested, what does it need, may this person approve, may it be held now,
// who sees it, who ends it. It is pure: the time and every fact are handed in,
// nothing is written, and equal questions get equal answers.
//
//	rules (*.cedar) + guards ── Load ──> Set
//	Set, Facts ── MayRequest, MayApprove, MayHold … ──> access.Decision
//
// Rules are Cedar. The shipped guards are always on; they forbid what no policy
// may permit. Three things are decided beside Cedar, from its answer:
//
//   - obligations: @needs, @max_term and @step_up of every permit that applied,
//     and of every rule that obliges (it lets nothing through), are added up,
//     strictest wins, and a term longer than they allow is a denial (never a
//     silent cut);
//   - a stage that is neither manager, owner, sponsor nor a group of the
//     directory is a denial;
//   - at the moment of granting, every vote's authority is asked anew and counted
//     before Cedar is told which stages are missing.
//
// Silence denies: no permit, an error in any rule that was looked at, or a fact
// that does not fit the schema is a denial with its reason. Cedar itself skips a
// rule that errors, which would let a forbid fail open; no decision of ours does.
package policy
