// Package access holds the nouns of Lessor and the machines they move by:
// identity, entitlement, request, approval, grant, assignment, receipt,
// finding, event. It is pure: no clock, no randomness, no I/O, no foreign
// formats. Whatever needs a time or an id is handed one.
//
// The ticket is a claim, the grant is the authority, the assignment is the
// reality, the log is the proof. Request, Grant and Assignment are therefore
// three machines, and none of them moves because another did: each next step
// is decided anew from what is stored.
//
// The allowed moves stand once, in [Machines]. The drawing in docs/house.md is
// generated from that table, and the database refuses any other move.
package access
