package jirasim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// room is a site of the example with a way to ask it things.
type room struct {
	*Sim
	clock *clock
	check func(*testing.T, *http.Request, int, http.Header, []byte) // sees every answer
}

func setup(t *testing.T, change ...func(*Config)) *room {
	t.Helper()
	ck := &clock{at: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	cfg := Config{URL: "https://acme.example.net", Site: Example(), Now: ck.now}
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &room{Sim: s, clock: ck, check: checkEverywhere(t)}
}

var contractOnce = sync.OnceValue(func() *contract {
	if _, err := os.Stat(contractPath()); err != nil {
		return nil
	}
	c, err := openContract()
	if err != nil {
		panic(err)
	}
	return c
})

// checkEverywhere holds the answers of every test against the contract, where
// it is at hand. The requests of these tests may be wrong on purpose.
func checkEverywhere(t *testing.T) func(*testing.T, *http.Request, int, http.Header, []byte) {
	t.Helper()
	c := contractOnce()
	if c == nil {
		return nil
	}
	return func(t *testing.T, r *http.Request, status int, header http.Header, body []byte) {
		t.Helper()
		for _, err := range c.violations(r, status, header, body) {
			if !strings.Contains(err.Error(), ownRequest) {
				t.Error(err)
			}
		}
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   any
}

// at digs into an answer: "fields.status.name", "values.0.id".
func (a answer) at(path string) any {
	v := a.body
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			n := atoi(part)
			if n >= len(x) {
				return nil
			}
			v = x[n]
		default:
			return nil
		}
	}
	if n, is := v.(json.Number); is {
		return n.String()
	}
	return v
}

func (a answer) len(path string) int {
	l, _ := a.at(path).([]any)
	return len(l)
}

const paul, agnes, ada, lessor, carla, olga, sina = "paul", "agnes", "ada", "lessor", "carla", "olga", "sina"

// ask calls as a user; body is JSON text, or empty.
func (r *room) ask(t *testing.T, as, method, path, body string) answer {
	t.Helper()
	return r.send(t, r.ServeHTTP, r.request(as, method, path, body))
}

func (r *room) request(as, method, path, body string) *http.Request {
	req := httptest.NewRequest(method, "https://acme.example.net"+path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-ExperimentalApi", "opt-in")
	domain := "@example.com"
	if as == carla {
		domain = "@contractors.example"
	}
	if as != "" {
		req.SetBasicAuth(as+domain, "token-"+as)
	}
	return req
}

func (r *room) send(t *testing.T, to http.HandlerFunc, req *http.Request) answer {
	t.Helper()
	var sent []byte
	if req.Body != nil {
		sent, _ = io.ReadAll(req.Body)
		req.Body = io.NopCloser(strings.NewReader(string(sent)))
	}
	w := httptest.NewRecorder()
	to(w, req)
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
	d := json.NewDecoder(strings.NewReader(w.Body.String()))
	d.UseNumber()
	if err := d.Decode(&a.body); err != nil && !errors.Is(err, io.EOF) && strings.Contains(w.Header().Get("Content-Type"), "json") {
		t.Fatalf("%s %s: not JSON: %v: %s", req.Method, req.URL, err, a.raw)
	}
	if r.check != nil {
		again := req.Clone(req.Context())
		again.Body = io.NopCloser(strings.NewReader(string(sent)))
		r.check(t, again, a.status, a.header, a.raw)
	}
	return a
}

// must is ask that wants a status.
func (r *room) must(t *testing.T, status int, as, method, path, body string) answer {
	t.Helper()
	a := r.ask(t, as, method, path, body)
	if a.status != status {
		t.Fatalf("%s %s as %s: %d, want %d: %s", method, path, as, a.status, status, a.raw)
	}
	return a
}

// raised is a request of Paul's that Olga may approve.
func (r *room) raised(t *testing.T) Ticket {
	t.Helper()
	tk, err := r.As(ExamplePerson).Raise("ACC", "Get access", map[string]any{
		"summary": "Read the sales tables", "Entitlements": []string{"prod-db:read"}, "Term": "8 hours", "description": "for the audit", "Approvers": []string{ExampleOwner},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

func want(t *testing.T, what string, got, wanted any) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s: %v (%T), want %v (%T)", what, got, got, wanted, wanted)
	}
}

func wantRefusal(t *testing.T, err error, status int) {
	t.Helper()
	var no *Refusal
	if !errors.As(err, &no) || no.Status != status {
		t.Errorf("error %v, want a refusal %d", err, status)
	}
}
