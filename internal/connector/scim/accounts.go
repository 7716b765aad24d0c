package scim

import (
	"context"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Accounts yields every user with its id, which a server never gives twice
// (RFC 7643, 3.1).
func (c *Connector) Accounts(ctx context.Context, yield func(connector.Account) error) error {
	all, err := c.list(ctx, "/Users", "", "userName")
	if err != nil {
		return err
	}
	for _, u := range all {
		name := u.UserName
		if name == "" || strings.HasPrefix(name, UserPrefix) || strings.HasPrefix(name, GroupPrefix) {
			name = UserPrefix + u.ID
		}
		if err := yield(connector.Account{Name: name, ID: u.ID}); err != nil {
			return err
		}
	}
	return nil
}
