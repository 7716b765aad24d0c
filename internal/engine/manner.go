package engine

import "github.com/lessor-iam/lessor/internal/store"

// manners are the verbs that run beside others on PostgreSQL ([store.Manner]); whatever
// is not among them runs beside none that is Noted, so that it need say nothing here. Why
// each of them may:
//
// What submit and vote decide by is, of what other such verbs change, whose requests and
// grants they read; that is noted. The rest only verbs change that are apart: halts,
// absences, who stands in for whom, who has left, what can become what, doubts about
// accounts, the log's key. A vote changes the request it is for, a grant the assignment it
// is for, both presuming what was read: who votes on the same request, or works on the
// same assignment, begins anew. That nothing stands twice (a reference, a finding, the
// assignment of an account and an object, one person's vote) unique indexes say.
//
// What is claimed and settled moves grants that submit and vote read, and asks policy
// again by the grants and requests of the same identities: noted, too. The assignment
// that they work on they change with it. Among themselves and beside all others they are
// serializable.
//
// Time is kept in a row of its own, which no deed decides by.
var manners = map[string]store.Manner{
	"submit": store.Noted, "vote": store.Noted,
	"claim": store.Beside, "settle": store.Beside,
	"keep time": store.Serial,
}

// manner is how a verb keeps out of the way of others. Another version of the program may
// note nothing and take no turns at the gate: while one may be there, whatever is noted is
// serializable, too, as everything in every version is or was.
func (e *Engine) manner(verb string) store.Manner {
	m, ok := manners[verb]
	switch {
	case !ok:
		return store.Apart
	case m == store.Noted && e.Mixed != nil && e.Mixed():
		return store.Beside
	}
	return m
}
