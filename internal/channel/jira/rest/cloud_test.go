package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

const fred = "qm:a713c8ea-1075-4e30-9d96-891a7d181739:5ad6d3581db05e2a66fa80b"

// step is one call of the client, what it must send, what is played as the answer,
// and what must come of it.
type step struct {
	name    string
	do      func(context.Context, rest.Site) (any, error)
	answers []answer
	sent    []string // prefixes of "METHOD path?query body", in order
	want    any      // compared with what do gives; nil: not
	err     error
}

func (c step) run(t *testing.T, s rest.Site, p *player) {
	t.Helper()
	p.answers, p.got = c.answers, nil
	got, err := c.do(soon(t), s)
	if !errors.Is(err, c.err) || c.err == nil && err != nil {
		t.Errorf("%s: error %v, want %v", c.name, err, c.err)
	}
	if len(p.got) != len(c.sent) {
		t.Errorf("%s: sent %d requests, want %d: %q", c.name, len(p.got), len(c.sent), p.got)
	}
	for i := range min(len(p.got), len(c.sent)) {
		if p.got[i] != c.sent[i] {
			t.Errorf("%s: sent\n  %s\nwant\n  %s", c.name, p.got[i], c.sent[i])
		}
	}
	if c.want != nil && !reflect.DeepEqual(got, c.want) {
		t.Errorf("%s: got\n  %+v\nwant\n  %+v", c.name, got, c.want)
	}
}

func day(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// Every call against the contract, answered by published samples where there are.
func TestCloudAgainstTheContract(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.Cloud, validated{t, needContract(t), p})
	mia := rest.User{ID: "5b10a2844c20165700ede21g", Name: "Mia Krystof", Email: "mia@example.com", Account: "atlassian", Active: true}
	for _, c := range []step{
		{"myself", func(ctx context.Context, s rest.Site) (any, error) { return s.Myself(ctx) },
			[]answer{{body: "@platform-user-200.json"}}, []string{"GET /rest/api/3/myself"}, mia, nil},
		{"user", func(ctx context.Context, s rest.Site) (any, error) { return s.User(ctx, mia.ID) },
			[]answer{{body: "@platform-user-200.json"}}, []string{"GET /rest/api/3/user?accountId=" + mia.ID}, mia, nil},
		{"another user in the answer", func(ctx context.Context, s rest.Site) (any, error) { return s.User(ctx, "5b10&x=y") },
			[]answer{{body: "@platform-user-200.json"}}, []string{"GET /rest/api/3/user?accountId=5b10%26x%3Dy"}, nil, rest.ErrStrange},
		{"permissions", func(ctx context.Context, s rest.Site) (any, error) {
			return s.Permissions(ctx, "ACC", "BROWSE_PROJECTS", "ADMINISTER", "EDIT_ISSUES")
		}, []answer{{body: `{"permissions":{"BROWSE_PROJECTS":{"havePermission":true},"ADMINISTER":{"havePermission":false}}}`}},
			[]string{"GET /rest/api/3/mypermissions?permissions=BROWSE_PROJECTS%2CADMINISTER%2CEDIT_ISSUES&projectKey=ACC"},
			map[string]bool{"BROWSE_PROJECTS": true, "ADMINISTER": false, "EDIT_ISSUES": false}, nil},
		{"transitions", func(ctx context.Context, s rest.Site) (any, error) { return s.Transitions(ctx, "10002") },
			[]answer{{body: "@platform-transitions-200.json"}}, []string{"GET /rest/api/3/issue/10002/transitions"}, []rest.Transition{
				{ID: "2", Name: "Close Issue", To: rest.Status{ID: "10000", Name: "In Progress", Category: "in-flight"}},
				{ID: "711", Name: "QA Review", To: rest.Status{ID: "5", Name: "Closed", Category: "completed"}, Screen: true}}, nil},
		{"changes, two pages", func(ctx context.Context, s rest.Site) (any, error) {
			list, err := s.Changes(ctx, "10002")
			return len(list), err
		}, []answer{{body: "@platform-changelog-200.json"}, {body: `{"isLast":true,"values":[]}`}},
			[]string{"GET /rest/api/3/issue/10002/changelog?maxResults=100", "GET /rest/api/3/issue/10002/changelog?maxResults=100&startAt=2"}, 2, nil},
		{"comments", func(ctx context.Context, s rest.Site) (any, error) {
			list, err := s.Comments(ctx, "10010")
			if len(list) != 1 || list[0].At != day("2021-01-17T12:34:00Z") || list[0].Updated != day("2021-01-18T23:45:00Z") || list[0].Public != nil {
				return list, errors.New("other comments")
			}
			return list[0].ID, err
		}, []answer{{body: `{"total":1,"comments":[` + sample(t, "platform-comment-201.json") + `]}`}},
			[]string{"GET /rest/api/3/issue/10010/comment?expand=properties&maxResults=100&orderBy=created"}, "10000", nil},
		{"a comment for everyone", func(ctx context.Context, s rest.Site) (any, error) {
			return s.Comment(ctx, "10010", rest.NewComment{For: rest.Everyone, Marker: "abc12345", Body: rest.Body{ADF: json.RawMessage(`{"type":"doc","version":1,"content":[]}`), Wiki: "x"}})
		}, []answer{{status: 201, body: "@platform-comment-201.json"}},
			[]string{`POST /rest/api/3/issue/10010/comment {"body":{"type":"doc","version":1,"content":[]},"properties":[{"key":"lessor","value":{"marker":"abc12345"}}]}`}, "10000", nil},
		{"a comment Jira does not take", func(ctx context.Context, s rest.Site) (any, error) {
			return s.Comment(ctx, "10010", rest.NewComment{For: rest.Everyone, Marker: "abc12345", Body: rest.Body{ADF: json.RawMessage(`{}`)}})
		}, []answer{{status: 400, body: recorded(t, "observed-400-comment-not-adf.http")}},
			[]string{`POST /rest/api/3/issue/10010/comment {"body":{},"properties":[{"key":"lessor","value":{"marker":"abc12345"}}]}`}, "", rest.ErrInvalid},
		{"an internal comment", func(ctx context.Context, s rest.Site) (any, error) {
			return s.Comment(ctx, "10010", rest.NewComment{For: rest.Agents, Marker: "abc12345", Body: rest.Body{Wiki: "granted (abc12345)"}})
		}, []answer{{status: 201, body: `{"id":"1000","public":false}`}},
			[]string{`POST /rest/servicedeskapi/request/10010/comment {"body":"granted (abc12345)","public":false}`}, "1000", nil},
		{"an internal comment that became public", func(ctx context.Context, s rest.Site) (any, error) {
			return s.Comment(ctx, "10010", rest.NewComment{For: rest.Agents, Marker: "abc12345", Body: rest.Body{Wiki: "granted abc12345"}})
		}, []answer{{status: 201, body: `{"id":"1000","public":true}`}},
			[]string{`POST /rest/servicedeskapi/request/10010/comment {"body":"granted abc12345","public":false}`}, "1000", rest.ErrConflict},
		{"a comment for the customer", func(ctx context.Context, s rest.Site) (any, error) {
			return s.Comment(ctx, "10010", rest.NewComment{For: rest.Customer, Marker: "abc12345", Body: rest.Body{Wiki: "abc12345"}})
		}, []answer{{status: 201, body: `{"id":1000,"public":true}`}},
			[]string{`POST /rest/servicedeskapi/request/10010/comment {"body":"abc12345","public":true}`}, "1000", nil},
		{"a property", func(ctx context.Context, s rest.Site) (any, error) { return s.Property(ctx, "10010", "lessor.request") },
			[]answer{{body: `{"key":"lessor.request","value":{"id":"R-1"}}`}}, []string{"GET /rest/api/3/issue/10010/properties/lessor.request"}, json.RawMessage(`{"id":"R-1"}`), nil},
		{"a property that is not there", func(ctx context.Context, s rest.Site) (any, error) { return s.CommentProperty(ctx, "1000", "lessor") },
			[]answer{{status: 404, body: `{"errorMessages":["The property lessor does not exist."],"errors":{}}`}}, []string{"GET /rest/api/3/comment/1000/properties/lessor"}, nil, rest.ErrMissing},
		{"set a property", func(ctx context.Context, s rest.Site) (any, error) {
			return nil, s.SetProperty(ctx, "10010", "lessor", map[string]string{"digest": "x"})
		}, []answer{{status: 201, body: ``}}, []string{`PUT /rest/api/3/issue/10010/properties/lessor {"digest":"x"}`}, nil, nil},
		{"set a comment's property", func(ctx context.Context, s rest.Site) (any, error) {
			return nil, s.SetCommentProperty(ctx, "1000", "lessor", "x")
		}, []answer{{status: 200, body: ``}}, []string{`PUT /rest/api/3/comment/1000/properties/lessor "x"`}, nil, nil},
		{"a remote link", func(ctx context.Context, s rest.Site) (any, error) {
			return nil, s.Link(ctx, "10010", rest.RemoteLink{GlobalID: "lessor=R-1", Relation: "governed by", Title: "R-1", Summary: "prod-db:read", URL: "https://lessor.example/requests/R-1"})
		}, []answer{{status: 201, body: `{"id":10000,"self":"x"}`}},
			[]string{`POST /rest/api/3/issue/10010/remotelink {"application":{"name":"Lessor","type":"io.github.lessor"},"globalId":"lessor=R-1","object":{"status":{"resolved":false},"summary":"prod-db:read","title":"R-1","url":"https://lessor.example/requests/R-1"},"relationship":"governed by"}`}, nil, nil},
		{"assign", func(ctx context.Context, s rest.Site) (any, error) { return nil, s.Assign(ctx, "10010", mia.ID) },
			[]answer{{status: 204}}, []string{`PUT /rest/api/3/issue/10010/assignee {"accountId":"` + mia.ID + `"}`}, nil, nil},
		{"assign nobody", func(ctx context.Context, s rest.Site) (any, error) { return nil, s.Assign(ctx, "10010", "") },
			[]answer{{status: 204}}, []string{`PUT /rest/api/3/issue/10010 {"fields":{"assignee":null}}`}, nil, nil},
		{"labels", func(ctx context.Context, s rest.Site) (any, error) {
			return nil, s.Label(ctx, "10010", []string{"lessor-active"}, nil)
		}, []answer{{status: 204}}, []string{`PUT /rest/api/3/issue/10010 {"update":{"labels":[{"add":"lessor-active"}]}}`}, nil, nil},
		{"security level", func(ctx context.Context, s rest.Site) (any, error) { return nil, s.Secure(ctx, "10010", "10021") },
			[]answer{{status: 204}}, []string{`PUT /rest/api/3/issue/10010 {"fields":{"security":{"id":"10021"}}}`}, nil, nil},
		{"no security level", func(ctx context.Context, s rest.Site) (any, error) { return nil, s.Secure(ctx, "10010", "") },
			[]answer{{status: 204}}, []string{`PUT /rest/api/3/issue/10010 {"fields":{"security":null}}`}, nil, nil},
	} {
		c.run(t, s, p)
	}
}

func TestCloudSearchPages(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.Cloud, validated{t, needContract(t), p})
	p.answers = []answer{{body: `{"issues":[{"id":"10010"},{"id":"10011","key":null}],"nextPageToken":"t-2"}`}, {body: `{"isLast":true,"issues":[],"nextPageToken":null}`}}
	q := rest.Query{Since: noon.Add(-10*time.Minute - time.Second), Projects: []string{"ACC", "10001"}}
	ids, page, err := s.Updated(soon(t), q, rest.Page{})
	if err != nil || !reflect.DeepEqual(ids, []string{"10010", "10011"}) || page.Last() {
		t.Errorf("first page: %q %+v %v", ids, page, err)
	}
	ids, page, err = s.Updated(soon(t), q, page)
	if err != nil || len(ids) != 0 || !page.Last() {
		t.Errorf("second page: %q %+v %v", ids, page, err)
	}
	for i, want := range []string{
		`POST /rest/api/3/search/jql {"fields":["id"],"jql":"project in (ACC, 10001) AND updated \u003e= -11m ORDER BY updated ASC","maxResults":100}`,
		`POST /rest/api/3/search/jql {"fields":["id"],"jql":"project in (ACC, 10001) AND updated \u003e= -11m ORDER BY updated ASC","maxResults":100,"nextPageToken":"t-2"}`,
	} {
		if p.got[i] != want {
			t.Errorf("sent\n  %s\nwant\n  %s", p.got[i], want)
		}
	}
	p.answers = []answer{{status: 400, body: recorded(t, "observed-400-next-page-token.http")}, {body: "@platform-search-jql-200.json"}, {err: errors.New("cut")}}
	if _, _, err = s.Updated(soon(t), q, rest.Page{}); !errors.Is(err, rest.ErrInvalid) || !strings.Contains(err.Error(), "next page token") {
		t.Errorf("a token run out: %v", err)
	}
	if ids, page, err = s.Updated(soon(t), q, rest.Page{}); err != nil || !reflect.DeepEqual(ids, []string{"10002"}) || !page.Last() {
		t.Errorf("the published answer: %q %+v %v", ids, page, err)
	}
	if _, _, err = s.Updated(soon(t), q, rest.Page{}); !errors.Is(err, rest.ErrUnreachable) {
		t.Errorf("a search that was cut: %v, want that nothing was done", err)
	}
	if _, _, err = s.Updated(soon(t), rest.Query{}, rest.Page{}); !errors.Is(err, rest.ErrInvalid) {
		t.Errorf("without Since: %v", err)
	}
}

func TestCloudIssue(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.Cloud, validated{t, needContract(t), p})
	p.answers = []answer{{body: "@platform-issue-get-200.json"}}
	i, err := s.Issue(soon(t), "10002") // in it "updated" is the number 1
	if err != nil || i.ID != "10002" || i.Key != "ED-1" || i.Project.Key != "EX" || !i.Updated.IsZero() || len(i.Fields["description"]) == 0 {
		t.Errorf("%s %s %+v %v", i.ID, i.Key, i.Project, err)
	}
	// Real bodies have nulls everywhere, and a user who cannot be resolved.
	p.answers = []answer{{body: `{"id":"10010","key":"ACC-41","fields":{"summary":null,"assignee":null,"labels":null,"security":null,"priority":null,
		"reporter":{"accountId":"unknown","accountType":"unknown","displayName":"Former user","emailAddress":null,"active":false},
		"status":{"id":"3","name":"In Arbeit","statusCategory":{"key":"indeterminate"}},"created":"2021-01-17T12:34:00.000+0530","updated":"soon","customfield_1":[null]}}`}}
	i, err = s.Issue(soon(t), "10010", "summary", "customfield_1")
	if err != nil || i.Assignee.ID != "" || i.Assignee.Known() || i.Reporter.Known() || i.Status != (rest.Status{ID: "3", Name: "In Arbeit", Category: "indeterminate"}) ||
		!i.Created.Equal(day("2021-01-17T07:04:00Z")) || !i.Updated.IsZero() || string(i.Fields["customfield_1"]) != "[null]" {
		t.Errorf("%+v %v", i, err)
	}
	if want := "GET /rest/api/3/issue/10010?fields=summary%2Ccustomfield_1"; p.got[1] != want {
		t.Errorf("sent %s", p.got[1])
	}
	p.answers = []answer{{status: 404, body: recorded(t, "observed-404-unknown-issue.http")}}
	if _, err = s.Issue(soon(t), "10010"); !errors.Is(err, rest.ErrMissing) {
		t.Errorf("missing: %v", err)
	}
	// By key, Jira follows a move: another key, another project, the same issue.
	p.answers = []answer{{body: `{"id":"10010","key":"OPS-7","fields":{"project":{"id":"1","key":"OPS"}}}`}}
	if i, err = s.Find(soon(t), "ACC-41"); err != nil || i.ID != "10010" || i.Key != "OPS-7" || i.Project.Key != "OPS" {
		t.Errorf("moved: %+v %v", i, err)
	}
	p.answers = []answer{{body: `{"id":"10011","key":"ACC-42"}`}}
	if _, err = s.Issue(soon(t), "10010"); !errors.Is(err, rest.ErrStrange) {
		t.Errorf("another issue in the answer: %v", err)
	}
}
