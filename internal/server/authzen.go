package server

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/secret"
)

// enforcers makes the door for programs that enforce. What it seals is sealed by a
// key made from the log's: the same on every replica and after a restart, in no
// table, and good for nothing else.
func (s *Server) enforcers(c *config.Config) (http.Handler, error) {
	log, err := secret.Open(c.LogKeyRef)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, []byte(strings.TrimSpace(log.Reveal())), nil, "lessor authzen seal 1", 32)
	if err != nil {
		return nil, err
	}
	base := ""
	if c.SignIn != nil && strings.HasPrefix(c.SignIn.Address, "https://") {
		base = c.SignIn.Address // it is what people type, and what programs are told
	}
	evaluations := &auth.Pace{Burst: 4000, PerSec: 500} // a busy program's; the server answers a few times as many
	return authzen.New(authzen.Config{
		Engine: s.engine, Directory: func() *access.Directory { return s.world.Load().Directory }, Shelf: s.db,
		Visitor: func(r *http.Request) (access.Actor, error) {
			return s.keys.Visitor(r.Header.Get("Authorization"), s.now())
		},
		Spend:           func(identity string) bool { return s.keys.Spend(identity, s.now()) },
		SpendEvaluation: func(identity string) bool { return evaluations.Spend(identity, s.now()) },
		Key:             key, Rand: rand.Reader, Now: s.now, Base: base, Log: s.log,
		Ticket: func(address string) string { return ticketAt(s.current.Load().Jira, address) },
	})
}

// jiraKey is an issue's key at the end of its page's path.
var jiraKey = regexp.MustCompile(`/browse/([A-Z][A-Z0-9_]{0,63}-[0-9]{1,18})$`)

// ticketAt names the ticket whose page an address is, at one of the configured
// sites; empty where it is none. It asks nobody: it is what somebody says.
func ticketAt(sites []config.JiraSite, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || len(address) > 500 {
		return ""
	}
	m := jiraKey.FindStringSubmatch(u.Path)
	for _, site := range sites {
		if at, err := url.Parse(site.URL); m != nil && err == nil && strings.EqualFold(at.Host, u.Host) && u.Path == strings.TrimSuffix(at.Path, "/")+m[0] {
			return "jira:" + m[1]
		}
	}
	return ""
}
