package rest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

func ids(from, to int) string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprintf(`{"id":"%d"}`, i))
	}
	return strings.Join(list, ",")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	key := func() string { return token }
	for _, c := range []struct {
		name string
		cfg  rest.Config
		want string // in the error; empty: none
	}{
		{"cloud", rest.Config{Kind: rest.Cloud, Base: "https://example.atlassian.net", Token: key}, ""},
		{"a context path", rest.Config{Kind: rest.DataCenter, Base: "https://jira.example.org/jira/", Token: key}, ""},
		{"loopback", rest.Config{Kind: rest.Cloud, Base: "http://127.0.0.1:8080", Token: key}, ""},
		{"loopback of IPv6", rest.Config{Kind: rest.Cloud, Base: "http://[::1]:8080", Token: key}, ""},
		{"a private address", rest.Config{Kind: rest.DataCenter, Base: "https://10.1.2.3", Token: key}, ""},
		{"no kind", rest.Config{Base: "https://example.atlassian.net", Token: key}, "Kind"},
		{"no token", rest.Config{Kind: rest.Cloud, Base: "https://example.atlassian.net"}, "Token"},
		{"no base", rest.Config{Kind: rest.Cloud, Token: key}, "scheme, host and path"},
		{"negative timeout", rest.Config{Kind: rest.Cloud, Base: "https://h", Token: key, Timeout: -1}, "negative"},
		{"an email that is two", rest.Config{Kind: rest.Cloud, Base: "https://h", Token: key, Email: "a:b"}, "colon"},
		{"a password in it", rest.Config{Kind: rest.Cloud, Base: "https://u:hunter2@h", Token: key}, "scheme, host and path"},
		{"a query", rest.Config{Kind: rest.Cloud, Base: "https://h/?a", Token: key}, "scheme, host and path"},
		{"a way up", rest.Config{Kind: rest.Cloud, Base: "https://h/jira/..", Token: key}, "plain path"},
		{"an escaped path", rest.Config{Kind: rest.Cloud, Base: "https://h/%2e%2e", Token: key}, "plain path"},
	} {
		_, err := rest.New(c.cfg)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", c.name, err)
		}
	}
}

func TestAB59NoOtherPlaceIsCalled(t *testing.T) {
	t.Parallel()
	for _, base := range []string{
		"http://example.atlassian.net", "http://169.254.169.254", "https://169.254.169.254", "https://[fe80::1]", "https://[::ffff:169.254.169.254]",
		"https://0.0.0.0", "https://224.0.0.1", "http://0x7f.1", "http://127.0.0.1.example.org", "http://[::ffff:10.0.0.1]",
		"gopher://h", "unix:///run/x", "file:///etc/passwd", "//h", "https:h", "https:///x", "javascript:alert(1)",
	} {
		if _, err := rest.New(rest.Config{Kind: rest.Cloud, Base: base, Token: func() string { return token }}); err == nil {
			t.Errorf("%s was taken", base)
		}
	}
	// Keys and ids steer nothing: they are refused before anything is sent.
	var asked atomic.Int64
	s := dial(t, rest.Cloud, tripper(func(*http.Request) (*http.Response, error) { asked.Add(1); return nil, errors.New("no") }))
	ctx := soon(t)
	for _, bad := range []string{"", "0", "-1", "010", "1.0", "1e4", "10010/../../myself", "10010?x=y", "10010#", "%2e%2e", "..", "ACC-1", "１２", "99999999999999999999", "10010\n"} {
		_, err := s.Issue(ctx, bad)
		for _, err := range []error{err, second(s.Transition(ctx, bad, rest.Move{Transition: "1", To: "2"})), s.Assign(ctx, bad, "x"), s.SetProperty(ctx, bad, "k", 1),
			second(s.Comment(ctx, bad, rest.NewComment{For: rest.Agents, Marker: "abc12345", Body: rest.Body{Wiki: "abc12345"}})), second(s.Approvals(ctx, bad)),
			second(s.Transition(ctx, "10010", rest.Move{Transition: bad, To: "2"})), second(s.Queued(ctx, "1", bad)), s.Label(ctx, bad, []string{"x"}, nil)} {
			if !errors.Is(err, rest.ErrInvalid) || !errors.Is(err, access.ErrInvalid) {
				t.Errorf("id %q: %v", bad, err)
			}
		}
	}
	for _, bad := range []string{"", "acc-1", "A-1", "ACC-0", "ACC-01", "ACC-", "ACC-1/../..", "ACC_-x", "ACC-1 ", "10010", "TOOLONGAKEYX-1", "ACC-" + strings.Repeat("9", 99)} {
		if _, err := s.Find(ctx, bad); !errors.Is(err, rest.ErrInvalid) {
			t.Errorf("key %q: %v", bad, err)
		}
	}
	for name, err := range map[string]error{
		"property":   s.SetProperty(ctx, "10010", "../x", 1),
		"project":    second(s.Statuses(ctx, "ACC/../x")),
		"field":      second(s.Issue(ctx, "10010", "a,b")),
		"permission": second(s.Permissions(ctx, "", "a b")),
		"project q":  second(s.Permissions(ctx, "A&x=y", "BROWSE_PROJECTS")),
		"account":    second(s.User(ctx, "a b")),
		"label":      s.Label(ctx, "10010", []string{"a b"}, nil),
		"both":       s.Label(ctx, "10010", []string{"a"}, []string{"a"}),
		"link":       s.Link(ctx, "10010", rest.RemoteLink{GlobalID: "g", Title: "t", URL: "javascript:alert(1)"}),
		"plain link": s.Link(ctx, "10010", rest.RemoteLink{GlobalID: "g", Title: "t", URL: "http://evil.example"}),
		"audience":   second(s.Comment(ctx, "10010", rest.NewComment{Marker: "abc12345", Body: rest.Body{Wiki: "abc12345"}})),
		"marker":     second(s.Comment(ctx, "10010", rest.NewComment{For: rest.Agents, Marker: "a*b*c*d*e", Body: rest.Body{Wiki: "a*b*c*d*e"}})),
		"unmarked":   second(s.Comment(ctx, "10010", rest.NewComment{For: rest.Agents, Marker: "abc12345", Body: rest.Body{Wiki: "no marker"}})),
		"nothing":    s.SetProperty(ctx, "10010", "k", nil),
	} {
		if !errors.Is(err, rest.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d requests were sent", asked.Load())
	}
}

func second[T any](_ T, err error) error { return err }

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// against starts a server and a client of it with our own transport.
func against(t *testing.T, h http.HandlerFunc, change func(*rest.Config)) rest.Site {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cfg := rest.Config{Kind: rest.Cloud, Base: server.URL, Token: func() string { return token }, Jitter: func() float64 { return 0 }}
	if change != nil {
		change(&cfg)
	}
	s, err := rest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := against(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) }, nil)
		if _, err := s.Issue(soon(t), "10010"); !errors.Is(err, rest.ErrStrange) {
			t.Errorf("%d: %v", status, err)
		}
		want := rest.ErrStrange
		if status == 303 {
			want = rest.ErrUnanswered // it may follow a deed
		}
		if err := s.Assign(soon(t), "10010", "x"); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", status, err, want)
		}
	}
	if reached.Load() > 0 {
		t.Errorf("%d redirects were followed", reached.Load())
	}
}

// The token may change at any time, and is shown to nobody but Jira.
func TestToken(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	now := "first-token"
	turn := func(s string) { mu.Lock(); defer mu.Unlock(); now = s }
	echo := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"errorMessages":["I do not know %s, that is %s"],"errors":{}}`, strings.TrimPrefix(seen[len(seen)-1], "Basic "), now)
	}
	for _, email := range []string{"", "bot@example.com"} {
		turn("first-token")
		s := against(t, echo, func(c *rest.Config) {
			c.Email = email
			c.Token = func() string { mu.Lock(); defer mu.Unlock(); return now }
		})
		for _, key := range []string{"first-token", "second-token"} {
			turn(key)
			_, err := s.Myself(soon(t))
			basic := base64.StdEncoding.EncodeToString([]byte(email + ":" + key))
			if !errors.Is(err, rest.ErrDenied) || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), basic) {
				t.Errorf("%v", err)
			}
			want := "Bearer " + key
			if email != "" {
				want = "Basic " + basic
			}
			if got := seen[len(seen)-1]; got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
		}
		for _, bad := range []string{"", "a\r\nX-Evil: 1"} {
			turn(bad)
			n := len(seen)
			if _, err := s.Myself(soon(t)); !errors.Is(err, rest.ErrUnreachable) || len(seen) != n {
				t.Errorf("without a usable token: %v, sent %d", err, len(seen)-n)
			}
		}
	}
}

// Every answer means one thing for a read and one for a write.
func TestAnswers(t *testing.T) {
	t.Parallel()
	ours := `{"errorMessages":["Issue does not exist or you do not have permission to see it."],"errors":{}}`
	desk := `{"errorMessage":"not there","i18nErrorMessage":{}}`
	for _, c := range []struct {
		name        string
		a           answer
		read, write error
	}{
		{"missing", answer{status: 404, body: ours}, rest.ErrMissing, rest.ErrMissing},
		{"missing at the desk", answer{status: 404, body: desk}, rest.ErrMissing, rest.ErrMissing},
		{"a gateway's 404", answer{status: 404, body: "<html>not found</html>"}, rest.ErrStrange, rest.ErrStrange},
		{"an unknown path", answer{status: 404, body: recorded(t, "observed-404-unknown-path-problem.http")}, rest.ErrStrange, rest.ErrStrange},
		{"hidden from nobody in particular", answer{status: 404, body: ours, header: map[string]string{"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}}, rest.ErrDenied, rest.ErrDenied},
		{"hidden from the anonymous", answer{status: 404, body: ours, header: map[string]string{"X-AUSERNAME": "anonymous"}}, rest.ErrDenied, rest.ErrDenied},
		{"401", answer{status: 401}, rest.ErrDenied, rest.ErrDenied},
		{"403", answer{status: 403, body: ours}, rest.ErrDenied, rest.ErrDenied},
		{"409", answer{status: 409}, rest.ErrConflict, rest.ErrConflict},
		{"400", answer{status: 400, body: recorded(t, "observed-400-create-no-issuetype.http")}, rest.ErrInvalid, rest.ErrInvalid},
		{"413", answer{status: 413}, rest.ErrInvalid, rest.ErrInvalid},
		{"422", answer{status: 422}, rest.ErrInvalid, rest.ErrInvalid},
		{"410", answer{status: 410, body: recorded(t, "observed-410-search-removed.http")}, rest.ErrStrange, rest.ErrStrange},
		{"408", answer{status: 408}, rest.ErrUnreachable, rest.ErrUnanswered},
		{"500", answer{status: 500}, rest.ErrUnreachable, rest.ErrUnanswered},
		{"502", answer{status: 502, body: "<html>"}, rest.ErrUnreachable, rest.ErrUnanswered},
		{"504", answer{status: 504}, rest.ErrUnreachable, rest.ErrUnanswered},
		{"429", answer{status: 429}, rest.ErrLimited, rest.ErrLimited},
		{"503", answer{status: 503}, rest.ErrUnreachable, rest.ErrUnanswered},
		{"a page for an answer", answer{status: 200, body: "<html>sign in</html>"}, rest.ErrStrange, rest.ErrUnanswered},
		{"too long an answer", answer{status: 200, body: `"` + strings.Repeat("x", 8<<20) + `"`}, rest.ErrStrange, rest.ErrUnanswered},
		{"an answer of another shape", answer{status: 200, body: `[]`}, rest.ErrStrange, rest.ErrUnanswered},
	} {
		note := rest.NewComment{For: rest.Agents, Marker: "abc12345", Body: rest.Body{Wiki: "abc12345"}}
		_, err := dial(t, rest.Cloud, &player{answers: []answer{c.a}}).Issue(soon(t), "10010")
		if !errors.Is(err, c.read) || strings.Contains(fmt.Sprint(err), "<html>") {
			t.Errorf("%s, read: %v, want %v", c.name, err, c.read)
		}
		_, err = dial(t, rest.Cloud, &player{answers: []answer{c.a}}).Comment(soon(t), "10010", note)
		if !errors.Is(err, c.write) {
			t.Errorf("%s, write: %v, want %v", c.name, err, c.write)
		}
		var e *rest.Error
		if !errors.As(err, &e) || e.Status != c.a.status || e.Call != "POST /rest/servicedeskapi/request/10010/comment" {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
	_, err := dial(t, rest.Cloud, &player{answers: []answer{{status: 400, body: `{"errorMessages":[],"errors":{"issuetype":"Specify an issue type"}}`}}}).Issue(soon(t), "10010")
	if !strings.Contains(err.Error(), "issuetype: Specify an issue type") {
		t.Errorf("Jira's words are lost: %v", err)
	}
}

// Without an answer a write may have taken effect, unless nothing was sent.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 8)
	stuck := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is it told that the client left
		arrived <- struct{}{}
		<-r.Context().Done()
	}
	s := against(t, stuck, func(c *rest.Config) { c.Timeout = 300 * time.Millisecond })
	if err := s.Assign(soon(t), "10010", "x"); !errors.Is(err, rest.ErrUnanswered) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a write: %v", err)
	}
	if _, err := s.Issue(soon(t), "10010"); !errors.Is(err, rest.ErrUnreachable) {
		t.Errorf("a read: %v", err)
	}
	if len(arrived) > 2 {
		t.Errorf("%d requests arrived: some were repeated", len(arrived))
	}
	cut := against(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	}, nil)
	if err := cut.Assign(soon(t), "10010", "x"); !errors.Is(err, rest.ErrUnanswered) {
		t.Errorf("cut: %v", err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	gone := against(t, stuck, func(c *rest.Config) { c.Base = "http://" + closed.Addr().String() })
	if err := gone.Assign(soon(t), "10010", "x"); !errors.Is(err, rest.ErrUnreachable) || strings.Contains(err.Error(), token) {
		t.Errorf("nobody there: %v", err)
	}
	half := against(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"id":"1"`)
	}, nil)
	if _, err := half.Comment(soon(t), "10010", rest.NewComment{For: rest.Agents, Marker: "abc12345", Body: rest.Body{Wiki: "abc12345"}}); !errors.Is(err, rest.ErrUnanswered) {
		t.Errorf("half an answer: %v", err)
	}
}

// A server without end fills neither the memory nor the time; lists end too.
func TestEndlessAnswers(t *testing.T) {
	t.Parallel()
	s := against(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"id":"`)
		for x := strings.Repeat("1", 1<<20); r.Context().Err() == nil; {
			if _, err := io.WriteString(w, x); err != nil {
				return
			}
		}
	}, nil)
	if _, err := s.Issue(soon(t), "10010"); !errors.Is(err, rest.ErrStrange) {
		t.Errorf("an endless answer: %v", err)
	}
	var asked atomic.Int64
	list := dial(t, rest.Cloud, tripper(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(`{"isLast":false,"values":[{"id":"1"}]}`))}, nil
	}))
	if _, err := list.Projects(soon(t)); !errors.Is(err, rest.ErrStrange) || asked.Load() > 200 {
		t.Errorf("an endless list: %v after %d pages", err, asked.Load())
	}
}
