package inventory

import (
	"context"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
)

// credentials reads everything that lets bearers in, where the target lists it.
func (r *Reader) credentials(ctx context.Context) error {
	target, can := connector.As[connector.Credentials](r.Connector)
	if !can {
		return nil
	}
	at := r.Now()
	var seen []engine.CredentialSeen
	err := target.Credentials(ctx, func(c connector.Credential) error {
		seen = append(seen, engine.CredentialSeen{ID: c.ID, Kind: c.Kind, Account: c.Account, Objects: c.Objects, Name: c.Name, Print: c.Print,
			Issued: c.Issued, Used: c.Used, Ends: c.Ends, EndUnknown: c.EndUnknown})
		return nil
	})
	if err != nil {
		return err
	}
	drift, err := r.Door.ObservedCredentials(ctx, r.System, at, seen)
	if err == nil {
		r.Log.InfoContext(ctx, "credentials", "system", r.System, "credentials", len(seen), "new", drift.New, "gone", drift.Gone, "orphans", drift.Orphans,
			"unending", drift.Unending, "outlived", drift.Outlived, "waiting", drift.Waiting, "braked", drift.Braked)
	}
	return err
}
