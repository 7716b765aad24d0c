package gitea

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	token := func() string { return "t" }
	for name, x := range map[string]struct {
		cfg     Config
		wrong   []string
		lingers time.Duration
	}{
		"least":         {Config{URL: "https://git.example.org", Token: token}, nil, Lasting},
		"below a path":  {Config{URL: "https://example.org/git/", Token: token, Lingers: time.Hour}, nil, time.Hour},
		"without LFS":   {Config{URL: "https://git.example.org", Token: token, NoLFS: true}, nil, 0},
		"nothing":       {Config{}, []string{"must begin with https://", "Token is needed"}, 0},
		"plain":         {Config{URL: "http://git.example.org", Token: token}, []string{"must begin with https://"}, 0},
		"with a secret": {Config{URL: "https://a:b@git.example.org", Token: token}, []string{"scheme, host and path alone"}, 0},
		"the API's":     {Config{URL: "https://git.example.org/api/v1", Token: token}, []string{"without /api/v1"}, 0},
		"negative":      {Config{URL: "https://git.example.org", Token: token, Timeout: -1}, []string{"must not be negative"}, 0},
		"two at once":   {Config{URL: "https://git.example.org", Token: token, Lingers: 1, NoLFS: true}, []string{"one of the two"}, 0},
	} {
		c, err := New(x.cfg)
		if (err != nil) != (x.wrong != nil) {
			t.Errorf("%s: %v, want %q", name, err, x.wrong)
			continue
		}
		for _, say := range x.wrong {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("%s: %v, want %q", name, err, say)
			}
		}
		if err == nil && c.Capabilities().Lingers != x.lingers {
			t.Errorf("%s: lingers %s, want %s", name, c.Capabilities().Lingers, x.lingers)
		}
	}
}

// Without a token, and to a server nobody has vouched for, nothing is sent.
func TestNothingIsSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = silent
	for name, cfg := range map[string]Config{
		"no token":          {URL: server.URL, CA: roots(server), Token: func() string { return "" }},
		"two lines":         {URL: server.URL, CA: roots(server), Token: func() string { return "a\r\nb: c" }},
		"unknown authority": {URL: server.URL, Token: func() string { return "t" }},
	} {
		c := connect(t, cfg)
		for _, ch := range []connector.Change{add("ann", "shop/team/devs"), remove("ann", "shop/web:read")} {
			if err := c.Apply(t.Context(), []connector.Change{ch})[0].Err; !errors.Is(err, connector.ErrUnreachable) {
				t.Errorf("%s: %v, want %q", name, err, connector.ErrUnreachable)
			}
		}
		if s := c.Look(t.Context(), []connector.Ref{{Account: "ann", Object: "shop/team/devs"}})[0]; s.Err == nil {
			t.Errorf("%s: a look gave no error", name)
		}
	}
}
