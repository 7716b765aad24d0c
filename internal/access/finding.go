package access

// Kinds of findings that an audit of a ticket queue opens. A ticket's subject is
// its id ("jira:acme:10041"), anything else is named below its site
// ("jira:acme:ACC/third exit", "jira:acme:gr-…"). They close when the next audit
// that looks there no longer sees them.
const (
	LabelBelowRisk     = "label_below_risk"      // a ticket calls low what was granted under it, and is not
	TicketWithoutGrant = "ticket_without_grant"  // a ticket says that access was given, and none was
	GrantWithoutTicket = "grant_without_ticket"  // what a queue offers was granted, and no ticket asked for it
	TicketShowsTooMuch = "ticket_shows_too_much" // more see a ticket than may know of what it is about
	WorkflowHole       = "workflow_hole"         // a way by which a ticket passes without its approval
	ApproversChanged   = "approvers_changed"     // somebody changed in a ticket who is to approve it
)

// AuditKinds are all of them, sorted.
var AuditKinds = []string{ApproversChanged, GrantWithoutTicket, LabelBelowRisk, TicketShowsTooMuch, TicketWithoutGrant, WorkflowHole}
