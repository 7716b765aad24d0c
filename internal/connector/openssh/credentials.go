package openssh

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

// Credentials yields the authorized keys of each UNIX user who has a principals file:
// nobody else's may the host's program read. Whose a key is, no line can prove, so it
// is no account's; the comment is what somebody called it.
func (c *Connector) Credentials(ctx context.Context, yield func(connector.Credential) error) error {
	// 1. Which users.
	var names []string
	err := c.pages(ctx, host.Request{Verb: "read"}, func(o host.Object) error {
		if o.Name != c.user {
			names = append(names, o.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// 2. Their keys, each once for a user, however many lines it has.
	for part := range slices.Chunk(names, chunk) {
		err := c.pages(ctx, host.Request{Verb: "read", Objects: part, Around: true}, func(o host.Object) error {
			if o.Around == nil {
				return fmt.Errorf("%w: the host's program does not say how sshd is set up", connector.ErrUnanswered)
			}
			of := map[string]connector.Credential{}
			var order []string
			for _, k := range o.Around.Keys {
				one, err := authorized(o.Name, k)
				if err != nil {
					return err
				}
				was, twice := of[one.ID]
				if !twice {
					order = append(order, one.ID)
				}
				if !twice || outlasts(one.Ends, was.Ends) {
					of[one.ID] = one
				}
			}
			for _, id := range order {
				if err := yield(of[id]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func outlasts(a, b time.Time) bool { return !b.IsZero() && (a.IsZero() || a.After(b)) }

// authorized is one key in the port's words.
func authorized(object string, k host.Key) (connector.Credential, error) {
	if !strings.HasPrefix(k.Print, "SHA256:") {
		return connector.Credential{}, fmt.Errorf("%w: lessor-openssh-host there is older than this and tells no fingerprints; install the one that came with it", connector.ErrRefused)
	}
	one := connector.Credential{ID: "key/" + object + "/" + k.Print, Kind: "authorized key", Objects: []string{object}, Name: k.Comment, Print: k.Print}
	if k.CA {
		one.ID, one.Kind = "ca/"+object+"/"+k.Print, "authorized CA"
	}
	if k.Ends != 0 {
		one.Ends = time.Unix(k.Ends, 0).UTC()
	}
	return one, nil
}
