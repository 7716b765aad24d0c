package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

var _ connector.Issuer = (*Connector)(nil)

const (
	robotToken = "service account token"
	// anchorSecret is the type of the Secrets that our tokens are bound to: there is nothing
	// in them, and a token lives no longer than its Secret.
	anchorSecret = "lessor-iam.github.io/token"
	labelMark    = "lessor-iam.github.io/mark"
	endsAt       = "lessor-iam.github.io/ends"
	ofRobot      = "kubernetes.io/service-account.name"
)

// remembered is for how long API servers take a token that is no longer good: each
// remembers for ten seconds what it has found good, and is a little behind.
const remembered = 30 * time.Second

// longest is the most that can be asked for, in seconds; what is given the API server decides.
const longest = 1 << 32

var issued = []connector.IssuedKind{{Kind: robotToken, Lingers: remembered}}

// Issues implements [connector.Issuer].
func (c *Connector) Issues() []connector.IssuedKind { return issued }

// anchor is the Secret that a token is bound to.
type anchor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   meta   `json:"metadata"`
	Type       string `json:"type"`
	Immutable  bool   `json:"immutable"`
}

// anchorOf is what an order's is called. The API server gives no name twice, so that a
// mark makes one at most.
func anchorOf(a account, o connector.Order) anchor {
	m := meta{
		Name: "lessor-" + o.Mark + "-" + digest(a.String())[:10], Namespace: a.namespace,
		Labels:      map[string]string{labelBy: labelValue, labelAccount: digest(a.String()), labelMark: o.Mark},
		Annotations: map[string]string{ofRobot: a.name},
	}
	if !o.Ends.IsZero() {
		m.Annotations[endsAt] = o.Ends.UTC().Format(time.RFC3339)
	}
	return anchor{"v1", "Secret", m, anchorSecret, true}
}

func secretPath(namespace, name string) string {
	return "/api/v1/namespaces/" + url.PathEscape(namespace) + "/secrets/" + url.PathEscape(name)
}

// robotOf checks an order and says for which service account it is.
func robotOf(o connector.Order) (account, error) {
	if _, err := o.Check(issued); err != nil {
		return account{}, err
	}
	a, err := parseAccount(o.Account)
	switch {
	case err != nil:
		return account{}, fmt.Errorf("%w: %w", connector.ErrRefused, err)
	case a.kind != serviceAccount:
		return account{}, fmt.Errorf("%w: %.80q is no service account: no API server makes tokens of others", connector.ErrRefused, o.Account)
	}
	return a, nil
}

// Issue (1) sees that the service account is there, (2) creates an empty Secret, and (3)
// asks for a token bound to it. If we stop in between, the Secret is found by its mark,
// and a token of it that nobody has is killed with it.
func (c *Connector) Issue(ctx context.Context, o connector.Order) (connector.Issued, error) {
	a, err := robotOf(o)
	if err != nil {
		return connector.Issued{}, err
	}
	if err := c.call(ctx, http.MethodGet, a.path(), nil, nil); err != nil {
		return connector.Issued{}, call.Unsent(err)
	}
	seconds := int64(longest)
	if !o.Ends.IsZero() {
		seconds = int64(o.Ends.Sub(c.now()) / time.Second)
	}
	var made tagged
	s := anchorOf(a, o)
	path := strings.TrimSuffix(secretPath(a.namespace, s.Metadata.Name), "/"+s.Metadata.Name)
	if err := c.call(ctx, http.MethodPost, path, s, &made); err != nil {
		return connector.Issued{}, err
	}
	if made.Metadata.UID == "" {
		return connector.Issued{}, fmt.Errorf("%w: the API server made a Secret without a UID", connector.ErrUnanswered)
	}
	token, err := c.tokenOf(ctx, a, s.Metadata.Name, made.Metadata.UID, seconds)
	if err != nil {
		return connector.Issued{}, c.takeBack(ctx, a, made, err)
	}
	one := made.anchored()
	one.Account, one.Ends = a.String(), token.Ends
	return connector.Issued{Credential: one, Worth: connector.Worth(token.Token)}, nil
}

type given struct {
	Token string    `json:"token"`
	Ends  time.Time `json:"expirationTimestamp"`
}

// tokenOf asks for a token (TokenRequest).
func (c *Connector) tokenOf(ctx context.Context, a account, secret, uid string, seconds int64) (given, error) {
	type boundTo struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Name       string `json:"name"`
		UID        string `json:"uid"`
	}
	var ask struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			Seconds int64   `json:"expirationSeconds"`
			Bound   boundTo `json:"boundObjectRef"`
		} `json:"spec"`
	}
	ask.APIVersion, ask.Kind = "authentication.k8s.io/v1", "TokenRequest"
	ask.Spec.Seconds, ask.Spec.Bound = seconds, boundTo{"v1", "Secret", secret, uid}
	var got struct {
		Status given `json:"status"`
	}
	if err := c.call(ctx, http.MethodPost, a.path()+"/token", ask, &got); err != nil {
		return given{}, err
	}
	if got.Status.Token == "" || got.Status.Ends.IsZero() {
		return given{}, fmt.Errorf("%w: the API server gave no token", connector.ErrRefused)
	}
	return got.Status, nil
}

// takeBack deletes a Secret that got no token, so that a refusal leaves nothing behind;
// where that fails, too, something is left, and the mark finds it.
func (c *Connector) takeBack(ctx context.Context, a account, made tagged, err error) error {
	if !errors.Is(err, connector.ErrRefused) && !errors.Is(err, connector.ErrNoObject) {
		return fmt.Errorf("%w: a token was asked for: %v", connector.ErrUnanswered, err)
	}
	if again := c.dropSecret(ctx, a.namespace, made.Metadata.Name, made.Metadata.UID); again != nil {
		return fmt.Errorf("%w: no token was given (%v), and its Secret is left: %v", connector.ErrUnanswered, err, again)
	}
	return err
}

// dropSecret deletes the very one of that UID.
func (c *Connector) dropSecret(ctx context.Context, namespace, name, uid string) error {
	err := c.call(ctx, http.MethodDelete, secretPath(namespace, name), deleteOptions{"v1", "DeleteOptions", preconditions{uid}}, nil)
	if errors.Is(err, connector.ErrNoObject) || errors.Is(err, errChanged) { // another bears its name now
		return nil
	}
	return err
}

// Marked asks whether the Secret could be deleted, which tells whether it is there: to
// read it would take the right to read every Secret of the namespace.
func (c *Connector) Marked(ctx context.Context, o connector.Order) ([]connector.Credential, error) {
	a, err := robotOf(o)
	if err != nil {
		return nil, err
	}
	s := anchorOf(a, o)
	var said struct {
		status
		Metadata meta `json:"metadata"` // where a finalizer holds it, the Secret itself is the answer
	}
	path := secretPath(a.namespace, s.Metadata.Name) + "?dryRun=All"
	switch err := c.call(ctx, http.MethodDelete, path, nil, &said); {
	case errors.Is(err, connector.ErrNoObject):
		return nil, nil
	case err != nil:
		return nil, err
	}
	uid := said.Details.UID
	if uid == "" {
		uid = said.Metadata.UID
	}
	if uid == "" {
		return nil, fmt.Errorf("%w: DELETE %s: the API server does not say which Secret that is", connector.ErrRefused, path)
	}
	var one tagged
	one.Metadata.Namespace, one.Metadata.Name, one.Metadata.UID = a.namespace, s.Metadata.Name, uid
	found := one.anchored()
	found.Account, found.Ends = a.String(), o.Ends
	return []connector.Credential{found}, nil
}

// anchored is the credential of a Secret of ours. Its id has the name in it, by which
// alone a Secret can be deleted: whoever kills it may know no more of it than that.
func (t tagged) anchored() connector.Credential {
	c := t.credential(robotToken)
	c.ID = t.Metadata.Name + "/" + t.Metadata.UID
	return c
}

// Kill deletes the Secret that the token is bound to, or stands in: of the latter kind
// the id is the UID alone, and its name must say where it is.
func (c *Connector) Kill(ctx context.Context, one connector.Credential) error {
	a, err := parseAccount(one.Account)
	name, uid, ours := strings.Cut(one.ID, "/")
	if !ours {
		uid = one.ID
		in, called, _ := strings.Cut(one.Name, "/")
		if name = called; in != a.namespace {
			name = ""
		}
	}
	if err != nil || a.kind != serviceAccount || !subdomain.MatchString(name) || !label.MatchString(uid) {
		return fmt.Errorf("%w: %.80q (%.80q) of %.80q is no token in a Secret of a service account's namespace", connector.ErrRefused, one.ID, one.Name, one.Account)
	}
	return c.dropSecret(ctx, a.namespace, name, uid)
}

// Try asks the API server who we are, as the token's bearer (SelfSubjectReview).
func (c *Connector) Try(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
	if err := worth.Presentable(); err != nil {
		return false, err
	}
	s := c.settings
	s.token, s.certificate, s.key = func() string { return string(worth) }, nil, nil
	line := s.dial()
	defer line.Close()
	defer context.AfterFunc(c.line.Closed(), line.Close)()
	var who struct {
		Kind   string `json:"kind"`
		Status struct {
			User struct {
				Name string `json:"username"`
			} `json:"userInfo"`
		} `json:"status"`
	}
	ask := map[string]string{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
	_, err := line.Do(ctx, http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", ask, &who)
	switch {
	case errors.Is(err, errUnknown):
		return false, nil
	case err != nil:
		return false, err
	}
	a, err := parseAccount(one.Account)
	if err != nil || who.Kind != "SelfSubjectReview" || who.Status.User.Name != a.username() {
		return false, fmt.Errorf("%w: asked who bears a token of %.80q, the API server answered %s %.80q", connector.ErrRefused, one.Account, who.Kind, who.Status.User.Name)
	}
	return true, nil
}
