package jirasim

// Account ids of the example's people.
const (
	ExampleAdmin    = "557058:00000000-0000-4000-8000-00000000ad01" // administers the site
	ExampleAgent    = "5b10a2844c20165700ede201"                    // works at the desk
	ExampleOwner    = "5b10a2844c20165700ede202"                    // owns a database, approves
	ExampleSecurity = "5b10a2844c20165700ede203"                    // approves privileged access
	ExamplePerson   = "5b10a2844c20165700ede204"                    // asks
	ExampleTwin     = "5b10a2844c20165700ede205"                    // has ExamplePerson's display name
	ExampleCustomer = "qm:a713c8ea-1075-4e30-9d96-891a7d181739:5ad6d3581db05e2a66fa80b1"
	ExampleBot      = "712020:00000000-0000-4000-8000-00000000b001" // Lessor's own account
	ExampleGone     = "5b10a2844c20165700ede2ff"                    // comes back as "unknown"
)

// Example is a small site with all the holes: a service project ACC whose
// workflow has a third way out of approval and a way from any status, and a
// software project OPS that shares the workflow and enforces nothing.
// Everybody's token is "token-" and the local part of their address.
func Example() Site {
	return Site{
		Users:  exampleUsers(),
		Global: map[string][]string{"ADMINISTER": {"site-admins"}, "USER_PICKER": {"jira-users"}},
		Fields: exampleFields(),
		Statuses: []Status{
			{Name: "Waiting for approval", Category: ToDo}, {Name: "Being granted", Category: InProgress, Customers: "In progress"},
			{Name: "Active", Category: InProgress}, {Name: "Removed", Category: Done}, {Name: "Refused", Category: Done}, {Name: "Waiting for customer", Category: InProgress},
		},
		Workflows: []Workflow{exampleWorkflow()},
		Security: []SecurityScheme{{Name: "Access tickets", Levels: []SecurityLevel{
			{Name: "Staff", Holders: []Holder{{"projectRole", "Service Desk Team"}, {"reporter", ""}, {"group", "integrations"}}},
			{Name: "Security only", Holders: []Holder{{"group", "security"}}},
		}}},
		Permissions:   []PermissionScheme{exampleScheme()},
		Organizations: []Organization{{Name: "Contractors Ltd", Members: []string{ExampleCustomer}}},
		Projects: []Project{
			{Key: "ACC", Name: "Access", Type: "service_desk", Lead: ExampleAdmin, Workflow: "Access workflow", Permissions: "Access", Security: "Access tickets",
				Components: []string{"Databases", "Directory"}, Roles: exampleRoles(), Desk: exampleDesk()},
			{Key: "OPS", Name: "Operations", Type: "software", Lead: ExampleAgent, Workflow: "Access workflow", Permissions: "Access", Roles: exampleRoles()},
		},
	}
}

func exampleUsers() []User {
	staff := func(id, login, name string, groups ...string) User {
		return User{AccountID: id, Name: name, Login: login, Email: login + "@example.com", Token: "token-" + login, Groups: append([]string{"jira-users"}, groups...)}
	}
	bot := staff(ExampleBot, "lessor", "Lessor", "integrations")
	bot.Kind = App
	gone := staff(ExampleGone, "former", "Former Colleague")
	gone.Gone, gone.Token = true, ""
	return []User{
		staff(ExampleAdmin, "ada", "Ada Admin", "site-admins"), staff(ExampleAgent, "agnes", "Agnes Agent", "desk"),
		staff(ExampleOwner, "olga", "Olga Owner"), staff(ExampleSecurity, "sina", "Sina Security", "security"),
		staff(ExamplePerson, "paul", "Paul Person"), staff(ExampleTwin, "paul2", "Paul Person"), bot, gone,
		{AccountID: ExampleCustomer, Name: "Carla Customer", Login: "carla", Email: "carla@contractors.example", Token: "token-carla", Kind: Customer},
	}
}

func exampleFields() []Field {
	return []Field{
		{Name: "Entitlements", Kind: MultiSelect, Options: []Option{{Value: "wiki:editors"}, {Value: "prod-db:read"}, {Value: "prod-db:admin"}}},
		{Name: "For whom", Kind: UserPick},
		{Name: "Term", Kind: Select, Options: []Option{{Value: "8 hours"}, {Value: "1 day"}, {Value: "30 days"}}},
		{Name: "Start", Kind: DateTime}, {Name: "Approvers", Kind: UsersPick}, {Name: "Risk", Kind: Text},
		{Name: "Headcount", Kind: Number}, {Name: "Teams", Kind: GroupsPick}, {Name: "Needed by", Kind: Date},
	}
}

func exampleWorkflow() Workflow {
	return Workflow{
		Name: "Access workflow", Start: "Waiting for approval",
		Transitions: []Transition{
			{Name: "Approve", From: []string{"Waiting for approval"}, To: "Being granted"},
			{Name: "Decline", From: []string{"Waiting for approval"}, To: "Refused", Resolution: "Declined"},
			// The holes: a third way out of the approval, and one from anywhere.
			{Name: "Fast track", From: []string{"Waiting for approval"}, To: "Being granted", Agents: true},
			{Name: "Set active", To: "Active"},
			{Name: "Activate", From: []string{"Being granted"}, To: "Active"},
			{Name: "Ask again", From: []string{"Being granted", "Active", "Waiting for customer"}, To: "Waiting for approval"},
			{Name: "Ask customer", From: []string{"Waiting for approval", "Being granted"}, To: "Waiting for customer"},
			{Name: "Remove", From: []string{"Active"}, To: "Removed", Resolution: "Done"},
			{Name: "Reopen", From: []string{"Removed", "Refused"}, To: "Waiting for approval"},
			{Name: "Cancel", From: []string{"Waiting for approval"}, To: "Refused", Portal: true, Agents: true, Resolution: "Won't Do", Fields: []string{"description"}},
			{Name: "Reject with reason", From: []string{"Being granted"}, To: "Refused", Fields: []string{"*Risk", "resolution"}},
		},
		Approvals: []ApprovalStep{{Status: "Waiting for approval", Field: "Approvers", Need: 1, Approve: "Approve", Decline: "Decline"}},
	}
}

func exampleScheme() PermissionScheme {
	staff := []Holder{{"projectRole", "Service Desk Team"}, {"projectRole", "Administrators"}, {"group", "integrations"}}
	everybody := []Holder{{"group", "jira-users"}}
	admins := []Holder{{"projectRole", "Administrators"}}
	out := map[string][]Holder{
		"BROWSE_PROJECTS": everybody, "CREATE_ISSUES": everybody, "ADD_COMMENTS": everybody, "ASSIGNABLE_USER": staff, "CREATE_ATTACHMENTS": everybody,
		"EDIT_OWN_COMMENTS": everybody, "DELETE_OWN_COMMENTS": everybody, "DELETE_OWN_ATTACHMENTS": everybody,
		"ADMINISTER_PROJECTS": admins, "DELETE_ISSUES": admins, "EDIT_ALL_COMMENTS": admins, "DELETE_ALL_COMMENTS": admins, "DELETE_ALL_ATTACHMENTS": admins,
	}
	for _, key := range []string{"EDIT_ISSUES", "TRANSITION_ISSUES", "ASSIGN_ISSUES", "MOVE_ISSUES", "MODIFY_REPORTER", "SET_ISSUE_SECURITY", "SCHEDULE_ISSUES", "LINK_ISSUES",
		"RESOLVE_ISSUES", "CLOSE_ISSUES", "VIEW_VOTERS_AND_WATCHERS", "MANAGE_WATCHERS", "SERVICEDESK_AGENT"} {
		out[key] = staff
	}
	return PermissionScheme{Name: "Access", Grants: out}
}

func exampleRoles() map[string]Actors {
	return map[string]Actors{
		"Administrators":    {Users: []string{ExampleAdmin}},
		"Service Desk Team": {Users: []string{ExampleAgent}, Groups: []string{"desk"}},
	}
}

func exampleDesk() *Desk {
	return &Desk{
		Open: true, Customers: []string{ExampleCustomer}, Organizations: []string{"Contractors Ltd"},
		RequestTypes: []RequestType{
			{Name: "Get access", Description: "Ask for access to a system", Help: "Say what you need, for whom and for how long.", Type: "Service Request", Group: "Access",
				Fields: []RequestField{
					{Field: "summary", Label: "What do you need?", Required: true}, {Field: "Entitlements", Required: true}, {Field: "For whom"}, {Field: "Term", Required: true},
					{Field: "Start"}, {Field: "description", Label: "Why?"}, {Field: "Approvers", Label: "Who should approve?"},
					{Field: "priority", Hidden: true, Preset: obj{"name": "Low"}},
				}},
			{Name: "Ask by mail", Description: "What arrives by mail", Type: "Service Request", Group: "Access",
				Fields: []RequestField{{Field: "summary", Required: true}, {Field: "description"}}},
			{Name: "Emergency", Description: "For agents only", Type: "Task", Restricted: true, Fields: []RequestField{{Field: "summary", Required: true}}},
		},
		Queues: []Queue{
			{Name: "All open", JQL: `project = ACC AND resolution = Unresolved ORDER BY created ASC`, Fields: []string{"issuetype", "issuekey", "summary", "created", "reporter"}},
			{Name: "Waiting for approval", JQL: `project = ACC AND status = "Waiting for approval"`},
		},
		SLAs: []SLA{{Name: "Time to decision", Goal: 240, Stop: []string{"Being granted", "Refused", "Active"}, Pause: []string{"Waiting for customer"}}},
	}
}
