package gitea

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

var (
	_ connector.Issuer  = (*Connector)(nil)
	_ connector.Chooser = (*Connector)(nil)
)

// Gitea looks every token up in its database, for every request.
var issued = []connector.IssuedKind{{Kind: accessToken}}

// Issues implements [connector.Issuer].
func (c *Connector) Issues() []connector.IssuedKind { return issued }

// Can says that tokens are issued only where there is a token to issue them by.
func (c *Connector) Can(be any) bool {
	_, issue := be.(*connector.Issuer)
	return !issue || c.issuer != nil
}

// marked is how a token is called: Gitea lets no account have two of a name.
func marked(o connector.Order) string { return "lessor-" + o.Mark }

func tokensOf(account string) string { return "/users/" + url.PathEscape(account) + "/tokens" }

// by checks an order and gives the account that issues.
func (c *Connector) by(o connector.Order) (*Connector, error) {
	if _, err := o.Check(issued); err != nil {
		return nil, err
	}
	if _, err := parseAccount(o.Account); err != nil {
		return nil, fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	return c.issuing()
}

func (c *Connector) issuing() (*Connector, error) {
	if c.issuer == nil {
		return nil, fmt.Errorf("%w: there is no token to issue tokens by", connector.ErrRefused)
	}
	return c.issuer, nil
}

// Issue sees that the account is there, and has Gitea make it a token of these scopes.
// Gitea lets no token end.
func (c *Connector) Issue(ctx context.Context, o connector.Order) (connector.Issued, error) {
	by, err := c.by(o)
	if err != nil {
		return connector.Issued{}, err
	}
	switch who, is, err := there[user](ctx, by, "/users/"+url.PathEscape(o.Account)); {
	case err != nil:
		return connector.Issued{}, call.Unsent(err)
	case !is || who.name() != o.Account:
		return connector.Issued{}, fmt.Errorf("%w: there is no account %s", connector.ErrNoObject, o.Account)
	}
	var made struct {
		secretRead
		Token string `json:"sha1"`
	}
	ask := struct {
		Name   string   `json:"name"`
		Scopes []string `json:"scopes"`
	}{marked(o), o.Scopes}
	if _, err := by.call(ctx, http.MethodPost, tokensOf(o.Account), ask, &made); err != nil {
		return connector.Issued{}, err
	}
	if made.ID == 0 || made.Token == "" {
		return connector.Issued{}, fmt.Errorf("%w: Gitea made a token and does not say which", connector.ErrUnanswered)
	}
	one := made.credential(accessToken)
	one.Account = o.Account
	return connector.Issued{Credential: one, Worth: connector.Worth(made.Token)}, nil
}

// Marked reads the account's tokens and gives the one of that name.
func (c *Connector) Marked(ctx context.Context, o connector.Order) (found []connector.Credential, err error) {
	by, err := c.by(o)
	if err != nil {
		return nil, err
	}
	all, err := by.secrets(ctx, user{Login: o.Account})
	for _, one := range all {
		if one.Kind == accessToken && one.Name == marked(o) {
			found = append(found, one)
		}
	}
	return found, err
}

var secretID = regexp.MustCompile(`^(accesstoken|sshkey|deploykey)/([1-9][0-9]{0,18})$`)

// Kill deletes the account's token or key of that number, or the repository's deploy key.
// Gitea gives no number twice, and deletes none of another's.
func (c *Connector) Kill(ctx context.Context, one connector.Credential) error {
	id := secretID.FindStringSubmatch(one.ID)
	_, err := parseAccount(one.Account)
	if id == nil || err != nil && id[1] != "deploykey" {
		return fmt.Errorf("%w: %.80q of %.80q is no token or key of an account or repository", connector.ErrRefused, one.ID, one.Account)
	}
	by, err := c.issuing()
	if err != nil {
		return err
	}
	path := tokensOf(one.Account) + "/" + id[2]
	switch id[1] {
	case "deploykey":
		return c.killDeployed(ctx, one, id[2])
	case "sshkey": // as the account, whose own alone it may delete
		path = "/user/keys/" + id[2] + "?sudo=" + url.QueryEscape(one.Account)
	}
	_, err = by.call(ctx, http.MethodDelete, path, nil, nil)
	if _, not := says(err, http.StatusNotFound); not { // an administrator is shown all there is
		return nil
	}
	return err
}

// killDeployed deletes a deploy key, as the account that administers the repository.
func (c *Connector) killDeployed(ctx context.Context, one connector.Credential, number string) error {
	if len(one.Objects) != 1 {
		return fmt.Errorf("%w: of which repository %s is a key is not said", connector.ErrRefused, one.ID)
	}
	o, err := parseObject(one.Objects[0])
	if err != nil || o.isTeam() {
		return fmt.Errorf("%w: %.80q is no repository", connector.ErrRefused, one.Objects[0])
	}
	_, err = c.call(ctx, http.MethodDelete, o.place.path()+"/keys/"+number, nil, nil)
	if _, not := says(err, http.StatusNotFound); not { // as of what it may not see
		if at, again := c.repo(ctx, o.place); again == nil && at == nil {
			return nil
		}
	}
	return err
}

// weak begins what Gitea says to a token that it knows, and that may not be told whose it is.
const weak = "token does not have at least one of required scope(s)"

// Try asks Gitea who we are, as the token's bearer.
func (c *Connector) Try(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
	if err := worth.Presentable(); err != nil {
		return false, err
	}
	s := c.settings
	s.token = func() string { return string(worth) }
	as := &Connector{settings: s, line: s.dial(), page: c.page}
	defer as.line.Close()
	defer context.AfterFunc(c.line.Closed(), as.line.Close)()
	who, err := get[user](ctx, as, "/user")
	if message, forbidden := says(err, http.StatusForbidden); forbidden && strings.HasPrefix(message, weak) {
		return true, nil
	}
	if _, not := says(err, http.StatusUnauthorized); not {
		return false, nil
	}
	if err == nil && (who.name() != one.Account || one.Account == "") {
		err = fmt.Errorf("%w: a token of %.80q lets in as %q", connector.ErrRefused, one.Account, who.Login)
	}
	return err == nil, err
}
