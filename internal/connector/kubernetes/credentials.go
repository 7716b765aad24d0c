package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// The kinds of Secrets that let somebody in.
const (
	tokenSecret     = "kubernetes.io/service-account-token"
	bootstrapSecret = "bootstrap.kubernetes.io/token"
)

// metadataOnly asks for what things are called and when they were made: of a Secret
// the API server then sends nothing of what is in it.
const metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// Reading is a connector that reads service accounts and token Secrets besides, as
// another account: RBAC lets nobody list a Secret who may not read it.
type Reading struct {
	*Connector
	line *call.Line
}

var (
	_ connector.Accounts    = Reading{}
	_ connector.Credentials = Reading{}
)

// Reading gives it. The token is of the account that reads, and asked anew for every request.
func (c *Connector) Reading(token func() string) Reading {
	s := c.settings
	s.token, s.certificate, s.key = token, nil, nil
	line := s.dial()
	line.Type = metadataOnly
	return Reading{c, line}
}

// Close ends both.
func (r Reading) Close() error {
	r.line.Close()
	return r.Connector.Close()
}

// tagged is what the API server says of a thing without what is in it. Other
// annotations are left out: what was applied by hand may be repeated in one.
type tagged struct {
	Metadata struct {
		Name      string    `json:"name"`
		Namespace string    `json:"namespace"`
		UID       string    `json:"uid"`
		Made      time.Time `json:"creationTimestamp"`
		Labels    struct {
			Used string `json:"kubernetes.io/legacy-token-last-used"`
			Dead string `json:"kubernetes.io/legacy-token-invalid-since"`
		} `json:"labels"`
		Annotations struct {
			Account string `json:"kubernetes.io/service-account.name"`
			Ends    string `json:"lessor-iam.github.io/ends"` // of ours
		} `json:"annotations"`
	} `json:"metadata"`
}

// Accounts yields every service account: made anew under an old name it has another
// UID. Users and groups no API server can list.
func (r Reading) Accounts(ctx context.Context, yield func(connector.Account) error) error {
	return r.list(ctx, "serviceaccounts", "", func(t tagged) error {
		a := account{serviceAccount, t.Metadata.Namespace, t.Metadata.Name}
		kind := "machine"
		if t.Metadata.Name == "default" || strings.HasPrefix(t.Metadata.Namespace, "kube-") {
			kind = "built-in" // every namespace has one, and the cluster its own
		}
		return yield(connector.Account{Name: a.String(), ID: t.Metadata.UID, Kind: kind})
	})
}

// Credentials yields the tokens that stand in Secrets: of service accounts, which never
// end, and those by which nodes join; and those of ours that are bound to one. Other
// tokens that were asked for (TokenRequest) stand nowhere, and no API server can list them.
func (r Reading) Credentials(ctx context.Context, yield func(connector.Credential) error) error {
	err := r.list(ctx, "secrets", tokenSecret, func(t tagged) error {
		c := t.credential(robotToken)
		c.Account = account{serviceAccount, t.Metadata.Namespace, t.Metadata.Annotations.Account}.String()
		c.Used, c.Ends = day(t.Metadata.Labels.Used), day(t.Metadata.Labels.Dead)
		return yield(c)
	})
	if err != nil {
		return err
	}
	err = r.list(ctx, "secrets", anchorSecret, func(t tagged) error {
		c := t.anchored()
		c.Account = account{serviceAccount, t.Metadata.Namespace, t.Metadata.Annotations.Account}.String()
		ends, err := time.Parse(time.RFC3339, t.Metadata.Annotations.Ends)
		c.Ends, c.EndUnknown = ends, err != nil // the API server may have given it less
		return yield(c)
	})
	if err != nil {
		return err
	}
	return r.list(ctx, "secrets", bootstrapSecret, func(t tagged) error {
		c := t.credential("bootstrap token")
		c.EndUnknown = true // it says so where what it is worth stands
		if id, ok := strings.CutPrefix(t.Metadata.Name, "bootstrap-token-"); ok {
			c.Account = account{kind: user, name: "system:bootstrap:" + id}.String()
		}
		return yield(c)
	})
}

func (t tagged) credential(kind string) connector.Credential {
	return connector.Credential{ID: t.Metadata.UID, Kind: kind, Name: t.Metadata.Namespace + "/" + t.Metadata.Name, Issued: t.Metadata.Made}
}

// day is how the API server notes when a token was used or found dead. What is no day
// is not known.
func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// list reads a list of the whole cluster, page by page, as [list] does.
func (r Reading) list(ctx context.Context, resource, kind string, yield func(tagged) error) error {
	q := url.Values{"limit": {strconv.Itoa(r.page)}}
	if kind != "" {
		q.Set("fieldSelector", "type="+kind)
	}
	for range r.pages {
		var p struct {
			Kind string `json:"kind"`
			listOf[tagged]
		}
		if _, err := r.line.Do(ctx, http.MethodGet, "/api/v1/"+resource+"?"+q.Encode(), nil, &p); err != nil {
			return err
		}
		if p.Kind != "PartialObjectMetadataList" {
			return fmt.Errorf("%w: asked for the names of %s, the API server answered with a %s", connector.ErrRefused, resource, p.Kind)
		}
		for _, t := range p.Items {
			if err := yield(t); err != nil {
				return err
			}
		}
		if p.Metadata.Continue == "" {
			return nil
		}
		q.Set("continue", p.Metadata.Continue)
	}
	return fmt.Errorf("%w: the list of %s goes on for more than %d pages", connector.ErrRefused, resource, r.pages)
}
