package jirasim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contractPath is where the published contract should be.
func contractPath() string {
	if dir := os.Getenv("LESSOR_JIRA_CONTRACT"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "..", "..", "shared", "jira")
}

// contractFolder is where the published contract is, or the test is skipped.
func contractFolder(t testing.TB) string {
	t.Helper()
	dir := contractPath()
	if _, err := os.Stat(filepath.Join(dir, "jsm-reduced.json")); err != nil {
		t.Skipf("skipped: the published contract is not in %s; LESSOR_JIRA_CONTRACT names its folder", dir)
	}
	return dir
}

// contract is both published documents, twice: strict for requests, and for
// answers relaxed where the documents are known to be wrong about real bodies.
type contract struct {
	mu  sync.Mutex
	ops []*operation
	adf *jsonschema.Schema
}

type operation struct {
	name           string
	path           *regexp.Regexp
	fixed          int
	asked, replied *routers.Route
	seen           map[int]bool
}

func loadContract(t testing.TB) *contract {
	t.Helper()
	contractFolder(t)
	c, err := openContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openContract() (*contract, error) {
	dir, c := contractPath(), &contract{}
	for _, file := range []string{"jira-platform-v3-reduced.json", "jsm-reduced.json"} {
		strict, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		relaxed, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		relax(relaxed)
		for path, item := range strict.Paths.Map() {
			for method, op := range item.Operations() {
				text := regexp.MustCompile(`\\\{[^}]*\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
				c.ops = append(c.ops, &operation{
					name: method + " " + path, path: regexp.MustCompile("^" + text + "$"), fixed: strings.Count(path, "/") - strings.Count(path, "{"), seen: map[int]bool{},
					asked:   &routers.Route{Spec: strict, Path: path, PathItem: item, Method: method, Operation: op},
					replied: &routers.Route{Spec: relaxed, Path: path, PathItem: relaxed.Paths.Value(path), Method: method, Operation: relaxed.Paths.Value(path).GetOperation(method)},
				})
			}
		}
	}
	adf, err := jsonschema.NewCompiler().Compile(filepath.Join(dir, "adf-full.json"))
	c.adf = adf
	return c, err
}

// relax lets any property be null, and has times as Jira writes them.
func relax(doc *openapi3.T) {
	seen := map[*openapi3.Schema]bool{}
	var walk func(*openapi3.SchemaRef)
	walk = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil || seen[ref.Value] {
			return
		}
		s := ref.Value
		seen[s] = true
		s.Nullable = true
		if s.Format == "date-time" {
			s.Format, s.Pattern = "", `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}$`
		}
		for _, p := range s.Properties {
			walk(p)
		}
		for _, list := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf} {
			for _, p := range list {
				walk(p)
			}
		}
		walk(s.Items)
		walk(s.AdditionalProperties.Schema)
	}
	for _, s := range doc.Components.Schemas {
		walk(s)
	}
}

// find is the operation a request is for: the one with most literal segments.
func (c *contract) find(r *http.Request) *operation {
	var best *operation
	for _, op := range c.ops {
		if strings.HasPrefix(op.name, r.Method+" ") && op.path.MatchString(r.URL.Path) && (best == nil || op.fixed > best.fixed) {
			best = op
		}
	}
	return best
}

// check holds a request, if it was accepted, and its answer against the contract.
func (c *contract) check(t *testing.T, r *http.Request, status int, header http.Header, body []byte) {
	t.Helper()
	for _, err := range c.violations(r, status, header, body) {
		t.Error(err)
	}
}

func (c *contract) violations(r *http.Request, status int, header http.Header, body []byte) (out []error) {
	op := c.find(r)
	if op == nil {
		return nil
	}
	c.mu.Lock()
	op.seen[status] = true
	c.mu.Unlock()
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: pathParams(op, r), QueryParams: r.URL.Query(), Route: op.asked, Options: options}
	if status < 400 && !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			out = append(out, fmt.Errorf("%s: %s: %w", op.name, ownRequest, err))
		}
	}
	if undeclared[status] && op.replied.Operation.Responses.Status(status) == nil {
		return out
	}
	if status == http.StatusNoContent || len(body) == 0 {
		options.ExcludeResponseBody = true // declared with content, but there cannot be any
	}
	in.Route = op.replied
	reply := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: header, Options: options, Body: io.NopCloser(bytes.NewReader(body))}
	if err := openapi3filter.ValidateResponse(context.Background(), reply); err != nil && !knownWrong(op, r, err) {
		out = append(out, fmt.Errorf("%s %d: %w\n%s", op.name, status, err, body))
	}
	return out
}

const ownRequest = "the test's own request"

// undeclared are statuses that any call can be answered with, though the
// documents declare them for few.
var undeclared = map[int]bool{401: true, 412: true, 429: true, 500: true, 503: true}

// knownWrong is where the document contradicts its own example and the real
// server: the list of remote links is a list, but declared to be one link.
func knownWrong(op *operation, r *http.Request, err error) bool {
	return op.name == "GET /rest/api/3/issue/{issueIdOrKey}/remotelink" && r.URL.Query().Get("globalId") == "" && strings.Contains(err.Error(), "value must be an object")
}

func pathParams(op *operation, r *http.Request) map[string]string {
	out := map[string]string{}
	want, got := strings.Split(op.asked.Path, "/"), strings.Split(r.URL.Path, "/")
	for n, w := range want {
		if strings.HasPrefix(w, "{") {
			out[strings.Trim(w, "{}")] = got[n]
		}
	}
	return out
}

// unseen are operations that no call of the test succeeded with.
func (c *contract) unseen() (out []string) {
	for _, op := range c.ops {
		fine := false
		for status := range op.seen {
			fine = fine || status < 400
		}
		if !fine {
			out = append(out, op.name)
		}
	}
	slices.Sort(out)
	return out
}

// step is one call of the tour; its words in braces are filled in from what
// earlier steps saved.
type step struct {
	as, method, path, body string
	status                 int
	save                   string // "name=where in the answer"
}

func TestEveryOperationKeepsTheContract(t *testing.T) {
	t.Parallel()
	c := loadContract(t)
	r := setup(t)
	r.check = c.check
	vars := map[string]string{
		"paul": ExamplePerson, "agnes": ExampleAgent, "olga": ExampleOwner, "carla": ExampleCustomer, "ada": ExampleAdmin, "gone": ExampleGone,
		"entitlements": r.FieldID("Entitlements"), "read": r.OptionID("Entitlements", "prod-db:read"), "term": r.FieldID("Term"), "8h": r.OptionID("Term", "8 hours"),
		"approvers": r.FieldID("Approvers"), "for": r.FieldID("For whom"), "risk": r.FieldID("Risk"), "headcount": r.FieldID("Headcount"), "start": r.FieldID("Start"),
		"level": r.SecurityLevelID("Staff"), "doc": `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"because"}]}]}`,
	}
	fill := func(s string) string {
		for k, v := range vars {
			s = strings.ReplaceAll(s, "{"+k+"}", v)
		}
		return s
	}
	for n, st := range slices.Concat(tourIssues, tourSite, tourDesk, tourEnds) {
		req := r.request(st.as, st.method, fill(st.path), fill(st.body))
		if st.body == "FILE" {
			req = withFile(r, st.as, fill(st.path))
		}
		a := r.send(t, r.ServeHTTP, req)
		if a.status != st.status {
			t.Fatalf("step %d: %s %s as %s: %d, want %d: %s", n, st.method, fill(st.path), st.as, a.status, st.status, a.raw)
		}
		if name, where, saves := strings.Cut(st.save, "="); saves {
			got, _ := a.at(where).(string)
			if got == "" {
				t.Fatalf("step %d: %s %s: nothing at %s in %s", n, st.method, st.path, where, a.raw)
			}
			vars[name] = got
		}
		r.clock.move(1e9)
	}
	if left := c.unseen(); len(left) > 0 {
		t.Errorf("%d operations of the contract were never done:\n%s", len(left), strings.Join(left, "\n"))
	}
	t.Logf("%d operations of the published contract, every answer valid", len(c.ops))
}

const multipartBody = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"notes.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n"

func withFile(r *room, as, path string) *http.Request {
	req := r.request(as, "POST", path, multipartBody)
	req.Header.Set("Content-Type", `multipart/form-data; boundary=b`)
	req.Header.Set("X-Atlassian-Token", "no-check")
	return req
}

// TestTheContractCheckCanFail shows that the check above is one.
func TestTheContractCheckCanFail(t *testing.T) {
	t.Parallel()
	c := loadContract(t)
	r := setup(t)
	tk := r.raised(t)
	get := r.request(lessor, "GET", "/rest/api/3/issue/"+tk.ID, "")
	fine := r.send(t, r.ServeHTTP, get)
	for name, bad := range map[string]struct {
		status int
		body   string
	}{
		"a property nobody published": {200, strings.Replace(string(fine.raw), `"key":"ACC-1"`, `"kee":"ACC-1"`, 1)},
		"a number for a string":       {200, strings.Replace(string(fine.raw), `"id":"10000","key":"ACC-1"`, `"id":10000,"key":"ACC-1"`, 1)},
		"a status nobody published":   {418, "{}"},
	} {
		if len(c.violations(get, bad.status, fine.header, []byte(bad.body))) == 0 {
			t.Errorf("%s: no violation", name)
		}
	}
	log := r.request(lessor, "GET", "/rest/api/3/issue/"+tk.ID+"/changelog", "")
	if err := r.As(ExampleAgent).Edit(tk.ID, map[string]any{"summary": "other"}); err != nil {
		t.Fatal(err)
	}
	a := r.send(t, r.ServeHTTP, log)
	rfc := strings.Replace(string(a.raw), "+0000", "Z", 1)
	if rfc == string(a.raw) || len(c.violations(log, 200, a.header, []byte(rfc))) == 0 {
		t.Error("a time with a colon: no violation")
	}
}
