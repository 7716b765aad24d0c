package rest

import (
	"context"
	"encoding/json"
	"time"
)

// Site is one Jira site. Every method may be called concurrently, sends at most
// what its promise says, and fails with an [*Error]. A read is safe to repeat. A
// write that fails with ErrUnanswered may have taken effect: read before
// repeating it.
type Site interface {
	Reader
	Writer
	Desk
	Setup
}

// Reader reads issues and people.
type Reader interface {
	// Myself is the account whose token this is.
	Myself(ctx context.Context) (User, error)
	// Permissions tells which of the named permissions the token has, in one
	// project or, with an empty id, anywhere. What Jira does not know is ErrInvalid.
	Permissions(ctx context.Context, project string, keys ...string) (map[string]bool, error)
	// User is the account with this id. One that Jira cannot resolve is ErrMissing
	// or a User that is not Known: neither may ever match anybody.
	User(ctx context.Context, id string) (User, error)
	// Find gives the id of the issue that a person names by its key. Jira follows
	// moves: the issue may bear another key, and be in another project, by now.
	Find(ctx context.Context, key string) (Issue, error)
	// Issue is the issue as it is now, with the named fields (none: all). ErrMissing
	// means deleted or hidden, which no caller can tell apart.
	Issue(ctx context.Context, id string, fields ...string) (Issue, error)
	// Changes is the issue's history, oldest first. Its authors prove nothing: a
	// rule can act as anybody.
	Changes(ctx context.Context, id string) ([]Change, error)
	// Updated gives ids of issues changed since then, page by page. The search lags
	// and may repeat ids; an empty answer never proves that nothing changed.
	Updated(ctx context.Context, q Query, page Page) (ids []string, next Page, err error)
	// Transitions are the moves the token may make now, from the present status.
	Transitions(ctx context.Context, id string) ([]Transition, error)
	// Comments are all comments the token may see, oldest first.
	Comments(ctx context.Context, id string) ([]Comment, error)
	// Marked finds our own comment that bears the marker, in a property or in its
	// text. Read it before a repeat: it is what makes one safe.
	Marked(ctx context.Context, id, marker string) (Comment, bool, error)
	// Property reads an issue's property; ErrMissing if there is none, or no issue.
	Property(ctx context.Context, id, key string) (json.RawMessage, error)
	// CommentProperty reads a comment's property; ErrMissing as above.
	CommentProperty(ctx context.Context, comment, key string) (json.RawMessage, error)
}

// Writer changes issues. What it sets to what it already is changes nothing.
type Writer interface {
	// Transition moves the issue and reads its status. A nil error means that the
	// issue was seen in move.To, also if somebody else had moved it there, or the
	// answer was lost. The status is what was seen, if anything was.
	Transition(ctx context.Context, id string, move Move) (Status, error)
	// Comment adds one and gives its id. It is not idempotent: see Marked. An id
	// together with an error means that it is there, but not as it should be.
	Comment(ctx context.Context, id string, c NewComment) (string, error)
	// SetProperty sets an issue's property.
	SetProperty(ctx context.Context, id, key string, value any) error
	// SetCommentProperty sets a comment's property.
	SetCommentProperty(ctx context.Context, comment, key string, value any) error
	// Link makes or replaces the remote link with this GlobalID: idempotent.
	Link(ctx context.Context, id string, l RemoteLink) error
	// Assign sets the assignee; an empty account leaves nobody.
	Assign(ctx context.Context, id, account string) error
	// Label adds and removes labels and leaves all others.
	Label(ctx context.Context, id string, add, remove []string) error
	// Secure sets the issue's security level; an empty level takes it off.
	Secure(ctx context.Context, id, level string) error
}

// Desk reads the service desk (JSM). On an issue that is none of its requests
// each method fails with ErrMissing.
type Desk interface {
	Desks(ctx context.Context) ([]ServiceDesk, error)
	RequestTypes(ctx context.Context, desk string) ([]RequestType, error)
	// RequestFields are the fields a request of this type asks for, with the ids of
	// their options.
	RequestFields(ctx context.Context, desk, requestType string) ([]RequestField, error)
	Request(ctx context.Context, id string) (Request, error)
	// Approvals are all of them, also of earlier passes through the status. They
	// are votes at most, and their list of approvers can be changed by agents.
	Approvals(ctx context.Context, id string) ([]Approval, error)
	Participants(ctx context.Context, id string) ([]User, error)
	SLA(ctx context.Context, id string) ([]Metric, error)
	Queues(ctx context.Context, desk string) ([]Queue, error)
	// Queued gives the ids of the issues in a queue.
	Queued(ctx context.Context, desk, queue string) ([]string, error)
	// Organizations are those that a desk's requests can be shared with.
	Organizations(ctx context.Context, desk string) ([]Organization, error)
}

// Setup reads how the site is arranged, and makes the one thing of it that the
// published contract lets a token make: a request type. Fields, options, workflows
// and webhooks are made by hand, and workflows cannot even be read.
type Setup interface {
	Server(ctx context.Context) (Server, error)
	Fields(ctx context.Context) ([]Field, error)
	Projects(ctx context.Context) ([]Project, error)
	// Statuses of a project, by issue type.
	Statuses(ctx context.Context, project string) ([]TypeStatuses, error)
	// Options are the fields of a new issue of this type, with their options.
	Options(ctx context.Context, project, issueType string) ([]CreateField, error)
	// SecurityLevels of a project that the token is itself in: Jira tells of no other.
	SecurityLevels(ctx context.Context, project string) ([]SecurityLevel, error)
	// LevelMembers are who may see issues at a level. Cloud only: else ErrNoCall.
	LevelMembers(ctx context.Context, level string) ([]Holder, error)
	Roles(ctx context.Context, project string) ([]Role, error)
	// Members are the people and groups in a project's role.
	Members(ctx context.Context, project, role string) ([]Member, error)
	// PermissionScheme lists who holds each permission in a project.
	PermissionScheme(ctx context.Context, project string) ([]Permitted, error)
	// Webhooks are the token's own dynamic ones, which an app alone may have: any
	// other token is ErrDenied. Cloud only: else ErrNoCall.
	Webhooks(ctx context.Context) ([]Webhook, error)
	AddRequestType(ctx context.Context, desk string, t NewRequestType) (RequestType, error)
}

// Page is where the next page of a search begins; the zero Page is the first.
type Page struct {
	query, token string
	start        int
}

// Last says that there is no further page: it is the zero Page again.
func (p Page) Last() bool { return p == Page{} }

// Query is what Updated searches.
type Query struct {
	// Since: only issues changed at or after it, to the minute; not before it.
	Since time.Time
	// Projects by key or id; none: all that the token may see.
	Projects []string
}
