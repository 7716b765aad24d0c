package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/scim"
)

// tellers makes the door by which feeds tell of changes by themselves.
func (s *Server) tellers(c *config.Config) (http.Handler, error) {
	base := ""
	if c.SignIn != nil && strings.HasPrefix(c.SignIn.Address, "https://") {
		base = c.SignIn.Address
	}
	pace := &auth.Pace{Burst: 500, PerSec: 50} // providers want 25 a second at least
	return scim.New(scim.Config{Engine: s.engine, Base: base, Log: s.log,
		Feed: func(id string) (access.Feed, bool) {
			for _, f := range s.feeds() {
				if f.ID == id && f.Kind == "scim" {
					return f, true
				}
			}
			return access.Feed{}, false
		},
		Visitor: func(feed, header string) (string, bool) {
			return speaksFor(s.current.Load().FeedTokens, feed, header, s.now())
		},
		Spend: func(token string) bool { return pace.Spend(token, s.now()) },
	})
}

// speaksFor finds by which token of a feed a header speaks. Every token is compared,
// and each in the same time: how long it takes tells nothing of what there is.
func speaksFor(tokens []config.FeedToken, feed, header string, now time.Time) (name string, ok bool) {
	scheme, secret, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	for _, t := range tokens {
		same := subtle.ConstantTimeCompare(sum[:], t.SHA256[:]) == 1
		if same && t.Feed == feed && now.Before(t.Expires) && strings.EqualFold(scheme, "Bearer") && secret != "" {
			name, ok = t.Name, true
		}
	}
	return name, ok
}
