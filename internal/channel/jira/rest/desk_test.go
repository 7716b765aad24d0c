package rest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

// sample is a published answer, or an empty object where the samples are not.
func sample(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder(), "rest-samples", name))
	if errors.Is(err, os.ErrNotExist) {
		return "{}"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// recorded is the body of a recorded answer.
func recorded(t testing.TB, name string) string {
	t.Helper()
	_, body, _ := strings.Cut(strings.ReplaceAll(sample(t, name), "\r\n", "\n"), "\n\n")
	return body
}

const last = `{"isLastPage":true,"values":[]}`

func TestDeskAgainstTheContract(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.Cloud, validated{t, needContract(t), p})
	fredUser := rest.User{ID: fred, Name: "Fred F. User", Email: "fred@example.com", Active: true}
	for _, c := range []step{
		{"desks", func(ctx context.Context, s rest.Site) (any, error) {
			list, err := s.Desks(ctx)
			return list[0], err
		}, []answer{{body: "@jsm-servicedesks-200.json"}, {body: last}},
			[]string{"GET /rest/servicedeskapi/servicedesk?limit=100", "GET /rest/servicedeskapi/servicedesk?limit=100&start=3"},
			rest.ServiceDesk{ID: "10001", Project: "11001", ProjectKey: "ITH", Name: "IT Help Desk"}, nil},
		{"request types", func(ctx context.Context, s rest.Site) (any, error) {
			list, err := s.RequestTypes(ctx, "28")
			return list[0].Name, err
		}, []answer{{body: "@jsm-requesttypes-200.json"}, {body: last}},
			[]string{"GET /rest/servicedeskapi/servicedesk/28/requesttype?limit=100", "GET /rest/servicedeskapi/servicedesk/28/requesttype?limit=100&start=3"}, "Get IT Help", nil},
		{"request fields", func(ctx context.Context, s rest.Site) (any, error) {
			list, err := s.RequestFields(ctx, "28", "11001")
			return list, err
		}, []answer{{body: "@jsm-requesttype-fields-200.json"}}, []string{"GET /rest/servicedeskapi/servicedesk/28/requesttype/11001/field?expand=hiddenFields"}, nil, nil},
		{"participants", func(ctx context.Context, s rest.Site) (any, error) { return s.Participants(ctx, "107001") },
			[]answer{{body: "@jsm-participants-200.json"}, {body: last}},
			[]string{"GET /rest/servicedeskapi/request/107001/participant?limit=100", "GET /rest/servicedeskapi/request/107001/participant?limit=100&start=1"}, []rest.User{fredUser}, nil},
		{"organizations", func(ctx context.Context, s rest.Site) (any, error) { return s.Organizations(ctx, "10") },
			[]answer{{body: "@jsm-organizations-200.json"}, {body: last}},
			[]string{"GET /rest/servicedeskapi/servicedesk/10/organization?limit=100", "GET /rest/servicedeskapi/servicedesk/10/organization?limit=100&start=1"},
			[]rest.Organization{{ID: "1", Name: "Charlie Cakes Franchises"}}, nil},
		{"queues", func(ctx context.Context, s rest.Site) (any, error) {
			list, err := s.Queues(ctx, "1")
			return list[1], err
		}, []answer{{body: "@jsm-queues-200.json"}, {body: last}},
			[]string{"GET /rest/servicedeskapi/servicedesk/1/queue?includeCount=true&limit=100", "GET /rest/servicedeskapi/servicedesk/1/queue?includeCount=true&limit=100&start=2"},
			rest.Queue{ID: "20", Name: "Assigned to me", JQL: `project = SD AND assignee = currentUser() AND resolution = Unresolved ORDER BY "Time to resolution" ASC`, Issues: 10}, nil},
		{"a queue's issues, without ids as published", func(ctx context.Context, s rest.Site) (any, error) { return s.Queued(ctx, "1", "10") },
			[]answer{{body: `{"isLastPage":true,"values":[{"id":"10012"},{"id":"10010"},{"id":"10012"}]}`}},
			[]string{"GET /rest/servicedeskapi/servicedesk/1/queue/10/issue?limit=100"}, []string{"10010", "10012"}, nil},
		{"a new request type", func(ctx context.Context, s rest.Site) (any, error) {
			return s.AddRequestType(ctx, "28", rest.NewRequestType{IssueType: "12345", Name: "Get access", Description: "d", Help: "h"})
		}, []answer{{body: last}, {body: `{"id":"11001","name":"Get access","issueTypeId":"12345"}`}},
			[]string{"GET /rest/servicedeskapi/servicedesk/28/requesttype?limit=100",
				`POST /rest/servicedeskapi/servicedesk/28/requesttype {"description":"d","helpText":"h","issueTypeId":"12345","name":"Get access"}`},
			rest.RequestType{ID: "11001", Name: "Get access", IssueType: "12345"}, nil},
		{"a request type that is there", func(ctx context.Context, s rest.Site) (any, error) {
			return s.AddRequestType(ctx, "28", rest.NewRequestType{IssueType: "12345", Name: "Get access"})
		}, []answer{{body: `{"isLastPage":true,"values":[{"id":"7","name":"Get access","issueTypeId":"12345"}]}`}},
			[]string{"GET /rest/servicedeskapi/servicedesk/28/requesttype?limit=100"}, rest.RequestType{ID: "7", Name: "Get access", IssueType: "12345"}, nil},
		{"no request of the desk", func(ctx context.Context, s rest.Site) (any, error) { return s.Approvals(ctx, "10010") },
			[]answer{{status: 404, body: `{"errorMessage":"The requested customer request does not exist.","i18nErrorMessage":{"i18nKey":"sd.x","parameters":[]}}`}},
			[]string{"GET /rest/servicedeskapi/request/10010/approval?limit=100"}, nil, rest.ErrMissing},
	} {
		c.run(t, s, p)
	}
}

func TestRequestsOfTheDesk(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.Cloud, validated{t, needContract(t), p})
	p.answers = []answer{{body: "@jsm-request-get-200.json"}}
	r, err := s.Request(soon(t), "107001")
	if err != nil || r.Key != "HELPDESK-1" || r.Type != "25" || r.ServiceDesk != "10" || r.Reporter.ID != fred || r.Status != "Waiting for Support" ||
		!r.Created.Equal(time.UnixMilli(1444290120000)) || string(r.Values["summary"]) != `"Request JSD help via REST"` {
		t.Errorf("%+v %v", r, err)
	}
	p.answers = []answer{{body: "@jsm-request-get-200.json"}}
	if _, err = s.Request(soon(t), "107002"); !errors.Is(err, rest.ErrStrange) {
		t.Errorf("another request in the answer: %v", err)
	}
	p.answers = []answer{{body: "@jsm-approvals-list-200.json"}, {body: last}}
	list, err := s.Approvals(soon(t), "107001")
	if err != nil || len(list) != 2 || list[0].Decision != "approved" || list[0].Mine || len(list[0].Approvers) != 1 || list[0].Approvers[0].User.ID != fred ||
		list[0].Approvers[0].Decision != "approved" || !list[0].Completed.Equal(time.UnixMilli(1475134200000)) {
		t.Errorf("%+v %v", list, err)
	}
	// As captured from a real site: no completedDate, an approver who has not answered.
	captured := strings.TrimSuffix(strings.TrimSpace(sample(t, "captured-jsm-approvals-customfield-in-issue.json")), "}")
	_, values, _ := strings.Cut(captured, ":")
	p.answers = []answer{{body: `{"isLastPage":true,"values":` + values + `}`}}
	list, err = s.Approvals(soon(t), "161173")
	if err != nil || len(list) != 1 || list[0].ID != "60" || list[0].Decision != "pending" || !list[0].Completed.IsZero() || list[0].Approvers[0].User.ID != "621e8911db58c1006878ed63" ||
		list[0].Created != day("2024-01-10T00:51:48.461Z") {
		t.Errorf("%+v %v", list, err)
	}
	p.answers = []answer{{body: "@jsm-sla-list-200.json"}, {body: last}}
	metrics, err := s.SLA(soon(t), "107001")
	if err != nil || len(metrics) == 0 || len(metrics[0].Done) == 0 || metrics[0].Done[0].Goal <= 0 || metrics[0].Running == nil {
		t.Errorf("%+v %v", metrics, err)
	}
}
