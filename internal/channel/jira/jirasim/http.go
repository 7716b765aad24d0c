package jirasim

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// desk is where the service desk's own API begins.
const desk = "/rest/servicedeskapi"

const maxBody = 10 << 20

// Refusal is an answer that says no, in Jira's words.
type Refusal struct {
	Status   int
	Messages []string
	Fields   map[string]string
	header   http.Header
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("jira answers %d %s %v", r.Status, strings.Join(r.Messages, "; "), r.Fields)
}

func refuse(status int, message string) error {
	return &Refusal{Status: status, Messages: []string{message}}
}

func invalid(field, problem string) error {
	return &Refusal{Status: 400, Fields: map[string]string{field: problem}}
}

// reply is an answer that is not a refusal.
type reply struct {
	status int
	body   any
	header http.Header
}

func ok(body any) (reply, error)      { return reply{status: 200, body: body}, nil }
func created(body any) (reply, error) { return reply{status: 201, body: body}, nil }
func none() (reply, error)            { return reply{status: 204}, nil }

// act is one operation.
type act func(*call) (reply, error)

// call is one operation on its way: who calls, by which face, with what. The
// hands of a test and of the page make calls too, without a request.
type call struct {
	s    *Sim
	who  *User
	v    int // 2 or 3: wiki text or ADF
	dc   bool
	desk bool // a service desk path
	all  bool // sees everything: a webhook's filter is nobody's
	now  time.Time

	r      *http.Request
	args   map[string]string
	form   url.Values
	body   []byte
	spread map[string]bool // expand
}

// Call is one request that was answered, for tests to look back on.
type Call struct {
	At           time.Time
	Method, Path string
	User         string // the account id; empty for nobody
	Status       int    // 0 if the connection was cut or the caller gave up
}

const maxCalls = 20000

// Calls are the requests answered so far, oldest first; the last 20,000.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Call(nil), s.calls...)
}

// ForgetCalls empties the list of calls.
func (s *Sim) ForgetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// ServeHTTP answers as the site's first face, Cloud unless it was configured
// as Data Center. The page for people is at "/".
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s.dc) }

// Cloud is the face of Jira Cloud.
func (s *Sim) Cloud() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, false) })
}

// DataCenter is the face of Jira Data Center, on the same state.
func (s *Sim) DataCenter() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, true) })
}

func (s *Sim) serve(w http.ResponseWriter, r *http.Request, dc bool) {
	if !strings.HasPrefix(r.URL.Path, "/rest/") {
		s.page(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	c := &call{s: s, r: r, dc: dc, body: body, form: r.URL.Query(), now: s.now()}
	logged := Call{At: c.now, Method: r.Method, Path: r.URL.RequestURI()}
	defer func() { s.log(logged) }()

	// 1. What fails before it takes effect.
	f := s.fault(r)
	if f != nil && !f.After && f.strike(w, r) {
		logged.Status = f.Status
		return
	}
	// 2. The deed.
	out, header, content := reply{}, http.Header{}, ""
	if err != nil {
		err = refuse(413, "The request is too large.")
	} else {
		out, err = s.dispatch(c)
	}
	logged.User = userID(c.who)
	// 3. What fails after it took effect.
	if f != nil && f.After && f.strike(w, r) {
		logged.Status = f.Status
		return
	}
	status, payload, content := c.render(out, err, header)
	logged.Status = status
	write(w, status, header, content, payload, f)
}

func write(w http.ResponseWriter, status int, header http.Header, content string, payload []byte, f *Fault) {
	for k := range header {
		w.Header().Set(k, strings.Join(header[k], ", "))
	}
	w.Header().Set("Content-Type", content)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache, no-store, no-transform")
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(payload)))
	w.WriteHeader(status)
	if f != nil && f.After && f.Cut {
		_, _ = w.Write(payload[:len(payload)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(payload)
}

func (s *Sim) log(one Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) >= maxCalls {
		s.calls = append(s.calls[:0], s.calls[maxCalls/2:]...)
	}
	s.calls = append(s.calls, one)
}

// dispatch finds the operation and does it under the one lock.
func (s *Sim) dispatch(c *call) (reply, error) {
	rt, args, allow := s.route(c)
	if rt == nil && len(allow) > 0 {
		return reply{}, &Refusal{Status: 405, Messages: []string{"Method '" + c.r.Method + "' is not supported."}, header: http.Header{"Allow": allow}}
	}
	if rt == nil {
		return reply{}, &Refusal{Status: 404, Messages: []string{unknownPath}}
	}
	c.args = args
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.spend(c.now); err != nil {
		return reply{}, err
	}
	if c.who = s.caller(c.r, c.dc); c.who == nil {
		if rt.open && c.r.Header.Get("Authorization") == "" {
			c.who = &User{Kind: Unknown, Name: "Anonymous"}
		} else {
			return reply{}, refuse(401, "Client must be authenticated to access this resource.")
		}
	}
	if rt.experimental && c.r.Header.Get("X-ExperimentalApi") != "opt-in" {
		return reply{}, refuse(412, "This API is experimental. Experimental APIs are not guaranteed to be stable within the preview period. You must set the header 'X-ExperimentalApi: opt-in' to opt into using this API.")
	}
	return rt.act(c)
}

// caller is the user the credentials belong to: Basic with the address (Data
// Center: the login) and the token, or the token as bearer.
func (s *Sim) caller(r *http.Request, dc bool) *User {
	name, token, basic := r.BasicAuth()
	if bearer, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); is {
		token = bearer
	} else if !basic {
		return nil
	}
	for _, u := range s.users {
		if u.Token == "" || u.Inactive || u.Gone || subtle.ConstantTimeCompare([]byte(u.Token), []byte(token)) != 1 {
			continue
		}
		if !basic || dc && strings.EqualFold(name, u.Login) || !dc && strings.EqualFold(name, u.Email) {
			return u
		}
	}
	return nil
}

// spend takes one call out of the rate's window.
func (s *Sim) spend(now time.Time) error {
	w := &s.rate
	if w.Calls == 0 {
		return nil
	}
	if !now.Before(w.from.Add(w.Per)) {
		w.from, w.used = now, 0
	}
	if w.used++; w.used <= w.Calls {
		return nil
	}
	reset := w.from.Add(w.Per)
	return &Refusal{Status: 429, Messages: []string{"Rate limit exceeded."}, header: http.Header{
		"Retry-After": {itoa(int(reset.Sub(now).Seconds() + 0.999))}, "X-RateLimit-Limit": {itoa(w.Calls)}, "X-RateLimit-Remaining": {"0"},
		"X-RateLimit-Reset": {reset.UTC().Format("2006-01-02T15:04:05Z")}, "RateLimit-Reason": {"jira-burst-based"},
	}}
}

const unknownPath = "\x00unknown path"

// render writes an answer's body, in the shape its path's errors have.
func (c *call) render(out reply, err error, header http.Header) (status int, payload []byte, content string) {
	content = "application/json;charset=UTF-8"
	if c.desk {
		content = "application/json"
	}
	var no *Refusal
	if !errors.As(err, &no) {
		for k, v := range out.header {
			header[k] = v
		}
		payload, _ = json.Marshal(out.body)
		return out.status, payload, content
	}
	for k, v := range no.header {
		header[k] = v
	}
	body := any(obj{"errorMessages": append([]string{}, no.Messages...), "errors": orEmpty(no.Fields)})
	path := c.r.URL.EscapedPath()
	switch {
	case c.dc && len(no.Messages) == 1 && no.Messages[0] == unknownPath:
		body = obj{"message": "null for uri: " + c.s.url + path, "status-code": 404}
	case len(no.Messages) == 1 && no.Messages[0] == unknownPath:
		content = "application/problem+json;charset=UTF-8"
		body = obj{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "No endpoint " + c.r.Method + " " + path + ".", "instance": path}
	case no.Status == 405:
		content = "application/problem+json;charset=UTF-8"
		body = obj{"type": "about:blank", "title": "Method Not Allowed", "status": 405, "detail": no.Messages[0], "instance": path}
	case c.desk:
		words := append([]string{}, no.Messages...)
		for _, f := range sorted(no.Fields) {
			words = append(words, f+": "+no.Fields[f])
		}
		text := strings.Join(words, " ")
		body = obj{"errorMessage": text, "i18nErrorMessage": obj{"i18nKey": "sd.request.refused." + itoa(no.Status), "parameters": []string{text}}}
	}
	payload, _ = json.Marshal(body)
	return no.Status, payload, content
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
