package openssh

import (
	"context"
	"fmt"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

// ListSessions lists the connections as the user that came with a certificate for
// the account, whichever CA signed it.
func (c *Connector) ListSessions(ctx context.Context, ref connector.Ref) (open []connector.Session, err error) {
	if !userName(ref.Object) || !accountName(ref.Account) {
		return nil, nil
	}
	a, err := c.ask(ctx, host.Request{Verb: "sessions", Object: ref.Object, Principals: spellings(ref.Account)})
	for _, s := range a.Sessions {
		open = append(open, connector.Session{ID: s.ID + " " + ref.Object, Account: ref.Account})
	}
	return open, err
}

// EndSession ends one, with every process that descends from it, if it is still
// that account's as that user.
func (c *Connector) EndSession(ctx context.Context, s connector.Session) error {
	id, object, ok := strings.Cut(s.ID, " ")
	if !ok || id == "" || !userName(object) || !accountName(s.Account) {
		return fmt.Errorf("%w: %q of %q is no session of this connector's list", connector.ErrRefused, s.ID, s.Account)
	}
	_, err := c.ask(ctx, host.Request{Verb: "end", Object: object, Principals: spellings(s.Account), Session: id})
	return err
}
