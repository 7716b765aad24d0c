// Package survive kills, freezes, cuts off and confuses running servers while
// people ask, vote, give back and revoke, lets everything mend, and then has one
// oracle read the targets with their own tools and hold them against the ledger.
//
// The servers are processes of their own, the targets a real slapd and a real
// PostgreSQL, the database a cluster that is killed like anything else; Jira alone
// is the stand-in. A run is a row of lives: a life has a fresh folder and a fresh
// database, and ends when everything that was granted has ended and is seen gone.
// Each life is a row of rounds: a storm with trouble in it, then quiet, then the
// oracle. The seed says which trouble comes when and what is asked; what the
// machine makes of it is chance.
//
// It has tests only. It never mends what it judges: after the storm it starts what
// was killed and lets go of what it held, and touches nothing else.
package survive
