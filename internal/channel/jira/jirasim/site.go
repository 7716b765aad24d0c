package jirasim

// Site is what a site holds at the start. Things refer to each other by name
// or key; ids that are left empty are given in the order of the lists.
type Site struct {
	Users         []User
	Groups        []string // groups that have no member yet; those of users come by themselves
	Global        map[string][]string
	Fields        []Field
	Statuses      []Status
	Types         []string // issue types; none means Task and Service Request
	Priorities    []string // none means Highest … Lowest
	Roles         []string // none means Administrators, Service Desk Team, Service Desk Customers
	Workflows     []Workflow
	Security      []SecurityScheme
	Permissions   []PermissionScheme
	Organizations []Organization
	Projects      []Project
	// Localised says by which name a field's id shows in a changelog: names
	// there follow the site's language, ids do not.
	Localised map[string]string
}

// AccountKind is Jira's accountType.
type AccountKind string

const (
	Atlassian AccountKind = "atlassian" // a person with a licence
	App       AccountKind = "app"       // a bot or an integration
	Customer  AccountKind = "customer"  // a person who sees only the portal
	Unknown   AccountKind = "unknown"   // a record that cannot be resolved
)

// User is one account. Display names need not be unique, and often are not.
type User struct {
	AccountID string // Cloud's identity
	Name      string // the display name
	Login     string // Data Center's user name; empty means AccountID
	Key       string // Data Center's immutable key; empty means Login
	Kind      AccountKind
	Email     string
	EmailSeen bool   // whether emailAddress is shown to others
	Token     string // API token, with Email by Basic or alone as bearer
	Inactive  bool
	Gone      bool // deleted and beyond repair: comes back as "unknown"
	Groups    []string
	Zone      string
}

// Kind of a field.
type Kind string

const (
	Text        Kind = "text"
	Rich        Kind = "rich" // ADF in v3, wiki text in v2
	Select      Kind = "select"
	MultiSelect Kind = "multiselect"
	UserPick    Kind = "user"
	UsersPick   Kind = "users"
	GroupsPick  Kind = "groups"
	Date        Kind = "date"
	DateTime    Kind = "datetime"
	Number      Kind = "number"
	Labels      Kind = "labels"
	Components  Kind = "components"
	PriorityOf  Kind = "priority"
	SecurityOf  Kind = "security"
	Resolution  Kind = "resolution"

	approvalsKind     Kind = "approvals"
	requestTypeKind   Kind = "requesttype"
	participantsKind  Kind = "participants"
	organizationsKind Kind = "organizations"
	fixedKind         Kind = "fixed" // a system field that edits do not reach
)

// Field is a custom field.
type Field struct {
	ID      string // customfield_N
	Name    string
	Kind    Kind
	Options []Option

	system string // the schema's "system" for a system field
	fixed  string // the schema's type for a fixedKind
}

// Option is one choice of a select field. Its id is its identity.
type Option struct {
	ID, Value string
	Disabled  bool
}

// Category of a status.
type Category string

const (
	ToDo       Category = "new"
	InProgress Category = "indeterminate"
	Done       Category = "done"
)

// Status of issues. Customers sees another name where one is given.
type Status struct {
	ID, Name  string
	Category  Category
	Customers string
}

// Workflow says which moves there are. Jira enforces an approval on a status
// only against the two transitions named in it, and only in a service project.
type Workflow struct {
	Name        string
	Start       string // the status an issue is born in
	Transitions []Transition
	Approvals   []ApprovalStep
}

// Transition moves an issue from one of From (none means any status) to To.
type Transition struct {
	ID         string
	Name       string
	From       []string
	To         string
	Fields     []string // the fields on its screen; those with "*" in front are required
	Portal     bool     // customers may do it too
	Agents     bool     // only those with SERVICEDESK_AGENT
	Resolution string   // set on arrival
}

// ApprovalStep is an approval on a status.
type ApprovalStep struct {
	Status  string
	Field   string // the approvers are whoever this field names
	Need    int    // how many must approve; 0 means all
	Approve string // transition id or name fired when enough approved
	Decline string // transition id or name fired at the first decline
}

// SecurityScheme is a set of levels that hide issues.
type SecurityScheme struct {
	ID, Name string
	Levels   []SecurityLevel
}

// SecurityLevel hides an issue from all but its holders.
type SecurityLevel struct {
	ID, Name string
	Default  bool
	Holders  []Holder

	scheme *SecurityScheme
}

// Holder is who a permission or level is given to: Type is "group",
// "projectRole", "user", "reporter", "assignee", "projectLead", "anyone",
// "applicationRole" (everybody with a licence), "userCustomField".
type Holder struct{ Type, Parameter string }

// PermissionScheme gives project permissions to holders.
type PermissionScheme struct {
	ID, Name string
	Grants   map[string][]Holder
}

// Organization is a set of customers that may share requests.
type Organization struct {
	ID, Name string
	Members  []string // account ids

	props properties
}

// Project holds issues. Type is "service_desk", "software" or "business".
type Project struct {
	ID, Key, Name string
	Type          string
	Lead          string
	Types         []string // issue types; none means all
	Workflow      string
	Permissions   string
	Security      string
	Components    []string
	Roles         map[string]Actors
	Desk          *Desk
}

// Actors of a project role.
type Actors struct {
	Users  []string // account ids
	Groups []string
}

// Desk is the service desk of a service project.
type Desk struct {
	ID            string
	RequestTypes  []RequestType
	Queues        []Queue
	SLAs          []SLA
	Customers     []string // account ids
	Organizations []string // names
	Open          bool     // anybody with an account may raise requests
}

// RequestType is a form on the portal.
type RequestType struct {
	ID, Name    string
	Description string
	Help        string
	Type        string // issue type
	Group       string
	Restricted  bool // only agents see it
	Fields      []RequestField

	props properties
}

// RequestField is one field on a request type's form.
type RequestField struct {
	Field    string // field id or name
	Label    string
	Required bool
	Hidden   bool
	Preset   any // the value of a hidden field
}

// Queue is a saved search of agents.
type Queue struct {
	ID, Name, JQL string
	Fields        []string
}

// SLA is a goal measured from creation until one of Stop is reached; it is
// paused in Pause.
type SLA struct {
	ID, Name    string
	Goal        int // minutes
	Stop, Pause []string
}
