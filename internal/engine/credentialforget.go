package engine

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// How long what readings know of a credential that is gone stays in the tables, and how
// many of them one transaction, and one sweep, takes out. The log tells of them for good.
const (
	goneKept      = 400 * 24 * time.Hour
	forgetBatch   = 200
	forgetBatches = 20
)

// forgetCredentials takes out of the tables what has been gone for long. If we stop in
// between, the next sweep goes on.
func (e *Engine) forgetCredentials(ctx context.Context) error {
	for range forgetBatches {
		n := 0
		err := e.do(ctx, "forget credentials", access.Clock, func(d *deed) error {
			list, err := d.CredentialsGone(ctx, d.now.Add(-goneKept), forgetBatch)
			n = len(list)
			for _, c := range list {
				if err == nil {
					err = d.ForgetCredential(ctx, c.ID)
				}
				if err == nil {
					err = d.tellCredential(ctx, c, access.Forgotten)
				}
			}
			return err
		})
		if err != nil || n < forgetBatch {
			return err
		}
	}
	return nil
}
