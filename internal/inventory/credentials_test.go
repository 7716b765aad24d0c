package inventory_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
)

// keyed is a target that lists what lets bearers in.
type keyed struct {
	*enginetest.Target
	keys []connector.Credential
	err  error
}

// Credentials implements [connector.Credentials].
func (k *keyed) Credentials(_ context.Context, yield func(connector.Credential) error) error {
	for _, c := range k.keys {
		if err := yield(c); err != nil {
			return err
		}
	}
	return k.err
}

// A whole reading reads credentials, too. One that is cut short tells nothing of them,
// and all the same who holds what.
func TestCredentialsAreRead(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		k := &keyed{Target: f.Targets["dir"]}
		r := inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: k, Now: f.Now,
			Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
		read(t, r)
		f.Clock.Pass(time.Minute)
		k.keys = []connector.Credential{{ID: "7", Kind: "ssh key", Account: "ghost", Name: "laptop", Print: "SHA256:x", Issued: f.Now(), Objects: []string{"wiki"}}}
		k.err = errors.New("cut short")
		f.Targets["dir"].Put("bob", "wiki")
		if _, err := r.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "read dir: credentials: cut short") {
			t.Errorf("%v", err)
		}
		if finding(f, "credential_orphan").ID != "" || finding(f, "unexpected_access").ID == "" {
			t.Errorf("findings are %+v", f.Findings(true))
		}
		k.err = nil
		f.Clock.Pass(time.Minute)
		read(t, r)
		if one := finding(f, "credential_orphan"); !strings.Contains(one.Text, "ssh key laptop (7; SHA256:x; account ghost; opens wiki)") {
			t.Errorf("finding is %+v", one)
		}
		f.Check()
	})
}
