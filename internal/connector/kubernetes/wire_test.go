package kubernetes

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// against connects to a server that is all ours, and says what no API server should.
func against(t *testing.T, h http.HandlerFunc) *Connector {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return connect(t, Config{URL: server.URL, CA: pool, Token: func() string { return "t0p-s3cret" }, Timeout: 20 * time.Second})
}

const no = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"it is t0p-s3cret that says no","details":{%s}}`

func says(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

// What an answer means for a write: a table of what came, and what is known then.
func TestMeaningOfAnswers(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		code int
		body string
		want error
		wait time.Duration
	}{
		"done":                    {201, `{}`, nil, 0},
		"done, in other words":    {200, `not even JSON`, nil, 0},
		"forbidden":               {403, fmt.Sprintf(no, "Forbidden", ""), connector.ErrRefused, 0},
		"invalid":                 {422, fmt.Sprintf(no, "Invalid", ""), connector.ErrRefused, 0},
		"unauthorized":            {401, fmt.Sprintf(no, "Unauthorized", ""), connector.ErrRefused, 0},
		"missing":                 {404, fmt.Sprintf(no, "NotFound", `"name":"shop","kind":"namespaces"`), connector.ErrNoObject, 0},
		"missing, but what":       {404, fmt.Sprintf(no, "NotFound", ""), connector.ErrRefused, 0},
		"somebody else's 404":     {404, `{"kind":"Page","reason":"NotFound","details":{"name":"shop"}}`, connector.ErrRefused, 0},
		"a gateway's 404":         {404, `<html>no such site`, connector.ErrRefused, 0},
		"too many":                {429, fmt.Sprintf(no, "TooManyRequests", `"retryAfterSeconds":7`), connector.ErrRefused, 7 * time.Second},
		"too many, for a year":    {429, fmt.Sprintf(no, "TooManyRequests", `"retryAfterSeconds":31536000`), connector.ErrRefused, time.Hour},
		"moved":                   {307, ``, connector.ErrRefused, 0},
		"see elsewhere":           {303, ``, connector.ErrUnanswered, 0},
		"internal":                {500, fmt.Sprintf(no, "InternalError", ""), connector.ErrUnanswered, 0},
		"bad gateway":             {502, `<html>`, connector.ErrUnanswered, 0},
		"unavailable for a while": {503, fmt.Sprintf(no, "ServiceUnavailable", `"retryAfterSeconds":2`), connector.ErrUnanswered, 2 * time.Second},
		"timed out there":         {504, fmt.Sprintf(no, "Timeout", ""), connector.ErrUnanswered, 0},
		"not implemented":         {501, ``, connector.ErrRefused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					w.Header().Set("Location", "https://elsewhere.example.org/")
					says(w, x.code, x.body)
					return
				}
				says(w, 200, `{"metadata":{"name":"deployer"}}`)
			})
			err := c.Apply(t.Context(), []connector.Change{add("user:ann", "shop/role/deployer")})[0].Err
			if !errors.Is(err, x.want) || (x.want == nil && err != nil) {
				t.Fatalf("%v, want %v", err, x.want)
			}
			again := new(connector.RetryAfter)
			if errors.As(err, &again); again.Wait != x.wait {
				t.Errorf("wait %s, want %s", again.Wait, x.wait)
			}
			if err != nil && strings.Contains(err.Error(), "t0p-s3cret") {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}

// Whatever a read is answered that is no API server's plain yes or no, nothing is
// known: it is an error, and never an absence.
func TestErrorIsNotAnAbsence(t *testing.T) {
	t.Parallel()
	const deployer = `{"metadata":{"name":"deployer"},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}`
	for name, bad := range map[string]func(w http.ResponseWriter, r *http.Request) bool{ // true: it has answered
		"a gateway's 404 for the role": func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/roles/deployer") {
				says(w, 404, "no such page")
				return true
			}
			return false
		},
		"a login page for a list": func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "bindings") {
				says(w, 200, "<html>who are you?")
				return true
			}
			return false
		},
		"a list that expires on its second page": func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.URL.Query().Get("continue") != "":
				says(w, 410, fmt.Sprintf(no, "Expired", ""))
			case strings.HasSuffix(r.URL.Path, "bindings"):
				says(w, 200, `{"metadata":{"continue":"more"},"items":[]}`)
			default:
				return false
			}
			return true
		},
		"a list cut off": func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "bindings") {
				return false
			}
			w.Header().Set("Content-Length", "1000")
			says(w, 200, `{"metadata":{},"items":[`)
			panic(http.ErrAbortHandler)
		},
		"a list of what is not there": func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "bindings") {
				says(w, 404, fmt.Sprintf(no, "NotFound", `"name":"any"`))
				return true
			}
			return false
		},
		"a review answered with something else": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				says(w, 201, `{"kind":"Status"}`)
				return true
			}
			return false
		},
		"a review that could not be made": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				says(w, 201, `{"kind":"SubjectAccessReview","status":{"allowed":false,"evaluationError":"webhook down"}}`)
				return true
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case bad(w, r):
				case r.Method == http.MethodPost:
					says(w, 201, `{"kind":"SubjectAccessReview","status":{"allowed":false}}`)
				case strings.HasSuffix(r.URL.Path, "bindings"):
					says(w, 200, `{"items":[]}`)
				default:
					says(w, 200, deployer)
				}
			})
			s := c.Look(t.Context(), []connector.Ref{{Account: "user:ann", Object: "shop/role/deployer"}})[0]
			if s.Err == nil {
				t.Errorf("seen: %+v, want an error", s)
			}
			if strings.Contains(name, "review") {
				return
			}
			err := c.Observe(t.Context(), []string{"shop/role/deployer"}, func(h connector.Holding) error {
				t.Errorf("observed %v", h)
				return nil
			})
			if err == nil {
				t.Error("Observe gave no error")
			}
		})
	}
}

// A list without an end is given up.
func TestListWithoutEnd(t *testing.T) {
	t.Parallel()
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		says(w, 200, `{"metadata":{"continue":"more"},"items":[]}`)
	})
	c.pages = 3
	if err := list(t.Context(), c, "/x", func(binding) error { return nil }); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("%v, want %q", err, connector.ErrRefused)
	}
}

// The authorizer's cache is behind: while it allows by a binding that is not there any
// more it is asked again; by one that is there, or if it stays behind, it is believed.
func TestAuthorizerBehind(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		reason    string
		times     int // that it says yes
		effective bool
	}{
		"it catches up":        {`RBAC: allowed by RoleBinding "gone/shop" of Role "deployer" to User "ann"`, 3, false},
		"by one that is there": {`RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "all" to User "ann"`, 1, true},
		"not RBAC at all":      {`because I say so`, 1, true},
		"it stays behind":      {`RBAC: allowed by RoleBinding "gone/shop" of Role "deployer" to User "ann"`, 1 << 30, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			asked := 0
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost:
					mu.Lock()
					asked++
					yes := asked <= x.times
					mu.Unlock()
					says(w, 201, fmt.Sprintf(`{"kind":"SubjectAccessReview","status":{"allowed":%t,"reason":%q}}`, yes, x.reason))
				case strings.HasSuffix(r.URL.Path, "clusterrolebindings"):
					says(w, 200, `{"items":[{"metadata":{"name":"all"},"roleRef":{"kind":"ClusterRole","name":"all"}}]}`)
				case strings.HasSuffix(r.URL.Path, "bindings"):
					says(w, 200, `{"items":[]}`)
				default:
					says(w, 200, `{"metadata":{"name":"deployer"},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}`)
				}
			})
			sees(t, c, "user:ann", "shop/role/deployer", false, x.effective, map[bool][]string{true: {strings.TrimPrefix(x.reason, "RBAC: ")}}[x.effective]...)
		})
	}
}

// What never leaves: nothing with an empty token, nothing to a server that another
// authority vouches for, nothing over a redirect.
func TestWhatIsNotSent(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		mu.Unlock()
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	right, wrong := x509.NewCertPool(), x509.NewCertPool()
	right.AddCert(server.Certificate())
	for name, x := range map[string]struct {
		ca    *x509.CertPool
		token string
		want  error
	}{
		"another authority": {wrong, "secret", connector.ErrUnreachable},
		"no token":          {right, "", connector.ErrUnreachable},
		"two lines":         {right, "a\r\nX-Evil: b", connector.ErrUnreachable},
		"a redirect":        {right, "secret", connector.ErrRefused},
	} {
		c := connect(t, Config{URL: server.URL, CA: x.ca, Token: func() string { return x.token }})
		for _, ch := range []connector.Change{add("user:ann", "clusterrole/view"), remove("user:ann", "clusterrole/view")} {
			fails(t, c, ch, x.want, "")
		}
		if name != "a redirect" && len(got) > 0 {
			t.Errorf("%s: sent %q", name, got)
		}
		got = nil
	}
}

// A call that has no more time ends, and says that nothing was sent.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	c := against(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for _, ch := range []connector.Change{add("user:ann", "clusterrole/view"), remove("user:ann", "clusterrole/view")} {
		if err := c.Apply(ctx, []connector.Change{ch})[0].Err; !errors.Is(err, connector.ErrUnreachable) || errors.Is(err, connector.ErrUnanswered) {
			t.Errorf("%v: %v, want %q", ch, err, connector.ErrUnreachable)
		}
	}
	if s := c.Look(ctx, []connector.Ref{{Account: "user:ann", Object: "clusterrole/view"}})[0]; s.Err == nil {
		t.Errorf("seen: %+v", s)
	}
}

func TestNewFindsEverythingWrong(t *testing.T) {
	t.Parallel()
	text := func() string { return "x" }
	pool := x509.NewCertPool()
	for name, x := range map[string]struct {
		cfg  Config
		says []string
	}{
		"nothing":     {Config{}, []string{"URL must begin with https://", "CA is needed", "Token, or Certificate and Key, is needed"}},
		"plain":       {Config{URL: "http://127.0.0.1:8080", CA: pool, Token: text}, []string{"must begin with https://"}},
		"too much":    {Config{URL: "https://u:p@h/?q", CA: pool, Token: text}, []string{"scheme, host and path alone"}},
		"no host":     {Config{URL: "https:///x", CA: pool, Token: text}, []string{"scheme, host and path alone"}},
		"both":        {Config{URL: "https://h", CA: pool, Token: text, Certificate: text, Key: text}, []string{"not both"}},
		"half":        {Config{URL: "https://h", CA: pool, Certificate: text}, []string{"go together"}},
		"before time": {Config{URL: "https://h", CA: pool, Token: text, Timeout: -1, Lingers: -1}, []string{"must not be negative"}},
	} {
		_, err := New(x.cfg)
		for _, s := range x.says {
			if err == nil || !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v, want one that says %q", name, err, s)
			}
		}
	}
	c, err := New(Config{URL: "https://h:6443/clusters/a/", CA: pool, Token: text})
	if err != nil {
		t.Fatal(err)
	}
	if c.base != "https://h:6443/clusters/a" || c.Capabilities().Lingers != Lasting || c.timeout != 30*time.Second {
		t.Errorf("%+v", c.settings)
	}
}
