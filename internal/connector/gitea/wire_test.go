package gitea

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var silent = log.New(io.Discard, "", 0)

func roots(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

// against connects to a server that is all ours, and says what no Gitea should.
func against(t *testing.T, h http.HandlerFunc) *Connector {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = silent
	server.StartTLS()
	t.Cleanup(server.Close)
	return connect(t, Config{URL: server.URL, CA: roots(server), Token: func() string { return "t0p-s3cret" }, Timeout: 20 * time.Second})
}

const wrong = `{"message":%q,"url":"https://git.example.org/api/swagger"}`

func answers(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

// plain answers as a Gitea does that has one team, one repository, and nobody in them.
func plain(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/api/v1")
	first := r.URL.Query().Get("page") == "1"
	switch {
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusNoContent)
	case path == "/orgs/shop/teams" && first:
		answers(w, 200, `[{"id":1,"name":"Owners","permission":"owner"},{"id":7,"name":"devs","permission":"none","units_map":{"repo.code":"write"}}]`)
	case path == "/orgs/shop/teams", path == "/teams/7/repos", path == "/teams/7/members", path == "/repos/shop/web/teams", path == "/repos/shop/web/collaborators":
		answers(w, 200, `[]`)
	case path == "/teams/1", path == "/teams/7":
		answers(w, 200, `{"id":`+path[len(path)-1:]+`}`)
	case path == "/repos/shop/web":
		answers(w, 200, `{"name":"web","owner":{"login":"shop"},"private":true,"permissions":{"admin":true}}`)
	case strings.HasSuffix(path, "/permission"):
		answers(w, 200, `{"permission":"none"}`)
	case path == "/orgs/ann/teams":
		answers(w, 404, fmt.Sprintf(wrong, "GetOrgByName"))
	default:
		answers(w, 404, fmt.Sprintf(wrong, "not found"))
	}
}

// What an answer means for a write: a table of what came, and what is known then.
func TestMeaningOfAnswers(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		code         int
		body         string
		want, remove error // of an addition, and of a removal
		wait         string
	}{
		"done":                {204, ``, nil, nil, ""},
		"no such account":     {404, fmt.Sprintf(wrong, "GetUserByName"), connector.ErrNoObject, nil, ""},
		"no such, otherwise":  {422, fmt.Sprintf(wrong, "user does not exist [uid: 0, name: ann]"), connector.ErrNoObject, nil, ""},
		"not found":           {404, fmt.Sprintf(wrong, "not found"), connector.ErrRefused, connector.ErrRefused, ""},
		"a gateway's 404":     {404, `<html>no such site`, connector.ErrRefused, connector.ErrRefused, ""},
		"a gateway's account": {404, `{"message":"GetUserByName"}`, connector.ErrRefused, connector.ErrRefused, ""},
		"forbidden":           {403, fmt.Sprintf(wrong, "it is t0p-s3cret that may not"), connector.ErrRefused, connector.ErrRefused, ""},
		"unauthorized":        {401, `{"message":"t0p-s3cret is no token"}`, connector.ErrRefused, connector.ErrRefused, ""},
		"invalid":             {422, fmt.Sprintf(wrong, "so not"), connector.ErrRefused, connector.ErrRefused, ""},
		"moved":               {307, ``, connector.ErrRefused, connector.ErrRefused, ""},
		"see elsewhere":       {303, ``, connector.ErrUnanswered, connector.ErrUnanswered, ""},
		"too many":            {429, ``, connector.ErrRefused, connector.ErrRefused, "7"},
		"too many for a year": {429, ``, connector.ErrRefused, connector.ErrRefused, "31536000"},
		"internal":            {500, fmt.Sprintf(wrong, ""), connector.ErrUnanswered, connector.ErrUnanswered, ""},
		"bad gateway":         {502, `<html>`, connector.ErrUnanswered, connector.ErrUnanswered, ""},
		"unavailable":         {503, ``, connector.ErrUnanswered, connector.ErrUnanswered, "2"},
		"not implemented":     {501, ``, connector.ErrRefused, connector.ErrRefused, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method != http.MethodGet:
					w.Header().Set("Location", "https://elsewhere.example.org/")
					w.Header().Set("Retry-After", x.wait)
					answers(w, x.code, x.body)
				case strings.HasSuffix(r.URL.Path, "/collaborators/bob/permission"):
					answers(w, 200, `{"permission":"write"}`)
				case strings.HasSuffix(r.URL.Path, "/collaborators/bob"):
					w.WriteHeader(http.StatusNoContent)
				default:
					plain(w, r)
				}
			})
			changes := []connector.Change{add("ann", "shop/team/devs"), add("ann", "shop/web:write"), remove("bob", "shop/team/devs"), remove("bob", "shop/web:write")}
			for i, r := range c.Apply(t.Context(), changes) {
				want := x.want
				if !changes[i].Want {
					want = x.remove
				}
				if !errors.Is(r.Err, want) || (want == nil && r.Err != nil) {
					t.Errorf("%v: %v, want %v", changes[i], r.Err, want)
				}
				again := new(connector.RetryAfter)
				if errors.As(r.Err, &again) != (x.wait != "") || again.Wait > time.Hour {
					t.Errorf("%v: wait %s, want %q and at most an hour", changes[i], again.Wait, x.wait)
				}
				if r.Err != nil && strings.Contains(r.Err.Error(), "t0p-s3cret") {
					t.Errorf("the error tells the token: %v", r.Err)
				}
			}
		})
	}
}

// Whatever a read is answered that is not Gitea's plain word, nothing is known: it is
// an error, and never an absence.
func TestErrorIsNotAnAbsence(t *testing.T) {
	t.Parallel()
	const devs, web = "shop/team/devs", "shop/web:write"
	for name, x := range map[string]struct {
		object, path string // which request, by the end of its path
		code         int
		body         string
		observed     bool // Observe asks it, too
	}{
		"a gateway's 404 for the teams":        {devs, "/orgs/shop/teams", 404, `no such page`, true},
		"a 404 of what is not an organization": {devs, "/orgs/shop/teams", 404, fmt.Sprintf(wrong, "not found"), true},
		"a login page for the teams":           {devs, "/orgs/shop/teams", 200, `<html>who are you?`, true},
		"no list of teams":                     {devs, "/orgs/shop/teams", 200, `null`, true},
		"no teams for us":                      {devs, "/orgs/shop/teams", 403, fmt.Sprintf(wrong, "Must be an organization member"), true},
		"a gateway's 404 for the member":       {devs, "/members/ann", 404, `no such page`, false},
		"another member":                       {devs, "/members/ann", 200, `{"login":"bob"}`, false},
		"a login page for the member":          {devs, "/members/ann", 200, `<html>who are you?`, false},
		"a team that is not shown":             {devs, "/teams/7", 404, fmt.Sprintf(wrong, "not found"), false},
		"another team":                         {devs, "/teams/7", 200, `{"id":8}`, false},
		"no list of members":                   {devs, "/teams/7/members", 200, `{}`, true},
		"a server in trouble":                  {devs, "/members/ann", 500, ``, false},
		"a repository that is not shown":       {web, "/repos/shop/web", 404, fmt.Sprintf(wrong, "not found"), true},
		"a gateway's 404 for the repository":   {web, "/repos/shop/web", 404, `no such page`, true},
		"another repository":                   {web, "/repos/shop/web", 200, `{"name":"web2","owner":{"login":"shop"},"permissions":{"admin":true}}`, true},
		"a repository we do not administer":    {web, "/repos/shop/web", 200, `{"name":"web","owner":{"login":"shop"},"permissions":{"push":true}}`, true},
		"a repository of another name":         {web, "/repos/shop/web", 301, ``, true},
		"teams of a repository that fail":      {web, "/repos/shop/web/teams", 403, fmt.Sprintf(wrong, "no"), true},
		"no word on the permission":            {web, "/permission", 200, `{}`, false},
		"a new word for the permission":        {web, "/permission", 200, `{"permission":"maintain"}`, false},
		"a permission that is not found":       {web, "/permission", 404, fmt.Sprintf(wrong, "not found"), false},
		"collaborators that are not listed":    {web, "/web/collaborators", 404, fmt.Sprintf(wrong, "not found"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				switch path := strings.TrimPrefix(r.URL.Path, "/api/v1"); {
				case path == "/teams/1/repos/shop/web": // the owners' team has it
					answers(w, 200, `{"name":"web"}`)
				case strings.HasSuffix(path, x.path):
					w.Header().Set("Location", "https://elsewhere.example.org/")
					answers(w, x.code, x.body)
				default:
					plain(w, r)
				}
			})
			listed := strings.HasSuffix(x.path, "members") || strings.HasSuffix(x.path, "collaborators")
			if s := c.Look(t.Context(), []connector.Ref{{Account: "ann", Object: x.object}})[0]; s.Err == nil && !listed {
				t.Errorf("seen: %+v, want an error", s)
			}
			err := c.Observe(t.Context(), []string{x.object}, func(h connector.Holding) error {
				t.Errorf("observed %v", h)
				return nil
			})
			if x.observed && err == nil {
				t.Error("Observe gave no error")
			}
		})
	}
	// The same, where nothing is wrong.
	c := against(t, plain)
	for _, o := range []string{devs, web} {
		sees(t, c, "ann", o, false, false)
	}
}

// Who is taken out of a list while it is read moves the others forward, past the page
// that comes next: then it is read again.
func TestListThatGetsShorter(t *testing.T) {
	t.Parallel()
	serve := func(times int) *Connector {
		reads := 0
		return against(t, func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/teams/7/members") {
				plain(w, r)
				return
			}
			total, page := 3, r.URL.Query().Get("page")
			switch page {
			case "1":
				reads++
				if reads > times {
					total = 2
				}
				w.Header().Set("X-Total-Count", fmt.Sprint(total))
				answers(w, 200, map[bool]string{true: `[{"login":"ann"},{"login":"bob"}]`, false: `[{"login":"bob"},{"login":"cat"}]`}[total == 3])
			default: // meanwhile ann is out, and cat is on the page before
				w.Header().Set("X-Total-Count", "2")
				answers(w, 200, `[]`)
			}
		})
	}
	var got []string
	for _, r := range observe(t, serve(2), "shop/team/devs") {
		got = append(got, r.Account)
	}
	if strings.Join(got, " ") != "bob cat" {
		t.Errorf("observed %q", got)
	}
	err := serve(100).Observe(t.Context(), []string{"shop/team/devs"}, func(connector.Holding) error { return nil })
	if !errors.Is(err, connector.ErrRefused) {
		t.Errorf("one that never stands still: %v, want %q", err, connector.ErrRefused)
	}
}

// A dead server is unreachable to writes, an error to looks.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	c := connect(t, Config{URL: server.URL, CA: roots(server), Token: func() string { return "t" }})
	server.Close()
	for _, ch := range []connector.Change{add("ann", "shop/team/devs"), remove("ann", "shop/team/devs"), add("ann", "shop/web:read")} {
		if err := c.Apply(t.Context(), []connector.Change{ch})[0].Err; !errors.Is(err, connector.ErrUnreachable) {
			t.Errorf("%v: %v, want %q", ch, err, connector.ErrUnreachable)
		}
	}
}
