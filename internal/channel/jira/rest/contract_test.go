package rest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

// folder is where the published contract is: it is not part of the project.
func folder() string {
	if f := os.Getenv("LESSOR_JIRA_CONTRACT"); f != "" {
		return f
	}
	return filepath.Join("..", "..", "..", "..", "..", "shared", "jira")
}

// contracts are Atlassian's two documents, read once; nil: they are not there.
var contracts = sync.OnceValues(func() ([]routers.Router, error) {
	if _, err := os.Stat(filepath.Join(folder(), "jira-platform-v3-reduced.json")); err != nil {
		return nil, nil
	}
	var list []routers.Router
	for _, name := range []string{"jira-platform-v3-reduced.json", "jsm-reduced.json"} {
		doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(folder(), name))
		if err != nil {
			return nil, err
		}
		doc.Servers = nil // every host is right
		if edit := doc.Components.Schemas["IssueUpdateDetails"]; edit != nil {
			// A schema without a type allows null (OpenAPI 3.0.3); the validator thinks not.
			edit.Value.Properties["fields"].Value.AdditionalProperties.Schema.Value.Nullable = true
		}
		// A third of the published examples contradict their own schema.
		router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation())
		if err != nil {
			return nil, err
		}
		list = append(list, router)
	}
	return list, nil
})

func needContract(t testing.TB) []routers.Router {
	t.Helper()
	list, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	if list == nil {
		t.Skip("skipped: no contract in LESSOR_JIRA_CONTRACT or ../shared/jira: the requests were not validated against it")
	}
	return list
}

// strict says what the contract has against a request, or that it does not know it.
func strict(list []routers.Router, req *http.Request) error {
	for _, router := range list {
		route, params, err := router.FindRoute(req)
		if err != nil {
			continue
		}
		for name := range req.URL.Query() {
			if route.Operation.Parameters.GetByInAndName("query", name) == nil {
				return fmt.Errorf("%s %s has no parameter %q", req.Method, route.Path, name)
			}
		}
		if x, ok := route.Operation.Extensions["x-experimental"]; ok && x == true && req.Header.Get("X-ExperimentalApi") != "opt-in" {
			return fmt.Errorf("%s %s is experimental, and we did not opt in", req.Method, route.Path)
		}
		return openapi3filter.ValidateRequest(req.Context(), &openapi3filter.RequestValidationInput{
			Request: req, PathParams: params, Route: route,
			Options: &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		})
	}
	return fmt.Errorf("%s %s is not in the contract", req.Method, req.URL.Path)
}

// validated passes requests on that the contract allows.
type validated struct {
	t    testing.TB
	list []routers.Router
	next http.RoundTripper
}

func (v validated) RoundTrip(req *http.Request) (*http.Response, error) {
	check := req.Clone(req.Context())
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body, check.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
	}
	if err := strict(v.list, check); err != nil {
		v.t.Errorf("against the contract: %s %s: %v", req.Method, req.URL, err)
	}
	return v.next.RoundTrip(req)
}

// answer is one answer that is played; body beginning with @ is a sample's name.
type answer struct {
	status int
	body   string
	header map[string]string
	err    error
}

// player answers requests in turn and keeps them.
type player struct {
	mu      sync.Mutex
	answers []answer
	got     []string // "METHOD path?query body"
	headers []http.Header
}

func (p *player) RoundTrip(req *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := req.Method + " " + req.URL.RequestURI()
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		line += " " + string(body)
	}
	p.got, p.headers = append(p.got, line), append(p.headers, req.Header.Clone())
	if len(p.answers) == 0 {
		return nil, errors.New("nothing more was to be asked: " + line)
	}
	a := p.answers[0]
	p.answers = p.answers[1:]
	if a.err != nil {
		return nil, a.err
	}
	if name, ok := strings.CutPrefix(a.body, "@"); ok {
		raw, err := os.ReadFile(filepath.Join(folder(), "rest-samples", name))
		if err != nil {
			return nil, err
		}
		a.body = string(raw)
	}
	resp := &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}
	if a.status == 0 {
		resp.StatusCode = http.StatusOK
	}
	for k, v := range a.header {
		resp.Header.Set(k, v)
	}
	return resp, nil
}

const token = "a-token-nobody-may-see"

// noon is when the tests take place.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// dial makes a client whose requests go to next.
func dial(t testing.TB, kind rest.Kind, next http.RoundTripper) rest.Site {
	t.Helper()
	s, err := rest.New(rest.Config{Kind: kind, Base: "https://example.atlassian.net", Email: "bot@example.com",
		Token: func() string { return token }, Transport: next,
		Now: func() time.Time { return noon }, Jitter: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
