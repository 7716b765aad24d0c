package config

import (
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// JiraKind says which of its two forms a Jira has.
type JiraKind string

const (
	JiraCloud      JiraKind = "cloud"
	JiraDataCenter JiraKind = "data-center"
)

// JiraMove is what becomes of a ticket that somebody moved to another status
// than the one that what is decided and seen calls for.
type JiraMove string

const (
	JiraPutBack JiraMove = "put-back"
	JiraComment JiraMove = "comment" // it stays where it is, and is told that the move changed nothing
)

// JiraSite is one Jira whose tickets are read. Its id is part of every ticket's
// id ("jira:SITE:10041"), the key under which identities have their accounts
// there, and no system's id.
type JiraSite struct {
	ID               string
	URL              string // scheme, host and perhaps a path, without a slash at its end
	Kind             JiraKind
	User             string // Cloud: the mail address of the account whose API token it is; else empty
	TokenRef         string // reference to a secret
	WebhookSecretRef string // reference to a secret, no other site's; empty: no webhook of this site is accepted
	Poll             time.Duration
	Reread           time.Duration // a ticket that something waits for or stands on is looked at this often, though nobody says it changed
	Audit            time.Duration // how often the server audits it by itself, into findings; zero: never
	Owner            string        // the person who is told of what is wrong there
	Portal           string        // what tickets link to, written like URL; empty: no links
	Projects         []JiraProject // at least one; each key once
}

// JiraProject is one project whose tickets are read.
type JiraProject struct {
	Key           string
	Desk          bool              // a service desk: it has request types, approvals and customers
	RequestTypes  []JiraRequestType // at least one; each id once
	Milestones    JiraMilestones
	Votes         JiraVotes
	WhenMoved     JiraMove
	RevokeOnClose bool
	Closed        []string // ids of the statuses that mean closed
	SecurityLevel string   // id of the level set on tickets about what few may know of; empty: none is set
}

// JiraRequestType says what the tickets of one type ask for. Fields are given by
// id, and the fields of one type are all different.
type JiraRequestType struct {
	ID           string // in a service desk of the request type, elsewhere of the issue type
	Entitlements JiraOptions
	Beneficiary  string // a user field; empty: it is for the reporter
	Term         JiraTerm
	Start        string // a date and time field; empty: as soon as granted
	Reason       string // "summary", "description" or a field of its own
}

// JiraOptions is a field and what its options ask for, by option id. An option
// that is not in the map asks for nothing that is known.
type JiraOptions struct {
	Field   string
	Options map[string]JiraChoice // never empty
}

// JiraChoice is one entitlement or one bundle; exactly one of the two is set.
type JiraChoice struct{ Entitlement, Bundle string }

// JiraTerm is either Fixed, or a field and the terms of its options by option id.
type JiraTerm struct {
	Field   string
	Options map[string]access.Term
	Fixed   access.Term
}

// JiraMilestones are ids of the statuses that a ticket is moved to as things are
// decided and seen, all different; empty: it is not moved then.
type JiraMilestones struct{ Waiting, Granting, Active, Removed, Refused string }

// JiraVotes says what is read as a vote, to be judged like any other. The zero
// value reads none.
type JiraVotes struct {
	Approvals bool                      // a service desk's own approvals
	Statuses  map[string]access.Verdict // by status id: a person who moves the ticket there votes; none is a milestone
}
