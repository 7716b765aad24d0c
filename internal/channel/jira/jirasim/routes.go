package jirasim

import (
	"net/url"
	"slices"
	"strings"
)

// route is one operation: where it is, and who does it. Paths of the platform
// are relative to /rest/api/N; the service desk's begin with "sd".
type route struct {
	method, path string
	act          act
	experimental bool // only with X-ExperimentalApi: opt-in
	open         bool // also to nobody
}

// faces of a route: by a prefix of its path.
const (
	onlyCloud = "cloud:"
	onlyDC    = "dc:"
)

var platform = []route{
	{method: "POST", path: "issue", act: (*call).createIssue},
	{method: "GET", path: "issue/{issue}", act: (*call).getIssue},
	{method: "PUT", path: "issue/{issue}", act: (*call).editIssue},
	{method: "DELETE", path: "issue/{issue}", act: (*call).deleteIssue},
	{method: "PUT", path: "issue/{issue}/assignee", act: (*call).assignIssue},
	{method: "POST", path: "issue/{issue}/attachments", act: (*call).addAttachment},
	{method: "GET", path: "issue/{issue}/changelog", act: (*call).getChangelog},
	{method: "POST", path: "cloud:changelog/bulkfetch", act: (*call).bulkChangelogs},
	{method: "GET", path: "issue/{issue}/comment", act: (*call).getComments},
	{method: "POST", path: "issue/{issue}/comment", act: (*call).addComment},
	{method: "GET", path: "issue/{issue}/comment/{id}", act: (*call).getComment},
	{method: "PUT", path: "issue/{issue}/comment/{id}", act: (*call).editComment},
	{method: "DELETE", path: "issue/{issue}/comment/{id}", act: (*call).deleteComment},
	{method: "GET", path: "comment/{id}/properties", act: propertyKeys((*call).ownerComment)},
	{method: "GET", path: "comment/{id}/properties/{key}", act: getProperty((*call).ownerComment)},
	{method: "PUT", path: "comment/{id}/properties/{key}", act: setProperty((*call).ownerComment)},
	{method: "DELETE", path: "comment/{id}/properties/{key}", act: deleteProperty((*call).ownerComment)},
	{method: "GET", path: "issue/{issue}/editmeta", act: (*call).getEditMeta},
	{method: "GET", path: "issue/createmeta/{project}/issuetypes", act: (*call).createMetaTypes},
	{method: "GET", path: "issue/createmeta/{project}/issuetypes/{type}", act: (*call).createMetaFields},
	{method: "GET", path: "issue/{issue}/properties", act: propertyKeys((*call).ownerIssue)},
	{method: "GET", path: "issue/{issue}/properties/{key}", act: getProperty((*call).ownerIssue)},
	{method: "PUT", path: "issue/{issue}/properties/{key}", act: setProperty((*call).ownerIssue)},
	{method: "DELETE", path: "issue/{issue}/properties/{key}", act: deleteProperty((*call).ownerIssue)},
	{method: "GET", path: "issue/{issue}/transitions", act: (*call).getTransitions},
	{method: "POST", path: "issue/{issue}/transitions", act: (*call).doTransition},
	{method: "GET", path: "issue/{issue}/remotelink", act: (*call).getLinks},
	{method: "POST", path: "issue/{issue}/remotelink", act: (*call).putLink},
	{method: "DELETE", path: "issue/{issue}/remotelink", act: (*call).deleteLink},
	{method: "GET", path: "issue/{issue}/watchers", act: (*call).getWatchers},
	{method: "POST", path: "issue/{issue}/watchers", act: (*call).addWatcher},
	{method: "DELETE", path: "issue/{issue}/watchers", act: (*call).removeWatcher},
	{method: "POST", path: "cloud:issue/bulkfetch", act: (*call).bulkFetch},
	{method: "GET", path: "attachment/{id}", act: (*call).getAttachment},
	{method: "DELETE", path: "attachment/{id}", act: (*call).removeAttachment},
	{method: "GET", path: "cloud:search/jql", act: (*call).searchGet},
	{method: "POST", path: "cloud:search/jql", act: (*call).searchPost},
	{method: "POST", path: "cloud:search/approximate-count", act: (*call).approximateCount},
	{method: "GET", path: "cloud:search", act: (*call).searchGone, open: true},
	{method: "POST", path: "cloud:search", act: (*call).searchGone, open: true},
	{method: "GET", path: "dc:search", act: (*call).searchOld},
	{method: "POST", path: "dc:search", act: (*call).searchOld},
	{method: "POST", path: "cloud:jql/parse", act: (*call).parseQueries},
	{method: "POST", path: "cloud:jql/match", act: (*call).matchJQL},
	{method: "GET", path: "field", act: (*call).getFields},
	{method: "GET", path: "cloud:field/search", act: (*call).searchFields},
	{method: "GET", path: "cloud:label", act: (*call).getLabels},
	{method: "GET", path: "status", act: (*call).getStatuses},
	{method: "GET", path: "cloud:statuses/search", act: (*call).searchStatuses},
	{method: "GET", path: "issuetype", act: (*call).getTypes},
	{method: "GET", path: "resolution", act: (*call).getResolutions},
	{method: "GET", path: "cloud:priority/search", act: (*call).getPriorities},
	{method: "GET", path: "dc:priority", act: (*call).getPriorities},
	{method: "GET", path: "user", act: (*call).getUser},
	{method: "GET", path: "cloud:user/bulk", act: (*call).bulkUsers},
	{method: "GET", path: "cloud:user/email", act: (*call).getUserEmail},
	{method: "GET", path: "cloud:user/groups", act: (*call).getUserGroups},
	{method: "GET", path: "user/search", act: (*call).searchUsers},
	{method: "GET", path: "user/assignable/search", act: (*call).assignableUsers},
	{method: "GET", path: "cloud:users/search", act: (*call).allUsers},
	{method: "GET", path: "myself", act: (*call).getMyself},
	{method: "GET", path: "mypermissions", act: (*call).myPermissions},
	{method: "POST", path: "cloud:permissions/check", act: (*call).checkPermissions},
	{method: "GET", path: "cloud:group/bulk", act: (*call).bulkGroups},
	{method: "GET", path: "group/member", act: (*call).groupMembers},
	{method: "POST", path: "group/user", act: (*call).addToGroup},
	{method: "DELETE", path: "group/user", act: (*call).removeFromGroup},
	{method: "GET", path: "groups/picker", act: (*call).pickGroups},
	{method: "GET", path: "cloud:webhook", act: (*call).getWebhooks},
	{method: "POST", path: "cloud:webhook", act: (*call).registerWebhooks},
	{method: "DELETE", path: "cloud:webhook", act: (*call).deleteWebhooks},
	{method: "PUT", path: "cloud:webhook/refresh", act: (*call).refreshWebhooks},
	{method: "GET", path: "cloud:webhook/failed", act: (*call).failedWebhooks},
	{method: "GET", path: "cloud:project/search", act: (*call).searchProjects},
	{method: "GET", path: "dc:project", act: (*call).allProjects},
	{method: "GET", path: "project/{project}", act: (*call).getProject},
	{method: "GET", path: "project/{project}/statuses", act: (*call).projectStatuses},
	{method: "GET", path: "project/{project}/role", act: (*call).projectRoles},
	{method: "GET", path: "project/{project}/role/{id}", act: (*call).getProjectRole},
	{method: "POST", path: "project/{project}/role/{id}", act: (*call).changeRole},
	{method: "PUT", path: "project/{project}/role/{id}", act: (*call).changeRole},
	{method: "DELETE", path: "project/{project}/role/{id}", act: (*call).changeRole},
	{method: "GET", path: "role", act: (*call).getRoles},
	{method: "GET", path: "role/{id}", act: (*call).getRole},
	{method: "GET", path: "project/{project}/securitylevel", act: (*call).projectLevels},
	{method: "GET", path: "project/{project}/issuesecuritylevelscheme", act: (*call).projectSecurity},
	{method: "GET", path: "project/{project}/permissionscheme", act: (*call).projectPermissions},
	{method: "GET", path: "permissionscheme/{schemeId}", act: (*call).getPermissionScheme},
	{method: "GET", path: "securitylevel/{id}", act: (*call).oneLevel},
	{method: "GET", path: "issuesecurityschemes", act: (*call).securitySchemes},
	{method: "GET", path: "issuesecurityschemes/{id}", act: (*call).oneSecurityScheme},
	{method: "GET", path: "cloud:issuesecurityschemes/level/member", act: (*call).levelMembers},
	{method: "GET", path: "serverInfo", act: (*call).serverInfo, open: true},
	{method: "GET", path: "cloud:auditing/record", act: (*call).getAudit},
	{method: "GET", path: "cloud:events", act: (*call).getEvents},
}

var portal = []route{
	{method: "GET", path: "info", act: (*call).deskInfo, open: true},
	{method: "GET", path: "cloud:assets/workspace", act: (*call).assets},
	{method: "POST", path: "customer", act: (*call).createCustomer},
	{method: "GET", path: "organization", act: (*call).getOrganizations},
	{method: "POST", path: "organization", act: (*call).createOrganization},
	{method: "GET", path: "organization/{org}", act: (*call).getOrganization},
	{method: "DELETE", path: "organization/{org}", act: (*call).deleteOrganization},
	{method: "GET", path: "organization/{org}/property", act: propertyKeys((*call).ownerOrg)},
	{method: "GET", path: "organization/{org}/property/{key}", act: getProperty((*call).ownerOrg)},
	{method: "PUT", path: "organization/{org}/property/{key}", act: setProperty((*call).ownerOrg)},
	{method: "DELETE", path: "organization/{org}/property/{key}", act: deleteProperty((*call).ownerOrg)},
	{method: "GET", path: "organization/{org}/user", act: (*call).organizationUsers},
	{method: "POST", path: "organization/{org}/user", act: (*call).changeOrganizationUsers},
	{method: "DELETE", path: "organization/{org}/user", act: (*call).changeOrganizationUsers},
	{method: "GET", path: "request", act: (*call).getRequests},
	{method: "POST", path: "request", act: (*call).createRequest},
	{method: "GET", path: "request/{issue}", act: (*call).getRequest},
	{method: "GET", path: "request/{issue}/approval", act: (*call).getApprovals},
	{method: "GET", path: "request/{issue}/approval/{approval}", act: (*call).getApproval},
	{method: "POST", path: "request/{issue}/approval/{approval}", act: (*call).answerApproval},
	{method: "GET", path: "request/{issue}/attachment", act: (*call).getRequestAttachments},
	{method: "POST", path: "request/{issue}/attachment", act: (*call).attachToRequest},
	{method: "GET", path: "request/{issue}/attachment/{attachment}", act: (*call).attachmentContent},
	{method: "GET", path: "request/{issue}/comment", act: (*call).getRequestComments},
	{method: "POST", path: "request/{issue}/comment", act: (*call).createRequestComment},
	{method: "GET", path: "request/{issue}/comment/{comment}", act: (*call).getRequestComment},
	{method: "GET", path: "request/{issue}/comment/{comment}/attachment", act: (*call).commentAttachments, experimental: true},
	{method: "GET", path: "request/{issue}/notification", act: (*call).getNotification},
	{method: "PUT", path: "request/{issue}/notification", act: (*call).setNotification},
	{method: "DELETE", path: "request/{issue}/notification", act: (*call).setNotification},
	{method: "GET", path: "request/{issue}/participant", act: (*call).getParticipants},
	{method: "POST", path: "request/{issue}/participant", act: (*call).changeParticipants},
	{method: "DELETE", path: "request/{issue}/participant", act: (*call).changeParticipants},
	{method: "GET", path: "request/{issue}/sla", act: (*call).getSLAs},
	{method: "GET", path: "request/{issue}/sla/{sla}", act: (*call).getSLA},
	{method: "GET", path: "request/{issue}/status", act: (*call).getRequestStatus},
	{method: "GET", path: "request/{issue}/transition", act: (*call).getRequestTransitions},
	{method: "POST", path: "request/{issue}/transition", act: (*call).doRequestTransition},
	{method: "GET", path: "requesttype", act: (*call).getAllRequestTypes, experimental: true},
	{method: "GET", path: "servicedesk", act: (*call).getDesks},
	{method: "GET", path: "servicedesk/{desk}", act: (*call).getDesk},
	{method: "POST", path: "servicedesk/{desk}/attachTemporaryFile", act: (*call).attachTemporary, experimental: true},
	{method: "GET", path: "servicedesk/{desk}/customer", act: (*call).deskCustomers, experimental: true},
	{method: "POST", path: "servicedesk/{desk}/customer", act: (*call).changeDeskCustomers},
	{method: "DELETE", path: "servicedesk/{desk}/customer", act: (*call).changeDeskCustomers, experimental: true},
	{method: "GET", path: "servicedesk/{desk}/organization", act: (*call).deskOrganizations},
	{method: "POST", path: "servicedesk/{desk}/organization", act: (*call).changeDeskOrganizations},
	{method: "DELETE", path: "servicedesk/{desk}/organization", act: (*call).changeDeskOrganizations},
	{method: "GET", path: "servicedesk/{desk}/queue", act: (*call).getQueues},
	{method: "GET", path: "servicedesk/{desk}/queue/{queue}", act: (*call).getQueue},
	{method: "GET", path: "servicedesk/{desk}/queue/{queue}/issue", act: (*call).queueIssues},
	{method: "GET", path: "servicedesk/{desk}/requesttype", act: (*call).getRequestTypes},
	{method: "POST", path: "servicedesk/{desk}/requesttype", act: (*call).createRequestType, experimental: true},
	{method: "POST", path: "servicedesk/{desk}/requesttype/permissions/check", act: (*call).checkTypePermissions, experimental: true},
	{method: "GET", path: "servicedesk/{desk}/requesttype/{requestType}", act: (*call).getRequestType},
	{method: "DELETE", path: "servicedesk/{desk}/requesttype/{requestType}", act: (*call).deleteRequestType, experimental: true},
	{method: "GET", path: "servicedesk/{desk}/requesttype/{requestType}/field", act: (*call).getRequestTypeFields},
	{method: "GET", path: "servicedesk/{desk}/requesttype/{requestType}/property", act: propertyKeys((*call).ownerRequestType), experimental: true},
	{method: "GET", path: "servicedesk/{desk}/requesttype/{requestType}/property/{key}", act: getProperty((*call).ownerRequestType), experimental: true},
	{method: "PUT", path: "servicedesk/{desk}/requesttype/{requestType}/property/{key}", act: setProperty((*call).ownerRequestType), experimental: true},
	{method: "DELETE", path: "servicedesk/{desk}/requesttype/{requestType}/property/{key}", act: deleteProperty((*call).ownerRequestType), experimental: true},
	{method: "GET", path: "servicedesk/{desk}/requesttypegroup", act: (*call).requestTypeGroups},
}

// admin are the administration's own webhooks, outside the numbered API.
var admin = []route{
	{method: "GET", path: "webhook", act: (*call).adminWebhooks},
	{method: "POST", path: "webhook", act: (*call).addAdminWebhook},
	{method: "DELETE", path: "webhook/{id}", act: (*call).deleteAdminWebhook},
}

// route finds the operation a request is for, and says in the call by which
// face it came. Without one, allow is what the path does take.
func (s *Sim) route(c *call) (found *route, args map[string]string, allow []string) {
	path := c.r.URL.EscapedPath()
	table, rest := []route(nil), ""
	c.v, c.desk = 2, strings.HasPrefix(path, desk+"/")
	switch {
	case c.desk:
		table, rest = portal, strings.TrimPrefix(path, desk+"/")
	case strings.HasPrefix(path, "/rest/webhooks/1.0/"):
		table, rest = admin, strings.TrimPrefix(path, "/rest/webhooks/1.0/")
	case strings.HasPrefix(path, "/rest/api/2/"):
		table, rest = platform, strings.TrimPrefix(path, "/rest/api/2/")
	case strings.HasPrefix(path, "/rest/api/3/") && !c.dc:
		c.v = 3
		table, rest = platform, strings.TrimPrefix(path, "/rest/api/3/")
	}
	best := -1
	for n := range table {
		rt := &table[n]
		pattern := rt.path
		if p, only := strings.CutPrefix(pattern, onlyCloud); only {
			if pattern = p; c.dc {
				continue
			}
		}
		if p, only := strings.CutPrefix(pattern, onlyDC); only {
			if pattern = p; !c.dc {
				continue
			}
		}
		with, fixed := match(pattern, rest)
		if with == nil {
			continue
		}
		if rt.method != c.r.Method {
			if !slices.Contains(allow, rt.method) {
				allow = append(allow, rt.method)
			}
			continue
		}
		if fixed > best {
			best, found, args = fixed, rt, with
		}
	}
	return found, args, allow
}

// match compares a path with a pattern and gives its arguments, and how many
// segments are literally the pattern's: the more, the better the match.
func match(pattern, path string) (args map[string]string, fixed int) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, 0
	}
	args = map[string]string{}
	for n, w := range want {
		if name, is := strings.CutPrefix(w, "{"); is {
			v, err := url.PathUnescape(got[n])
			if err != nil || v == "" {
				return nil, 0
			}
			args[strings.TrimSuffix(name, "}")] = v
		} else if w != got[n] {
			return nil, 0
		} else {
			fixed++
		}
	}
	return args, fixed
}
