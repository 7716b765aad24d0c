package rest_test

import (
	"errors"
	"testing"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

func at(status string) string {
	return `{"id":"10010","fields":{"status":{"id":"` + status + `","name":"S` + status + `","statusCategory":{"key":"done"}}}}`
}

// A move is believed once it is seen.
func TestTransition(t *testing.T) {
	t.Parallel()
	list := needContract(t)
	for _, c := range []struct {
		name    string
		answers []answer
		seen    string // id of the status
		err     error
	}{
		{"moved", []answer{{status: 204}, {body: at("5")}}, "5", nil},
		{"moved elsewhere by another", []answer{{status: 204}, {body: at("6")}}, "6", rest.ErrConflict},
		{"a conflict, and another had moved it there", []answer{{status: 409}, {body: at("5")}}, "5", nil},
		{"a conflict", []answer{{status: 409}, {body: at("3")}}, "3", rest.ErrConflict},
		{"no such move from here, but it is there", []answer{{status: 400, body: recorded(t, "observed-400-transition-missing.http")}, {body: at("5")}}, "5", nil},
		{"no such move from here", []answer{{status: 400}, {body: at("3")}}, "3", rest.ErrInvalid},
		{"the answer was lost, it took effect", []answer{{status: 502}, {body: at("5")}}, "5", nil},
		{"the answer was lost, it did not, or not yet", []answer{{status: 502}, {body: at("3")}}, "3", rest.ErrUnanswered},
		{"taken, and nothing seen", []answer{{status: 204}, {status: 500}}, "", rest.ErrUnanswered},
		{"hidden", []answer{{status: 404, body: `{"errorMessages":[]}`}, {status: 404, body: `{"errorMessages":[]}`}}, "", rest.ErrMissing},
		{"held back", []answer{{status: 429}}, "", rest.ErrLimited},
	} {
		p := &player{answers: c.answers}
		got, err := dial(t, rest.Cloud, validated{t, list, p}).Transition(soon(t), "10010", rest.Move{Transition: "31", To: "5"})
		if got.ID != c.seen || !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if want := `POST /rest/api/3/issue/10010/transitions {"transition":{"id":"31"}}`; p.got[0] != want {
			t.Errorf("%s: sent %s", c.name, p.got[0])
		}
		if len(p.answers) != 0 {
			t.Errorf("%s: %d answers were not asked for", c.name, len(p.answers))
		}
	}
}

// Only our own comment tells that we have written it already.
func TestMarked(t *testing.T) {
	t.Parallel()
	p := &player{}
	s := dial(t, rest.Cloud, p)
	me := answer{body: `{"accountId":"bot"}`}
	for _, c := range []struct {
		name, comments, found string
	}{
		{"none", ``, ""},
		{"by its property", `{"id":"1","author":{"accountId":"bot"},"body":{},"properties":[{"key":"lessor","value":{"marker":"abc12345"}}]}`, "1"},
		{"in its text", `{"id":"2","author":{"accountId":"bot"},"body":{"content":[{"text":"granted (abc12345)"}]}}`, "2"},
		{"of another marker", `{"id":"3","author":{"accountId":"bot"},"body":{},"properties":[{"key":"lessor","value":{"marker":"abc12346"}},{"key":"other","value":{"marker":"abc12345"}}]}`, ""},
		{"somebody else's", `{"id":"4","author":{"accountId":"eve"},"body":"abc12345","properties":[{"key":"lessor","value":{"marker":"abc12345"}}]}`, ""},
		{"an odd property", `{"id":"5","author":{"accountId":"bot"},"body":null,"properties":[{"key":"lessor","value":7}]}`, ""},
	} {
		p.answers = []answer{me, {body: `{"total":1,"comments":[` + c.comments + `]}`}}
		got, ok, err := s.Marked(soon(t), "10010", "abc12345")
		if err != nil || ok != (c.found != "") || got.ID != c.found {
			t.Errorf("%s: %+v %t %v", c.name, got, ok, err)
		}
	}
}
