package audit

import (
	"context"
	"errors"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
)

// need is a permission, when it is needed, and what fails without it.
type need struct {
	key, name string
	when      func(config.JiraSite, config.JiraProject) bool // nil: always
	without   string
}

// needs are all permissions that Lessor's account needs in a project.
var needs = []need{
	{"BROWSE_PROJECTS", "Browse Projects", nil, "no ticket can be read"},
	{"ADD_COMMENTS", "Add Comments", nil, "nothing can be said on a ticket"},
	{"EDIT_ISSUES", "Edit Issues", nil, "neither labels nor the property that remembers what was said can be set"},
	{"ASSIGN_ISSUES", "Assign Issues", nil, "a waiting ticket is put before nobody"},
	{"LINK_ISSUES", "Link Issues", func(s config.JiraSite, _ config.JiraProject) bool { return s.Portal != "" }, "tickets cannot be linked to their requests"},
	{"TRANSITION_ISSUES", "Transition Issues", func(_ config.JiraSite, p config.JiraProject) bool { return p.Milestones != config.JiraMilestones{} }, "tickets stay where they are whatever is decided and seen"},
	{"SERVICEDESK_AGENT", "Service Desk Agent", func(_ config.JiraSite, p config.JiraProject) bool { return p.Desk }, "internal comments cannot be written, and approvals not be read"},
	{"SET_ISSUE_SECURITY", "Set Issue Security", func(_ config.JiraSite, p config.JiraProject) bool { return p.SecurityLevel != "" }, "tickets about what few may know of stay visible"},
}

// excess is a permission Lessor's account never needs, and what it could do with it.
type excess struct{ key, name, could string }

var excesses = []excess{
	{"ADMINISTER_PROJECTS", "Administer Projects", "change who is in which role, and the request types"},
	{"DELETE_ISSUES", "Delete Issues", "delete tickets with all they say"},
	{"MODIFY_REPORTER", "Modify Reporter", "make a ticket somebody else's"},
	{"MOVE_ISSUES", "Move Issues", "move tickets out of sight"},
	{"CREATE_ISSUES", "Create Issues", "make tickets"},
	{"EDIT_ALL_COMMENTS", "Edit All Comments", "change what others said"},
	{"DELETE_ALL_COMMENTS", "Delete All Comments", "delete what others said"},
	{"EDIT_OWN_COMMENTS", "Edit Own Comments", "change what it said"},
	{"DELETE_OWN_COMMENTS", "Delete Own Comments", "delete what it said"},
	{"DELETE_ALL_ATTACHMENTS", "Delete All Attachments", "delete evidence that others attached"},
	{"DELETE_OWN_ATTACHMENTS", "Delete Own Attachments", "delete attachments"},
	{"CREATE_ATTACHMENTS", "Create Attachments", "attach files"},
	{"MANAGE_WATCHERS", "Manage Watchers", "choose who is told of a ticket"},
	{"SCHEDULE_ISSUES", "Schedule Issues", "change due dates"},
	{"RESOLVE_ISSUES", "Resolve Issues", "set resolutions"},
	{"CLOSE_ISSUES", "Close Issues", "close tickets"},
}

// globalExcesses are asked for over the whole site.
var globalExcesses = []excess{
	{"ADMINISTER", "Administer Jira", "do anything in the site, workflows and permissions included"},
	{"SYSTEM_ADMIN", "Jira System Administrators", "do anything on the server"},
	{"BULK_CHANGE", "Make bulk changes", "change many tickets at once"},
	{"CREATE_SHARED_OBJECTS", "Share dashboards and filters", "publish filters"},
}

func (x *exam) permissions(ctx context.Context) {
	x.global(ctx)
	for _, p := range x.Site.Projects {
		about := "permission in " + p.Key
		var keys []string
		for _, n := range needs {
			keys = append(keys, n.key)
		}
		for _, e := range excesses {
			keys = append(keys, e.key)
		}
		have, err := x.Rest.Permissions(ctx, p.Key, keys...)
		if errors.Is(err, rest.ErrMissing) {
			continue // the project itself is not seen, which is said elsewhere
		} else if err != nil {
			x.fails(about, "what the token may do cannot be read", err)
			continue
		}
		held := 0
		for _, n := range needs {
			needed := n.when == nil || n.when(x.Site, p)
			switch {
			case needed && have[n.key]:
				held++
			case needed:
				x.say(about, Missing, "give it to Lessor's account in the permission scheme of "+p.Key, "%s (%s): without it %s", n.name, n.key, n.without)
			case have[n.key] && n.key == "SET_ISSUE_SECURITY":
				x.say(about, Excess, takeAway(p.Key), "%s (%s) is not needed while no security_level is set: it could hide tickets", n.name, n.key)
			}
		}
		x.say(about, Fine, "", "%d needed permissions are there", held)
		for _, e := range excesses {
			if have[e.key] {
				x.say(about, Excess, takeAway(p.Key), "%s (%s) is not needed: with it the token could %s", e.name, e.key, e.could)
			}
		}
	}
}

func takeAway(project string) string {
	return "in the permission scheme of " + project + ", take it from the role or group that Lessor's account has it by"
}

// global asks for what reaches beyond projects. A site that does not know a
// permission does not have it.
func (x *exam) global(ctx context.Context) {
	const about = "permission everywhere"
	for _, e := range globalExcesses {
		have, err := x.Rest.Permissions(ctx, "", e.key)
		switch {
		case errors.Is(err, rest.ErrInvalid):
		case err != nil:
			x.fails(about, "what the token may do cannot be read", err)
			return
		case have[e.key]:
			x.say(about, Excess, "under System > Global permissions, take it from the group that Lessor's account has it by", "%s (%s) is not needed: with it the token could %s", e.name, e.key, e.could)
		}
	}
	have, err := x.Rest.Permissions(ctx, "", "USER_PICKER")
	switch {
	case err != nil || have["USER_PICKER"]:
	case x.Site.Kind == config.JiraDataCenter:
		x.say(about, Missing, "give it to Lessor's account under System > Global permissions", "Browse users and groups (USER_PICKER): without it no ticket can be assigned")
	default:
		x.say(about, Note, "", "without Browse users and groups (USER_PICKER), accounts of the directory cannot be looked up here; nothing else needs it")
	}
}
