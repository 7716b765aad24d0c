package rest_test

import (
	"context"
	"testing"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

func TestSetupAgainstTheContract(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.Cloud, validated{t, needContract(t), p})
	for _, c := range []step{
		{"server", func(ctx context.Context, s rest.Site) (any, error) { return s.Server(ctx) },
			[]answer{{body: `{"baseUrl":"https://example.atlassian.net","deploymentType":"Cloud","version":"1001.0.0","serverTitle":"Jira","serverTime":"2026-11-25T12:00:00.000+0100"}`}},
			[]string{"GET /rest/api/3/serverInfo"},
			rest.Server{Base: "https://example.atlassian.net", Deployment: "Cloud", Version: "1001.0.0", Title: "Jira", Time: day("2026-11-25T11:00:00Z")}, nil},
		{"fields", func(ctx context.Context, s rest.Site) (any, error) { return s.Fields(ctx) },
			[]answer{{body: `[{"id":"summary","name":"Zusammenfassung","custom":false,"schema":{"type":"string","system":"summary"}},
				{"id":"customfield_1","name":"Entitlement","custom":true,"schema":{"type":"array","items":"option","custom":"x:multiselect","customId":1}},
				{"id":"labels","name":"Labels","schema":{"type":"array","items":"string"}},{"id":"thumbnail","name":"Images","schema":null}]`}},
			[]string{"GET /rest/api/3/field"}, []rest.Field{{ID: "summary", Name: "Zusammenfassung", Schema: "string"},
				{ID: "customfield_1", Name: "Entitlement", Custom: true, Schema: "x:multiselect"}, {ID: "labels", Name: "Labels", Schema: "array of string"}, {ID: "thumbnail", Name: "Images"}}, nil},
		{"projects, two pages", func(ctx context.Context, s rest.Site) (any, error) { return s.Projects(ctx) },
			[]answer{{body: `{"isLast":false,"total":2,"values":[{"id":"10000","key":"ACC","name":"Access","projectTypeKey":"service_desk","simplified":false}]}`},
				{body: `{"isLast":true,"total":2,"values":[{"id":"10001","key":"OPS","name":"Ops","projectTypeKey":"software","simplified":true}]}`}},
			[]string{"GET /rest/api/3/project/search?maxResults=100&orderBy=key", "GET /rest/api/3/project/search?maxResults=100&orderBy=key&startAt=1"},
			[]rest.Project{{ID: "10000", Key: "ACC", Name: "Access", Kind: "service_desk"}, {ID: "10001", Key: "OPS", Name: "Ops", Kind: "software", Simplified: true}}, nil},
		{"statuses", func(ctx context.Context, s rest.Site) (any, error) { return s.Statuses(ctx, "ACC") },
			[]answer{{body: `[{"id":"3","name":"Task","self":"x","subtask":false,"statuses":[{"id":"10000","name":"Open","statusCategory":{"id":2,"key":"new"}}]}]`}},
			[]string{"GET /rest/api/3/project/ACC/statuses"},
			[]rest.TypeStatuses{{Type: rest.Ref{ID: "3", Name: "Task"}, Statuses: []rest.Status{{ID: "10000", Name: "Open", Category: "new"}}}}, nil},
		{"options", func(ctx context.Context, s rest.Site) (any, error) { return s.Options(ctx, "10000", "3") },
			[]answer{{body: `{"startAt":0,"maxResults":50,"total":1,"fields":[{"fieldId":"customfield_1","key":"customfield_1","name":"Entitlement","required":true,"operations":["set"],
				"schema":{"type":"array","items":"option"},"allowedValues":[{"id":"10033","value":"prod-db:read"},{"id":10034,"name":"High"}]}]}`}},
			[]string{"GET /rest/api/3/issue/createmeta/10000/issuetypes/3?maxResults=100"},
			[]rest.CreateField{{ID: "customfield_1", Name: "Entitlement", Required: true, Schema: "array of option", Options: []rest.Option{{ID: "10033", Value: "prod-db:read"}, {ID: "10034", Value: "High"}}}}, nil},
		{"security levels", func(ctx context.Context, s rest.Site) (any, error) { return s.SecurityLevels(ctx, "ACC") },
			[]answer{{body: `{"levels":[{"id":"10021","name":"Owners","description":null,"isDefault":true}]}`}}, []string{"GET /rest/api/3/project/ACC/securitylevel"},
			[]rest.SecurityLevel{{ID: "10021", Name: "Owners", Default: true}}, nil},
		{"who is in a level", func(ctx context.Context, s rest.Site) (any, error) { return s.LevelMembers(ctx, "10021") },
			[]answer{{body: `{"isLast":true,"values":[{"id":"1","issueSecurityLevelId":"10021","issueSecuritySchemeId":"1","holder":{"type":"group","parameter":"admins","value":"276f955c"}},
				{"id":"2","issueSecurityLevelId":"10021","issueSecuritySchemeId":"1","holder":{"type":"reporter"}}]}`}},
			[]string{"GET /rest/api/3/issuesecurityschemes/level/member?levelId=10021&maxResults=100"}, []rest.Holder{{Kind: "group", Value: "276f955c"}, {Kind: "reporter"}}, nil},
		{"roles", func(ctx context.Context, s rest.Site) (any, error) { return s.Roles(ctx, "ACC") },
			[]answer{{body: `{"Developers":"https://evil.example/rest/api/3/project/10000/role/10100","Administrators":"https://x/rest/api/3/project/10000/role/10002","Odd":"https://x/role/0"}`}},
			[]string{"GET /rest/api/3/project/ACC/role"}, []rest.Role{{ID: "10002", Name: "Administrators"}, {ID: "10100", Name: "Developers"}}, nil},
		{"members", func(ctx context.Context, s rest.Site) (any, error) { return s.Members(ctx, "ACC", "10002") },
			[]answer{{body: `{"actors":[{"id":1,"displayName":"Mia","type":"atlassian-user-role-actor","actorUser":{"accountId":"5b10"}},
				{"id":2,"displayName":"admins","name":"admins","type":"atlassian-group-role-actor","actorGroup":{"groupId":"276f955c","name":"admins"}}]}`}},
			[]string{"GET /rest/api/3/project/ACC/role/10002"}, []rest.Member{{ID: "5b10", Name: "Mia"}, {Group: true, ID: "276f955c", Name: "admins"}}, nil},
		{"permission scheme", func(ctx context.Context, s rest.Site) (any, error) { return s.PermissionScheme(ctx, "ACC") },
			[]answer{{body: `{"id":1,"name":"Default","permissions":[{"id":4,"permission":"BROWSE_PROJECTS","holder":{"type":"projectRole","parameter":"10002"}},{"permission":"ADD_COMMENTS","holder":{"type":"anyone"}}]}`}},
			[]string{"GET /rest/api/3/project/ACC/permissionscheme?expand=permissions"},
			[]rest.Permitted{{Permission: "BROWSE_PROJECTS", Holder: rest.Holder{Kind: "projectRole", Value: "10002"}}, {Permission: "ADD_COMMENTS", Holder: rest.Holder{Kind: "anyone"}}}, nil},
		{"webhooks", func(ctx context.Context, s rest.Site) (any, error) { return s.Webhooks(ctx) },
			[]answer{{body: `{"isLast":true,"values":[{"id":10000,"url":"https://lessor.example/x","jqlFilter":"project = ACC","events":["jira:issue_created"],"expirationDate":1560870000000}]}`}},
			[]string{"GET /rest/api/3/webhook?maxResults=100"},
			[]rest.Webhook{{ID: "10000", URL: "https://lessor.example/x", Filter: "project = ACC", Events: []string{"jira:issue_created"}, Expires: day("2019-06-18T15:00:00Z")}}, nil},
		{"webhooks, but no app", func(ctx context.Context, s rest.Site) (any, error) { return s.Webhooks(ctx) },
			[]answer{{status: 403, body: `{"errorMessages":["Only Connect and OAuth 2.0 apps can use this operation."],"errors":{}}`}},
			[]string{"GET /rest/api/3/webhook?maxResults=100"}, nil, rest.ErrDenied},
	} {
		c.run(t, s, p)
	}
}

// There is no published contract of Data Center; what is told of it is the README's.
func TestDataCenter(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.DataCenter, p)
	user := `{"key":"JIRAUSER10100","name":"crystal","displayName":"Crystal","emailAddress":"c@example.com","active":true}`
	crystal := rest.User{ID: "JIRAUSER10100", Login: "crystal", Name: "Crystal", Email: "c@example.com", Active: true}
	for _, c := range []step{
		{"myself", func(ctx context.Context, s rest.Site) (any, error) { return s.Myself(ctx) }, []answer{{body: user}}, []string{"GET /rest/api/2/myself"}, crystal, nil},
		{"user", func(ctx context.Context, s rest.Site) (any, error) { return s.User(ctx, crystal.ID) }, []answer{{body: user}}, []string{"GET /rest/api/2/user?key=JIRAUSER10100"}, crystal, nil},
		{"assign", func(ctx context.Context, s rest.Site) (any, error) { return nil, s.Assign(ctx, "10010", crystal.ID) },
			[]answer{{body: user}, {status: 204}}, []string{"GET /rest/api/2/user?key=JIRAUSER10100", `PUT /rest/api/2/issue/10010/assignee {"name":"crystal"}`}, nil, nil},
		{"assign nobody", func(ctx context.Context, s rest.Site) (any, error) { return nil, s.Assign(ctx, "10010", "") },
			[]answer{{status: 204}}, []string{`PUT /rest/api/2/issue/10010 {"fields":{"assignee":null}}`}, nil, nil},
		{"comment", func(ctx context.Context, s rest.Site) (any, error) {
			return s.Comment(ctx, "10010", rest.NewComment{For: rest.Everyone, Marker: "abc12345", Body: rest.Body{Wiki: `\[x\]`}})
		}, []answer{{status: 201, body: `{"id":"7","body":"x"}`}},
			[]string{`POST /rest/api/2/issue/10010/comment {"body":"\\[x\\]","properties":[{"key":"lessor","value":{"marker":"abc12345"}}]}`}, "7", nil},
		{"changes, with the issue and newest first", func(ctx context.Context, s rest.Site) (any, error) {
			list, err := s.Changes(ctx, "10010")
			return []string{list[0].ID, list[1].ID, list[1].Items[0].To}, err
		}, []answer{{body: `{"id":"10010","changelog":{"histories":[{"id":"102","created":"2021-01-17T12:34:00.000+0000","items":[{"field":"Key","from":null,"to":"OPS-7"}]},{"id":"99","created":"2021-01-17T12:34:00.000+0000","items":[]}]}}`}},
			[]string{"GET /rest/api/2/issue/10010?expand=changelog&fields=status"}, []string{"99", "102", "OPS-7"}, nil},
		{"projects", func(ctx context.Context, s rest.Site) (any, error) { return s.Projects(ctx) },
			[]answer{{body: `[{"id":"10000","key":"ACC","name":"Access","projectTypeKey":"service_desk"}]`}}, []string{"GET /rest/api/2/project"},
			[]rest.Project{{ID: "10000", Key: "ACC", Name: "Access", Kind: "service_desk"}}, nil},
		{"no call for level members", func(ctx context.Context, s rest.Site) (any, error) { return s.LevelMembers(ctx, "1") }, nil, nil, nil, rest.ErrNoCall},
		{"no call for webhooks", func(ctx context.Context, s rest.Site) (any, error) { return s.Webhooks(ctx) }, nil, nil, nil, rest.ErrNoCall},
		{"the desk is the same", func(ctx context.Context, s rest.Site) (any, error) { return s.Approvals(ctx, "10010") },
			[]answer{{body: `{"isLastPage":true,"values":[{"id":"1","finalDecision":"pending","approvers":[{"approver":` + user + `,"approverDecision":"pending"}]}]}`}},
			[]string{"GET /rest/servicedeskapi/request/10010/approval?limit=100"},
			[]rest.Approval{{ID: "1", Decision: "pending", Approvers: []rest.Approver{{User: crystal, Decision: "pending"}}}}, nil},
	} {
		c.run(t, s, p)
	}
	if h := p.headers[len(p.headers)-1]; h.Get("X-ExperimentalApi") != "opt-in" {
		t.Error("the service desk of Data Center was asked without opting in")
	}
}

// A list that changes between two pages loses nothing that was in both.
func TestDataCenterSearchOverlaps(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.DataCenter, p)
	q := rest.Query{Since: noon}
	p.answers = []answer{{body: `{"total":25,"issues":[` + ids(1, 20) + `]}`}, {body: `{"total":25,"issues":[` + ids(19, 25) + `]}`}}
	_, page, err := s.Updated(soon(t), q, rest.Page{})
	if err != nil || page.Last() {
		t.Fatalf("%+v %v", page, err)
	}
	_, page, err = s.Updated(soon(t), q, page)
	if err != nil || !page.Last() {
		t.Errorf("%+v %v", page, err)
	}
	want := `POST /rest/api/2/search {"fields":["updated"],"jql":"updated \u003e= -1m ORDER BY updated ASC","maxResults":100,"startAt":18}`
	if p.got[1] != want {
		t.Errorf("sent\n  %s\nwant\n  %s", p.got[1], want)
	}
}
