package access

import "fmt"

// Machine names one of the state machines, as the move table does.
type Machine string

const (
	RequestMachine    Machine = "request"
	GrantMachine      Machine = "grant"
	AssignmentMachine Machine = "assignment"
	RotationMachine   Machine = "rotation"
	HandoverMachine   Machine = "handover"
	SealMachine       Machine = "seal"
)

// RequestState says who has the next move of a request.
type RequestState string

const (
	Submitted RequestState = "submitted" // policy has the next move
	Pending   RequestState = "pending"   // the approvers have
	Approved  RequestState = "approved"  // nobody: at least one item was granted
	Denied    RequestState = "denied"    // nobody: no item was granted
	Cancelled RequestState = "cancelled" // nobody: the requester took it back
	Expired   RequestState = "expired"   // nobody: it was not answered in time
)

// GrantState says whether a grant is a reason. Whether it is one *now* is
// [Grant.LiveAt]; the stored state follows at the next tick.
type GrantState string

const (
	Scheduled GrantState = "scheduled" // the clock has the next move
	Live      GrantState = "live"      // the clock, the holder, the owner or security have
	Ended     GrantState = "ended"     // nobody
)

// EndReason says why a grant ended.
type EndReason string

const (
	EndExpired         EndReason = "expired"
	EndReturned        EndReason = "returned"
	EndRevoked         EndReason = "revoked"
	EndLeaver          EndReason = "leaver"
	EndReview          EndReason = "review"
	EndEligibilityLost EndReason = "eligibility-lost"
	EndSuperseded      EndReason = "superseded"
	EndTicketClosed    EndReason = "ticket-closed"
)

// AssignmentState says what has been seen, and what the reconciler is doing about it.
type AssignmentState string

const (
	Absent   AssignmentState = "absent"   // seen absent, and not wanted
	Adding   AssignmentState = "adding"   // wanted, not yet seen
	Held     AssignmentState = "held"     // seen, and wanted
	Removing AssignmentState = "removing" // not wanted, not yet seen gone
)

// Move is one allowed move of a machine. From is empty for a beginning.
type Move struct {
	Machine  Machine
	From, To string
	Why      string
}

// Machines is the table of every allowed move. The database's triggers, the
// drawing in docs/house.md and the code's own check all read this table.
var Machines = []Move{
	{RequestMachine, "", "submitted", "asked"},
	{RequestMachine, "submitted", "pending", "policy wants approvals"},
	{RequestMachine, "submitted", "approved", "policy wants none"},
	{RequestMachine, "submitted", "denied", "policy says no"},
	{RequestMachine, "submitted", "cancelled", "taken back"},
	{RequestMachine, "pending", "approved", "every stage has its votes"},
	{RequestMachine, "pending", "denied", "an approver or policy says no"},
	{RequestMachine, "pending", "cancelled", "taken back"},
	{RequestMachine, "pending", "expired", "not answered in time"},
	{RequestMachine, "pending", "submitted", "edited: a new revision, approvals void"},

	{GrantMachine, "", "scheduled", "granted"},
	{GrantMachine, "scheduled", "live", "its start has come"},
	{GrantMachine, "scheduled", "ended", "ended before it began"},
	{GrantMachine, "live", "ended", "expired, returned, revoked, …"},

	{AssignmentMachine, "", "absent", "first named by a grant"},
	{AssignmentMachine, "absent", "adding", "wanted"},
	{AssignmentMachine, "absent", "held", "wanted, and seen already there"},
	{AssignmentMachine, "absent", "removing", "seen, and no live grant"},
	{AssignmentMachine, "adding", "held", "seen"},
	{AssignmentMachine, "adding", "removing", "no longer wanted"},
	{AssignmentMachine, "adding", "absent", "no longer wanted, seen absent"},
	{AssignmentMachine, "held", "removing", "not wanted"},
	{AssignmentMachine, "held", "adding", "wanted, but seen absent: drift"},
	{AssignmentMachine, "removing", "absent", "seen gone"},
	{AssignmentMachine, "removing", "adding", "wanted again"},
	{AssignmentMachine, "removing", "held", "wanted again, and seen"},

	{RotationMachine, "", "due", "its time has come, or somebody asked"},
	{RotationMachine, "due", "issuing", "the target makes the new one"},
	{RotationMachine, "due", "delivering", "its worth is chosen: consumers have it first"},
	{RotationMachine, "due", "killing", "retired or compromised: the old one first"},
	{RotationMachine, "issuing", "delivering", "issued"},
	{RotationMachine, "issuing", "proving", "set, lets in, and took the old one's place"},
	{RotationMachine, "delivering", "issuing", "chosen and delivered; or issued, and lost undelivered"},
	{RotationMachine, "delivering", "overlapping", "delivered, and lets in"},
	{RotationMachine, "delivering", "proving", "the same, and no old one is left to kill"},
	{RotationMachine, "overlapping", "killing", "consumers use the new one, or the overlap is over"},
	{RotationMachine, "killing", "proving", "killed"},
	{RotationMachine, "killing", "issuing", "compromised: a new one follows"},
	{RotationMachine, "killing", "delivering", "compromised: a chosen new one follows"},
	{RotationMachine, "proving", "done", "the old one lets nobody in"},
	{RotationMachine, "proving", "dead", "retired: nothing of it lets anybody in"},
	{RotationMachine, "due", "dropped", "another takes it over: retired or compromised"},
	{RotationMachine, "issuing", "dropped", "the same"},
	{RotationMachine, "delivering", "dropped", "the same"},
	{RotationMachine, "overlapping", "dropped", "the same"},
	{RotationMachine, "killing", "dropped", "the same"},
	{RotationMachine, "proving", "dropped", "the same"},

	{HandoverMachine, "", "open", "whoever answered for it has left"},
	{HandoverMachine, "open", "offered", "somebody is asked to take it over"},
	{HandoverMachine, "open", "retired", "it goes instead"},
	{HandoverMachine, "open", "moot", "there is nothing to decide any more"},
	{HandoverMachine, "offered", "accepted", "they answer for it now"},
	{HandoverMachine, "offered", "open", "declined, or the offer is taken back"},
	{HandoverMachine, "offered", "retired", "it goes instead"},
	{HandoverMachine, "offered", "moot", "there is nothing to decide any more"},

	{SealMachine, "", "whole", "a credential is sealed"},
	{SealMachine, "whole", "broken", "used, opened, or no longer to be relied on"},
	{SealMachine, "whole", "renewed", "another took its place in time"},
	{SealMachine, "whole", "retired", "nothing is sealed there any more"},
	{SealMachine, "broken", "renewed", "another took its place"},
	{SealMachine, "broken", "retired", "nothing is sealed there any more"},
}

// CheckMove returns nil if the table has the move, else an error wrapping [ErrIllegalMove].
func CheckMove[S ~string](m Machine, from, to S) error {
	for _, mv := range Machines {
		if mv.Machine == m && mv.From == string(from) && mv.To == string(to) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s cannot go from %q to %q", ErrIllegalMove, m, from, to)
}
