package gitea

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// The kinds of credentials, as their ids begin.
const (
	accessToken = "access token"
	sshKey      = "ssh key"
	deployedKey = "deploy key"
)

// secretRead is a token or a key as Gitea lists it: never what it is worth.
type secretRead struct {
	ID       int64     `json:"id"`
	Name     string    `json:"name"`  // of a token
	Title    string    `json:"title"` // of a key
	Print    string    `json:"fingerprint"`
	Made     time.Time `json:"created_at"`
	Used     time.Time `json:"last_used_at"`
	ReadOnly bool      `json:"read_only"`
}

// credential says it in the port's words. Gitea gives none of them an end. What was
// never used it shows as used when it was made.
func (s secretRead) credential(kind string) connector.Credential {
	c := connector.Credential{ID: fmt.Sprintf("%s/%d", strings.ReplaceAll(kind, " ", ""), s.ID), Kind: kind, Name: s.Name + s.Title, Print: s.Print, Issued: s.Made}
	if s.Used.After(s.Made) {
		c.Used = s.Used
	}
	return c
}

// keeper is the same server, as an administrator: nobody else is shown what accounts have.
func (s settings) keeper(token func() string) *Connector {
	s.token = token
	c := &Connector{settings: s, line: s.dial(), page: page}
	c.line.Sign = c.basic
	return c
}

// basic shows the token as if it were a name without a password: shown as a token,
// Gitea lists no tokens to it.
func (s *settings) basic(req *http.Request) error {
	if err := s.credential(req); err != nil {
		return err
	}
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	req.SetBasicAuth(token, "")
	return nil
}

// Credentials yields the deploy keys of every repository that Lessor's account
// administers; and, where there is a token of an administrator of the server, those of
// every repository, and every account's tokens and SSH keys.
func (c *Connector) Credentials(ctx context.Context, yield func(connector.Credential) error) error {
	// 1. Who asks.
	from := "/user/repos"
	if c.reads != nil {
		c, from = c.reads, "/repos/search"
		us, err := get[user](ctx, c, "/user")
		if err != nil {
			return err
		}
		if !us.IsAdmin {
			return fmt.Errorf("%w: %s is no administrator of the server, so it is not shown what others have", connector.ErrRefused, us.Login)
		}
		// 2. What accounts have.
		who, err := list[user](ctx, c, "/admin/users")
		if err != nil {
			return err
		}
		if err := gather(c, who, yield, func(u user) ([]connector.Credential, error) { return c.secrets(ctx, u) }); err != nil {
			return err
		}
	}
	// 3. What repositories have.
	repos, err := list[repository](ctx, c, from)
	if err != nil {
		return err
	}
	repos = slices.DeleteFunc(repos, func(r repository) bool { return !r.Permissions.Admin })
	return gather(c, repos, yield, func(r repository) ([]connector.Credential, error) { return c.deployKeys(ctx, r.place()) })
}

// gather reads of several at once and yields in order. A thing that moved while its
// list was read is in it twice, and is yielded once.
func gather[T any](c *Connector, from []T, yield func(connector.Credential) error, read func(T) ([]connector.Credential, error)) error {
	yielded := map[string]bool{}
	for some := range slices.Chunk(from, parallel) {
		found, errs := make([][]connector.Credential, len(some)), make([]error, len(some))
		c.each(len(some), func(i int) { found[i], errs[i] = read(some[i]) })
		for i := range some {
			if errs[i] != nil {
				return errs[i]
			}
			for _, one := range found[i] {
				if yielded[one.ID] {
					continue
				}
				yielded[one.ID] = true
				if err := yield(one); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// secrets are an account's tokens and SSH keys; none if it goes away while they are read.
func (c *Connector) secrets(ctx context.Context, u user) (all []connector.Credential, err error) {
	path := "/users/" + url.PathEscape(u.Login)
	for _, of := range []struct{ kind, path string }{{accessToken, path + "/tokens"}, {sshKey, path + "/keys"}} {
		some, err := list[secretRead](ctx, c, of.path)
		if _, not := says(err, http.StatusNotFound); not {
			if _, is, again := there[user](ctx, c, path); again == nil && !is {
				return nil, nil
			}
		}
		if err != nil {
			return nil, err
		}
		for _, s := range some {
			one := s.credential(of.kind)
			one.Account = u.name()
			all = append(all, one)
		}
	}
	return all, nil
}

// deployKeys are a repository's; none if it goes away while they are read. A deploy key
// is no account's, and Gitea does not tell who added it.
func (c *Connector) deployKeys(ctx context.Context, p place) (all []connector.Credential, err error) {
	some, err := list[secretRead](ctx, c, p.path()+"/keys")
	if _, not := says(err, http.StatusNotFound); not {
		if a, again := c.repo(ctx, p); again == nil && a == nil {
			return nil, nil
		}
	}
	for _, s := range some {
		o := object{place: p, level: write}
		if s.ReadOnly {
			o.level = read
		}
		one := s.credential(deployedKey)
		one.Objects = []string{o.String()}
		all = append(all, one)
	}
	return all, err
}
