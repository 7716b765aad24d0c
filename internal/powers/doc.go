// Package powers says what an entitlement can become: what its holder can hand
// out, whom he can act as, which gate he can change, and so what he can give
// himself beyond what he was given.
//
//	roles, rights ── rules ──┐
//	catalog ─────────────────┴─> nodes, edges ── New ──> Graph ── Closure ──> classes, paths
//
// The closure of an entitlement is everything its edges lead to: the least fixed
// point, so that circles cost nothing and give nothing. A graph is built whole
// and changed by single nodes and edges; a change looks again only at what it
// can have changed, and leaves the same graph as building it whole.
//
// Rules never understate: where an export does not tell whether a path is open
// (a condition, a vault's access model, a role not in the file), the path is
// there and the rule says where it holds.
//
// It is pure: no file is read, nothing is asked of a system, and nothing is
// decided. What follows from a closure is for policy and people to say.
package powers
